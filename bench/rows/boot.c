/* To the prompt: an interactive shell on a pseudo-terminal, until it has written its prompt; then the memory that is in use. */
#include "row.h"
#include "../marker.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

void boot_measure(void);

static int shell_start(int *terminal)
{
	int process;

	*terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	if (*terminal < 0 || grantpt(*terminal) || unlockpt(*terminal))
		return -1;
	process = fork();
	if (process != 0)
		return process;
	setsid();
	int other = open(ptsname(*terminal), O_RDWR);

	ioctl(other, TIOCSCTTY, 0);
	for (int i = 0; i < 3; i++)
		dup2(other, i);
	setenv("PS1", "prompt> ", 1);
	execl("/bin/sh", "sh", "-i", NULL);
	_exit(127);
}

void boot_measure(void)
{
	struct sysinfo info;
	char text[256];
	size_t length = 0;
	int terminal, process = shell_start(&terminal);

	text[0] = 0;
	while (process > 0 && !strstr(text, "prompt> ") && length < sizeof(text) - 1) {
		ssize_t part = read(terminal, text + length, sizeof(text) - 1 - length);

		if (part <= 0)
			break;
		length += (size_t)part;
		text[length] = 0;
	}
	MARK(ROW_COMPARE, MARK_PROMPT);
	sysinfo(&info);
	if (strstr(text, "prompt> "))
		printf("@prompt %lu\n", info.freeram * info.mem_unit / 1024);
	else
		printf("@noprompt\n");
	fflush(stdout);
	if (process > 0) {
		kill(process, SIGKILL);
		waitpid(process, NULL, 0);
	}
	close(terminal);
}
