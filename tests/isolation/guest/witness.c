/*
 * The first program of a machine that is raided: goes on checking what the system keeps for programs. Each round reads a file back, sends
 * bytes through a pipe that stays open, looks at its own memory, and has the shell compute something. The first mistake ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_SIZE 65536

static uint8_t content[FILE_SIZE], back[FILE_SIZE];
static int lines[2], channel[2];

static void require(int condition, const char *what)
{
	if (condition)
		return;
	printf("witness: broken: %s\n", what);
	fflush(stdout);
	_exit(1);
}

static void content_make(void)
{
	uint64_t state = 88172645463325252ull;

	for (size_t i = 0; i < FILE_SIZE; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		content[i] = (uint8_t)state;
	}
}

static void file_check(void)
{
	int fd = open("/tmp/kept", O_RDONLY);

	require(fd >= 0 && read(fd, back, FILE_SIZE) == FILE_SIZE && !close(fd), "the file");
	require(!memcmp(content, back, FILE_SIZE), "the file's content");
}

static void pipe_check(void)
{
	uint8_t got[64];

	require(write(channel[1], content, sizeof(got)) == sizeof(got), "the pipe takes bytes");
	require(read(channel[0], got, sizeof(got)) == sizeof(got), "the pipe gives bytes");
	require(!memcmp(got, content + 32, sizeof(got) - 32) || !memcmp(got, content, 32), "the pipe's content");
}

/* A shell that starts, computes and answers. */
static void shell_check(void)
{
	char answer[8] = "";
	int status;
	pid_t child = fork();

	require(child >= 0, "fork");
	if (child == 0) {
		dup2(lines[1], 1);
		execl("/bin/busybox", "sh", "-c", "echo $((6 * 7))", (char *)NULL);
		_exit(127);
	}
	pid_t ended = waitpid(child, &status, 0);

	if (ended != child || status)
		printf("witness: waitpid %d of %d: %s, status 0x%x\n", (int)ended, (int)child, ended < 0 ? strerror(errno) : "ended", status);
	require(ended == child && status == 0, "the shell's end");
	require(read(lines[0], answer, sizeof(answer)) == 3 && !memcmp(answer, "42\n", 3), "the shell's answer");
}

int main(void)
{
	content_make();
	int fd = open("/tmp/kept", O_CREAT | O_WRONLY | O_TRUNC, 0600);

	require(fd >= 0 && write(fd, content, FILE_SIZE) == FILE_SIZE && !close(fd), "making the file");
	require(!pipe(lines) && !pipe(channel), "making pipes");
	require(write(channel[1], content, 32) == 32, "bytes that stay in the pipe");
	puts("witness: starts");
	fflush(stdout);
	for (;;) {
		file_check();
		pipe_check();
		shell_check();
	}
}
