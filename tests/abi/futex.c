/* futex: waiting, waking, requeueing, bit sets, timeouts by either clock, private and shared words, PI locks. */
#include "check.h"

#include <linux/futex.h>
#include <pthread.h>

#define WAITERS 4

static long futex(volatile int *word, int operation, int value, const void *timeout, volatile int *other, int value3)
{
	return syscall(SYS_futex, word, operation, value, timeout, other, value3);
}

static volatile int word, second_word;
static int results[WAITERS];
static pid_t tids[WAITERS];

struct waiter {
	pthread_t thread;
	int number, operation, bits;
};

static void *thread_waiter(void *argument)
{
	struct waiter *waiter = argument;

	__atomic_store_n(&tids[waiter->number], gettid(), __ATOMIC_SEQ_CST);
	results[waiter->number] = futex(&word, waiter->operation, 0, NULL, NULL, waiter->bits) ? errno : 0;
	__atomic_store_n(&tids[waiter->number], 0, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Starts threads that wait on the word, one after the other, and sees them asleep. */
static void waiters_start(struct waiter waiters[], int count, int operation, const int *bits)
{
	for (int i = 0; i < count; i++) {
		waiters[i] = (struct waiter){ .number = i, .operation = operation, .bits = bits ? bits[i] : -1 };
		REQUIRE(pthread_create(&waiters[i].thread, NULL, thread_waiter, &waiters[i]) == 0);
		REQUIRE(WAIT_UNTIL(__atomic_load_n(&tids[i], __ATOMIC_SEQ_CST) != 0));
		task_wait_asleep(tids[i]);
	}
}

static void waiters_join(struct waiter waiters[], int count)
{
	for (int i = 0; i < count; i++) {
		pthread_join(waiters[i].thread, NULL);
		CHECK_EQ(results[i], 0);
	}
}

static int waiters_done(int count)
{
	int done = 0;

	for (int i = 0; i < count; i++)
		done += __atomic_load_n(&tids[i], __ATOMIC_SEQ_CST) == 0;
	return done;
}

static void wait_checks_the_value(void)
{
	word = 5;
	CHECK_ERR(futex(&word, FUTEX_WAIT, 6, NULL, NULL, 0), EAGAIN);
	CHECK_ERR(futex(&word, FUTEX_WAIT_PRIVATE, 6, NULL, NULL, 0), EAGAIN);
	CHECK_EQ(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
}

static void errors(void)
{
	struct timespec wrong = { 0, 1000000000 }, negative = { -1, 0 };

	word = 0;
	CHECK_ERR(futex((int *)((char *)&word + 1), FUTEX_WAIT, 0, NULL, NULL, 0), EINVAL);
	CHECK_ERR(futex((int *)((char *)&word + 2), FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
	CHECK_ERR(futex(&word, FUTEX_WAIT, 0, &wrong, NULL, 0), EINVAL);
	CHECK_ERR(futex(&word, FUTEX_WAIT, 0, &negative, NULL, 0), EINVAL);
	CHECK_ERR(futex(&word, FUTEX_WAIT, 0, bad_pointers[2], NULL, 0), EFAULT);
	CHECK_ERR(futex(&word, 99, 0, NULL, NULL, 0), ENOSYS);
	CHECK_ERR(futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0), ENOSYS);
	CHECK_ERR(futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);
	CHECK_ERR(futex(&word, FUTEX_WAKE_BITSET, 0, NULL, NULL, 0), EINVAL);
	for (int i = 0; i < BAD_POINTERS; i++) {
		CHECK_ERR(futex(bad_pointers[i], FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
		CHECK_ERR(futex(bad_pointers[i], FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EFAULT);
	}
	CHECK_ERR(futex(bad_pointers[4], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex(bad_pointers[0], FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
	/* A private wake looks at the address only. */
	CHECK_EQ(futex((int *)0x1000, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 0);
	/* A page that is only ever zero cannot be shared by anyone. */
	CHECK_ERR(futex(page_readonly(), FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
}

static void relative_timeout(void)
{
	struct timespec timeout = time_spec(20 * MILLISECOND), zero = { 0, 0 };
	int64_t start = time_now();

	word = 0;
	CHECK_ERR(futex(&word, FUTEX_WAIT, 0, &timeout, NULL, 0), ETIMEDOUT);
	CHECK(time_now() - start >= 20 * MILLISECOND);
	CHECK_ERR(futex(&word, FUTEX_WAIT_PRIVATE, 0, &zero, NULL, 0), ETIMEDOUT);
}

static void absolute_timeout(clockid_t clock, int flags)
{
	struct timespec timeout;
	int64_t start = time_now();

	word = 0;
	clock_gettime(clock, &timeout);
	timeout = time_spec(timeout.tv_sec * SECOND + timeout.tv_nsec + 20 * MILLISECOND);
	CHECK_ERR(futex(&word, FUTEX_WAIT_BITSET | flags, 0, &timeout, NULL, -1), ETIMEDOUT);
	CHECK(time_now() - start >= 19 * MILLISECOND);
	start = time_now();
	CHECK_ERR(futex(&word, FUTEX_WAIT_BITSET | flags, 0, &timeout, NULL, -1), ETIMEDOUT);
	CHECK(time_now() - start < 5 * SECOND);
}

static void absolute_timeouts(void)
{
	absolute_timeout(CLOCK_MONOTONIC, 0);
	absolute_timeout(CLOCK_MONOTONIC, FUTEX_PRIVATE_FLAG);
	absolute_timeout(CLOCK_REALTIME, FUTEX_CLOCK_REALTIME);
}

static void wake_counts(void)
{
	struct waiter waiters[WAITERS];

	word = 0;
	waiters_start(waiters, WAITERS, FUTEX_WAIT_PRIVATE, NULL);
	/* A shared key is not the private one. */
	CHECK_EQ(futex(&word, FUTEX_WAKE, WAITERS, NULL, NULL, 0), 0);
	CHECK_EQ(futex(&second_word, FUTEX_WAKE_PRIVATE, WAITERS, NULL, NULL, 0), 0);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 1);
	CHECK(WAIT_UNTIL(waiters_done(WAITERS) == 1));
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0), WAITERS - 1);
	waiters_join(waiters, WAITERS);
}

static void bit_sets_choose(void)
{
	static const int bits[3] = { 1, 2, 4 };
	struct waiter waiters[3];

	word = 0;
	waiters_start(waiters, 3, FUTEX_WAIT_BITSET_PRIVATE, bits);
	CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 5, NULL, NULL, 8), 0);
	CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 5, NULL, NULL, 2), 1);
	CHECK(WAIT_UNTIL(__atomic_load_n(&tids[1], __ATOMIC_SEQ_CST) == 0));
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 5, NULL, NULL, 0), 2);
	waiters_join(waiters, 3);
}

static void requeue_moves(void)
{
	struct waiter waiters[WAITERS];

	word = 0;
	waiters_start(waiters, WAITERS, FUTEX_WAIT_PRIVATE, NULL);
	CHECK_ERR(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)10, &second_word, 7), EAGAIN);
	CHECK_EQ(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2, &second_word, 0), 3);
	CHECK(WAIT_UNTIL(waiters_done(WAITERS) == 1));
	CHECK_EQ(futex(&second_word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 2);
	CHECK(WAIT_UNTIL(waiters_done(WAITERS) == 3));
	/* The answer counts those that were moved. */
	CHECK_EQ(futex(&word, FUTEX_REQUEUE_PRIVATE, 0, (void *)10, &second_word, 0), 1);
	CHECK_EQ(futex(&second_word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 1);
	waiters_join(waiters, WAITERS);
	CHECK_ERR(futex(&word, FUTEX_REQUEUE, -1, (void *)1, &second_word, 0), EINVAL);
	CHECK_ERR(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, bad_pointers[4], 0), EFAULT);
}

static void wake_op(void)
{
	struct waiter waiters[1];

	word = 0;
	second_word = 10;
	waiters_start(waiters, 1, FUTEX_WAIT_PRIVATE, NULL);
	CHECK_EQ(futex(&second_word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &second_word,
		       FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 99)), 0);
	CHECK_EQ(second_word, 15);
	CHECK_EQ(futex(&second_word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &word,
		       FUTEX_OP(FUTEX_OP_SET, 3, FUTEX_OP_CMP_EQ, 0)), 1);
	CHECK_EQ(word, 3);
	waiters_join(waiters, 1);
}

static void wait_shared(void *argument)
{
	CHECK_OK(futex(argument, FUTEX_WAIT, 0, NULL, NULL, 0));
}

static void shared_across_processes(void)
{
	volatile int *shared = pages_shared(1), *map;
	pid_t pid;
	int file;

	pid = child_start(wait_shared, (void *)shared);
	task_wait_asleep(pid);
	CHECK_EQ(futex(shared, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 0);
	CHECK_EQ(futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
	CHECK_EXITED(child_wait(pid), 0);
	/* Two mappings of one file are one word. */
	scratch_enter();
	file = open("file", O_CREAT | O_RDWR, 0600);
	REQUIRE_OK(ftruncate(file, PAGE));
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	REQUIRE(map != MAP_FAILED && shared != MAP_FAILED && map != shared);
	pid = child_start(wait_shared, (void *)map);
	task_wait_asleep(pid);
	CHECK_EQ(futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
	CHECK_EXITED(child_wait(pid), 0);
}

static void private_word_is_not_shared_with_a_child(void)
{
	volatile int *page = pages_new(1);
	pid_t pid;

	*page = 0;
	pid = child_start(wait_shared, (void *)page);
	task_wait_asleep(pid);
	CHECK_EQ(futex(page, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
	kill(pid, SIGKILL);
	CHECK_KILLED(child_wait(pid), SIGKILL);
}

static void signal_interrupts(void)
{
	struct timespec timeout = { 5, 0 };

	word = 0;
	signal_set(SIGALRM, signal_count, 0);
	ualarm(20000, 20000);
	CHECK_ERR(futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EINTR);
	/* With a timeout too, and even if the handler restarts calls. */
	CHECK_ERR(futex(&word, FUTEX_WAIT_PRIVATE, 0, &timeout, NULL, 0), EINTR);
	ualarm(0, 0);
}

static void handler_changes_word(int number)
{
	(void)number;
	word = 1;
}

static void restart_looks_again(void)
{
	word = 0;
	signal_set(SIGALRM, handler_changes_word, SA_RESTART);
	ualarm(20000, 20000);
	/* The restarted wait finds another value. */
	CHECK_ERR(futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EAGAIN);
	ualarm(0, 0);
}

static void *thread_lock_pi(void *argument)
{
	__atomic_store_n(&tids[0], gettid(), __ATOMIC_SEQ_CST);
	CHECK_OK(futex(argument, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	CHECK_EQ(*(volatile int *)argument & FUTEX_TID_MASK, gettid());
	CHECK_OK(futex(argument, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	return NULL;
}

static void priority_inheritance_lock(void)
{
	pthread_t thread;

	word = 0;
	CHECK_OK(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	CHECK_EQ(word, gettid());
	CHECK_ERR(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0), EDEADLK);
	REQUIRE(pthread_create(&thread, NULL, thread_lock_pi, (void *)&word) == 0);
	CHECK(WAIT_UNTIL(word & (int)FUTEX_WAITERS));
	CHECK_OK(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	pthread_join(thread, NULL);
	CHECK_EQ(word, 0);
	CHECK_ERR(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0), EPERM);
	CHECK_OK(futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
}

static void waitv_waits_for_any(void)
{
	struct futex_waitv entries[2] = {
		{ .val = 0, .uaddr = (uintptr_t)&word, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG },
		{ .val = 0, .uaddr = (uintptr_t)&second_word, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG },
	};
	struct timespec past = { 0, 0 };

	word = second_word = 0;
	CHECK_ERR(syscall(SYS_futex_waitv, entries, 2, 0, &past, CLOCK_MONOTONIC), ETIMEDOUT);
	second_word = 1;
	CHECK_ERR(syscall(SYS_futex_waitv, entries, 2, 0, &past, CLOCK_MONOTONIC), EAGAIN);
	CHECK_ERR(syscall(SYS_futex_waitv, entries, 0, 0, NULL, 0), EINVAL);
	CHECK_ERR(syscall(SYS_futex_waitv, entries, 129, 0, NULL, 0), EINVAL);
	entries[0].flags = 0x70;
	CHECK_ERR(syscall(SYS_futex_waitv, entries, 2, 0, NULL, 0), EINVAL);
}

static void *thread_waitv(void *argument)
{
	struct futex_waitv entries[2] = {
		{ .val = 0, .uaddr = (uintptr_t)&word, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG },
		{ .val = 0, .uaddr = (uintptr_t)argument, .flags = FUTEX_32 },
	};

	__atomic_store_n(&tids[0], gettid(), __ATOMIC_SEQ_CST);
	results[0] = (int)syscall(SYS_futex_waitv, entries, 2, 0, NULL, 0);
	return NULL;
}

static void waitv_tells_which_was_woken(void)
{
	volatile int *shared = pages_shared(1);
	pthread_t thread;

	for (int which = 0; which < 2; which++) {
		word = 0;
		__atomic_store_n(&tids[0], 0, __ATOMIC_SEQ_CST);
		REQUIRE(pthread_create(&thread, NULL, thread_waitv, (void *)shared) == 0);
		REQUIRE(WAIT_UNTIL(__atomic_load_n(&tids[0], __ATOMIC_SEQ_CST) != 0));
		task_wait_asleep(tids[0]);
		CHECK_EQ(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
		CHECK_EQ(futex(shared, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 0);
		CHECK_EQ(futex(which ? shared : &word, which ? FUTEX_WAKE : FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 1);
		pthread_join(thread, NULL);
		CHECK_EQ(results[0], which);
	}
}

TESTS(TEST(wait_checks_the_value), TEST(errors), TEST(relative_timeout), TEST(absolute_timeouts), TEST(wake_counts),
      TEST(bit_sets_choose), TEST(requeue_moves), TEST(wake_op), TEST(shared_across_processes),
      TEST(private_word_is_not_shared_with_a_child), TEST(signal_interrupts), TEST(restart_looks_again),
      TEST(priority_inheritance_lock), TEST(waitv_waits_for_any), TEST(waitv_tells_which_was_woken))
