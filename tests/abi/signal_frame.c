/* The frame of a handler: registers, vector state, alternate stacks, and what sigreturn puts back. */
#include "check.h"

#include <asm/prctl.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <ucontext.h>

#define VECTORS 16
#define MAGIC1 0x46505853u
#define MAGIC2 0x46505845u

static volatile uintptr_t stack_in_handler;
static volatile greg_t flags_in_handler;
static struct { stack_t stack; } altstack_in_handler;

static void vectors_fill(unsigned char seed)
{
	unsigned char values[VECTORS][32];

	for (int i = 0; i < VECTORS; i++)
		for (int j = 0; j < 32; j++)
			values[i][j] = seed + 32 * i + j;
#define LOAD(n) __asm__ volatile("vmovdqu %0, %%ymm" #n : : "m"(values[n]));
	LOAD(0) LOAD(1) LOAD(2) LOAD(3) LOAD(4) LOAD(5) LOAD(6) LOAD(7)
	LOAD(8) LOAD(9) LOAD(10) LOAD(11) LOAD(12) LOAD(13) LOAD(14) LOAD(15)
#undef LOAD
}

static void handler_clobbers_vectors(int number)
{
	unsigned control = 0x1fa0;

	(void)number;
	vectors_fill(99);
	__asm__ volatile("ldmxcsr %0; fninit; fldz" : : "m"(control));
	signals_counted++;
}

/* Loads every vector register, takes a signal, and stores them, in one function without calls. */
__attribute__((noinline)) static void vectors_across_kill(unsigned char in[VECTORS][32], unsigned char out[VECTORS][32])
{
	long result = SYS_kill;
	unsigned before = 0x1f80 | 0x6000, after = 0;
	double top = 0;

	__asm__ volatile("ldmxcsr %[before]\n fldpi\n"
			 "vmovdqu 0(%[in]), %%ymm0\n vmovdqu 32(%[in]), %%ymm1\n vmovdqu 64(%[in]), %%ymm2\n"
			 "vmovdqu 96(%[in]), %%ymm3\n vmovdqu 128(%[in]), %%ymm4\n vmovdqu 160(%[in]), %%ymm5\n"
			 "vmovdqu 192(%[in]), %%ymm6\n vmovdqu 224(%[in]), %%ymm7\n vmovdqu 256(%[in]), %%ymm8\n"
			 "vmovdqu 288(%[in]), %%ymm9\n vmovdqu 320(%[in]), %%ymm10\n vmovdqu 352(%[in]), %%ymm11\n"
			 "vmovdqu 384(%[in]), %%ymm12\n vmovdqu 416(%[in]), %%ymm13\n vmovdqu 448(%[in]), %%ymm14\n"
			 "vmovdqu 480(%[in]), %%ymm15\n"
			 "syscall\n"
			 "vmovdqu %%ymm0, 0(%[out])\n vmovdqu %%ymm1, 32(%[out])\n vmovdqu %%ymm2, 64(%[out])\n"
			 "vmovdqu %%ymm3, 96(%[out])\n vmovdqu %%ymm4, 128(%[out])\n vmovdqu %%ymm5, 160(%[out])\n"
			 "vmovdqu %%ymm6, 192(%[out])\n vmovdqu %%ymm7, 224(%[out])\n vmovdqu %%ymm8, 256(%[out])\n"
			 "vmovdqu %%ymm9, 288(%[out])\n vmovdqu %%ymm10, 320(%[out])\n vmovdqu %%ymm11, 352(%[out])\n"
			 "vmovdqu %%ymm12, 384(%[out])\n vmovdqu %%ymm13, 416(%[out])\n vmovdqu %%ymm14, 448(%[out])\n"
			 "vmovdqu %%ymm15, 480(%[out])\n"
			 "stmxcsr %[after]\n fstpl %[top]\n"
			 : "+a"(result), [after] "=m"(after), [top] "=m"(top)
			 : [in] "r"(in), [out] "r"(out), "D"(getpid()), "S"(SIGUSR1), [before] "m"(before)
			 : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
			   "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	CHECK_EQ(result, 0);
	CHECK_EQ(after, before);
	CHECK(top > 3.14159 && top < 3.1416);
}

static void vector_state_survives_a_handler(void)
{
	unsigned char in[VECTORS][32], out[VECTORS][32];

	SKIP_UNLESS(__builtin_cpu_supports("avx"), "no AVX");
	for (int i = 0; i < VECTORS * 32; i++)
		in[i / 32][i % 32] = i * 7 + 1;
	signal_set(SIGUSR1, handler_clobbers_vectors, 0);
	vectors_across_kill(in, out);
	CHECK_EQ(signals_counted, 1);
	CHECK(memcmp(in, out, sizeof(in)) == 0);
}

/* Spins in user mode until the timer's handler has run many times: asynchronous delivery keeps vectors too. */
static void vector_state_survives_asynchronous_signals(void)
{
	unsigned char values[32], got[32];

	SKIP_UNLESS(__builtin_cpu_supports("avx"), "no AVX");
	memset(values, 0x5a, sizeof(values));
	signal_set(SIGALRM, handler_clobbers_vectors, 0);
	__asm__ volatile("vmovdqu %0, %%ymm9" : : "m"(values));
	ualarm(2000, 2000);
	__asm__ volatile("1: cmpl $20, %0; jl 1b" : : "m"(signals_counted) : "cc");
	__asm__ volatile("vmovdqu %%ymm9, %0" : "=m"(got));
	ualarm(0, 0);
	CHECK(memcmp(values, got, sizeof(got)) == 0);
}

static void handler_edits_registers(int number, siginfo_t *info, void *context)
{
	ucontext_t *frame = context;

	(void)number;
	(void)info;
	frame->uc_mcontext.gregs[REG_RBX] = 0x1122334455667788;
	frame->uc_mcontext.gregs[REG_R15] = -5;
	frame->uc_mcontext.gregs[REG_EFL] |= 1;
	frame->uc_mcontext.fpregs->_xmm[3].element[0] = 0xabcdef01;
	sigaddset(&frame->uc_sigmask, SIGHUP);
	sigdelset(&frame->uc_sigmask, SIGTERM);
}

static void sigreturn_loads_the_frame(void)
{
	uint64_t rbx = 0, r15 = 0;
	unsigned char carry = 0;
	uint32_t vector[4] = { 0 };
	sigset_t mask;

	signal_block(SIGTERM);
	signal_set_info(SIGUSR1, handler_edits_registers, 0);
	__asm__ volatile("clc; syscall; setc %2; mov %%rbx, %0; mov %%r15, %1; movdqu %%xmm3, %3"
			 : "=m"(rbx), "=m"(r15), "=m"(carry), "=m"(vector)
			 : "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1)
			 : "rcx", "r11", "rbx", "r15", "xmm3", "memory", "cc");
	CHECK_EQ(rbx, 0x1122334455667788);
	CHECK_EQ(r15, -5);
	CHECK_EQ(carry, 1);
	CHECK_EQ(vector[0], 0xabcdef01);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	CHECK(sigismember(&mask, SIGHUP) && !sigismember(&mask, SIGTERM));
}

static volatile struct {
	greg_t cs, ax, ip, flags;
	uint32_t magic1, magic2, extended;
	uint64_t features;
	unsigned long uc_flags;
	uintptr_t info, context, frame, fpstate;
} seen;

static void handler_inspects(int number, siginfo_t *info, void *context)
{
	ucontext_t *frame = context;
	unsigned char *fpstate = (unsigned char *)frame->uc_mcontext.fpregs;

	(void)number;
	seen.cs = frame->uc_mcontext.gregs[REG_CSGSFS];
	seen.ax = frame->uc_mcontext.gregs[REG_RAX];
	seen.flags = frame->uc_mcontext.gregs[REG_EFL];
	seen.uc_flags = frame->uc_flags;
	seen.info = (uintptr_t)info;
	seen.context = (uintptr_t)context;
	seen.frame = (uintptr_t)__builtin_frame_address(0);
	seen.fpstate = (uintptr_t)fpstate;
	memcpy((void *)&seen.magic1, fpstate + 464, 4);
	memcpy((void *)&seen.extended, fpstate + 468, 4);
	memcpy((void *)&seen.features, fpstate + 472, 8);
	memcpy((void *)&seen.magic2, fpstate + seen.extended - 4, 4);
}

static void frame_layout(void)
{
	signal_set_info(SIGUSR1, handler_inspects, 0);
	raise(SIGUSR1);
	CHECK_EQ(seen.cs & 0xffff, 0x33);
	CHECK_EQ((uint64_t)seen.cs >> 48, 0x2b);
	CHECK_EQ(seen.ax, 0);
	CHECK_EQ(seen.fpstate % 64, 0);
	CHECK(seen.context < seen.info && seen.info < seen.fpstate);
	/* The handler is entered as by a call: its return address makes the stack 8 modulo 16. */
	CHECK_EQ((seen.frame) % 16, 0);
	SKIP_UNLESS(__builtin_cpu_supports("avx"), "no XSAVE state in the frame");
	CHECK_EQ(seen.magic1, MAGIC1);
	CHECK_EQ(seen.magic2, MAGIC2);
	CHECK_EQ(seen.features & 7, 7);
	CHECK_EQ(seen.uc_flags & 7, 7);
}

static void handler_reads_flags(int number)
{
	(void)number;
	__asm__ volatile("pushfq; pop %0" : "=r"(flags_in_handler));
}

static void handler_starts_with_clean_flags(void)
{
	signal_set(SIGUSR1, handler_reads_flags, 0);
	__asm__ volatile("std; syscall; cld" : : "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1) : "rcx", "r11", "memory", "cc");
	CHECK_EQ(flags_in_handler & 0x400, 0);
}

static void handler_reads_stack(int number)
{
	(void)number;
	stack_in_handler = (uintptr_t)__builtin_frame_address(0);
	sigaltstack(NULL, &altstack_in_handler.stack);
	signals_counted++;
}

static void altstack_is_used(void)
{
	char *memory = pages_new(8);
	stack_t stack = { .ss_sp = memory, .ss_size = 8 * PAGE }, old;

	CHECK_OK(sigaltstack(&stack, &old));
	CHECK_EQ(old.ss_flags, SS_DISABLE);
	signal_set(SIGUSR1, handler_reads_stack, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(stack_in_handler > (uintptr_t)memory && stack_in_handler < (uintptr_t)memory + 8 * PAGE);
	CHECK_EQ(altstack_in_handler.stack.ss_flags, SS_ONSTACK);
	CHECK_OK(sigaltstack(NULL, &old));
	CHECK_EQ(old.ss_flags, 0);
	CHECK(old.ss_sp == memory && old.ss_size == 8 * PAGE);
	signal_set(SIGUSR1, handler_reads_stack, 0);
	raise(SIGUSR1);
	CHECK(stack_in_handler < (uintptr_t)memory || stack_in_handler > (uintptr_t)memory + 8 * PAGE);
}

static volatile int change_result;

static void handler_changes_altstack(int number)
{
	stack_t stack = { .ss_flags = SS_DISABLE };

	(void)number;
	change_result = sigaltstack(&stack, NULL) ? errno : 0;
}

static void altstack_refuses(void)
{
	stack_t stack = { .ss_sp = pages_new(8), .ss_size = 1024 };

	CHECK_ERR(sigaltstack(&stack, NULL), ENOMEM);
	stack.ss_size = 8 * PAGE;
	stack.ss_flags = 0x77;
	CHECK_ERR(sigaltstack(&stack, NULL), EINVAL);
	CHECK_ERR(sigaltstack(bad_pointers[2], NULL), EFAULT);
	CHECK_ERR(sigaltstack(NULL, bad_pointers[4]), EFAULT);
	stack.ss_flags = 0;
	CHECK_OK(sigaltstack(&stack, NULL));
	signal_set(SIGUSR1, handler_changes_altstack, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK_EQ(change_result, EPERM);
}

static void autodisarm(void)
{
	stack_t stack = { .ss_sp = pages_new(8), .ss_size = 8 * PAGE, .ss_flags = (int)(1u << 31) }, after;

	CHECK_OK(sigaltstack(&stack, NULL));
	signal_set(SIGUSR1, handler_reads_stack, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK_EQ(altstack_in_handler.stack.ss_flags, SS_DISABLE);
	CHECK_OK(sigaltstack(NULL, &after));
	CHECK(after.ss_sp == stack.ss_sp && after.ss_flags == (int)(1u << 31));
}

static void handler_exits(int number)
{
	(void)number;
	_exit(44);
}

static int recurse(volatile char *above)
{
	volatile char here[1024];

	here[0] = *above;
	return here[0] ? 0 : recurse(here) + here[0];
}

static void stack_overflow_runs_on_altstack(void)
{
	stack_t stack = { .ss_sp = pages_new(8), .ss_size = 8 * PAGE };
	pid_t pid = fork();
	char start = 0;

	if (pid == 0) {
		sigaltstack(&stack, NULL);
		signal_set(SIGSEGV, handler_exits, SA_ONSTACK);
		_exit(recurse(&start));
	}
	CHECK_EXITED(child_wait(pid), 44);
	pid = fork();
	if (pid == 0) {
		signal_set(SIGSEGV, handler_exits, 0);
		_exit(recurse(&start));
	}
	/* Without one there is nowhere to put the frame. */
	CHECK_EQ(child_wait(pid) & 0x7f, SIGSEGV);
}

TESTS(TEST(vector_state_survives_a_handler), TEST(vector_state_survives_asynchronous_signals),
      TEST(sigreturn_loads_the_frame), TEST(frame_layout), TEST(handler_starts_with_clean_flags),
      TEST(altstack_is_used), TEST(altstack_refuses), TEST(autodisarm), TEST(stack_overflow_runs_on_altstack))
