/* Signals that the processor causes: their number, si_code, si_addr and register frame. */
#include "check.h"

#include <setjmp.h>
#include <ucontext.h>

static sigjmp_buf after_fault;
static volatile siginfo_t fault;
static volatile uint64_t fault_trap, fault_error, fault_cr2, fault_rip;

static void fault_handler(int number, siginfo_t *info, void *context)
{
	const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)number;
	*(siginfo_t *)&fault = *info;
	fault_trap = registers[REG_TRAPNO];
	fault_error = registers[REG_ERR];
	fault_cr2 = registers[REG_CR2];
	fault_rip = registers[REG_RIP];
	siglongjmp(after_fault, 1);
}

static void faults_catch(void)
{
	static const int numbers[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };

	for (size_t i = 0; i < COUNT(numbers); i++)
		signal_set_info(numbers[i], fault_handler, 0);
	memset((void *)&fault, 0, sizeof(fault));
}

/* Runs the statement and checks that it faults with this signal, code and address. */
#define CHECK_FAULT(statement, number, code, address)                     \
	do {                                                              \
		faults_catch();                                           \
		if (sigsetjmp(after_fault, 1) == 0) {                     \
			statement;                                        \
			CHECK(!"a fault: " #statement);                   \
		}                                                         \
		CHECK_EQ(fault.si_signo, number);                         \
		CHECK_EQ(fault.si_code, code);                            \
		CHECK_EQ(fault.si_addr, address);                         \
	} while (0)

/* Plain instructions, which the compiler may not remove because their result is undefined. */
static void load(const void *address)
{
	__asm__ volatile("movb (%0), %%al" : : "r"(address) : "rax", "memory");
}

static void store(void *address)
{
	__asm__ volatile("movb $1, (%0)" : : "r"(address) : "memory");
}

static void call(void *address)
{
	((void (*)(void))address)();
}

static void not_mapped(void)
{
	char *page = pages_new(1);

	munmap(page, PAGE);
	CHECK_FAULT(load(page + 5), SIGSEGV, SEGV_MAPERR, page + 5);
	CHECK_EQ(fault_trap, 14);
	CHECK_EQ(fault_error, 4);
	CHECK_EQ(fault_cr2, page + 5);
	CHECK_FAULT(store(page + 6), SIGSEGV, SEGV_MAPERR, page + 6);
	CHECK_EQ(fault_error, 6);
	CHECK_FAULT(call(page + 7), SIGSEGV, SEGV_MAPERR, page + 7);
	CHECK_EQ(fault_error, 0x14);
	CHECK_EQ(fault_rip, page + 7);
	CHECK_FAULT(load(NULL), SIGSEGV, SEGV_MAPERR, NULL);
}

static void not_permitted(void)
{
	char *page = page_readonly();

	CHECK_FAULT(store(page + 1), SIGSEGV, SEGV_ACCERR, page + 1);
	load(page);
	CHECK_FAULT(store(page + 1), SIGSEGV, SEGV_ACCERR, page + 1);
	CHECK_EQ(fault_error, 7);
	CHECK_FAULT(call(page + 2), SIGSEGV, SEGV_ACCERR, page + 2);
	CHECK_EQ(fault_error, 0x15);
	CHECK_OK(mprotect(page, PAGE, PROT_NONE));
	CHECK_FAULT(load(page + 3), SIGSEGV, SEGV_ACCERR, page + 3);
	CHECK_FAULT(store((void *)not_permitted), SIGSEGV, SEGV_ACCERR, not_permitted);
}

static void kernel_half(void)
{
	CHECK_FAULT(load(bad_pointers[4]), SIGSEGV, SEGV_MAPERR, bad_pointers[4]);
	/* The error code pretends that the page is there, so that nobody can probe the kernel's map. */
	CHECK_EQ(fault_error, 5);
	CHECK_FAULT(store((void *)0xffffffff81000000), SIGSEGV, SEGV_MAPERR, 0xffffffff81000000);
	CHECK_EQ(fault_error, 7);
	CHECK_FAULT(load((void *)0x7ffffffff000), SIGSEGV, SEGV_MAPERR, 0x7ffffffff000);
}

static void non_canonical(void)
{
	/* A general protection fault carries no address. */
	CHECK_FAULT(load(bad_pointers[2]), SIGSEGV, SI_KERNEL, 0);
	CHECK_EQ(fault_trap, 13);
	CHECK_EQ(fault_error, 0);
	CHECK_FAULT(store(bad_pointers[3]), SIGSEGV, SI_KERNEL, 0);
	CHECK_FAULT(call(bad_pointers[2]), SIGSEGV, SI_KERNEL, 0);
}

static void stack_segment(void)
{
	CHECK_FAULT(__asm__ volatile("push %%rbp; mov %0, %%rbp; mov (%%rbp), %%rax; pop %%rbp"
				     : : "r"(bad_pointers[2]) : "rax", "memory"),
		    fault_trap == 12 ? SIGBUS : SIGSEGV, SI_KERNEL, 0);
	/* Emulators of the time raise a general protection fault instead. */
	CHECK(fault_trap == 12 || fault_trap == 13);
}

static void privileged_instructions(void)
{
	CHECK_FAULT(__asm__ volatile("hlt"), SIGSEGV, SI_KERNEL, 0);
	CHECK_FAULT(__asm__ volatile("cli"), SIGSEGV, SI_KERNEL, 0);
	CHECK_FAULT(__asm__ volatile("sti"), SIGSEGV, SI_KERNEL, 0);
	CHECK_FAULT(__asm__ volatile("outb %%al, $0x80" : : "a"(0)), SIGSEGV, SI_KERNEL, 0);
	CHECK_FAULT(__asm__ volatile("mov %%cr3, %%rax" : : : "rax"), SIGSEGV, SI_KERNEL, 0);
	CHECK_FAULT(__asm__ volatile("wrmsr" : : "a"(0), "c"(0x10), "d"(0)), SIGSEGV, SI_KERNEL, 0);
	CHECK_FAULT(__asm__ volatile("swapgs"), SIGSEGV, SI_KERNEL, 0);
	CHECK_FAULT(__asm__ volatile("invlpg (%0)" : : "r"(0)), SIGSEGV, SI_KERNEL, 0);
	CHECK_FAULT(__asm__ volatile("mov %%rax, %%dr7" : : "a"(0)), SIGSEGV, SI_KERNEL, 0);
	CHECK_FAULT(__asm__ volatile("int $0x40"), SIGSEGV, SI_KERNEL, 0);
	CHECK_FAULT(__asm__ volatile("int $14"), SIGSEGV, SI_KERNEL, 0);
	CHECK_FAULT(__asm__ volatile("mov %0, %%ss" : : "r"(0x1234)), SIGSEGV, SI_KERNEL, 0);
}

static void divide(void)
{
	CHECK_FAULT(__asm__ volatile("div %0" : : "r"(0L), "a"(1L), "d"(0L)), SIGFPE, FPE_INTDIV, fault_rip);
	CHECK_EQ(fault_trap, 0);
	CHECK_FAULT(__asm__ volatile("idiv %0" : : "r"(-1L), "a"(0L), "d"(INT64_MIN)), SIGFPE, FPE_INTDIV, fault_rip);
}

static void divide_by_zero_unmasked(void *argument)
{
	unsigned control = 0x1f80 & ~(1u << 9);
	double one = 1, zero = 0;

	(void)argument;
	__asm__ volatile("ldmxcsr %0; divsd %2, %1" : : "m"(control), "x"(one), "x"(zero));
}

static void sse_exception(void)
{
	unsigned control = 0x1f80 & ~(1u << 9), normal = 0x1f80;
	double one = 1, zero = 0;

	SKIP_UNLESS(WIFSIGNALED(child_run(divide_by_zero_unmasked, NULL)), "the emulator raises no SIMD exceptions");

	CHECK_FAULT(__asm__ volatile("ldmxcsr %0; divsd %2, %1" : : "m"(control), "x"(one), "x"(zero)), SIGFPE,
		    FPE_FLTDIV, fault_rip);
	CHECK_EQ(fault_trap, 19);
	control = 0x1f80 & ~(1u << 7);
	CHECK_FAULT(__asm__ volatile("ldmxcsr %0; divsd %1, %1" : : "m"(control), "x"(zero)), SIGFPE, FPE_FLTINV,
		    fault_rip);
	__asm__ volatile("ldmxcsr %0" : : "m"(normal));
	CHECK_FAULT(__asm__ volatile("ldmxcsr %0" : : "m"(*(unsigned *)&(unsigned){ 0xffffffff })), SIGSEGV, SI_KERNEL, 0);
}

static void x87_exception(void)
{
	unsigned short control = 0x37f & ~4;

	CHECK_FAULT(__asm__ volatile("fninit; fldcw %0; fld1; fldz; fdivrp; fwait" : : "m"(control)), SIGFPE, FPE_FLTDIV,
		    fault_rip);
	CHECK_EQ(fault_trap, 16);
	__asm__ volatile("fninit");
}

static void invalid_opcode(void)
{
	CHECK_FAULT(__asm__ volatile("ud2"), SIGILL, ILL_ILLOPN, fault_rip);
	CHECK_EQ(fault_trap, 6);
	/* The address is that of the instruction itself. */
	CHECK_EQ(*(const uint16_t *)fault_rip, 0x0b0f);
}

static void breakpoint_and_step(void)
{
	CHECK_FAULT(__asm__ volatile("int3"), SIGTRAP, SI_KERNEL, 0);
	CHECK_EQ(fault_trap, 3);
	/* The frame points behind the one-byte instruction. */
	CHECK_EQ(*(const uint8_t *)(fault_rip - 1), 0xcc);
	CHECK_FAULT(__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; nop; nop" : : : "memory", "cc"), SIGTRAP,
		    TRAP_TRACE, fault_rip);
	CHECK_EQ(fault_trap, 1);
}

static void file_past_its_end(void)
{
	char *map;
	int file;

	scratch_enter();
	file = file_make("file", "abc", 0);
	map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	REQUIRE(map != MAP_FAILED);
	CHECK(map[0] == 'a' && map[3] == 0 && map[PAGE - 1] == 0);
	CHECK_FAULT(load(map + PAGE + 9), SIGBUS, BUS_ADRERR, map + PAGE + 9);
	CHECK_EQ(fault_trap, 14);
	CHECK_FAULT(store(map + PAGE), SIGBUS, BUS_ADRERR, map + PAGE);
	REQUIRE_OK(ftruncate(file, 0));
	CHECK_FAULT(load(map), SIGBUS, BUS_ADRERR, map);
	REQUIRE_OK(ftruncate(file, 2 * PAGE));
	store(map + PAGE);
}

static void blocked_fault_kills(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		faults_catch();
		signal_block(SIGSEGV);
		load(NULL);
		_exit(0);
	}
	CHECK_EQ(child_wait(pid) & 0x7f, SIGSEGV);
	pid = fork();
	if (pid == 0) {
		signal_set(SIGSEGV, SIG_IGN, 0);
		load(NULL);
		_exit(0);
	}
	CHECK_EQ(child_wait(pid) & 0x7f, SIGSEGV);
}

static void handler_returns_to_the_instruction(void)
{
	char *page = pages_new(1);
	volatile int tries = 0;

	mprotect(page, PAGE, PROT_NONE);
	faults_catch();
	if (sigsetjmp(after_fault, 1))
		mprotect(page, PAGE, PROT_READ | PROT_WRITE);
	tries++;
	store(page);
	CHECK_EQ(tries, 2);
	CHECK_EQ(page[0], 1);
}

static void map_and_return(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	mprotect((void *)((uintptr_t)info->si_addr & -PAGE), PAGE, PROT_READ | PROT_WRITE);
	signals_counted++;
}

static void handler_mends_and_the_instruction_repeats(void)
{
	char *pages = pages_new(4);

	mprotect(pages, 4 * PAGE, PROT_NONE);
	signal_set_info(SIGSEGV, map_and_return, 0);
	for (int i = 0; i < 4; i++)
		store(pages + i * PAGE + i);
	CHECK_EQ(signals_counted, 4);
	CHECK(pages[0] == 1 && pages[3 * PAGE + 3] == 1);
}

TESTS(TEST(not_mapped), TEST(not_permitted), TEST(kernel_half), TEST(non_canonical), TEST(stack_segment),
      TEST(privileged_instructions), TEST(divide), TEST(sse_exception), TEST(x87_exception), TEST(invalid_opcode),
      TEST(breakpoint_and_step), TEST(file_past_its_end), TEST(blocked_fault_kills),
      TEST(handler_returns_to_the_instruction), TEST(handler_mends_and_the_instruction_repeats))
