/*
 * Many processes and threads: fork and exec in quantity, forks among waiting threads, short threads, signals in a
 * storm. Argument: rounds (default 20).
 */
#include "check.h"

#include <linux/futex.h>
#include <pthread.h>

#define WAITERS 4

static unsigned rounds = 20;
static volatile bool stop;
static volatile int word;

static void exec_nothing(void *argument)
{
	execl(program_path, program_path, "--nothing", argument, NULL);
	_exit(99);
}

static void fork_and_exec(void)
{
	/* Ten a round: 200 unless told otherwise. */
	for (unsigned i = 0; i < rounds * 10; i++)
		REQUIRE(child_run(exec_nothing, NULL) == 0);
}

static void vfork_and_exec(void)
{
	for (unsigned i = 0; i < rounds * 2; i++) {
		pid_t pid = vfork();

		if (pid == 0)
			exec_nothing(NULL);
		REQUIRE(child_wait(pid) == 0);
	}
}

static void *thread_waiter(void *argument)
{
	while (!stop) {
		struct timespec timeout = time_spec(2 * MILLISECOND);

		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, word, &timeout, NULL, 0);
	}
	return argument;
}

static void waiters_run(void (*work)(void))
{
	pthread_t threads[WAITERS];

	for (int i = 0; i < WAITERS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, thread_waiter, NULL) == 0);
	work();
	stop = true;
	for (int i = 0; i < WAITERS; i++)
		pthread_join(threads[i], NULL);
}

static void child_forks_again(void *argument)
{
	if (argument)
		REQUIRE(child_run(child_forks_again, NULL) == 0);
	word++;
}

static void fork_work(void)
{
	for (unsigned i = 0; i < rounds * 2; i++) {
		word++;
		syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, WAITERS, NULL, NULL, 0);
		REQUIRE(child_run(child_forks_again, (void *)1) == 0);
	}
}

static void fork_among_futex_waiters(void)
{
	waiters_run(fork_work);
}

static void exec_work(void)
{
	for (unsigned i = 0; i < rounds; i++)
		REQUIRE(child_run(exec_nothing, NULL) == 0);
}

static void exec_among_futex_waiters(void)
{
	waiters_run(exec_work);
}

static void exec_from_a_crowd(void *argument)
{
	pthread_t thread;

	for (int i = 0; i < WAITERS; i++)
		REQUIRE(pthread_create(&thread, NULL, thread_waiter, NULL) == 0);
	exec_nothing(argument);
}

static void exec_ends_other_threads(void)
{
	for (unsigned i = 0; i < rounds; i++)
		REQUIRE(child_run(exec_from_a_crowd, NULL) == 0);
}

static void *thread_short(void *argument)
{
	return argument;
}

static void short_threads(void)
{
	pthread_t threads[8];
	void *result;

	for (unsigned i = 0; i < rounds * 4; i++) {
		for (intptr_t j = 0; j < 8; j++)
			REQUIRE(pthread_create(&threads[j], NULL, thread_short, (void *)j) == 0);
		for (intptr_t j = 0; j < 8; j++)
			REQUIRE(pthread_join(threads[j], &result) == 0 && result == (void *)j);
	}
}

static void *thread_exits_all(void *argument)
{
	_exit((int)(intptr_t)argument);
}

static void crowd_exits(void *argument)
{
	pthread_t thread;

	/* Several threads end the process at once; one of them wins. */
	for (int i = 0; i < WAITERS; i++)
		pthread_create(&thread, NULL, thread_exits_all, argument);
	_exit(3);
}

static void everyone_exits_at_once(void)
{
	for (unsigned i = 0; i < rounds * 2; i++)
		REQUIRE(child_run(crowd_exits, (void *)3) == 3 << 8);
}

static void spin(void *argument)
{
	signal_set(SIGUSR1, signal_count, 0);
	*(volatile int *)argument = 1;
	for (;;)
		getppid();
}

static void signal_storm(void)
{
	volatile int *ready = pages_shared(1);
	pid_t pid = child_start(spin, (void *)ready);

	REQUIRE(WAIT_UNTIL(*ready == 1));
	for (unsigned i = 0; i < rounds * 50; i++)
		REQUIRE(kill(pid, i % 10 == 7 ? SIGSTOP : i % 10 == 8 ? SIGCONT : SIGUSR1) == 0);
	kill(pid, SIGKILL);
	CHECK_KILLED(child_wait(pid), SIGKILL);
}

static void many_children_at_once(void)
{
	pid_t pids[32];
	unsigned reaped = 0;

	for (size_t i = 0; i < COUNT(pids); i++)
		pids[i] = child_start(exec_nothing, NULL);
	for (size_t i = 0; i < COUNT(pids); i++)
		reaped += waitpid(-1, NULL, 0) > 0;
	CHECK_EQ(reaped, COUNT(pids));
	CHECK_ERR(kill(pids[0], 0), ESRCH);
	CHECK_ERR(waitpid(-1, NULL, 0), ECHILD);
}

static const struct test tests[] = {
	TEST(fork_and_exec), TEST(vfork_and_exec), TEST(fork_among_futex_waiters), TEST(exec_among_futex_waiters),
	TEST(exec_ends_other_threads), TEST(short_threads), TEST(everyone_exits_at_once), TEST(signal_storm),
	TEST(many_children_at_once),
};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--nothing") == 0)
		return 0;
	rounds = rounds_take(&argc, &argv, rounds);
	return tests_run(argc, argv, tests, COUNT(tests));
}
