/* What debug builds find in the use of locks, on a stack that is laid out as a unit's. */
#define _GNU_SOURCE
#include "../harness.h"
#include <pthread.h>
#include <runtime_unit.h>
#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>

static jmp_buf failed;
static char message[200];

void unit_fail(const char *file, int line, const char *what)
{
	(void)file, (void)line;
	strncpy(message, what, sizeof(message) - 1);
	longjmp(failed, 1);
}

static struct rt_lock position = RT_LOCK_RANKED(RANK_ABI_POSITION), inode = RT_LOCK_RANKED(RANK_FS_INODE),
	object = RT_LOCK_RANKED(RANK_MEM_OBJECT), other = RT_LOCK_INIT;

static void take(struct rt_lock *lock)
{
	lock_wanted(lock, take);
	lock_taken(lock, take);
}

/* Runs on a stack of its own: true if it was found to be wrong, with that word. */
struct try { void (*run)(void); const char *word; bool found; };

static void *stack_run(void *argument)
{
	struct try *try = argument;

	message[0] = 0;
	if (!setjmp(failed))
		try->run();
	try->found = message[0] && strstr(message, try->word);
	return NULL;
}

static bool finds(void (*run)(void), const char *word)
{
	struct try try = { run, word, false };
	pthread_attr_t attributes;
	pthread_t thread;
	u8 *area = mmap(NULL, 2 * TK_STACK_STRIDE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, (void *)round_up((u64)area, TK_STACK_STRIDE), TK_STACK_STRIDE);
	CHECK(pthread_create(&thread, &attributes, stack_run, &try) == 0);
	pthread_join(thread, NULL);
	munmap(area, 2 * TK_STACK_STRIDE);
	return try.found;
}

static void in_order(void)
{
	take(&position);
	lock_none_at_copy();
	take(&inode);
	take(&other);
	take(&object);
	lock_left(&inode); /* in any order */
	lock_left(&object);
	lock_left(&position);
	lock_left(&other);
	lock_none("a call returns with a lock");
	lock_none_at_copy();
}

static void out_of_order(void)
{
	take(&object);
	take(&inode);
}

static void copying(void)
{
	take(&position);
	take(&other);
	lock_none_at_copy();
}

static void returning(void)
{
	take(&position);
	take(&inode);
	lock_left(&inode);
	lock_none("a call returns with a lock");
}

static void right_use_is_no_failure(void) { CHECK(!finds(in_order, "")); }
static void wrong_order_is_found(void) { CHECK(finds(out_of_order, "wrong order")); }
static void lock_at_a_copy_is_found(void) { CHECK(finds(copying, "copied with a lock")); }
static void lock_at_a_return_is_found(void) { CHECK(finds(returning, "returns with a lock")); }

TEST_MAIN(TEST(right_use_is_no_failure), TEST(wrong_order_is_found), TEST(lock_at_a_copy_is_found), TEST(lock_at_a_return_is_found))
