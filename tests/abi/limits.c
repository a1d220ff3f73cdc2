/* Resource limits: whoever meets one gets an error, everybody else goes on, and what was there before is there again. */
#include "check.h"

#include <pthread.h>
#include <sys/resource.h>

#define PROCESSES 24
#define FILES 20
#define DATA_LIMIT (4UL << 20)
#define SPACE_LIMIT (1UL << 30)
#define LOCK_LIMIT (16 * PAGE)
#define USER 1000

static void limit_set(int resource, rlim_t value)
{
	struct rlimit limit = { value, value };

	REQUIRE(setrlimit(resource, &limit) == 0);
}

/* Of an unprivileged user of its own, as a child that the test waits for. */
static void as_user(void (*run)(void))
{
	pid_t child = fork();
	int status;

	REQUIRE(child >= 0);
	if (!child) {
		REQUIRE(setgid(USER) == 0 && setuid(USER) == 0);
		run();
		_exit(0);
	}
	REQUIRE(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int bomb(pid_t *children)
{
	int count = 0;

	while (count < 2 * PROCESSES) {
		pid_t child = fork();

		if (child < 0)
			break;
		if (!child)
			for (;;)
				pause();
		children[count++] = child;
	}
	return count;
}

static void processes_run(void)
{
	pid_t children[2 * PROCESSES];

	for (int round = 0; round < 3; round++) {
		int count = bomb(children);

		REQUIRE(count == PROCESSES - 1 && errno == EAGAIN); /* this one counts */
		REQUIRE(fork() == -1 && errno == EAGAIN);
		for (int i = 0; i < count; i++)
			REQUIRE(kill(children[i], SIGKILL) == 0 && waitpid(children[i], NULL, 0) == children[i]);
	}
}

static void processes_of_a_user(void)
{
	limit_set(RLIMIT_NPROC, PROCESSES);
	as_user(processes_run);
	as_user(processes_run);
}

static pthread_barrier_t all_there;

static void *thread_run(void *unused)
{
	pthread_barrier_wait(&all_there);
	return unused;
}

static void threads_run(void)
{
	pthread_t threads[PROCESSES];

	REQUIRE(pthread_barrier_init(&all_there, NULL, PROCESSES) == 0);
	for (int i = 0; i < PROCESSES - 1; i++)
		REQUIRE(pthread_create(&threads[i], NULL, thread_run, NULL) == 0);
	REQUIRE(pthread_create(&threads[PROCESSES - 1], NULL, thread_run, NULL) == EAGAIN);
	REQUIRE(fork() == -1 && errno == EAGAIN);
	pthread_barrier_wait(&all_there);
	for (int i = 0; i < PROCESSES - 1; i++)
		REQUIRE(pthread_join(threads[i], NULL) == 0);
}

static void threads_count_as_processes(void)
{
	limit_set(RLIMIT_NPROC, PROCESSES);
	as_user(threads_run);
}

static void privilege_is_not_limited(void)
{
	pid_t children[4];

	limit_set(RLIMIT_NPROC, 1);
	for (size_t i = 0; i < COUNT(children); i++) {
		children[i] = fork();
		REQUIRE(children[i] >= 0);
		if (!children[i])
			_exit(0);
	}
	for (size_t i = 0; i < COUNT(children); i++)
		REQUIRE(waitpid(children[i], NULL, 0) == children[i]);
}

static void descriptors(void)
{
	int files[FILES], count, pipes[2];

	limit_set(RLIMIT_NOFILE, FILES);
	for (int round = 0; round < 2; round++) {
		for (count = 0; count < FILES; count++)
			if ((files[count] = open("/dev/null", O_RDONLY)) < 0)
				break;
		REQUIRE(count > 0 && count < FILES && errno == EMFILE && files[count - 1] == FILES - 1);
		CHECK_ERR(dup(0), EMFILE);
		CHECK_ERR(fcntl(0, F_DUPFD, FILES), EINVAL);
		CHECK_ERR(dup2(0, FILES), EBADF);
		close(files[--count]);
		CHECK_ERR(pipe(pipes), EMFILE); /* one place is not enough, and stays free */
		REQUIRE(dup(0) == FILES - 1);
		close(FILES - 1);
		while (count)
			close(files[--count]);
	}
}

static void data(void)
{
	char *before = sbrk(0), *map;

	limit_set(RLIMIT_DATA, DATA_LIMIT);
	CHECK(sbrk(2 * DATA_LIMIT) == (void *)-1 && errno == ENOMEM);
	CHECK(sbrk(0) == before);
	map = mmap(NULL, 2 * DATA_LIMIT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(map == MAP_FAILED && errno == ENOMEM);
	map = mmap(NULL, 2 * DATA_LIMIT, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(map != MAP_FAILED); /* what can't be written is no data */
	CHECK_ERR(mprotect(map, 2 * DATA_LIMIT, PROT_READ | PROT_WRITE), ENOMEM);
	CHECK(munmap(map, 2 * DATA_LIMIT) == 0);
	map = mmap(NULL, DATA_LIMIT / 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(map != MAP_FAILED);
}

static void address_space(void)
{
	char *map;

	limit_set(RLIMIT_AS, SPACE_LIMIT);
	CHECK(mmap(NULL, SPACE_LIMIT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
	map = mmap(NULL, SPACE_LIMIT / 2, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(map != MAP_FAILED);
	CHECK(mremap(map, SPACE_LIMIT / 2, SPACE_LIMIT, MREMAP_MAYMOVE) == MAP_FAILED && errno == ENOMEM);
	CHECK(munmap(map, SPACE_LIMIT / 2) == 0);
}

static void locked_run(void)
{
	char *map = mmap(NULL, 2 * LOCK_LIMIT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(map != MAP_FAILED);
	REQUIRE(mlock(map, LOCK_LIMIT) == 0);
	REQUIRE(mlock(map + LOCK_LIMIT, PAGE) == -1 && errno == ENOMEM);
	REQUIRE(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) == MAP_FAILED && errno == EAGAIN);
	REQUIRE(munlock(map, PAGE) == 0 && mlock(map + LOCK_LIMIT, PAGE) == 0);
}

static void locked_memory(void)
{
	limit_set(RLIMIT_MEMLOCK, LOCK_LIMIT);
	as_user(locked_run);
}

/* Each call looks at its caller's page, so none of them can share one. */
static __attribute__((noinline)) int depth(int left, const volatile char *above)
{
	volatile char page[PAGE];

	page[0] = (char)(*above + 1);
	return left ? depth(left - 1, page) + page[0] : page[0];
}

static void stack(void)
{
	pid_t child = fork();
	int status;

	REQUIRE(child >= 0);
	if (!child) {
		limit_set(RLIMIT_CORE, 0);
		limit_set(RLIMIT_STACK, 64 * PAGE);
		_exit(depth(256, "") == 12345);
	}
	REQUIRE(waitpid(child, &status, 0) == child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void file_size(void)
{
	int file;

	scratch_enter();
	file = open("file", O_RDWR | O_CREAT, 0644);
	REQUIRE(file >= 0);
	limit_set(RLIMIT_FSIZE, 100);
	signal(SIGXFSZ, SIG_IGN);
	CHECK(pwrite(file, "0123456789", 10, 95) == 5);
	CHECK_ERR(pwrite(file, "x", 1, 100), EFBIG);
	CHECK_ERR(ftruncate(file, 101), EFBIG);
	CHECK(ftruncate(file, 100) == 0);
}

TESTS(TEST(processes_of_a_user), TEST(threads_count_as_processes), TEST(privilege_is_not_limited), TEST(descriptors), TEST(data),
      TEST(address_space), TEST(locked_memory), TEST(stack), TEST(file_size))
