/* A hostile program's signal frames: what rt_sigreturn may load, and stacks that are not there. */
#include "check.h"

#include <ucontext.h>

#define KERNEL_CODE 0x10
#define KERNEL_DATA 0x18
#define USER_CODE 0x33
#define USER_DATA 0x2b
#define IOPL 0x3000
#define SELECTORS(cs, gs, fs, ss) \
	((greg_t)((uint64_t)(cs) | (uint64_t)(gs) << 16 | (uint64_t)(fs) << 32 | (uint64_t)(ss) << 48))

static void (*frame_edit)(ucontext_t *);

static void edit_frame(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	frame_edit(context);
}

static void cs_kernel(ucontext_t *frame)
{
	frame->uc_mcontext.gregs[REG_CSGSFS] = SELECTORS(KERNEL_CODE, 0, 0, USER_DATA);
}

static void cs_null(ucontext_t *frame)
{
	frame->uc_mcontext.gregs[REG_CSGSFS] = SELECTORS(0, 0, 0, USER_DATA);
}

static void cs_data(ucontext_t *frame)
{
	frame->uc_mcontext.gregs[REG_CSGSFS] = SELECTORS(USER_DATA, 0, 0, USER_DATA);
}

static void cs_beyond_the_table(ucontext_t *frame)
{
	frame->uc_mcontext.gregs[REG_CSGSFS] = SELECTORS(0xfff3, 0, 0, USER_DATA);
}

static void ss_beyond_the_table(ucontext_t *frame)
{
	frame->uc_mcontext.gregs[REG_CSGSFS] = SELECTORS(USER_CODE, 0, 0, 0xfff3);
}

static void rip_non_canonical(ucontext_t *frame)
{
	frame->uc_mcontext.gregs[REG_RIP] = (greg_t)bad_pointers[2];
}

static void rip_kernel(ucontext_t *frame)
{
	frame->uc_mcontext.gregs[REG_RIP] = (greg_t)0xffffffff81000000;
}

static void rip_null(ucontext_t *frame)
{
	frame->uc_mcontext.gregs[REG_RIP] = 0;
}

static void rsp_non_canonical(ucontext_t *frame)
{
	frame->uc_mcontext.gregs[REG_RSP] = (greg_t)bad_pointers[2];
}

static void rsp_kernel(ucontext_t *frame)
{
	frame->uc_mcontext.gregs[REG_RSP] = (greg_t)bad_pointers[4];
}

static void vectors_at_kernel(ucontext_t *frame)
{
	frame->uc_mcontext.fpregs = bad_pointers[4];
}

static void vectors_non_canonical(ucontext_t *frame)
{
	frame->uc_mcontext.fpregs = bad_pointers[2];
}

static void vectors_unmapped(ucontext_t *frame)
{
	frame->uc_mcontext.fpregs = bad_pointers[0];
}

static void raise_with_edit(void *argument)
{
	frame_edit = argument;
	signal_set_info(SIGUSR1, edit_frame, 0);
	raise(SIGUSR1);
	/* raise uses its stack as soon as it comes back. */
	_exit(60);
}

static void frames_that_end_the_program(void)
{
	static void (*const edits[])(ucontext_t *) = {
		cs_kernel,  cs_null,	cs_data,	   cs_beyond_the_table, rip_non_canonical, rip_kernel,
		rip_null,   rsp_non_canonical, rsp_kernel, vectors_at_kernel,	vectors_non_canonical, vectors_unmapped,
	};

	for (size_t i = 0; i < COUNT(edits); i++) {
		int status = child_run(raise_with_edit, edits[i]);

		/* A stack segment fault is SIGBUS where the processor raises one. */
		if ((status & 0x7f) != SIGSEGV && (status & 0x7f) != SIGBUS)
			check_failed(__FILE__, __LINE__, "edit %zu: wait status 0x%x", i, status);
	}
}

static void handler_exits(int number, siginfo_t *info, void *context)
{
	const ucontext_t *frame = context;

	(void)context;
	_exit(number == SIGSEGV && info->si_code == SI_KERNEL && frame->uc_mcontext.gregs[REG_RSP] != 0 ? 44 : 45);
}

static void raise_with_edit_and_handler(void *argument)
{
	stack_t stack = { .ss_sp = pages_new(8), .ss_size = 8 * PAGE };

	sigaltstack(&stack, NULL);
	signal_set_info(SIGSEGV, handler_exits, SA_ONSTACK);
	raise_with_edit(argument);
}

static void the_program_may_handle_its_bad_frame(void)
{
	CHECK_EXITED(child_run(raise_with_edit_and_handler, cs_kernel), 44);
	CHECK_EXITED(child_run(raise_with_edit_and_handler, rip_non_canonical), 44);
	CHECK_EXITED(child_run(raise_with_edit_and_handler, vectors_at_kernel), 44);
	CHECK_EXITED(child_run(raise_with_edit_and_handler, ss_beyond_the_table), 44);
}

static void hostile_flags(ucontext_t *frame)
{
	/* IOPL 3, VM, VIF, VIP, interrupts off, and everything above. */
	frame->uc_mcontext.gregs[REG_EFL] |= IOPL | 0x20000 | 0x80000 | 0x100000 | (greg_t)0xffffffff00000000;
	frame->uc_mcontext.gregs[REG_EFL] &= ~0x200;
}

static uint64_t flags_now(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; pop %0" : "=r"(flags));
	return flags;
}

static void flags_are_filtered(void)
{
	frame_edit = hostile_flags;
	signal_set_info(SIGUSR1, edit_frame, 0);
	raise(SIGUSR1);
	CHECK_EQ(flags_now() & (IOPL | 0x20000 | 0x80000 | 0x100000), 0);
	CHECK_EQ(flags_now() & 0x200, 0x200);
	CHECK_EQ(flags_now() >> 32, 0);
}

static void popf_changes_no_privilege(void)
{
	uint64_t flags = flags_now() | IOPL;

	__asm__ volatile("push %0; popfq" : : "r"(flags & ~0x200UL) : "memory", "cc");
	CHECK_EQ(flags_now() & IOPL, 0);
	CHECK_EQ(flags_now() & 0x200, 0x200);
}

static void forget_vectors(ucontext_t *frame)
{
	frame->uc_mcontext.fpregs = NULL;
}

static void no_vectors_means_initial_ones(void)
{
	uint64_t value = 0x1234;

	frame_edit = forget_vectors;
	signal_set_info(SIGUSR1, edit_frame, 0);
	__asm__ volatile("movq %0, %%xmm5; syscall; movq %%xmm5, %0" : "+r"(value)
			 : "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1) : "rcx", "r11", "xmm5", "memory");
	CHECK_EQ(value, 0);
}

static void break_second_magic(ucontext_t *frame)
{
	unsigned char *area = (unsigned char *)frame->uc_mcontext.fpregs;
	uint32_t size;

	memcpy(&size, area + 468, 4);
	memset(area + size - 4, 0, 4);
}

static void huge_extended_size(ucontext_t *frame)
{
	unsigned char *area = (unsigned char *)frame->uc_mcontext.fpregs;

	memset(area + 468, 0xff, 8);
}

static void wrong_sizes_mean_the_old_format(void)
{
	static void (*const edits[])(ucontext_t *) = { break_second_magic, huge_extended_size };

	SKIP_UNLESS(__builtin_cpu_supports("avx"), "no extended state");
	for (size_t i = 0; i < COUNT(edits); i++) {
		uint64_t value = 0x1234;

		frame_edit = edits[i];
		signal_set_info(SIGUSR1, edit_frame, 0);
		__asm__ volatile("movq %0, %%xmm5; syscall; movq %%xmm5, %0" : "+r"(value)
				 : "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1) : "rcx", "r11", "xmm5", "memory");
		CHECK_EQ(value, 0x1234);
	}
}

/* One call with this stack pointer. */
static long call_on_stack(void *stack, long number, long first, long second)
{
	long result;

	__asm__ volatile("mov %%rsp, %%r15; mov %1, %%rsp; syscall; mov %%r15, %%rsp"
			 : "=a"(result) : "r"(stack), "0"(number), "D"(first), "S"(second)
			 : "rcx", "r11", "r15", "memory");
	return result;
}

static void calls_need_no_stack(void)
{
	for (int i = 0; i < BAD_POINTERS; i++) {
		CHECK_EQ(call_on_stack(bad_pointers[i], SYS_getpid, 0, 0), getpid());
		CHECK_EQ(call_on_stack(bad_pointers[i], SYS_sched_yield, 0, 0), 0);
		CHECK_EQ(call_on_stack(bad_pointers[i], SYS_close, 999, 0), -EBADF);
	}
}

static void signal_on_bad_stack(void *stack)
{
	signal_set(SIGUSR1, signal_count, 0);
	call_on_stack(stack, SYS_kill, getpid(), SIGUSR1);
	_exit(1);
}

static void no_stack_for_a_handler_ends_the_program(void)
{
	for (int i = 0; i < BAD_POINTERS; i++)
		CHECK_KILLED(child_run(signal_on_bad_stack, bad_pointers[i]), SIGSEGV);
	CHECK_KILLED(child_run(signal_on_bad_stack, (char *)page_readonly() + PAGE), SIGSEGV);
}

static void alternate_stack_saves_it(void)
{
	stack_t stack = { .ss_sp = pages_new(8), .ss_size = 8 * PAGE };

	CHECK_OK(sigaltstack(&stack, NULL));
	signal_set(SIGUSR1, signal_count, SA_ONSTACK);
	for (int i = 0; i < BAD_POINTERS; i++)
		CHECK_EQ(call_on_stack(bad_pointers[i], SYS_kill, getpid(), SIGUSR1), 0);
	CHECK_EQ(signals_counted, BAD_POINTERS);
	/* And when the signal comes by itself. */
	signal_set(SIGALRM, signal_count, SA_ONSTACK);
	ualarm(5000, 0);
	__asm__ volatile("mov %%rsp, %%r15; mov %1, %%rsp; 1: cmpl %2, %0; je 1b; mov %%r15, %%rsp"
			 : : "m"(signals_counted), "r"(bad_pointers[3]), "i"(BAD_POINTERS) : "r15", "cc", "memory");
	CHECK_EQ(signals_counted, BAD_POINTERS + 1);
}

static void bad_alternate_stack(void *stack)
{
	stack_t alternate = { .ss_sp = stack, .ss_size = 8 * PAGE };

	REQUIRE_OK(sigaltstack(&alternate, NULL));
	signal_set(SIGUSR1, signal_count, SA_ONSTACK);
	raise(SIGUSR1);
	_exit(1);
}

static void bad_alternate_stack_ends_the_program(void)
{
	for (int i = 0; i < BAD_POINTERS; i++)
		CHECK_KILLED(child_run(bad_alternate_stack, bad_pointers[i]), SIGSEGV);
}

static void sigreturn_on_stack(void *stack)
{
	call_on_stack(stack, SYS_rt_sigreturn, 0, 0);
	_exit(1);
}

static void sigreturn_without_a_frame(void)
{
	for (int i = 0; i < BAD_POINTERS; i++)
		CHECK_KILLED(child_run(sigreturn_on_stack, bad_pointers[i]), SIGSEGV);
	/* A frame of zeroes names no code segment. */
	CHECK_KILLED(child_run(sigreturn_on_stack, (char *)pages_new(2) + PAGE), SIGSEGV);
}

TESTS(TEST(frames_that_end_the_program), TEST(the_program_may_handle_its_bad_frame), TEST(flags_are_filtered),
      TEST(popf_changes_no_privilege), TEST(no_vectors_means_initial_ones), TEST(wrong_sizes_mean_the_old_format),
      TEST(calls_need_no_stack), TEST(no_stack_for_a_handler_ends_the_program), TEST(alternate_stack_saves_it),
      TEST(bad_alternate_stack_ends_the_program), TEST(sigreturn_without_a_frame))
