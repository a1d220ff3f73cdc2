/* Memory protection keys for user pages: the kernel honours them, and signals start with the initial rights. */
#include "check.h"

#include <setjmp.h>

#define INITIAL_RIGHTS 0x55555554u
#define NO_ACCESS 1
#define NO_WRITE 2

static sigjmp_buf after_fault;
static siginfo_t fault;
static volatile unsigned rights_in_handler;

static unsigned rights_read(void)
{
	unsigned rights;

	__asm__ volatile("rdpkru" : "=a"(rights) : "c"(0) : "rdx");
	return rights;
}

static void rights_write(unsigned rights)
{
	__asm__ volatile("wrpkru" : : "a"(rights), "c"(0), "d"(0) : "memory");
}

/* Whether the processor has keys and the kernel turned them on. */
static bool keys_on(void)
{
	unsigned eax = 7, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ecx & 16;
}

static void fault_handler(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	fault = *info;
	rights_in_handler = rights_read();
	siglongjmp(after_fault, 1);
}

static int key_for(void *page)
{
	int key = pkey_alloc(0, 0);

	REQUIRE_OK(key);
	REQUIRE_OK(pkey_mprotect(page, PAGE, PROT_READ | PROT_WRITE, key));
	return key;
}

static void instruction_without_keys(void *argument)
{
	(void)argument;
	rights_read();
}

static void without_keys_the_instructions_are_illegal(void)
{
	SKIP_UNLESS(!keys_on(), "keys are on");
	CHECK_KILLED(child_run(instruction_without_keys, NULL), SIGILL);
	CHECK_ERR(pkey_alloc(0, 0), ENOSPC);
}

static void access_faults_with_the_key(void)
{
	volatile char *page = pages_new(1);
	int key;

	SKIP_UNLESS(keys_on(), "no protection keys");
	*page = 1;
	key = key_for((void *)page);
	signal_set_info(SIGSEGV, fault_handler, 0);
	rights_write(NO_ACCESS << 2 * key);
	if (sigsetjmp(after_fault, 1) == 0) {
		(void)*page;
		CHECK(!"a fault");
	}
	CHECK_EQ(fault.si_code, SEGV_PKUERR);
	CHECK_EQ(fault.si_pkey, key);
	CHECK_EQ(fault.si_addr, page);
	CHECK_EQ(rights_in_handler, INITIAL_RIGHTS);
	rights_write(NO_WRITE << 2 * key);
	CHECK_EQ(*page, 1);
	if (sigsetjmp(after_fault, 1) == 0) {
		*page = 2;
		CHECK(!"a fault");
	}
	CHECK_EQ(fault.si_code, SEGV_PKUERR);
}

static void kernel_honours_the_key(void)
{
	char *page = pages_new(1);
	int key;

	SKIP_UNLESS(keys_on(), "no protection keys");
	key = key_for(page);
	rights_write(NO_WRITE << 2 * key);
	CHECK_ERR(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, page), EFAULT);
	CHECK_ERR(syscall(SYS_access, page, 0), ENOENT);
	rights_write(NO_ACCESS << 2 * key);
	CHECK_ERR(syscall(SYS_access, page, 0), EFAULT);
	rights_write(0);
	CHECK_OK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, page));
}

static void calls_work_with_every_key_closed(void)
{
	long result = SYS_getpid;

	SKIP_UNLESS(keys_on(), "no protection keys");
	/* Even the program's own stack is closed between the two instructions. */
	__asm__ volatile("xor %%ecx, %%ecx; xor %%edx, %%edx; mov $0xffffffff, %%eax; wrpkru\n"
			 "mov $24, %%eax; syscall; mov $39, %%eax; syscall; mov %%rax, %%r12\n"
			 "xor %%ecx, %%ecx; xor %%edx, %%edx; mov $0x55555554, %%eax; wrpkru; mov %%r12, %%rax"
			 : "=a"(result) : : "rcx", "rdx", "r11", "r12", "memory");
	CHECK_EQ(result, getpid());
}

static void handler_reads_rights(int number)
{
	(void)number;
	rights_in_handler = rights_read();
	rights_write(0x10);
}

static void rights_belong_to_the_frame(void)
{
	SKIP_UNLESS(keys_on(), "no protection keys");
	signal_set(SIGUSR1, handler_reads_rights, 0);
	rights_write(0x55555550);
	raise(SIGUSR1);
	CHECK_EQ(rights_in_handler, INITIAL_RIGHTS);
	CHECK_EQ(rights_read(), 0x55555550);
	sched_yield();
	CHECK_EQ(rights_read(), 0x55555550);
}

static void check_inherited(void *argument)
{
	(void)argument;
	CHECK_EQ(rights_read(), 0x55555550);
}

static void rights_are_inherited_by_fork(void)
{
	SKIP_UNLESS(keys_on(), "no protection keys");
	rights_write(0x55555550);
	CHECK_EXITED(child_run(check_inherited, NULL), 0);
}

static void allocation(void)
{
	char *page = pages_new(1);
	int key;

	SKIP_UNLESS(keys_on(), "no protection keys");
	CHECK_ERR(pkey_alloc(1, 0), EINVAL);
	CHECK_ERR(pkey_alloc(0, 4), EINVAL);
	CHECK_ERR(pkey_free(5), EINVAL);
	CHECK_ERR(pkey_mprotect(page, PAGE, PROT_READ, 5), EINVAL);
	CHECK_OK(key = pkey_alloc(0, NO_ACCESS));
	CHECK_EQ(rights_read() >> 2 * key & 3, NO_ACCESS);
	CHECK_OK(pkey_free(key));
	for (int i = 0; i < 15; i++)
		CHECK_OK(pkey_alloc(0, 0));
	CHECK_ERR(pkey_alloc(0, 0), ENOSPC);
}

TESTS(TEST(without_keys_the_instructions_are_illegal), TEST(access_faults_with_the_key), TEST(kernel_honours_the_key),
      TEST(calls_work_with_every_key_closed), TEST(rights_belong_to_the_frame), TEST(rights_are_inherited_by_fork),
      TEST(allocation))
