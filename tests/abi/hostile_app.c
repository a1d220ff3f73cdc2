/* A hostile program's registers: every call behaves the same whatever flags, control words and bases it comes with. */
#include "check.h"

#include <asm/prctl.h>
#include <sys/auxv.h>

#define TRAP_FLAG 0x100
#define DIRECTION_FLAG 0x400
#define NESTED_FLAG 0x4000
#define RESUME_FLAG 0x10000
#define ALIGNMENT_FLAG 0x40000
#define ID_FLAG 0x200000
#define ARITHMETIC_FLAGS 0x8d5

/* One system call and the result it must have. */
struct call {
	long number, arguments[3], expected;
};

static char buffer[64];
static int pipes[2];

/* Calls that read and write user memory, at odd addresses, succeed and fail. */
static const struct call calls[] = {
	{ SYS_getppid, { 0 }, 0 },
	{ SYS_sched_yield, { 0 }, 0 },
	{ SYS_clock_gettime, { CLOCK_MONOTONIC, (long)(buffer + 1) }, 0 },
	{ SYS_write, { -7, (long)(buffer + 3), 5 }, 5 },
	{ SYS_read, { -8, (long)(buffer + 7), 5 }, 5 },
	{ SYS_uname, { 0x10 }, -EFAULT },
	{ SYS_clock_gettime, { CLOCK_MONOTONIC, 0x0100000000000000 }, -EFAULT },
	{ SYS_clock_gettime, { CLOCK_MONOTONIC, (long)0xffff888000000000 }, -EFAULT },
	{ SYS_open, { (long)"/missing", 0, 0 }, -ENOENT },
	{ SYS_close, { 999 }, -EBADF },
	{ SYS_nanosleep, { (long)&(struct timespec){ 0, 100000 }, 0 }, 0 },
	{ 9999, { 0 }, -ENOSYS },
};

/* A state to enter before a call and to leave after it; the body runs between the two without touching memory. */
struct outcome {
	long result;
	uint64_t flags;
};

static struct outcome call_with_flags(const struct call *call, const long arguments[3], uint64_t set)
{
	struct outcome outcome;

	__asm__ volatile("pushfq; mov (%%rsp), %%r12; or %5, (%%rsp); popfq; syscall; pushfq; pop %1; push %%r12; popfq; cld"
			 : "=a"(outcome.result), "=&r"(outcome.flags)
			 : "0"(call->number), "D"(arguments[0]), "S"(arguments[1]), "r"(set), "d"(arguments[2])
			 : "rcx", "r11", "r12", "memory", "cc");
	return outcome;
}

static void arguments_of(const struct call *call, long arguments[3])
{
	memcpy(arguments, call->arguments, sizeof(call->arguments));
	if (arguments[0] == -7 || arguments[0] == -8)
		arguments[0] = pipes[arguments[0] == -7];
}

static long expected_of(const struct call *call)
{
	return call->number == SYS_getppid ? getppid() : call->expected;
}

static void prepare(void)
{
	REQUIRE_OK(pipe(pipes));
}

/* Makes all the calls with these flags and checks results and the flags that come back. */
static void calls_with_flags(uint64_t set)
{
	for (size_t i = 0; i < COUNT(calls); i++) {
		long arguments[3];
		struct outcome outcome;

		arguments_of(&calls[i], arguments);
		outcome = call_with_flags(&calls[i], arguments, set);
		if (outcome.result != expected_of(&calls[i]) || (outcome.flags & set) != (set & ~(uint64_t)RESUME_FLAG))
			check_failed(__FILE__, __LINE__, "call %ld with flags 0x%lx: result %ld, flags 0x%lx", calls[i].number,
				     set, outcome.result, outcome.flags);
	}
}

static void flags(void)
{
	prepare();
	calls_with_flags(0);
	calls_with_flags(DIRECTION_FLAG);
	calls_with_flags(NESTED_FLAG);
	calls_with_flags(ALIGNMENT_FLAG);
	calls_with_flags(ID_FLAG);
	calls_with_flags(RESUME_FLAG);
	calls_with_flags(ARITHMETIC_FLAGS);
	calls_with_flags(DIRECTION_FLAG | NESTED_FLAG | ALIGNMENT_FLAG | ID_FLAG | ARITHMETIC_FLAGS);
}

static volatile unsigned steps;
static volatile bool step_wrong;

static void count_step(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	steps++;
	step_wrong |= info->si_code != TRAP_TRACE;
}

static void single_step(void)
{
	prepare();
	signal_set_info(SIGTRAP, count_step, 0);
	for (size_t i = 0; i < COUNT(calls); i++) {
		long arguments[3];

		arguments_of(&calls[i], arguments);
		steps = 0;
		CHECK_EQ(call_with_flags(&calls[i], arguments, TRAP_FLAG).result, expected_of(&calls[i]));
		/* The call itself does not trap; the five instructions after it do, the last while the flag goes away. */
		CHECK(steps >= 3 && steps <= 6);
		CHECK(!step_wrong);
	}
}

static void single_step_without_a_handler(void *argument)
{
	long arguments[3] = { 0 };

	(void)argument;
	call_with_flags(&calls[0], arguments, TRAP_FLAG);
	_exit(0);
}

static void step_without_a_handler_ends_the_program(void)
{
	CHECK_EQ(child_run(single_step_without_a_handler, NULL) & 0x7f, SIGTRAP);
}

static void check_all(const char *state)
{
	for (size_t i = 0; i < COUNT(calls); i++) {
		long arguments[3], result;

		arguments_of(&calls[i], arguments);
		result = call_with_flags(&calls[i], arguments, 0).result;
		if (result != expected_of(&calls[i]))
			check_failed(__FILE__, __LINE__, "call %ld with %s: result %ld", calls[i].number, state, result);
	}
}

static void vector_control(void)
{
	static const unsigned controls[] = { 0x0000, 0x1f80, 0x7f80, 0xffbf, 0x803f, 0x9fc0 };
	unsigned normal = 0x1f80, after;

	prepare();
	for (size_t i = 0; i < COUNT(controls); i++) {
		__asm__ volatile("ldmxcsr %0" : : "m"(controls[i]));
		check_all("MXCSR");
		__asm__ volatile("stmxcsr %0; ldmxcsr %1" : "=m"(after) : "m"(normal));
		CHECK_EQ(after, controls[i]);
	}
}

static void x87_with_an_exception_pending(void)
{
	unsigned short control = 0x300, after = 0;

	prepare();
	/* Division by zero, unmasked, that no waiting instruction has reported yet. */
	__asm__ volatile("fninit; fldcw %0; fld1; fldz; fdivrp" : : "m"(control));
	check_all("a pending x87 exception");
	__asm__ volatile("fnstsw %0; fninit" : "=m"(after));
	CHECK_EQ(after & 0x84, 0x84);
}

static void segment_selectors(void)
{
	static const unsigned short selectors[] = { 0, 3, 0x2b };

	prepare();
	for (size_t i = 0; i < COUNT(selectors); i++) {
		__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%gs" : : "r"(selectors[i]));
		check_all("segment selectors");
		raise(SIGURG);
	}
	__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%gs" : : "r"(0));
}

static const uint64_t bases[] = { 0, 0x1000, 0x7ffffffff000, 0xffff888000000000, 0xffffffffffffffff };

static void base_by_call(void)
{
	uint64_t base;

	prepare();
	for (size_t i = 0; i < 2; i++) {
		CHECK_OK(syscall(SYS_arch_prctl, ARCH_SET_GS, bases[i]));
		check_all("a GS base");
		CHECK_OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
		CHECK_EQ(base, bases[i]);
	}
}

static bool bases_writable(void)
{
	return getauxval(AT_HWCAP2) & 2;
}

/* Writes the base by instruction: even kernel addresses are allowed, and mean nothing to the kernel. */
static void gs_base_by_instruction(void)
{
	uint64_t after;

	SKIP_UNLESS(bases_writable(), "no FSGSBASE");
	prepare();
	for (size_t i = 0; i < COUNT(bases); i++) {
		__asm__ volatile("wrgsbase %0" : : "r"(bases[i]));
		check_all("a written GS base");
		sched_yield();
		__asm__ volatile("rdgsbase %0" : "=r"(after));
		CHECK_EQ(after, bases[i]);
	}
}

static void fs_base_by_instruction(void)
{
	SKIP_UNLESS(bases_writable(), "no FSGSBASE");
	for (size_t i = 0; i < COUNT(bases); i++) {
		uint64_t saved, after;
		long result = SYS_getpid;

		/* libc lives by this register, so nothing of it runs in between. */
		__asm__ volatile("rdfsbase %[saved]; wrfsbase %[base]; syscall; mov $24, %%eax; syscall; mov $39, %%eax; syscall\n"
				 "rdfsbase %[after]; wrfsbase %[saved]"
				 : "+a"(result), [saved] "=&r"(saved), [after] "=&r"(after)
				 : [base] "r"(bases[i]) : "rcx", "r11", "memory");
		CHECK_EQ(result, getpid());
		CHECK_EQ(after, bases[i]);
	}
}

static void write_bad_base(void *base)
{
	__asm__ volatile("wrgsbase %0" : : "r"(base));
	check_all("a non-canonical base");
	raise(SIGURG);
	_exit(5);
}

static void non_canonical_base_does_no_harm(void)
{
	SKIP_UNLESS(bases_writable(), "no FSGSBASE");
	prepare();
	for (int i = 2; i < 4; i++) {
		int status = child_run(write_bad_base, bad_pointers[i]);

		/* A processor refuses it; emulators of the time take it, and then it must mean nothing to the kernel. */
		CHECK((status & 0x7f) == SIGSEGV || (WIFEXITED(status) && WEXITSTATUS(status) == 5));
	}
}

/* Faults and signals with a hostile GS base: the entries by exception take other paths than the call's. */
static void faults_with_hostile_bases(void)
{
	SKIP_UNLESS(bases_writable(), "no FSGSBASE");
	signal_set(SIGALRM, signal_count, 0);
	ualarm(3000, 3000);
	for (size_t i = 0; i < COUNT(bases); i++) {
		char *pages = pages_new(16);
		uint64_t after;

		__asm__ volatile("wrgsbase %0" : : "r"(bases[i]));
		for (int j = 0; j < 16; j++)
			pages[j * PAGE] = 1;
		signals_counted = 0;
		while (signals_counted < 2)
			;
		__asm__ volatile("rdgsbase %0" : "=r"(after));
		CHECK_EQ(after, bases[i]);
	}
	ualarm(0, 0);
}

static void call_at_the_end_of_memory(void *argument)
{
	char *page = (char *)0x7fffffffe000;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;

	(void)argument;
	if (mmap(page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0) != page)
		_exit(1);
	memcpy(page + PAGE - 2, "\x0f\x05", 2);
	__asm__ volatile("jmp *%0" : : "r"(page + PAGE - 2), "a"(SYS_getpid) : "rcx", "r11", "memory");
}

static void return_past_the_end_of_memory(void)
{
	int status = child_run(call_at_the_end_of_memory, NULL);

	/* The call's return address is beyond the lower half: a fault in user mode and nothing else. */
	SKIP_UNLESS(!WIFEXITED(status), "that page cannot be mapped");
	CHECK_KILLED(status, SIGSEGV);
}

TESTS(TEST(flags), TEST(single_step), TEST(step_without_a_handler_ends_the_program), TEST(vector_control),
      TEST(x87_with_an_exception_pending), TEST(segment_selectors), TEST(base_by_call),
      TEST(gs_base_by_instruction), TEST(fs_base_by_instruction), TEST(non_canonical_base_does_no_harm),
      TEST(faults_with_hostile_bases), TEST(return_past_the_end_of_memory))
