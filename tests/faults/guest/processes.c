/* Workloads of processes, for when proc is ended: nothing of what they do may be lost, so none of their calls may answer EIO. */
#include "work.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- Children ---------------------------------------------------------------------------------------------------------------- */

/* Several at once, waited for in any order: each number and each status once, with the numbers of their own that they saw. */
static void many_children(void)
{
	enum { CHILDREN = 8 };
	volatile pid_t *seen = shared_make();

	while (time_left()) {
		pid_t pids[CHILDREN];
		int count = 1 + (int)random_number(CHILDREN), status;

		for (int i = 0; i < count; i++) {
			seen[i] = 0;
			pids[i] = child_make();
			if (pids[i] == 0) {
				seen[i] = getpid();
				if (i % 3 == 2)
					raise(SIGKILL);
				_exit(10 + i);
			}
		}
		for (int left = count; left; left--) {
			pid_t pid = waitpid(-1, &status, 0);
			int i = 0;

			while (i < count && pids[i] != pid)
				i++;
			CHECK(pid > 0 && i < count);
			CHECK(seen[i] == pid);
			CHECK(i % 3 == 2 ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL : WIFEXITED(status) && WEXITSTATUS(status) == 10 + i);
			pids[i] = -1;
			done_count();
		}
		CHECK(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD);
	}
}

/* Orphans come to the nearest reaper, whatever becomes of who made them. */
static void orphans(void)
{
	volatile pid_t *grandchild = shared_make();
	int status;

	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	while (time_left()) {
		pid_t pid = child_make();

		if (pid == 0) {
			pid_t maker = getpid();

			if (child_make() == 0) {
				*grandchild = getpid();
				while (getppid() == maker)
					usleep(100);
				_exit(7);
			}
			_exit(5);
		}
		child_end(pid, 5 << 8);
		pid = wait(&status);
		CHECK(pid > 0 && pid == *grandchild && status == 7 << 8);
		done_count();
	}
}

/* Programs, by vfork. */
static void programs(void)
{
	while (time_left())
		program_run(true);
}

static void *thread_run(void *argument)
{
	uint64_t *value = argument;

	*value = *value * 3 + 1;
	return value;
}

static void threads(void)
{
	while (time_left()) {
		pthread_t made[4];
		uint64_t values[4];

		for (int i = 0; i < 4; i++) {
			values[i] = random_number(1000) + (uint64_t)i;
			CHECK(pthread_create(&made[i], NULL, thread_run, &values[i]) == 0);
		}
		for (int i = 0; i < 4; i++) {
			void *result;

			CHECK(pthread_join(made[i], &result) == 0 && result == &values[i] && values[i] % 3 == 1);
			done_count();
		}
	}
}

/* The end of a process, seen through a descriptor. */
static void watched(void)
{
	while (time_left()) {
		pid_t pid = child_make();
		struct pollfd want = { .events = POLLIN };

		if (pid == 0)
			_exit(9);
		want.fd = (int)syscall(SYS_pidfd_open, pid, 0);
		CHECK(want.fd >= 0);
		CHECK(poll(&want, 1, PATIENCE * 1000) == 1 && want.revents == POLLIN);
		child_end(pid, 9 << 8);
		CHECK(close(want.fd) == 0);
		done_count();
	}
}

/* ---- Signals -------------------------------------------------------------------------------------------------------------------- */

static volatile uint32_t *taken; /* of the process that counts */

static void in_order(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	if ((uint32_t)info->si_value.sival_int != *taken || info->si_pid != getppid())
		taken[1] = 1;
	++*taken;
}

static void handler_set(int signal, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART };

	CHECK(sigaction(signal, &action, NULL) == 0);
}

/* Queued signals: each is taken once and in order, by a process that does other calls meanwhile. */
static void queued_signals(void)
{
	uint32_t sent = 0;
	pid_t pid;

	taken = shared_make();
	handler_set(SIGRTMIN, in_order);
	pid = child_make();
	while (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		CHECK(sigprocmask(SIG_SETMASK, &none, NULL) == 0);
		CHECK(getppid() > 1);
	}
	while (time_left()) {
		uint32_t count = 1 + (uint32_t)random_number(20);

		while (count--) {
			CHECK(sigqueue(pid, SIGRTMIN, (union sigval){ .sival_int = (int)sent }) == 0);
			sent++;
			done_count();
		}
		CHECK(reaches(taken, sent) && !taken[1]);
	}
	CHECK(kill(pid, SIGKILL) == 0);
	child_end(pid, SIGKILL);
	CHECK(*taken == sent);
}

/* Two that wait for each other's signals. */
static void signal_waits(void)
{
	sigset_t set;
	uint32_t round = 0;
	siginfo_t info;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	pid = child_make();
	while (pid == 0) {
		CHECK(sigwaitinfo(&set, &info) == SIGRTMIN + 1);
		if (info.si_value.sival_int < 0)
			_exit(3);
		CHECK(sigqueue(getppid(), SIGRTMIN + 1, (union sigval){ .sival_int = info.si_value.sival_int + 1 }) == 0);
	}
	while (time_left()) {
		const struct timespec limit = { .tv_sec = PATIENCE };

		CHECK(sigqueue(pid, SIGRTMIN + 1, (union sigval){ .sival_int = (int)round }) == 0);
		CHECK(sigtimedwait(&set, &info, &limit) == SIGRTMIN + 1);
		CHECK(info.si_pid == pid && (uint32_t)info.si_value.sival_int == round + 1);
		CHECK(sigpending(&set) == 0 && !sigismember(&set, SIGRTMIN + 1));
		sigaddset(&set, SIGRTMIN + 1);
		round++;
		done_count();
	}
	CHECK(sigqueue(pid, SIGRTMIN + 1, (union sigval){ .sival_int = -1 }) == 0);
	child_end(pid, 3 << 8);
}

static void count_up(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)info, (void)context;
	++*taken;
}

/* sigsuspend: a mask that stands while it waits, and the old one afterwards. */
static void suspended(void)
{
	sigset_t blocked, none, now;
	uint32_t sent = 0;
	pid_t pid;

	taken = shared_make();
	handler_set(SIGUSR1, count_up);
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
	pid = child_make();
	while (pid == 0) {
		uint32_t before = *taken;

		CHECK(sigsuspend(&none) == -1 && errno == EINTR);
		CHECK(*taken == before + 1);
		CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGUSR1));
	}
	while (time_left()) {
		CHECK(kill(pid, SIGUSR1) == 0);
		sent++;
		CHECK(reaches(taken, sent));
		done_count();
	}
	CHECK(kill(pid, SIGKILL) == 0);
	child_end(pid, SIGKILL);
}

/* Groups and sessions: a signal to a group comes to each member once; the numbers stay. */
static void groups(void)
{
	enum { MEMBERS = 3 };
	volatile uint32_t *counts = shared_make();
	pid_t leader = 0, pids[MEMBERS];
	uint32_t sent = 0;

	CHECK(setsid() == getpid());
	for (int i = 0; i < MEMBERS; i++) {
		pids[i] = child_make();
		taken = &counts[i];
		if (pids[i] == 0)
			handler_set(SIGRTMIN + 2, count_up);
		if (pids[i] == 0)
			counts[8 + i] = 1;
		while (pids[i] == 0)
			pause();
		leader = leader ? leader : pids[i];
		CHECK(setpgid(pids[i], leader) == 0);
		CHECK(reaches(&counts[8 + i], 1));
	}
	while (time_left()) {
		CHECK(kill(-leader, SIGRTMIN + 2) == 0);
		sent++;
		for (int i = 0; i < MEMBERS; i++) {
			CHECK(reaches(&counts[i], sent));
			CHECK(getpgid(pids[i]) == leader && getsid(pids[i]) == getpid());
		}
		CHECK(setpgid(pids[2], random_number(2) ? pids[2] : leader) == 0);
		CHECK(setpgid(pids[2], leader) == 0);
		done_count();
	}
	CHECK(kill(-leader, SIGKILL) == 0);
	for (int i = 0; i < MEMBERS; i++)
		child_end(pids[i], SIGKILL);
}

/* Job control: stopped and continued, each told once. */
static void stops(void)
{
	volatile uint32_t *beats = shared_make();
	pid_t pid = child_make();
	int status;

	while (pid == 0) {
		++*beats;
		usleep(100);
	}
	while (time_left()) {
		uint32_t before;

		CHECK(kill(pid, SIGSTOP) == 0);
		CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
		CHECK(waitpid(pid, &status, WUNTRACED | WNOHANG) == 0);
		before = *beats;
		CHECK(kill(pid, SIGCONT) == 0);
		CHECK(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
		for (time_t limit = time(NULL) + PATIENCE; *beats == before;)
			CHECK(time(NULL) <= limit && usleep(100) == 0);
		done_count();
	}
	CHECK(kill(pid, SIGKILL) == 0);
	child_end(pid, SIGKILL);
}

/* ---- Many at once: what proc does then in one go is far longer than its undo logs have room for by themselves -------------------------- */

enum { CROWD = 48, CROWD_SIGNALS = 10 };
struct crowd { uint32_t leader, ready, heard, ends; };

static volatile struct crowd *crowd;

static void crowd_hears(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)info, (void)context;
	__atomic_fetch_add(&crowd->heard, 1, __ATOMIC_RELAXED);
	if (crowd->ends)
		_exit(0);
}

/* Makes the crowd, a group of its own in which stops and continuations wait for ever, and waits for its own end. */
static void crowd_maker(void)
{
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTSTP);
	sigaddset(&blocked, SIGCONT);
	CHECK(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
	CHECK(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
	handler_set(SIGRTMIN + 4, crowd_hears);
	for (int i = 0; i < CROWD; i++) {
		pid_t pid = child_make();

		if (pid == 0)
			CHECK(setpgid(0, (pid_t)crowd->leader) == 0);
		if (pid == 0)
			__atomic_fetch_add(&crowd->ready, 1, __ATOMIC_RELAXED);
		while (pid == 0)
			pause();
		CHECK(setpgid(pid, (pid_t)crowd->leader) == 0);
		if (i == 0)
			crowd->leader = (uint32_t)pid;
	}
	for (;;)
		pause();
}

/* All of the crowd have counted: each may take its time. */
static bool crowd_counts(volatile uint32_t *word)
{
	for (uint32_t seen = 0; seen < CROWD; seen = *word)
		if (!reaches(word, seen + 1) && *word <= seen)
			return false;
	return *word == CROWD;
}

/* Each of a crowd hears a signal once; when its maker ends they have another parent, who sees each of them end or, ignoring that, none. */
static void crowds(void)
{
	crowd = shared_make();
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	while (time_left()) {
		bool ignores = random_number(2);
		int status;
		pid_t maker, group;

		*crowd = (struct crowd){ .ends = ignores };
		maker = child_make();
		if (maker == 0)
			crowd_maker();
		CHECK(signal(SIGCHLD, ignores ? SIG_IGN : SIG_DFL) != SIG_ERR);
		CHECK(crowd_counts(&crowd->ready));
		group = (pid_t)crowd->leader;
		for (int i = 0; i < CROWD_SIGNALS; i++) {
			CHECK(kill(-group, SIGTSTP) == 0 && kill(-group, SIGCONT) == 0);
			done_count();
		}
		CHECK(kill(-group, SIGRTMIN + 4) == 0);
		CHECK(crowd_counts(&crowd->heard));
		CHECK(kill(maker, SIGKILL) == 0);
		if (!ignores) {
			child_end(maker, SIGKILL);
			CHECK(kill(-group, SIGKILL) == 0);
		}
		for (int i = 0; i < CROWD && !ignores; i++)
			CHECK(waitpid(-group, &status, 0) > 0 && status == SIGKILL);
		CHECK(waitpid(-1, &status, 0) == -1 && errno == ECHILD);
		CHECK(kill(-group, 0) == -1 && errno == ESRCH);
	}
}

/* ---- Timers, limits, semaphores ----------------------------------------------------------------------------------------------------- */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#define TICK 0.003

/* A timer that goes on and on: its expirations and overruns are as many as its intervals. */
static void timer_ticks(void)
{
	struct itimerspec every = { .it_interval.tv_nsec = (long)(TICK * 1e9), .it_value.tv_nsec = (long)(TICK * 1e9) };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3, .sigev_value.sival_int = 77 };
	const struct timespec limit = { .tv_sec = PATIENCE };
	double start, ticks = 0;
	siginfo_t info;
	sigset_t set;
	timer_t timer;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	start = seconds();
	CHECK(timer_settime(timer, 0, &every, NULL) == 0);
	while (time_left()) {
		CHECK(sigtimedwait(&set, &info, &limit) == SIGRTMIN + 3);
		CHECK(info.si_code == SI_TIMER && info.si_value.sival_int == 77);
		ticks += 1 + info.si_overrun;
		CHECK(ticks <= (seconds() - start) / TICK);
		done_count();
	}
	CHECK(ticks >= (seconds() - start) / TICK * 0.5); /* the last one may wait, and a busy host is late */
	CHECK(timer_delete(timer) == 0);
}

/* Alarms that interrupt a pause, and one that is set far off and read again and again. */
static void alarms(void)
{
	struct itimerval soon = { .it_value.tv_usec = 2000 }, off = { 0 }, old;

	taken = shared_make();
	handler_set(SIGALRM, count_up);
	while (time_left()) {
		struct itimerval far = { .it_value.tv_sec = 5000 + (long)random_number(1000) };
		uint32_t before = *taken;

		CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
		CHECK(reaches(taken, before + 1));
		CHECK(setitimer(ITIMER_REAL, &far, &old) == 0 && old.it_value.tv_sec == 0 && old.it_value.tv_usec == 0);
		CHECK(setitimer(ITIMER_REAL, &off, &old) == 0);
		CHECK(old.it_value.tv_sec <= far.it_value.tv_sec && old.it_value.tv_sec > far.it_value.tv_sec - PATIENCE);
		done_count();
	}
}

/* Limits, names, niceness: what was set is there, and what was there before comes back once. */
static void settings(void)
{
	struct rlimit limit = { 500, 600 }, old;
	uint32_t last = 500;
	char name[16], got[16];

	CHECK(setrlimit(RLIMIT_CORE, &limit) == 0);
	CHECK(setpriority(PRIO_PROCESS, 0, 3) == 0);
	while (time_left()) {
		limit.rlim_cur = random_number(600);
		CHECK(prlimit(0, RLIMIT_CORE, &limit, &old) == 0 && old.rlim_cur == last && old.rlim_max == 600);
		last = (uint32_t)limit.rlim_cur;
		snprintf(name, sizeof(name), "name %lu", random_number(100000));
		CHECK(prctl(PR_SET_NAME, name) == 0 && prctl(PR_GET_NAME, got) == 0 && strcmp(name, got) == 0);
		errno = 0;
		CHECK(getpriority(PRIO_PROCESS, 0) == 3);
		CHECK(getuid() == 0 && getppid() == 1);
		done_count();
	}
}

/* A counter in memory that three processes change under a semaphore, which is given back should one of them end. */
static void semaphores(void)
{
	enum { USERS = 3 };
	uint64_t *counter = shared_make(), sum = 0;
	int id = semget(IPC_PRIVATE, 2, 0600);
	pid_t pids[USERS];

	CHECK(id >= 0);
	CHECK(semctl(id, 0, SETVAL, 1) == 0);
	for (int i = 0; i < USERS; i++) {
		pids[i] = child_make();
		while (pids[i] == 0) {
			struct sembuf take = { .sem_op = -1, .sem_flg = SEM_UNDO }, give = { .sem_op = 1, .sem_flg = SEM_UNDO };
			struct sembuf tell = { .sem_num = 1, .sem_op = 1 };

			if (!time_left())
				_exit(0);
			CHECK(semop(id, &take, 1) == 0);
			counter[0]++;
			counter[1 + i]++;
			CHECK(counter[0] == counter[1] + counter[2] + counter[3]);
			CHECK(semop(id, &give, 1) == 0);
			if (counter[1 + i] % 16 == 0)
				CHECK(semop(id, &tell, 1) == 0);
			done_count();
		}
	}
	for (int i = 0; i < USERS; i++)
		child_end(pids[i], 0);
	for (int i = 0; i < USERS; i++)
		sum += counter[1 + i] / 16;
	CHECK(semctl(id, 0, GETVAL) == 1 && (uint64_t)semctl(id, 1, GETVAL) == sum);
	CHECK(semctl(id, 0, IPC_RMID) == 0);
}

const struct work process_works[] = {
	{ "many children", many_children }, { "orphans", orphans }, { "programs", programs }, { "threads", threads },
	{ "watched processes", watched }, { "queued signals", queued_signals }, { "waits for signals", signal_waits },
	{ "suspended", suspended }, { "groups", groups }, { "stops", stops }, { "crowds", crowds }, { "ticks of a timer", timer_ticks }, { "alarms", alarms },
	{ "settings", settings }, { "semaphores", semaphores }, { NULL, NULL },
};
