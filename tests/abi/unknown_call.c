/* System calls that do not exist, registers across system calls, and the other entries to the kernel. */
#include "check.h"

#include <sys/resource.h>

static void unknown_numbers(void)
{
	static const long numbers[] = {
		336, 400, 423, 463, 500, 511, 512, 547, 548, 999, 1L << 20, 0x3fffffff, -1, -1000, INT32_MIN, INT64_MAX,
	};

	for (size_t i = 0; i < COUNT(numbers); i++) {
		errno = 0;
		if (syscall(numbers[i], 0, 0, 0, 0, 0, 0) != -1 || errno != ENOSYS)
			check_failed(__FILE__, __LINE__, "number %ld: expected ENOSYS, got errno %d", numbers[i], errno);
	}
}

static void removed_calls(void)
{
	static const long numbers[] = {
		SYS_uselib, SYS__sysctl, SYS_create_module, SYS_get_kernel_syms, SYS_query_module, SYS_nfsservctl, SYS_getpmsg,
		SYS_putpmsg, SYS_afs_syscall, SYS_tuxcall, SYS_security, SYS_vserver, SYS_set_thread_area, SYS_get_thread_area,
		SYS_epoll_ctl_old, SYS_epoll_wait_old,
	};

	for (size_t i = 0; i < COUNT(numbers); i++) {
		errno = 0;
		if (syscall(numbers[i], 0, 0, 0, 0, 0, 0) != -1 || errno != ENOSYS)
			check_failed(__FILE__, __LINE__, "number %ld: expected ENOSYS, got errno %d", numbers[i], errno);
	}
}

static void number_is_32_bits(void)
{
	long result;

	/* The kernel looks at the low half of the register only. */
	__asm__ volatile("syscall" : "=a"(result) : "a"(0x1234567800000000 | SYS_getpid) : "rcx", "r11", "memory");
	CHECK_EQ(result, getpid());
	/* Bit 30 selects the x32 calls, which this kernel is built without. */
	CHECK_ERR(syscall(0x40000000 | SYS_getpid), ENOSYS);
}

struct registers {
	uint64_t rbx, rbp, r12, r13, r14, r15, rdi, rsi, rdx, r8, r9, r10, rcx, r11, flags, address;
};

/* Makes one call with known values in every register, and reports all of them afterwards. */
static long call_with_registers(long number, struct registers *after)
{
	long result;

	__asm__ volatile("push %%rbx; push %%rbp; mov %2, %%r15\n"
			 "mov $0x11, %%rbx; mov $0x12, %%rbp; mov $0x13, %%r12; mov $0x14, %%r13; mov $0x15, %%r14\n"
			 "mov $0x21, %%rdi; mov $0x22, %%rsi; mov $0x23, %%rdx; mov $0x24, %%r8; mov $0x25, %%r9\n"
			 "mov $0x26, %%r10; stc; syscall; 1: mov %%rbx, (%%r15); pushfq; pop 112(%%r15)\n"
			 "mov %%rbp, 8(%%r15); mov %%r12, 16(%%r15); mov %%r13, 24(%%r15); mov %%r14, 32(%%r15)\n"
			 "mov %%rdi, 48(%%r15); mov %%rsi, 56(%%r15); mov %%rdx, 64(%%r15); mov %%r8, 72(%%r15)\n"
			 "mov %%r9, 80(%%r15); mov %%r10, 88(%%r15); mov %%rcx, 96(%%r15); mov %%r11, 104(%%r15)\n"
			 "lea 1b(%%rip), %%rcx; mov %%rcx, 120(%%r15); pop %%rbp; pop %%rbx"
			 : "=a"(result) : "a"(number), "r"(after)
			 : "rcx", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rdx", "r8", "r9", "r10", "memory", "cc");
	return result;
}

static void registers_survive(void)
{
	static const long numbers[] = { SYS_getpid, SYS_sched_yield, 9999 };

	for (size_t i = 0; i < COUNT(numbers); i++) {
		struct registers after = { 0 };
		long result = call_with_registers(numbers[i], &after);

		CHECK_EQ(result, numbers[i] == 9999 ? -ENOSYS : numbers[i] == SYS_getpid ? getpid() : 0);
		CHECK(after.rbx == 0x11 && after.rbp == 0x12 && after.r12 == 0x13 && after.r13 == 0x14 && after.r14 == 0x15);
		CHECK(after.rdi == 0x21 && after.rsi == 0x22 && after.rdx == 0x23);
		CHECK(after.r8 == 0x24 && after.r9 == 0x25 && after.r10 == 0x26);
		/* The instruction itself leaves the return address and the flags in these two. */
		CHECK_EQ(after.rcx, after.address);
		CHECK_EQ(after.r11 & 0x201, 0x201);
		CHECK_EQ(after.flags & 1, 1);
	}
}

static void red_zone_survives(void)
{
	uint64_t value;

	__asm__ volatile("movq $0x77, -8(%%rsp); movl $39, %%eax; syscall; mov -8(%%rsp), %0"
			 : "=r"(value) : : "rax", "rcx", "r11", "memory");
	CHECK_EQ(value, 0x77);
}

static void vectors_survive(void)
{
	uint32_t in[4] = { 1, 2, 3, 0xdeadbeef }, out[4] = { 0 };

	__asm__ volatile("movdqu %1, %%xmm7; movl $24, %%eax; syscall; movdqu %%xmm7, %0"
			 : "=m"(out) : "m"(in) : "rax", "rcx", "r11", "xmm7", "memory");
	CHECK(memcmp(in, out, sizeof(in)) == 0);
}

static void legacy_call(void *argument)
{
	long result = 20;

	(void)argument;
	/* The 32-bit entry with the 32-bit number of getpid. */
	__asm__ volatile("int $0x80" : "+a"(result) : : "r8", "r9", "r10", "r11", "memory");
	_exit(result == getpid() ? 10 : 11);
}

static void legacy_interrupt(void)
{
	int status = child_run(legacy_call, NULL);

	SKIP_UNLESS(!WIFSIGNALED(status), "no 32-bit entry");
	CHECK_EXITED(status, 10);
}

static void arch_prctl_bases(void)
{
	unsigned long base = 0;

	CHECK_OK(syscall(SYS_arch_prctl, 0x1003, &base));
	CHECK_EQ(base, *(unsigned long *)__builtin_thread_pointer());
	CHECK_OK(syscall(SYS_arch_prctl, 0x1001, 0x123456789000));
	CHECK_OK(syscall(SYS_arch_prctl, 0x1004, &base));
	CHECK_EQ(base, 0x123456789000);
	sched_yield();
	CHECK_OK(syscall(SYS_arch_prctl, 0x1004, &base));
	CHECK_EQ(base, 0x123456789000);
	CHECK_ERR(syscall(SYS_arch_prctl, 0x1001, bad_pointers[4]), EPERM);
	CHECK_ERR(syscall(SYS_arch_prctl, 0x1002, bad_pointers[2]), EPERM);
	CHECK_ERR(syscall(SYS_arch_prctl, 0x1003, bad_pointers[4]), EFAULT);
	CHECK_ERR(syscall(SYS_arch_prctl, 0x9999, &base), EINVAL);
}

TESTS(TEST(unknown_numbers), TEST(removed_calls), TEST(number_is_32_bits), TEST(registers_survive),
      TEST(red_zone_survives), TEST(vectors_survive), TEST(legacy_interrupt), TEST(arch_prctl_bases))
