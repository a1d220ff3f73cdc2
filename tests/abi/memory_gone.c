/* When memory is gone: who ends for it, by what it has and by oom_score_adj, and that everybody else goes on with what they had. */
#include "check.h"

#include <sys/prctl.h>
#include <sys/sysinfo.h>

#define CHUNK (256 * PAGE)
#define KEPT_PAGES 64
#define MEMORY_MOST (1UL << 30)
#define FREE_NOISE (2UL << 20)

static long number_of(const char *path)
{
	char text[32] = "";
	int file = open(path, O_RDONLY);

	REQUIRE(file >= 0 && read(file, text, sizeof(text) - 1) > 0);
	close(file);
	return atol(text);
}

static long adjust(int file, const char *text)
{
	return pwrite(file, text, strlen(text), 0);
}

static int adjust_open(void)
{
	int file = open("/proc/self/oom_score_adj", O_RDWR);

	REQUIRE(file >= 0);
	return file;
}

static void oom_score_adj_is_checked(void)
{
	int file = adjust_open();

	CHECK_ERR(adjust(file, "1001"), EINVAL);
	CHECK_ERR(adjust(file, "-1001"), EINVAL);
	CHECK_ERR(adjust(file, "many"), EINVAL);
	CHECK_ERR(adjust(file, "12x"), EINVAL);
	CHECK_ERR(adjust(file, "-"), EINVAL);
	CHECK(adjust(file, " 250\n") == 5);
	CHECK(number_of("/proc/self/oom_score_adj") == 250);
	CHECK(adjust(file, "-17") == 3 && number_of("/proc/self/oom_score_adj") == -17);
}

static void oom_score_adj_is_inherited(void)
{
	pid_t child;
	int status;

	CHECK(adjust(adjust_open(), "321") == 3);
	child = fork();
	REQUIRE(child >= 0);
	if (!child)
		_exit(number_of("/proc/self/oom_score_adj") == 321 ? 0 : 1);
	REQUIRE(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void lowering_oom_score_adj_needs_privilege(void)
{
	int file = adjust_open();

	CHECK(adjust(file, "100") == 3);
	REQUIRE(setuid(1000) == 0);
	CHECK_ERR(adjust(file, "99"), EACCES);
	CHECK_ERR(adjust(file, "-1000"), EACCES);
	CHECK(adjust(file, "200") == 3);
	CHECK(adjust(file, "100") == 3);
}

static void oom_score_follows(void)
{
	int file = adjust_open();
	long plain;

	CHECK(adjust(file, "0") == 1);
	plain = number_of("/proc/self/oom_score");
	CHECK(plain >= 666 && plain < 1333);
	CHECK(adjust(file, "1000") == 4);
	CHECK(number_of("/proc/self/oom_score") >= plain + 600);
	CHECK(adjust(file, "-1000") == 5);
	CHECK(number_of("/proc/self/oom_score") == 0);
}

/* Takes memory until it is ended, or until the other end of a pipe is gone. */
static _Noreturn void memory_take(int pipe_end)
{
	char byte;

	for (;;) {
		char *chunk = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (chunk == MAP_FAILED)
			_exit(1);
		for (size_t at = 0; at < CHUNK; at += PAGE) {
			chunk[at] = 1;
			if (pipe_end >= 0 && read(pipe_end, &byte, 1) == 0)
				_exit(0);
		}
	}
}

static void memory_size_check(void)
{
	struct sysinfo info;

	REQUIRE(sysinfo(&info) == 0);
	if (info.totalram * info.mem_unit > MEMORY_MOST)
		test_skip("too much memory to fill");
}

static pid_t child_of(void (*run)(int), int pipe_end)
{
	pid_t child = fork();

	REQUIRE(child >= 0);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(pipe_end);
	}
	return child;
}

static void greedy_run(int pipe_end)
{
	memory_take(pipe_end);
}

static unsigned long free_bytes(void)
{
	struct sysinfo info;

	REQUIRE(sysinfo(&info) == 0);
	return info.freeram * info.mem_unit;
}

static void whoever_has_most_ends(void)
{
	unsigned long before = 0;
	unsigned char *kept;
	int status;

	memory_size_check();
	kept = mmap(NULL, KEPT_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(kept != MAP_FAILED);
	for (size_t at = 0; at < KEPT_PAGES * PAGE; at++)
		kept[at] = (unsigned char)(at * 7);
	/* Again and again: what one had is there for the next. */
	for (int round = 0; round < 3; round++) {
		pid_t greedy = child_of(greedy_run, -1);

		REQUIRE(waitpid(greedy, &status, 0) == greedy);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		if (round == 0)
			before = free_bytes();
	}
	while (free_bytes() + FREE_NOISE < before) /* or this test has hung */
		usleep(10000);
	for (size_t at = 0; at < KEPT_PAGES * PAGE; at++)
		REQUIRE(kept[at] == (unsigned char)(at * 7));
}

static void first_run(int pipe_end)
{
	(void)pipe_end;
	if (adjust(adjust_open(), "1000") != 4)
		_exit(1);
	for (;;)
		pause();
}

static void oom_score_adj_chooses(void)
{
	int ends[2], status;
	pid_t first, greedy;

	memory_size_check();
	REQUIRE(pipe2(ends, O_NONBLOCK) == 0);
	first = child_of(first_run, -1); /* has the write end until it ends */
	close(ends[1]);
	greedy = child_of(greedy_run, ends[0]);
	REQUIRE(waitpid(first, &status, 0) == first);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	REQUIRE(waitpid(greedy, &status, 0) == greedy);
	/* What the first had may not last until it is seen to have ended. */
	CHECK(WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGKILL);
}

static const struct test tests[] = {
	TEST(oom_score_adj_is_checked), TEST(oom_score_adj_is_inherited), TEST(lowering_oom_score_adj_needs_privilege),
	TEST(oom_score_follows), TEST(whoever_has_most_ends), TEST(oom_score_adj_chooses),
};

int main(int argc, char **argv)
{
	test_limit = 100;
	return tests_run(argc, argv, tests, COUNT(tests));
}
