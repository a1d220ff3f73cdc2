/*
 * Ends programs that are inside a service which never answers: by SIGKILL, by exit_group and by execve of a sibling. Each end must be
 * seen by its parent within 100 ms; then the service is restarted and answers. And programs that nobody ends: their calls have a deadline.
 * TAP on the console.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HANG_COMMAND 0x7e5500ul
enum hang { HANG_RUN, HANG_WAIT, HANG_HOLD, HANG_DEADLOCK, HANG_NESTED, HANG_COUNT };
#define LATENCY_MAX 100.0 /* ms, on one processor */
#define LATENCY_MAX_SHARED 1000.0 /* on more: their time is the host's, which a busy host takes away */
#define DEADLINE 2000.0   /* ms, of the terminal service in the profile */
#define KILLS 300
#define SETTLE 20         /* ms until a child is surely in the service */

static int number, failed;
static volatile int kind_of_sibling;

static double latency_max(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) == 1 ? LATENCY_MAX : LATENCY_MAX_SHARED;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void sleep_for(int milliseconds)
{
	struct timespec t = { milliseconds / 1000, milliseconds % 1000 * 1000000l };

	nanosleep(&t, NULL);
}

static void result(int good, const char *name, double value)
{
	printf("%sok %d - %s # %.1f ms\n", good ? "" : "not ", ++number, name, value);
	fflush(stdout);
	failed += !good;
}

static void hang(int kind)
{
	int fd = open("/dev/ptmx", O_RDWR);

	ioctl(fd, HANG_COMMAND + (unsigned long)kind);
}

static void *sibling(void *unused)
{
	hang(kind_of_sibling);
	return unused;
}

static void wait_end(pid_t child, double start, const char *name, int status_wanted)
{
	int status = -1;
	pid_t ended = waitpid(child, &status, 0);
	double latency = now() - start;

	result(ended == child && status == status_wanted && latency < latency_max(), name, latency);
}

static void killed(int kind, const char *name)
{
	pid_t child = fork();

	if (child == 0) {
		hang(kind);
		_exit(9);
	}
	sleep_for(SETTLE);
	double start = now();

	kill(child, SIGKILL);
	wait_end(child, start, name, SIGKILL);
}

/* Nobody is killed: the program's call is left when the profile's deadline for the service is over. */
static void left_alive(int kind, const char *name)
{
	int fd = open("/dev/ptmx", O_RDWR);
	double start = now();
	int answer = ioctl(fd, HANG_COMMAND + (unsigned long)kind), error = errno;
	double latency = now() - start;

	close(fd);
	result(answer == -1 && error == ETIMEDOUT && latency >= DEADLINE && latency < DEADLINE + LATENCY_MAX_SHARED, name, latency);
}

/* A process with a thread in the service ends as a whole, or becomes another program; it says when it begins to. */
static void with_sibling(int kind, int executes, const char *name)
{
	int begun[2];
	double start = 0;

	if (pipe(begun))
		exit(2);
	pid_t child = fork();

	if (child == 0) {
		pthread_t thread;

		kind_of_sibling = kind;
		pthread_create(&thread, NULL, sibling, NULL);
		sleep_for(SETTLE);
		start = now();
		if (write(begun[1], &start, sizeof(start)) != sizeof(start))
			_exit(8);
		if (executes)
			execl("/killer", "killer", "child", (char *)NULL);
		syscall(SYS_exit_group, 7);
	}
	if (read(begun[0], &start, sizeof(start)) != sizeof(start))
		exit(2);
	wait_end(child, start, name, 7 << 8);
	close(begun[0]);
	close(begun[1]);
}

/* Calls that the service has counted in its life; 0: it does not answer. */
static int calls_counted(void)
{
	int fd = open("/dev/ptmx", O_RDWR), count = ioctl(fd, HANG_COMMAND + HANG_COUNT);

	close(fd);
	return count < 0 ? 0 : count;
}

/* The service has failed as hung and runs again: it counts from one. */
static void service_back(const char *name)
{
	double start = now();
	int count;

	while ((count = calls_counted()) != 1 && now() - start < 20000)
		sleep_for(10);
	result(count == 1, name, now() - start);
}

/* Makes calls of all kinds, without end. */
static void busy(void)
{
	char bytes[64] = { 0 };
	int ends[2];

	for (;;) {
		int fd = open("/busy", O_CREAT | O_RDWR, 0600);

		if (write(fd, bytes, sizeof(bytes)) < 0 || pipe(ends))
			_exit(3);
		close(fd);
		pid_t child = fork();

		if (child == 0) {
			if (write(ends[1], bytes, sizeof(bytes)) < 0)
				_exit(4);
			_exit(0);
		}
		if (read(ends[0], bytes, sizeof(bytes)) < 0 || waitpid(child, NULL, 0) != child)
			_exit(5);
		close(ends[0]);
		close(ends[1]);
	}
}

static void killed_at_random(const char *name)
{
	double worst = 0;
	int bad = 0;

	for (int i = 0; i < KILLS; i++) {
		struct timespec moment = { 0, rand() % 4000 * 1000l };
		int status;
		pid_t child = fork();

		if (child == 0)
			busy();
		nanosleep(&moment, NULL);
		double start = now();

		kill(child, SIGKILL);
		bad += waitpid(child, &status, 0) != child || status != SIGKILL;
		if (now() - start > worst)
			worst = now() - start;
	}
	result(!bad && worst < latency_max(), name, worst);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "child"))
		_exit(7);
	printf("=== RUN kill\n1..15\n");
	calls_counted();
	killed(HANG_RUN, "SIGKILL ends a program whose service runs for ever");
	killed(HANG_NESTED, "SIGKILL ends a program whose service calls another for ever");
	with_sibling(HANG_RUN, 0, "exit_group ends a thread in a service that runs for ever");
	with_sibling(HANG_RUN, 1, "execve ends a thread in a service that runs for ever");
	service_back("the service that runs for ever is restarted");
	killed(HANG_WAIT, "SIGKILL ends a program whose service waits for ever");
	killed(HANG_HOLD, "SIGKILL ends a program whose service holds a lock");
	killed(HANG_DEADLOCK, "SIGKILL ends a program whose service waits for that lock");
	with_sibling(HANG_WAIT, 1, "execve ends a thread in a service that waits for ever");
	service_back("the service that waits and holds is restarted");
	left_alive(HANG_RUN, "a program that nobody kills leaves a service that runs for ever");
	service_back("that service is restarted");
	left_alive(HANG_WAIT, "a program that nobody kills leaves a service that waits for ever");
	service_back("that service is restarted, too");
	killed_at_random("programs in the middle of healthy calls end");
	printf("=== EXIT kill %d\n", failed != 0);
	fflush(stdout);
	return failed != 0;
}
