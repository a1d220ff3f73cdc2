/* Runs a program's tests, each in a process and session of its own, and prints TAP. */
#include "check.h"
#include "runner.h"

#include <ftw.h>
#include <poll.h>

const char *program_path;
unsigned test_limit = 20;
char scratch_path[64];

/* The lines a test's processes sent: failures, the reason of a skip, and that it came to its end. */
struct report {
	char text[4096];
	size_t length;
	char verdict[80];
};

_Noreturn void test_skip(const char *reason)
{
	dprintf(REPORT_FD, "S%s\n", reason);
	_exit(0);
}

static int scratch_remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status;
	(void)kind;
	(void)walk;
	return remove(path);
}

static void scratch_remove(void)
{
	if (access(scratch_path, F_OK) == 0)
		nftw(scratch_path, scratch_remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

_Noreturn static void test_enter(const struct test *test, int report)
{
	setsid();
	if (dup2(report, REPORT_FD) < 0)
		_exit(2);
	close(report);
	test->run();
	if (write(REPORT_FD, "D\n", 2) != 2)
		_exit(2);
	_exit(0);
}

static void report_read(struct report *report, int pipe)
{
	ssize_t got;

	while (report->length < sizeof(report->text) - 1) {
		got = read(pipe, report->text + report->length, sizeof(report->text) - 1 - report->length);
		if (got <= 0)
			break;
		report->length += got;
	}
	report->text[report->length] = '\0';
}

/* Waits for the test with its time limit; the report's verdict is empty if its process ended well. */
static void test_watch(pid_t pid, int pipe, struct report *report)
{
	int64_t deadline = time_now() + test_limit * SECOND;
	struct pollfd wait = { .fd = pipe, .events = POLLIN };
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (time_now() > deadline) {
			snprintf(report->verdict, sizeof(report->verdict), "hung for more than %u s", test_limit);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			status = 0;
			break;
		}
		poll(&wait, 1, 10);
		report_read(report, pipe);
	}
	kill(-pid, SIGKILL);
	report_read(report, pipe);
	if (WIFSIGNALED(status))
		snprintf(report->verdict, sizeof(report->verdict), "killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		snprintf(report->verdict, sizeof(report->verdict), "exit status %d", WEXITSTATUS(status));
}

static void test_run(const struct test *test, struct report *report)
{
	int pipes[2];
	pid_t pid;

	report->length = 0;
	report->verdict[0] = '\0';
	if (pipe2(pipes, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		snprintf(report->verdict, sizeof(report->verdict), "cannot start: %s", strerror(errno));
		return;
	}
	if (pid == 0)
		test_enter(test, pipes[1]);
	close(pipes[1]);
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	test_watch(pid, pipes[0], report);
	close(pipes[0]);
	scratch_remove();
}

/* Prints one test's result; returns whether it passed. */
static bool report_print(struct report *report, unsigned number, const char *name)
{
	const char *skip = NULL, *first = report->verdict[0] ? report->verdict : NULL;
	char *rest = report->text, *line;
	bool ended = false;

	while ((line = strsep(&rest, "\n"))) {
		if (line[0] == 'S')
			skip = line + 1;
		ended |= line[0] == 'D' || line[0] == 'S';
		if (line[0] != 'F')
			continue;
		printf("# %s\n", line + 1);
		if (!first || first == report->verdict)
			first = line + 1;
	}
	if (!first && !ended)
		first = "ended before its last line";
	if (first && report->verdict[0])
		printf("# %s: %s\n", name, report->verdict);
	printf("%sok %u - %s", first ? "not " : "", number, name);
	if (first || skip)
		printf(" # %s%s", first ? "" : "SKIP ", first ?: skip);
	printf("\n");
	fflush(stdout);
	return !first;
}

static bool test_selected(const struct test *test, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], test->name) == 0)
			return true;
	return argc <= 1;
}

unsigned rounds_take(int *argc, char ***argv, unsigned otherwise)
{
	unsigned rounds = *argc > 1 ? atoi((*argv)[1]) : 0;

	if (rounds == 0)
		return otherwise;
	(*argv)[1] = (*argv)[0];
	(*argv)++;
	(*argc)--;
	test_limit += rounds;
	return rounds;
}

int tests_run(int argc, char **argv, const struct test *tests, size_t count)
{
	static struct report report;
	unsigned selected = 0, number = 0, failed = 0;

	program_path = realpath(argv[0], NULL);
	snprintf(scratch_path, sizeof(scratch_path), "/tmp/abi-%d", getpid());
	for (size_t i = 0; i < count; i++)
		selected += test_selected(&tests[i], argc, argv);
	printf("1..%u\n", selected);
	fflush(stdout);
	for (size_t i = 0; i < count; i++) {
		if (!test_selected(&tests[i], argc, argv))
			continue;
		test_run(&tests[i], &report);
		failed += !report_print(&report, ++number, tests[i].name);
	}
	return failed != 0;
}
