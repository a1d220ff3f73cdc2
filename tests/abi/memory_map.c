/* Anonymous memory: mmap and its placement flags, munmap, mprotect, brk, madvise, growing stacks and copy on write. */
#include "check.h"

#include <linux/membarrier.h>
#include <setjmp.h>
#include <sys/resource.h>

#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)
#define READ_WRITE (PROT_READ | PROT_WRITE)

static sigjmp_buf after_fault;

static void jump_back(int number)
{
	(void)number;
	siglongjmp(after_fault, 1);
}

/* Whether a byte can be read, and then whether it can be written. */
static bool readable(volatile char *address)
{
	signal_set(SIGSEGV, jump_back, 0);
	if (sigsetjmp(after_fault, 1))
		return false;
	(void)*address;
	return true;
}

static bool writable(volatile char *address)
{
	signal_set(SIGSEGV, jump_back, 0);
	if (sigsetjmp(after_fault, 1))
		return false;
	*address = *address;
	return true;
}

static void *map(void *address, size_t size, int protection, int flags)
{
	return mmap(address, size, protection, flags, -1, 0);
}

static void new_memory_is_zero(void)
{
	char *pages = pages_new(64);

	for (size_t i = 0; i < 64 * PAGE; i += 512)
		REQUIRE(pages[i] == 0);
	memset(pages, 1, 64 * PAGE);
	CHECK_OK(munmap(pages, 64 * PAGE));
	CHECK(!readable(pages));
}

static void mmap_refuses(void)
{
	char *page = pages_new(1);

	CHECK_ERR(map(NULL, 0, PROT_READ, ANONYMOUS), EINVAL);
	CHECK_ERR(map(NULL, PAGE, PROT_READ, MAP_ANONYMOUS), EINVAL);
	CHECK_ERR(map(NULL, SIZE_MAX, PROT_READ, ANONYMOUS), ENOMEM);
	CHECK_ERR(map(NULL, 1UL << 57, PROT_READ, ANONYMOUS), ENOMEM);
	CHECK_ERR(map(page + 1, PAGE, PROT_READ, ANONYMOUS | MAP_FIXED), EINVAL);
	CHECK_ERR(map((void *)0xfffffffffff000, PAGE, PROT_READ, ANONYMOUS | MAP_FIXED), ENOMEM);
	CHECK_ERR(map(bad_pointers[4], PAGE, PROT_READ, ANONYMOUS | MAP_FIXED), ENOMEM);
	CHECK_ERR(syscall(SYS_mmap, NULL, PAGE, PROT_READ, ANONYMOUS, -1, 1), EINVAL);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 999, 0), EBADF);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
}

static void hint_is_taken_when_free(void)
{
	char *pages = pages_new(4);

	REQUIRE_OK(munmap(pages + PAGE, PAGE));
	CHECK(map(pages + PAGE, PAGE, PROT_READ, ANONYMOUS) == pages + PAGE);
	char *other = map(pages + 2 * PAGE, PAGE, PROT_READ, ANONYMOUS);

	CHECK(other != MAP_FAILED && other != pages + 2 * PAGE);
	REQUIRE_OK(munmap(pages + PAGE, PAGE));
	/* A hint inside a page is rounded. */
	CHECK((uintptr_t)map(pages + PAGE + 5, PAGE, PROT_READ, ANONYMOUS) % PAGE == 0);
}

static void fixed_replaces(void)
{
	char *pages = pages_new(3);

	memset(pages, 7, 3 * PAGE);
	CHECK(map(pages + PAGE, PAGE, PROT_READ, ANONYMOUS | MAP_FIXED) == pages + PAGE);
	CHECK(pages[0] == 7 && pages[PAGE] == 0 && pages[2 * PAGE] == 7);
	CHECK(!writable(pages + PAGE) && writable(pages + 2 * PAGE));
}

static void fixed_noreplace(void)
{
	char *pages = pages_new(3);

	CHECK_ERR(map(pages + PAGE, PAGE, PROT_READ, ANONYMOUS | MAP_FIXED_NOREPLACE), EEXIST);
	REQUIRE_OK(munmap(pages + PAGE, PAGE));
	CHECK_ERR(map(pages + PAGE, 2 * PAGE, PROT_READ, ANONYMOUS | MAP_FIXED_NOREPLACE), EEXIST);
	CHECK(map(pages + PAGE, PAGE, PROT_READ, ANONYMOUS | MAP_FIXED_NOREPLACE) == pages + PAGE);
}

static void munmap_splits(void)
{
	char *pages = pages_new(5);

	memset(pages, 9, 5 * PAGE);
	CHECK_OK(munmap(pages + PAGE, PAGE));
	CHECK_OK(munmap(pages + 3 * PAGE, 1));
	CHECK(readable(pages) && !readable(pages + PAGE) && readable(pages + 2 * PAGE));
	CHECK(!readable(pages + 3 * PAGE) && pages[4 * PAGE] == 9);
	/* Holes are no error. */
	CHECK_OK(munmap(pages, 5 * PAGE));
	CHECK_OK(munmap(pages, 5 * PAGE));
	CHECK_ERR(munmap(pages + 1, PAGE), EINVAL);
	CHECK_ERR(munmap(pages, 0), EINVAL);
	CHECK_ERR(munmap(bad_pointers[4], PAGE), EINVAL);
	CHECK_ERR(munmap(pages, SIZE_MAX), EINVAL);
}

static void mprotect_changes_and_splits(void)
{
	char *pages = pages_new(3);

	memset(pages, 5, 3 * PAGE);
	CHECK_OK(mprotect(pages + PAGE, PAGE, PROT_READ));
	CHECK(writable(pages) && !writable(pages + PAGE) && readable(pages + PAGE) && writable(pages + 2 * PAGE));
	CHECK_OK(mprotect(pages, 3 * PAGE, PROT_NONE));
	CHECK(!readable(pages) && !readable(pages + 2 * PAGE));
	CHECK_OK(mprotect(pages, 3 * PAGE, READ_WRITE));
	CHECK(pages[0] == 5 && pages[PAGE] == 5 && pages[3 * PAGE - 1] == 5);
}

static void mprotect_refuses(void)
{
	char *pages = pages_new(3);

	CHECK_ERR(mprotect(pages + 1, PAGE, PROT_READ), EINVAL);
	CHECK_OK(mprotect(pages, 0, PROT_READ));
	CHECK_ERR(mprotect(pages, PAGE, 0x100), EINVAL);
	REQUIRE_OK(munmap(pages + PAGE, PAGE));
	/* The part before the hole has been changed. */
	CHECK_ERR(mprotect(pages, 3 * PAGE, PROT_READ), ENOMEM);
	CHECK(!writable(pages) && writable(pages + 2 * PAGE));
	CHECK_ERR(mprotect(bad_pointers[4], PAGE, PROT_READ), ENOMEM);
	CHECK_ERR(mprotect(pages, PAGE, PROT_READ | PROT_GROWSDOWN), EINVAL);
	CHECK_ERR(mprotect(pages, PAGE, PROT_GROWSDOWN | PROT_GROWSUP), EINVAL);
}

static void execution_follows_protection(void)
{
	unsigned char *page = pages_new(1);
	int (*function)(void) = (void *)page;

	signal_set(SIGSEGV, jump_back, 0);
	/* mov $42, %eax; ret */
	memcpy(page, "\xb8\x2a\0\0\0\xc3", 6);
	if (sigsetjmp(after_fault, 1) == 0) {
		function();
		CHECK(!"a fault: the page is not executable");
	}
	CHECK_OK(mprotect(page, PAGE, PROT_READ | PROT_EXEC));
	CHECK_EQ(function(), 42);
	CHECK_OK(mprotect(page, PAGE, READ_WRITE | PROT_EXEC));
	page[1] = 43;
	CHECK_EQ(function(), 43);
}

static void shared_anonymous_across_fork(void)
{
	volatile int *shared = pages_shared(2);
	pid_t pid = fork();

	if (pid == 0) {
		shared[0] = 1;
		WAIT_UNTIL(shared[1] == 2);
		shared[PAGE / sizeof(int)] = shared[1] + 1;
		_exit(0);
	}
	CHECK(WAIT_UNTIL(shared[0] == 1));
	shared[1] = 2;
	CHECK_EXITED(child_wait(pid), 0);
	CHECK_EQ(shared[PAGE / sizeof(int)], 3);
}

static void copy_on_write_goes_both_ways(void)
{
	volatile char *pages = pages_new(32);
	int *shared = pages_shared(1);
	pid_t pid;

	memset((void *)pages, 'p', 32 * PAGE);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 32; i += 2)
			pages[i * PAGE] = 'c';
		*shared = 1;
		WAIT_UNTIL(*(volatile int *)shared == 2);
		for (int i = 0; i < 32; i++)
			CHECK_EQ(pages[i * PAGE], i % 2 ? 'p' : 'c');
		_exit(0);
	}
	CHECK(WAIT_UNTIL(*(volatile int *)shared == 1));
	for (int i = 1; i < 32; i += 2)
		pages[i * PAGE] = 'q';
	*shared = 2;
	CHECK_EXITED(child_wait(pid), 0);
	for (int i = 0; i < 32; i++)
		CHECK_EQ(pages[i * PAGE], i % 2 ? 'q' : 'p');
}

static void system_call_breaks_copy_on_write(void)
{
	char *page = pages_new(1);
	int pipes[2];
	pid_t pid;

	strcpy(page, "old");
	REQUIRE_OK(pipe(pipes));
	REQUIRE(write(pipes[1], "new", 3) == 3);
	pid = fork();
	if (pid == 0) {
		CHECK_EQ(read(pipes[0], page, 3), 3);
		CHECK(strcmp(page, "new") == 0);
		_exit(0);
	}
	CHECK_EXITED(child_wait(pid), 0);
	CHECK(strcmp(page, "old") == 0);
}

static void brk_grows_and_shrinks(void)
{
	char *start = (char *)syscall(SYS_brk, 0), *top = (char *)(((uintptr_t)start + 8 * PAGE) & -PAGE);

	CHECK_EQ(syscall(SYS_brk, top), top);
	top[-1] = 1;
	CHECK_EQ(syscall(SYS_brk, top - PAGE + 1), top - PAGE + 1);
	CHECK(readable(top - 1));
	CHECK_EQ(syscall(SYS_brk, top - PAGE), top - PAGE);
	CHECK(!readable(top - 1));
	CHECK_EQ(syscall(SYS_brk, top), top);
	CHECK_EQ(top[-1], 0);
	/* Failure answers the present end. */
	CHECK_EQ(syscall(SYS_brk, 1), top);
	CHECK_EQ(syscall(SYS_brk, bad_pointers[4]), top);
	CHECK_EQ(syscall(SYS_brk, 0), top);
}

static void brk_stops_at_a_mapping(void)
{
	char *top = (char *)(((uintptr_t)syscall(SYS_brk, 0) + PAGE - 1) & -PAGE);

	REQUIRE(map(top + 4 * PAGE, PAGE, PROT_READ, ANONYMOUS | MAP_FIXED_NOREPLACE) == top + 4 * PAGE);
	CHECK(syscall(SYS_brk, top + 6 * PAGE) < (long)(top + 4 * PAGE));
	CHECK(syscall(SYS_brk, top + 2 * PAGE) == (long)(top + 2 * PAGE));
}

static void madvise_dontneed_zeroes(void)
{
	char *pages = pages_new(3), *shared = pages_shared(1);

	memset(pages, 3, 3 * PAGE);
	shared[0] = 3;
	CHECK_OK(madvise(pages + PAGE, PAGE, MADV_DONTNEED));
	CHECK(pages[0] == 3 && pages[PAGE] == 0 && pages[2 * PAGE] == 3);
	/* Shared memory keeps its contents. */
	CHECK_OK(madvise(shared, PAGE, MADV_DONTNEED));
	CHECK_EQ(shared[0], 3);
	CHECK_OK(madvise(pages, PAGE, MADV_NORMAL));
	CHECK_OK(madvise(pages, PAGE, MADV_WILLNEED));
	CHECK_OK(madvise(pages, 0, MADV_DONTNEED));
	CHECK_ERR(madvise(pages + 1, PAGE, MADV_DONTNEED), EINVAL);
	CHECK_ERR(madvise(pages, PAGE, 9999), EINVAL);
	REQUIRE_OK(munmap(pages + PAGE, PAGE));
	CHECK_ERR(madvise(pages, 3 * PAGE, MADV_DONTNEED), ENOMEM);
	CHECK(pages[0] == 0 && pages[2 * PAGE] == 0);
}

static void madvise_for_fork(void)
{
	char *pages = pages_new(2);
	pid_t pid;

	memset(pages, 4, 2 * PAGE);
	CHECK_OK(madvise(pages, PAGE, MADV_DONTFORK));
	CHECK_OK(madvise(pages + PAGE, PAGE, MADV_WIPEONFORK));
	pid = fork();
	if (pid == 0)
		_exit(readable(pages) || pages[PAGE] != 0);
	CHECK_EXITED(child_wait(pid), 0);
	CHECK_EQ(pages[PAGE], 4);
}

static void stack_grows_by_itself(void)
{
	struct rlimit limit;
	volatile char *here = __builtin_alloca(1);
	char *far = (char *)here - (1 << 20);

	REQUIRE_OK(getrlimit(RLIMIT_STACK, &limit));
	SKIP_UNLESS(limit.rlim_cur >= 4 << 20, "the stack limit is small");
	CHECK(writable(far));
	CHECK(readable(far + PAGE));
	/* A system call may grow it too. */
	CHECK_OK(clock_gettime(CLOCK_MONOTONIC, (void *)(far - (1 << 19))));
	CHECK_OK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, far - (1 << 20)));
}

static void growsdown_mapping(void)
{
	char *area = map(NULL, 1024 * PAGE, PROT_NONE, ANONYMOUS | MAP_NORESERVE), *top = area + 1024 * PAGE;

	REQUIRE(area != MAP_FAILED);
	REQUIRE_OK(munmap(area, 1024 * PAGE));
	REQUIRE(map(top - 2 * PAGE, 2 * PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN) == top - 2 * PAGE);
	CHECK(writable(top - 1));
	CHECK(writable(top - 3 * PAGE));
	CHECK(writable(top - 30 * PAGE));
	CHECK(readable(top - 10 * PAGE));
}

static void address_space_limit(void)
{
	struct rlimit limit = { 64 << 20, 64 << 20 };

	REQUIRE_OK(setrlimit(RLIMIT_AS, &limit));
	CHECK_ERR(map(NULL, 128 << 20, PROT_READ, ANONYMOUS), ENOMEM);
	CHECK(map(NULL, 1 << 20, PROT_READ, ANONYMOUS) != MAP_FAILED);
}

static void locking_and_residence(void)
{
	char *pages = pages_new(4);
	unsigned char resident[4];

	CHECK_OK(mincore(pages, 4 * PAGE, resident));
	CHECK_EQ(resident[1] & 1, 0);
	pages[PAGE] = 1;
	CHECK_OK(mincore(pages, 4 * PAGE, resident));
	CHECK((resident[1] & 1) == 1 && (resident[2] & 1) == 0);
	CHECK_OK(mlock(pages, 4 * PAGE));
	CHECK_OK(mincore(pages, 4 * PAGE, resident));
	CHECK_EQ(resident[3] & 1, 1);
	CHECK_OK(munlock(pages, 4 * PAGE));
	CHECK_ERR(mincore(pages + 1, PAGE, resident), EINVAL);
	CHECK_OK(munmap(pages, 4 * PAGE));
	CHECK_ERR(mincore(pages, PAGE, resident), ENOMEM);
	CHECK_ERR(mlock(pages, PAGE), ENOMEM);
}

static void memory_barriers(void)
{
	long known = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	CHECK(known > 0 && known & MEMBARRIER_CMD_PRIVATE_EXPEDITED && known & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
	CHECK_ERR(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), EPERM);
	CHECK_OK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	CHECK_OK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	CHECK_ERR(syscall(SYS_membarrier, 3, 0, 0), EINVAL);
	CHECK_ERR(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0x100, 0), EINVAL);
}

TESTS(TEST(new_memory_is_zero), TEST(mmap_refuses), TEST(hint_is_taken_when_free), TEST(fixed_replaces),
      TEST(fixed_noreplace), TEST(munmap_splits), TEST(mprotect_changes_and_splits), TEST(mprotect_refuses),
      TEST(execution_follows_protection), TEST(shared_anonymous_across_fork), TEST(copy_on_write_goes_both_ways),
      TEST(system_call_breaks_copy_on_write), TEST(brk_grows_and_shrinks), TEST(brk_stops_at_a_mapping),
      TEST(madvise_dontneed_zeroes), TEST(madvise_for_fork), TEST(stack_grows_by_itself), TEST(growsdown_mapping),
      TEST(address_space_limit), TEST(locking_and_residence), TEST(memory_barriers))
