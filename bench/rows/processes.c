/* Processes and threads begun and ended (LMBench: lat_proc). */
#include "row.h"
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

static char *const nothing[] = { "nothing", NULL };
static char *const environment[] = { NULL };

#define EACH(name, what) \
	static unsigned long name(const struct row *row, unsigned long count) \
	{ \
		(void)row; \
		for (unsigned long i = 0; i < count; i++) \
			what; \
		return count; \
	}

static int child_exit(void)
{
	int process = fork();

	if (process == 0)
		_exit(0);
	return process;
}

static int child_execute(void)
{
	int process = fork();

	if (process == 0) {
		execve(row_program, nothing, environment);
		_exit(1);
	}
	return process;
}

static int child_shell(void)
{
	int process = fork();

	if (process == 0) {
		execl("/bin/sh", "sh", "-c", row_program, NULL);
		_exit(1);
	}
	return process;
}

static int child_borrow(void)
{
	int process = vfork();

	if (process == 0) {
		execve(row_program, nothing, environment);
		_exit(1);
	}
	return process;
}

static int child_spawn(void)
{
	int process = -1;

	row_check(posix_spawn(&process, row_program, NULL, NULL, nothing, environment) == 0, "posix_spawn");
	return process;
}

static void *thread_main(void *argument)
{
	return argument;
}

static void thread_one(void)
{
	pthread_t thread;

	row_check(pthread_create(&thread, NULL, thread_main, NULL) == 0, "pthread_create");
	row_check(pthread_join(thread, NULL) == 0, "pthread_join");
}

EACH(fork_run, row_wait(child_exit()))
EACH(execute_run, row_wait(child_execute()))
EACH(shell_run, row_wait(child_shell()))
EACH(borrow_run, row_wait(child_borrow()))
EACH(spawn_run, row_wait(child_spawn()))
EACH(thread_run, thread_one())

const struct row rows_processes[] = {
	{ "fork_exit", "process", "process", ROW_SCALES, NULL, fork_run, { 0 }, 0 },
	{ "fork_exec", "process", "process", ROW_SCALES, NULL, execute_run, { 0 }, 0 },
	{ "fork_sh", "process", "process", ROW_SCALES, NULL, shell_run, { 0 }, 0 },
	{ "vfork_exec", "process", "process", ROW_SCALES, NULL, borrow_run, { 0 }, 0 },
	{ "posix_spawn", "process", "process", ROW_SCALES, NULL, spawn_run, { 0 }, 0 },
	{ "thread_create_join", "process", "thread", ROW_SCALES, NULL, thread_run, { 0 }, 0 },
	{ 0 },
};
