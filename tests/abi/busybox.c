/* Applets of busybox, the first unmodified program: what they print of the system and what a shell does with processes. */
#include "check.h"

#define BUSYBOX "/bin/busybox"

static char output[65536];

/* Runs a command line in busybox's shell, keeps its output, and returns its wait status. */
static int shell(const char *command)
{
	int pipes[2];
	size_t length = 0;
	ssize_t got;
	pid_t pid;

	SKIP_UNLESS(access(BUSYBOX, X_OK) == 0, "no busybox");
	REQUIRE_OK(pipe2(pipes, O_CLOEXEC));
	pid = fork();
	if (pid == 0) {
		dup2(pipes[1], 1);
		/* The shell tells there what ended its children. */
		dup2(open("/dev/null", O_WRONLY), 2);
		execl(BUSYBOX, "sh", "-c", command, NULL);
		_exit(99);
	}
	close(pipes[1]);
	while ((got = read(pipes[0], output + length, sizeof(output) - 1 - length)) > 0)
		length += got;
	output[length] = '\0';
	return child_wait(pid);
}

static void check_shell(const char *command, const char *expected)
{
	int status = shell(command);

	if (status != 0 || strcmp(output, expected) != 0)
		check_failed(__FILE__, __LINE__, "%s: wait status 0x%x, printed \"%.120s\"", command, status, output);
}

static void check_contains(const char *command, const char *expected)
{
	int status = shell(command);

	if (status != 0 || !strstr(output, expected))
		check_failed(__FILE__, __LINE__, "%s: wait status 0x%x, printed \"%.120s\"", command, status, output);
}

static void pipelines_and_substitution(void)
{
	check_shell("echo one two | busybox tr a-z A-Z | busybox rev", "OWT ENO\n");
	check_shell("echo $(echo in; (exit 3); echo $?)", "in 3\n");
	check_shell("busybox seq 1 1000 | busybox wc -l", "1000\n");
	check_shell("busybox seq 1 20000 | busybox head -n 1", "1\n");
	check_shell("for i in 1 2 3; do echo $i & done | busybox sort; wait", "1\n2\n3\n");
}

static void exit_statuses_and_traps(void)
{
	check_shell("busybox false; echo $?; sh -c 'kill -9 $$'; echo $?", "1\n137\n");
	check_shell("trap 'echo trapped' USR1; busybox kill -USR1 $$; echo after", "trapped\nafter\n");
	check_shell("sh -c 'exec busybox true' && echo yes || echo no", "yes\n");
	check_shell("busybox timeout 1 busybox sleep 20; echo $?", "143\n");
	check_shell("/no/such/program 2>/dev/null; echo $?", "127\n");
	CHECK_EXITED(shell("exit 17"), 17);
	/* The shell keeps its own process here, so the signal ends it. */
	CHECK_KILLED(shell("kill -TERM $$"), SIGTERM);
}

static void files_and_redirection(void)
{
	scratch_enter();
	check_shell("echo a >f; echo b >>f; cat <f; rm f; ls", "a\nb\n");
	check_shell("mkdir -p d/e; echo x >d/e/f; cp -a d c; find c | busybox sort; rm -r d c; ls", "c\nc/e\nc/e/f\n");
	check_shell("ln -s target link; readlink link; mv link other; ls; rm other", "target\nother\n");
	check_shell("echo text >f; chmod 640 f; busybox stat -c '%a %s %F' f; rm f", "640 5 regular file\n");
	check_shell("busybox dd if=/dev/zero of=z bs=1k count=64 2>/dev/null; busybox wc -c <z; "
		    "busybox md5sum z; rm z", "65536\nfcd6bcb56c1689fcef28b57c22475bad  z\n");
	check_shell("busybox mkfifo p; echo through >p & cat p; rm p", "through\n");
	check_shell("cat <<x\nhere\nx\n", "here\n");
	check_shell("busybox tar cf t.tar /bin/busybox 2>/dev/null; busybox tar tf t.tar; rm t.tar", "bin/busybox\n");
}

static void applets_that_read_proc(void)
{
	check_contains("busybox ps -o pid,ppid,comm", "PID");
	check_contains("busybox ps", "{init}");
	check_contains("busybox free", "Mem:");
	check_contains("busybox uptime", "load average:");
	check_contains("busybox top -b -n 1", "CPU:");
	check_contains("busybox mount", "proc on /proc type proc");
	check_contains("busybox df /tmp", "tmpfs");
	check_contains("busybox id", "uid=0");
	check_contains("busybox uname -a", "Linux");
}

static void mounts_from_the_shell(void)
{
	scratch_enter();
	check_shell("mkdir m; mount -t tmpfs none m && echo x >m/f && ls m; busybox umount m; ls m; rmdir m", "f\n");
}

TESTS(TEST(pipelines_and_substitution), TEST(exit_statuses_and_traps), TEST(files_and_redirection),
      TEST(applets_that_read_proc), TEST(mounts_from_the_shell))
