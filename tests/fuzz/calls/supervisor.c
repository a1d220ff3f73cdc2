/*
 * The first process of a machine that is fuzzed: it runs rounds, interrupts and ends what hangs, judges what is left after each, and
 * tells the coverage. Options as name=value: seed, first (round), rounds (0: as many as the seconds allow), seconds, threads, steps, trace
 * (results of each call, to compare systems), race, only (number of one description), verbose, patience (milliseconds after which what
 * interruptions do not end is killed, a child or the round).
 */
#include "fuzz.h"
#include "constants.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define MILLISECOND 1000000ul
#define SECOND 1000000000ul
#define KICK_NANOS (4 * MILLISECOND)
#define ROUND_PATIENCE 50 /* times the patience: a round */
#define DEATH_NANOS (20 * SECOND)
#define CHECKPOINT 50 /* rounds between two looks at the memory */

struct shared *shared;
struct settings settings = { .seed = 1, .seconds = 15, .threads = 3, .steps = 200, .race = 1, .patience = 30 };

static uint64_t steps_seen[SLOTS_MAX]; /* with the thread */
static uint64_t seen_at[SLOTS_MAX], kicked_at[SLOTS_MAX];
static unsigned failures;
static uint64_t died, killed;

static uint64_t time_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static void time_pause(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1 * MILLISECOND }, NULL);
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	char line[400];
	va_list list;

	va_start(list, format);
	int length = vsnprintf(line, sizeof(line), format, list);
	va_end(list);
	for (int at = 0, done; at < length && (done = (int)write(1, line + at, (size_t)(length - at))) > 0; at += done)
		;
}

static void settings_read(int count, char **words)
{
	static const char *const names[] = { "seed", "first", "rounds", "seconds", "threads", "steps", "trace", "race", "only", "verbose", "patience" };
	uint64_t *values = (uint64_t *)&settings;

	for (int i = 1; i < count; i++) {
		char *equals = strchr(words[i], '=');

		for (unsigned n = 0; equals && n < sizeof(names) / sizeof(names[0]); n++) {
			if (strlen(names[n]) == (size_t)(equals - words[i]) && !strncmp(names[n], words[i], strlen(names[n])))
				values[n] = strtoull(equals + 1, NULL, 0);
		}
	}
	if (settings.threads > THREADS_MAX || settings.threads == 0)
		settings.threads = 1;
}

static void file_make(const char *path, size_t size, mode_t mode)
{
	static char bytes[8192];
	int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);

	memset(bytes, 'b', sizeof(bytes));
	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || fchmod(fd, mode) < 0)
		say("# %s: %s\n", path, strerror(errno));
	close(fd);
}

/* A fresh file system for each round, so that none finds what another left. */
static void scratch_make(void)
{
	mkdir(SCRATCH, 0777);
	if (mount("fuzz", SCRATCH, "tmpfs", 0, "size=8m,mode=0777") < 0 || chdir(SCRATCH) < 0)
		say("# mount: %s\n", strerror(errno));
	file_make("a", 8192, 0666);
	mkdir("d", 0777);
	file_make("d/b", 100, 0644);
	mkdir("r", 0);
	file_make("n", 10, 0);
	if (chown("a", 1000, 1000) < 0 || chown("d", 1000, 1000) < 0 || symlink("a", "l") < 0 || symlink("loop", "loop") < 0 ||
	    symlink("d", "s") < 0 || symlink("/bin/busybox", "x") < 0 || mkfifo("f", 0666) < 0)
		say("# scratch: %s\n", strerror(errno));
	if (chdir("/") < 0)
		say("# /: %s\n", strerror(errno));
}

/* Everything that a round mounted, the last first; then the scratch folder itself, which nobody may hold any more. */
static void scratch_remove(uint64_t round)
{
	char text[8192], *at;
	ssize_t length;
	int fd = open("/proc/mounts", O_RDONLY), result = -1;

	length = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	close(fd);
		text[length > 0 ? length : 0] = '\0';
	for (unsigned tries = 0; tries < 64 && strstr(text, " " SCRATCH "/"); tries++) {
		char *last = NULL, path[300];

		for (at = text; (at = strstr(at, " " SCRATCH "/")); at++)
			last = at;
		snprintf(path, sizeof(path), "%.*s", (int)strcspn(last + 1, " "), last + 1);
		umount2(path, MNT_DETACH);
		*last = '\0';
	}
	uint64_t end = time_now() + 2 * SECOND;
	while ((result = umount2(SCRATCH, 0)) < 0 && errno == EBUSY && time_now() < end)
		time_pause();
	if (result < 0 && errno != EINVAL) { /* the round may have unmounted it itself */
		failures++;
		say("# FAIL round %lu: the scratch folder is held by nobody and can't be unmounted: %s\n", round, strerror(errno));
		if (write(1, text, strlen(text)) < 0)
			failures++;
		umount2(SCRATCH, MNT_DETACH);
	}
	while (umount2(SCRATCH, MNT_DETACH) == 0) /* what a round mounted on the folder itself */
		;
}

static void slot_watch(unsigned number, uint64_t now)
{
	struct slot *slot = &shared->slots[number];
	uint64_t step = (uint64_t)slot->tid << 32 | __atomic_load_n(&slot->step, __ATOMIC_RELAXED);

	if (!slot->tid)
		return;
	if (number < THREADS_MAX && shared->slots[THREADS_MAX + number].tid) {
		seen_at[number] = kicked_at[number] = now; /* it waits for its child, which is watched itself */
		return;
	}
	if (step != steps_seen[number] || !seen_at[number]) {
		steps_seen[number] = step;
		seen_at[number] = kicked_at[number] = now;
		return;
	}
	if (now - kicked_at[number] < KICK_NANOS)
		return;
	kicked_at[number] = now;
	if (now - seen_at[number] > settings.patience * MILLISECOND)
		kill(slot->pid, SIGKILL);
	else
		syscall(SYS_tgkill, slot->pid, slot->tid, SIGUSR2);
}

static void slots_say(void)
{
	for (unsigned i = 0; i < SLOTS_MAX; i++) {
		if (shared->slots[i].tid)
			say("#  thread %d of %d: step %u, %s\n", shared->slots[i].tid, shared->slots[i].pid, shared->slots[i].step,
			    calls[shared->slots[i].call].name);
	}
}

/* Ends all that is left of a round. A killed process that does not end is what a fuzzer is for. */
static bool rest_kill(uint64_t round)
{
	uint64_t end = time_now() + DEATH_NANOS;
	int status;

	for (;;) {
		kill(-1, SIGKILL);
		int pid = waitpid(-1, &status, WNOHANG | __WALL);
		if (pid < 0 && errno == ECHILD)
			return true;
		if (pid > 0)
			continue;
		if (time_now() > end)
			break;
		time_pause();
	}
	failures++;
	say("# FAIL round %lu: a killed process does not end\n", round);
	slots_say();
	return false;
}

static void traces_say(uint64_t round)
{
	for (unsigned i = 0; i < shared->trace_count; i++) {
		const struct trace *t = &shared->traces[i];

		say("T %lu %u %s %lx %lx %lx %lx %lx %lx = %ld\n", round, i, calls[t->call].name, t->arguments[0], t->arguments[1],
		    t->arguments[2], t->arguments[3], t->arguments[4], t->arguments[5], t->result);
	}
	shared->trace_count = 0;
}

static int round_start(uint64_t round)
{
	memset(shared->slots, 0, sizeof(shared->slots));
	memset(seen_at, 0, sizeof(seen_at));
	int pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		if (settings.verbose)
			dup2(1, 990);
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		if (null > 2)
			close(null);
		round_run(round);
	}
	return pid;
}

static bool round_watch(uint64_t round)
{
	scratch_make();
	int pid = round_start(round), status = 0, ended;
	uint64_t end = time_now() + ROUND_PATIENCE * settings.patience * MILLISECOND;

	while ((ended = waitpid(pid, &status, WNOHANG)) == 0 && time_now() < end) {
		for (unsigned i = 0; i < SLOTS_MAX; i++)
			slot_watch(i, time_now());
		time_pause();
	}
	if (ended == 0 || WIFSIGNALED(status)) {
		say("# round %lu: %s %d\n", round, ended ? "signal" : "time is up", ended ? WTERMSIG(status) : 0);
		slots_say();
	}
	killed += ended == 0;
	died += ended > 0 && WIFSIGNALED(status);
	if (ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) >= 90) {
		failures++;
		say("# FAIL round %lu could not start: %d\n", round, WEXITSTATUS(status));
	}
	bool alive = rest_kill(round);
	traces_say(round);
	if (alive)
		scratch_remove(round);
	return alive;
}

static void memory_say(uint64_t round)
{
	struct sysinfo info;

	if (sysinfo(&info) == 0)
		say("M %lu %lu\n", round, info.freeram * info.mem_unit / 1024);
}

static void coverage_say(void)
{
	for (unsigned i = 0; i < call_count; i++) {
		const struct coverage *c = &shared->coverage[i];

		say("C %s %u %u", calls[i].name, c->tries, c->successes);
		for (unsigned error = 1; error < ERRORS_MAX; error++) {
			if (c->errors[error])
				say(" %u:%u", error, c->errors[error]);
		}
		say("\n");
	}
}

static void machine_prepare(void)
{
	static const struct { const char *path, *kind; } mounts[] = {
		{ "/proc", "proc" }, { "/sys", "sysfs" }, { "/dev", "devtmpfs" }, { "/tmp", "tmpfs" }, { "/dev/pts", "devpts" },
	};

	for (unsigned i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].path, 0755);
		mount(mounts[i].kind, mounts[i].path, mounts[i].kind, 0, NULL);
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		say("# no shared memory: %s\n", strerror(errno));
}

int main(int count, char **words)
{
	settings_read(count, words);
	machine_prepare();
	uint64_t end = time_now() + settings.seconds * SECOND, round = settings.first;

	say("=== RUN calls\n");
	for (; settings.rounds ? round < settings.first + settings.rounds : time_now() < end; round++) {
		if (round % CHECKPOINT == 0)
			memory_say(round);
		say("R %lu\n", round);
		if (!round_watch(round))
			break;
	}
	memory_say(round);
	coverage_say();
	say("# rounds %lu, of which %lu died and %lu were ended\n", round - settings.first, died, killed);
	say("1..1\n%sok 1 - rounds end and leave nothing\n=== EXIT calls %d\n", failures ? "not " : "", failures != 0);
	reboot(RB_POWER_OFF);
	for (;;)
		time_pause();
}
