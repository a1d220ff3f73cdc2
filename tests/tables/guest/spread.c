/*
 * The first program of a machine whose page tables are walked: has memory of every kind and goes on changing it. It says when all of it is
 * there; the machine is stopped at moments that it does not choose.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 64
#define CHILDREN 3

static void require(int condition, const char *what)
{
	if (condition)
		return;
	printf("spread: broken: %s\n", what);
	fflush(stdout);
	_exit(1);
}

static char *pages_map(int protection, int flags, int fd)
{
	char *at = mmap(NULL, PAGES * PAGE, protection, flags, fd, 0);

	require(at != MAP_FAILED, "mmap");
	return at;
}

/* Touches, protects, shares by fork and unmaps, without end. */
static void *change(void *argument)
{
	for (;;) {
		char *at = pages_map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

		memset(at, 1, PAGES * PAGE);
		require(!mprotect(at, PAGE, PROT_READ | PROT_EXEC) && !mprotect(at + PAGE, PAGE, PROT_NONE), "mprotect");
		pid_t child = fork();

		require(child >= 0, "fork");
		if (child == 0) {
			memset(at + 2 * PAGE, 2, 8 * PAGE);
			_exit(0);
		}
		require(waitpid(child, NULL, 0) == child, "waitpid");
		require(!munmap(at, PAGES * PAGE), "munmap");
	}
	return argument;
}

int main(void)
{
	pthread_t thread;
	int fd = open("/tmp/shared", O_CREAT | O_RDWR, 0600);

	require(fd >= 0 && !ftruncate(fd, PAGES * PAGE), "the file");
	memset(pages_map(PROT_READ | PROT_WRITE, MAP_SHARED, fd), 3, PAGES * PAGE);
	memset(pages_map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1), 0xc3, PAGES * PAGE);
	for (int i = 0; i < CHILDREN; i++) {
		pid_t child = fork();

		require(child >= 0, "fork");
		if (child == 0)
			for (;;)
				pause();
	}
	require(!pthread_create(&thread, NULL, change, NULL), "a thread");
	puts("spread: ready");
	fflush(stdout);
	change(NULL);
}
