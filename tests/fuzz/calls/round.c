/* A round: a process whose threads make calls, each by its own seed, so that one round can be run again alone. */
#include "fuzz.h"
#include "constants.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHILD_STEPS 4
#define TOUCH_ODDS 12 /* one step in so many touches memory instead of making a call */

_Thread_local struct thread *self;
bool round_is_user;

static struct thread threads[THREADS_MAX];

/* A new thread or a child that shares memory must not touch its stack: it ends here at once. */
int64_t system_call(unsigned number, const uint64_t *arguments)
{
	bool begets = number == SYS_clone || number == SYS_clone3 || number == SYS_vfork || number == SYS_fork;
	register uint64_t fourth __asm__("r10") = arguments[3];
	register uint64_t fifth __asm__("r8") = arguments[4];
	register uint64_t sixth __asm__("r9") = arguments[5];
	register uint64_t child_ends __asm__("r12") = begets;
	int64_t result = number;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "test %%r12, %%r12\n\t"
			 "jz 1f\n\t"
			 "xor %%edi, %%edi\n\t"
			 "mov $60, %%eax\n\t"
			 "syscall\n"
			 "1:"
			 : "+a"(result)
			 : "D"(arguments[0]), "S"(arguments[1]), "d"(arguments[2]), "r"(fourth), "r"(fifth), "r"(sixth), "r"(child_ends)
			 : "rcx", "r11", "memory");
	return result;
}

static void result_note(const struct call *call, const uint64_t *arguments, int64_t result)
{
	struct coverage *c = &shared->coverage[call - calls];

	__atomic_fetch_add(&c->tries, 1, __ATOMIC_RELAXED);
	if (result < 0 && result > -ERRORS_MAX)
		__atomic_fetch_add(&c->errors[-result], 1, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&c->successes, 1, __ATOMIC_RELAXED);
	if (settings.trace && shared->trace_count < TRACE_MAX) {
		struct trace *trace = &shared->traces[shared->trace_count++];
		*trace = (struct trace){ .call = (uint32_t)(call - calls), .result = result };
		memcpy(trace->arguments, arguments, sizeof(trace->arguments));
	}
}

/* The child goes on for a few steps with what its call has made of it. */
_Noreturn static void child_run(struct thread *t, const struct call *call, const uint64_t *arguments)
{
	t->slot = &shared->slots[THREADS_MAX + t->number];
	t->slot->pid = t->slot->tid = getpid();
	t->slot->call = (uint32_t)(call - calls);
	t->forked = true;
	if (call->options & CALL_FRAME)
		frame_return(t);
	t->slot->result = system_call(call->number, arguments);
	t->slot->done = true;
	thread_run(t, CHILD_STEPS);
	_exit(0);
}

/* Makes a call in a child. Returns whether it has a result: of one whose child did not live through it there is none. */
static bool child_call(struct thread *t, const struct call *call, const uint64_t *arguments, int64_t *result)
{
	struct slot *report = &shared->slots[THREADS_MAX + t->number];
	int status = 0, pid = (int)syscall(SYS_fork);

	if (pid == 0)
		child_run(t, call, arguments);
	if (pid < 0)
		return false;
	t->child = pid;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	bool done = report->done;
	*result = done ? report->result : 0;
	*report = (struct slot){ 0 };
	return done || WIFEXITED(status);
}

static bool call_fits(const struct thread *t, const struct call *call)
{
	if (t->forked && (call->options & (CALL_CHILD | CALL_FRAME)))
		return false;
	return round_is_user || !(call->options & CALL_USER);
}

static const struct call *call_choose(struct thread *t)
{
	static _Thread_local uint64_t focus; /* a stretch of steps keeps to a few calls, so that sequences of them come about */

	if (settings.only)
		return &calls[settings.only - 1];
	if (random_below(t, 16) == 0)
		focus = random_next(t);
	struct thread fixed = { .random = focus + random_below(t, 6) };
	return &calls[(focus && random_below(t, 2) ? random_next(&fixed) : random_next(t)) % call_count];
}

static void call_make(struct thread *t)
{
	const struct call *call = call_choose(t);
	uint64_t arguments[6] = { 0 };
	int64_t result;

	if (!call_fits(t, call))
		return;
	for (unsigned i = 0; i < call->argument_count; i++)
		arguments[i] = argument_choose(t, &call->arguments[i]);
	t->slot->call = (uint32_t)(call - calls);
	if (settings.verbose)
		dprintf(990, "# %d.%u %s %lx %lx %lx %lx %lx %lx\n", gettid(), t->slot->step, call->name, arguments[0], arguments[1],
			arguments[2], arguments[3], arguments[4], arguments[5]);
	if (!(call->options & (CALL_CHILD | CALL_FRAME)))
		result = system_call(call->number, arguments);
	else if (!child_call(t, call, arguments, &result))
		return;
	result_note(call, arguments, result);
	result_keep(t, call, arguments, result);
}

int64_t page_touch(struct thread *t, uint64_t address, bool write)
{
	int64_t number = sigsetjmp(t->fault, 0);

	if (number)
		return -number;
	volatile uint8_t *byte = (volatile uint8_t *)address;
	uint8_t value = *byte;
	if (write)
		*byte = value;
	return 0;
}

void thread_run(struct thread *t, unsigned steps)
{
	self = t;
	for (unsigned i = 0; i < steps; i++) {
		__atomic_store_n(&t->slot->step, i + 1, __ATOMIC_RELAXED);
		if (random_below(t, TOUCH_ODDS) == 0)
			page_touch(t, PLAY + random_below(t, PLAY_PAGES) * PAGE, random_below(t, 2));
		else
			call_make(t);
	}
}

static void arena_make(unsigned number)
{
	void *base = (void *)ARENA(number);

	if (mmap(base, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ||
	    mmap((void *)(ARENA(number) + ARENA_READONLY), PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		_exit(90);
}

static void *thread_main(void *argument)
{
	struct thread *t = argument;

	t->slot = &shared->slots[t->number];
	t->slot->pid = getpid();
	t->slot->tid = gettid();
	thread_run(t, settings.steps);
	t->slot->tid = 0;
	return NULL;
}

/* Changes the arguments of the others while their calls read them, and takes and gives back the rights to the arena's last page. */
static void *racer_main(void *argument)
{
	struct thread *t = argument;

	self = t;
	t->slot = &shared->slots[t->number];
	for (;;) {
		uint64_t base = ARENA(random_below(t, settings.threads)), page = base + ARENA_SIZE - PAGE;

		if (!sigsetjmp(t->fault, 0))
			*(volatile uint64_t *)(base + (random_below(t, ARENA_SIZE) & ~7ul)) = random_next(t) >> random_below(t, 64);
		if (random_below(t, 256) == 0) {
			mprotect((void *)page, PAGE, PROT_READ);
			mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE);
		}
		if (random_below(t, 1024) == 0)
			madvise((void *)page, PAGE, MADV_DONTNEED);
		if (random_below(t, 64) == 0)
			sched_yield();
	}
	return NULL;
}

/* One of each kind of descriptor, so that calls have something to work with from their first step. */
static void descriptors_open(void)
{
	int pair[2];
	sigset_t set;

	fd_keep(FD_FILE, open("a", O_RDWR));
	fd_keep(FD_FILE, open("d/b", O_RDONLY));
	fd_keep(FD_DIRECTORY, open(".", O_RDONLY));
	fd_keep(FD_DIRECTORY, open("d", O_RDONLY));
	if (pipe(pair) == 0)
		fd_keep(FD_PIPE, pair[0]), fd_keep(FD_PIPE, pair[1]);
	fd_keep(FD_EVENT, eventfd(3, EFD_NONBLOCK));
	fd_keep(FD_TIMER, timerfd_create(CLOCK_MONOTONIC, 0));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	fd_keep(FD_SIGNAL, signalfd(-1, &set, SFD_NONBLOCK));
	fd_keep(FD_EPOLL, epoll_create1(0));
	fd_keep(FD_PROCESS, (int)syscall(SYS_pidfd_open, getpid(), 0));
	pair[0] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
	fd_keep(FD_TERMINAL, pair[0]);
	pair[1] = 0;
	if (pair[0] >= 0 && ioctl(pair[0], TIOCSPTLCK, &pair[1]) == 0)
		fd_keep(FD_TERMINAL, ioctl(pair[0], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK));
	fd_keep(FD_MEMORY, (int)syscall(SYS_memfd_create, "fuzz", MFD_ALLOW_SEALING));
}

static void limits_set(void)
{
	static const struct { int resource; rlim_t value; } limits[] = {
		{ RLIMIT_AS, 128ul << 20 }, { RLIMIT_NPROC, 60 }, { RLIMIT_NOFILE, 100 }, { RLIMIT_FSIZE, 4ul << 20 }, { RLIMIT_CORE, 0 },
	};

	for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		setrlimit(limits[i].resource, &(struct rlimit){ limits[i].value, limits[i].value });
}

/* Even rounds are root's, odd ones a user's. */
_Noreturn void round_run(uint64_t round)
{
	bool race = settings.race && round % 4 >= 2;
	pthread_t handles[THREADS_MAX];

	round_is_user = round % 2;
	setsid();
	if (chdir(SCRATCH) < 0)
		_exit(91);
	for (unsigned i = 0; i < settings.threads; i++)
		arena_make(i);
	if (mmap((void *)PLAY, PLAY_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		_exit(92);
	limits_set();
	if (round_is_user && (setgroups(0, NULL) < 0 || setresgid(1000, 1000, 1000) < 0 || setresuid(1000, 1000, 1000) < 0))
		_exit(93);
	handlers_install();
	descriptors_open();
	for (unsigned i = 0; i < settings.threads; i++) {
		threads[i].number = i;
		threads[i].random = (settings.seed << 32 ^ round) * THREADS_MAX + i;
		random_next(&threads[i]);
		if (i && pthread_create(&handles[i], NULL, race && i + 1 == settings.threads ? racer_main : thread_main, &threads[i]))
			_exit(94);
	}
	thread_main(&threads[0]);
	for (unsigned i = 1; i < settings.threads - race; i++)
		pthread_join(handles[i], NULL);
	_exit(0);
}
