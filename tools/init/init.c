/*
 * The first process of a machine that the launcher starts: a Linux program without a C library, put beside any root. It mounts what
 * programs expect, runs the program (or a login shell) in a session of its own with the terminal, reaps orphans, and ends with the
 * program's status, 128 + signal if one killed it. As the first process itself, a program would have the special rules of init.
 */
#include <asm/unistd.h>
#include <stddef.h>

#define O_RDWR 2
#define O_NOCTTY 0400
#define TIOCSCTTY 0x540e
#define STATUS_NOT_EXECUTABLE 126
#define STATUS_NOT_FOUND 127
#define ENOENT 2
#define ENOTDIR 20
#define EACCES 13
#define PATH_MAX 4096

static const char *const search[] = { "/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin" };
static char *const environment[] = { "HOME=/root", "PATH=/bin:/sbin:/usr/bin:/usr/sbin:/usr/local/bin", "TERM=linux", "USER=root", NULL };
static char *const shell[] = { "sh", "-l", NULL };

static long call(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long result = number;

	__asm__ volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
	return result;
}

static void mount(const char *type, const char *place)
{
	call(__NR_mkdir, (long)place, 0755, 0, 0, 0);
	call(__NR_mount, (long)type, (long)place, (long)type, 0, 0); /* it may be there already */
}

static size_t length(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	return n;
}

static void say(const char *text)
{
	call(__NR_write, 2, (long)text, (long)length(text), 0, 0);
}

static int has_slash(const char *name)
{
	while (*name && *name != '/')
		name++;
	return *name == '/';
}

/* Tries the program in each folder of the path, as shells do; the error that says most about it. */
static long path_execute(char *const *arguments)
{
	static char path[PATH_MAX];
	const char *name = arguments[0];
	size_t name_length = length(name);
	long worst = -ENOENT;

	if (has_slash(name) || !*name)
		return call(__NR_execve, (long)name, (long)arguments, (long)environment, 0, 0);
	for (size_t i = 0; i < sizeof(search) / sizeof(*search); i++) {
		size_t folder_length = length(search[i]), n = 0;

		if (folder_length + name_length + 2 > sizeof(path))
			continue;
		for (size_t k = 0; k < folder_length; k++)
			path[n++] = search[i][k];
		path[n++] = '/';
		for (size_t k = 0; k <= name_length; k++)
			path[n++] = name[k];
		long error = call(__NR_execve, (long)path, (long)arguments, (long)environment, 0, 0);

		if (error != -ENOENT && error != -ENOTDIR)
			worst = error;
	}
	return worst;
}

/* The child: a session of its own, with the terminal, then the program. */
static void program_run(char *const *arguments)
{
	call(__NR_setsid, 0, 0, 0, 0, 0);
	long terminal = call(__NR_open, (long)"/dev/ttyS0", O_RDWR | O_NOCTTY, 0, 0, 0);

	if (terminal >= 0) {
		for (long fd = 0; fd < 3; fd++)
			call(__NR_dup2, terminal, fd, 0, 0, 0);
		if (terminal > 2)
			call(__NR_close, terminal, 0, 0, 0, 0);
	}
	call(__NR_ioctl, 0, TIOCSCTTY, 1, 0, 0);
	long error = path_execute(arguments);

	say("tessera: ");
	say(arguments[0]);
	say(error == -ENOENT ? ": not found\n" : error == -EACCES ? ": permission denied\n" : ": cannot be executed\n");
	call(__NR_exit_group, error == -ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE, 0, 0, 0, 0);
}

/* Waits until the program ends, and for every orphan that ends meanwhile; its status as shells count. */
static int program_wait(long program)
{
	int status = 0;

	for (;;) {
		long pid = call(__NR_wait4, -1, (long)&status, 0, 0, 0);

		if (pid == program)
			return status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff;
		if (pid < 0 && pid != -4 /* EINTR */)
			return STATUS_NOT_EXECUTABLE;
	}
}

__attribute__((noreturn, used)) static void init_main(long *stack)
{
	char *const *arguments = (char *const *)(stack + 2);

	if (call(__NR_getpid, 0, 0, 0, 0, 0) != 1) {
		say("tessera-init: only as the first process of a machine\n");
		call(__NR_exit_group, STATUS_NOT_EXECUTABLE, 0, 0, 0, 0);
	}
	mount("proc", "/proc");
	mount("sysfs", "/sys");
	mount("devtmpfs", "/dev");
	mount("devpts", "/dev/pts");
	long program = call(__NR_fork, 0, 0, 0, 0, 0);

	if (program == 0)
		program_run(stack[0] > 1 ? arguments : shell);
	int status = program < 0 ? STATUS_NOT_EXECUTABLE : program_wait(program);

	call(__NR_exit_group, status, 0, 0, 0, 0);
	__builtin_unreachable();
}

__attribute__((naked, noreturn, used)) void _start(void);
void _start(void)
{
	__asm__("movq %rsp, %rdi; andq $-16, %rsp; call init_main");
}
