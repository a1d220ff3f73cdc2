/*
 * Programs that keep patterns in all their vector registers while services compute with vectors for them: calls of all kinds at once on
 * all processors, then units that fail and calls that their killed clients leave. TAP on the console.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "../services/second/include/vectors.h"

#define CALLERS 3
#define COMPUTERS 2
#define ROUNDS 120
#define TICKS 500000ul
#define PATIENCE 20000   /* ms */

static unsigned long features;
static int number, failed;
static unsigned bad;                  /* of all calls: bits of vectors.h */
static unsigned long wrong, lost, computed_lost, calls;
static volatile int working;

static void result(int good, const char *name, long value)
{
	printf("%sok %d - %s # %ld\n", good ? "" : "not ", ++number, name, value);
	fflush(stdout);
	failed += !good;
}

static void sleep_for(long milliseconds)
{
	struct timespec t = { milliseconds / 1000, milliseconds % 1000 * 1000000l };

	nanosleep(&t, NULL);
}

static void pause_in_program(void) { }

/* An ioctl with a pattern in all registers; counts when it does not come out. */
static long call_with_pattern(int fd, enum vectors_kind kind, unsigned seed)
{
	struct vectors pattern, out;
	const long call[4] = { SYS_ioctl, fd, VECTORS_COMMAND + kind, seed };

	vectors_pattern(&pattern, ~seed, features);
	long answer = vectors_system_call(&pattern, &out, features, call);
	if (!vectors_same(&pattern, &out, features))
		__atomic_add_fetch(&lost, 1, __ATOMIC_RELAXED);
	if (answer >= 0)
		__atomic_or_fetch(&bad, (unsigned)VECTORS_BAD(answer), __ATOMIC_RELAXED);
	__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
	return answer;
}

static void *caller(void *argument)
{
	static const enum vectors_kind kinds[] = { VECTORS_SUM, VECTORS_WAIT, VECTORS_NEST, VECTORS_LOOK, VECTORS_SPIN };
	int fd = open("/dev/ptmx", O_RDWR);
	unsigned seed = (unsigned)(long)argument;

	for (int i = 0; i < ROUNDS; i++) {
		seed = seed * 1664525 + 1013904223;
		enum vectors_kind kind = kinds[(seed >> 16) % 5];
		unsigned given = seed >> 8;
		long answer = call_with_pattern(fd, kind, given);

		if (answer < 0 || (kind == VECTORS_SUM && (unsigned)answer != vectors_sum(given, pause_in_program)))
			__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
	}
	close(fd);
	return NULL;
}

static void *computer(void *argument)
{
	struct vectors pattern, out;

	for (unsigned seed = (unsigned)(long)argument; working; seed++) {
		vectors_pattern(&pattern, seed, features);
		vectors_spin(&pattern, &out, features, TICKS);
		if (!vectors_same(&pattern, &out, features))
			__atomic_add_fetch(&computed_lost, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void load(void)
{
	pthread_t threads[CALLERS + COMPUTERS];

	working = 1;
	for (long i = 0; i < CALLERS + COMPUTERS; i++)
		if (pthread_create(&threads[i], NULL, i < CALLERS ? caller : computer, (void *)(i + 1)))
			exit(2);
	for (int i = 0; i < CALLERS; i++)
		pthread_join(threads[i], NULL);
	working = 0;
	for (int i = CALLERS; i < CALLERS + COMPUTERS; i++)
		pthread_join(threads[i], NULL);
	result(!wrong, "units compute what the program does", (long)wrong);
	result(!(bad & VECTORS_DIRTY), "a unit finds a clean state in each call", bad);
	result(!(bad & VECTORS_LOST), "a unit keeps its state over waits, calls and preemption", bad);
	result(!(bad & VECTORS_SECOND_DIRTY), "a unit that it calls finds a clean state, too", bad);
	result(!(bad & (VECTORS_SECOND_LOST | VECTORS_REFUSED)), "and keeps it over waits", bad);
	result(!lost, "clients keep their registers over every call", (long)lost);
	result(!computed_lost, "programs that call nobody keep theirs", (long)computed_lost);
	bad = 0, lost = 0;
}

static void threads_of_units(int fd)
{
	long first = call_with_pattern(fd, VECTORS_THREAD, 0), second = first;

	for (int i = 0; i < PATIENCE / 10 && second == first; i++) {
		sleep_for(10);
		second = call_with_pattern(fd, VECTORS_THREAD, 0);
	}
	result(second > first && !bad, "a thread of a unit keeps its state", second & 0xffffffff);
}

/* It fails, its caller and the program have theirs. */
static void unit_without(int fd)
{
	long answer = call_with_pattern(fd, VECTORS_PLAIN, 77);

	result(answer >= 0 && !bad, "a unit without vector code fails at its first use, its caller keeps its state", answer);
}

static void unit_that_fails(int fd)
{
	long answer = call_with_pattern(fd, VECTORS_FAIL, 78), again = -1;

	result(answer < 0 && !lost, "a program keeps its registers over a unit that fails with a state", (long)lost);
	for (int i = 0; i < PATIENCE / 10 && again < 0; i++) {
		int other = open("/dev/ptmx", O_RDWR);

		sleep_for(10);
		again = call_with_pattern(other, VECTORS_SUM, 79);
		close(other);
	}
	result((unsigned)again == vectors_sum(79, pause_in_program) && !bad && !lost, "the unit runs again with a clean state", again);
}

/* Until the service has counted so many; what it says then. */
static long orphans_await(int fd, long counted)
{
	long found = 0;

	for (int i = 0; i < PATIENCE / 10 && found != counted; i++) {
		sleep_for(10);
		found = call_with_pattern(fd, VECTORS_ORPHANS, 82);
	}
	return found;
}

static void client_that_is_killed(unsigned seed, long before, const char *name)
{
	int status, fd = open("/dev/ptmx", O_RDWR);
	pid_t child = fork();

	if (child == 0) {
		call_with_pattern(fd, VECTORS_ORPHAN, seed);
		_exit(9);
	}
	orphans_await(fd, VECTORS_ORPHANS_COUNTED(before + 1, before));
	kill(child, SIGKILL);
	int killed = waitpid(child, &status, 0) == child && status == SIGKILL;
	long found = orphans_await(fd, VECTORS_ORPHANS_COUNTED(before + 1, before + 1));

	close(fd);
	result(killed && found == VECTORS_ORPHANS_COUNTED(before + 1, before + 1) && !lost, name, killed ? found : -status);
}

int main(void)
{
	unsigned low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	features = low & VECTORS_FEATURES;
	printf("=== RUN vectors\n1..13\n");
	load();
	int fd = open("/dev/ptmx", O_RDWR);
	threads_of_units(fd);
	unit_without(fd);
	unit_that_fails(fd);
	client_that_is_killed(80, 0, "a call that waits and that its killed client left keeps its state");
	client_that_is_killed(81, 1, "a call that computes and that its killed client left keeps its state");
	printf("=== EXIT vectors %d\n", failed != 0);
	fflush(stdout);
	return failed != 0;
}
