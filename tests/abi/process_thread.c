/* Threads: set_tid_address, robust lists, thread ids, per-thread state and thread exit. */
#include "check.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define THREADS 16

static int futex(volatile int *word, int operation, int value)
{
	return syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

static void *thread_ids(void *argument)
{
	pid_t *tid = argument;

	*tid = gettid();
	CHECK_EQ(getpid(), syscall(SYS_getpid));
	CHECK(*tid != getpid());
	return NULL;
}

static void threads_have_ids_of_their_own(void)
{
	pthread_t threads[THREADS];
	pid_t tids[THREADS];

	for (int i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, thread_ids, &tids[i]) == 0);
	for (int i = 0; i < THREADS; i++)
		REQUIRE(pthread_join(threads[i], NULL) == 0);
	/* A join returns when the id's word is cleared; the id itself goes a moment later, on Linux too. */
	for (int i = 0; i < THREADS; i++)
		CHECK(WAIT_UNTIL(tgkill(getpid(), tids[i], 0) == -1 && errno == ESRCH));
}

static volatile int exit_word;

static void *thread_set_tid_address(void *argument)
{
	volatile int *word = argument;

	*word = gettid();
	CHECK_EQ(syscall(SYS_set_tid_address, word), gettid());
	time_pause();
	syscall(SYS_exit, 0);
	return NULL;
}

static void set_tid_address_clears_and_wakes(void)
{
	pthread_t thread;
	int tid;

	exit_word = -1;
	REQUIRE(pthread_create(&thread, NULL, thread_set_tid_address, (void *)&exit_word) == 0);
	CHECK(WAIT_UNTIL(exit_word != -1));
	while ((tid = exit_word) != 0)
		futex(&exit_word, FUTEX_WAIT, tid);
	CHECK_EQ(exit_word, 0);
}

static void set_tid_address_of_bad_pointer_is_harmless(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		CHECK_EQ(syscall(SYS_set_tid_address, bad_pointers[4]), getpid());
		_exit(5);
	}
	CHECK_EXITED(child_wait(pid), 5);
}

struct robust_entry {
	struct robust_list list;
	int word;
};

/* Registers a robust list of one lock that this thread owns, then ends without unlocking it. */
static void *thread_robust(void *argument)
{
	static struct robust_list_head head;
	struct robust_entry *entry = argument;

	head.list.next = &entry->list;
	entry->list.next = &head.list;
	head.futex_offset = offsetof(struct robust_entry, word);
	CHECK_OK(syscall(SYS_set_robust_list, &head, sizeof(head)));
	__atomic_store_n(&entry->word, gettid() | FUTEX_WAITERS, __ATOMIC_SEQ_CST);
	syscall(SYS_exit, 0);
	return NULL;
}

static void robust_list_marks_the_owner_dead(void)
{
	static struct robust_entry entry;
	pthread_t thread;
	int value;

	REQUIRE(pthread_create(&thread, NULL, thread_robust, &entry) == 0);
	while (!((value = *(volatile int *)&entry.word) & FUTEX_OWNER_DIED))
		futex(&entry.word, FUTEX_WAIT, value);
	CHECK_EQ(value, (int)(FUTEX_OWNER_DIED | FUTEX_WAITERS));
}

static void robust_list_refuses(void)
{
	struct robust_list_head *head;
	size_t size = 0;

	CHECK_ERR(syscall(SYS_set_robust_list, NULL, 23), EINVAL);
	CHECK_OK(syscall(SYS_get_robust_list, 0, &head, &size));
	CHECK_EQ(size, sizeof(struct robust_list_head));
	CHECK_ERR(syscall(SYS_get_robust_list, 0x3fffffff, &head, &size), ESRCH);
	CHECK_ERR(syscall(SYS_get_robust_list, 0, bad_pointers[2], &size), EFAULT);
	CHECK_ERR(syscall(SYS_get_robust_list, 0, &head, bad_pointers[4]), EFAULT);
}

static void robust_list_with_hostile_pointers(void)
{
	struct robust_list_head head = { .list = { (struct robust_list *)bad_pointers[4] } };
	pid_t pid = fork();

	if (pid == 0) {
		syscall(SYS_set_robust_list, &head, sizeof(head));
		_exit(3);
	}
	CHECK_EXITED(child_wait(pid), 3);
	pid = fork();
	if (pid == 0) {
		/* A list that never comes back to its head: the kernel gives up by itself. */
		struct robust_list one, two;

		one.next = &two;
		two.next = &one;
		head.list.next = &one;
		head.futex_offset = 0;
		syscall(SYS_set_robust_list, &head, sizeof(head));
		_exit(4);
	}
	CHECK_EXITED(child_wait(pid), 4);
	pid = fork();
	if (pid == 0) {
		syscall(SYS_set_robust_list, bad_pointers[2], sizeof(head));
		_exit(5);
	}
	CHECK_EXITED(child_wait(pid), 5);
}

static pthread_mutex_t *robust_mutex_new(void)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t *mutex = pages_shared(1);

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	REQUIRE(pthread_mutex_init(mutex, &attributes) == 0);
	return mutex;
}

static void robust_mutex_across_processes(void)
{
	pthread_mutex_t *mutex = robust_mutex_new();
	pid_t pid = fork();

	if (pid == 0) {
		pthread_mutex_lock(mutex);
		kill(getpid(), SIGKILL);
	}
	CHECK_KILLED(child_wait(pid), SIGKILL);
	CHECK_EQ(pthread_mutex_lock(mutex), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(mutex), 0);
	CHECK_EQ(pthread_mutex_unlock(mutex), 0);
}

static void *thread_state(void *argument)
{
	sigset_t set;
	char name[16];

	(void)argument;
	CHECK_OK(pthread_sigmask(SIG_BLOCK, NULL, &set));
	CHECK(sigismember(&set, SIGUSR1));
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	prctl(PR_GET_NAME, name);
	CHECK(strcmp(name, "parent") == 0);
	prctl(PR_SET_NAME, "child");
	CHECK_OK(chdir("/proc"));
	return NULL;
}

static void mask_and_name_are_per_thread(void)
{
	pthread_t thread;
	sigset_t set;
	char text[64];

	signal_block(SIGUSR1);
	prctl(PR_SET_NAME, "parent");
	REQUIRE(pthread_create(&thread, NULL, thread_state, NULL) == 0);
	pthread_join(thread, NULL);
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	CHECK(!sigismember(&set, SIGUSR2));
	prctl(PR_GET_NAME, text);
	CHECK(strcmp(text, "parent") == 0);
	CHECK(getcwd(text, sizeof(text)) && strcmp(text, "/proc") == 0);
}

static void *thread_setuid(void *argument)
{
	(void)argument;
	CHECK_OK(syscall(SYS_setresuid, 1000, 1000, 1000));
	CHECK_EQ(getuid(), 1000);
	return NULL;
}

static void identity_is_per_thread_in_the_kernel(void)
{
	pthread_t thread;

	REQUIRE(pthread_create(&thread, NULL, thread_setuid, NULL) == 0);
	pthread_join(thread, NULL);
	CHECK_EQ(getuid(), 0);
}

static __thread int local_value = 5;

static void *thread_local_value(void *argument)
{
	CHECK_EQ(local_value, 5);
	for (int i = 0; i < 200; i++) {
		local_value = (int)(intptr_t)argument;
		sched_yield();
		REQUIRE(local_value == (int)(intptr_t)argument);
	}
	return NULL;
}

static void thread_local_storage(void)
{
	pthread_t threads[THREADS];

	for (intptr_t i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, thread_local_value, (void *)(i + 100)) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(local_value, 5);
}

/* Keeps a value of its own in a vector register, the x87 stack and the rounding mode while others run. */
static void *thread_vectors(void *argument)
{
	uint64_t value = (uint64_t)argument * 0x0101010101010101, vector = 0;
	unsigned control = 0x1f80 | (unsigned)((uintptr_t)argument & 3) << 13, after = 0;

	for (int i = 0; i < 300; i++) {
		uint64_t top = 0;

		__asm__ volatile("ldmxcsr %4; fildq %3; movq %3, %%xmm11; mov $24, %%eax; syscall\n"
				 "movq %%xmm11, %0; stmxcsr %1; fistpll %2"
				 : "=m"(vector), "=m"(after), "=m"(top)
				 : "m"(value), "m"(control) : "rax", "rcx", "r11", "xmm11", "memory");
		REQUIRE(vector == value && after == control && top == value);
	}
	return NULL;
}

static void vectors_are_kept_apart(void)
{
	pthread_t threads[THREADS];

	for (intptr_t i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, thread_vectors, (void *)(i + 1)) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

struct counter {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_barrier_t barrier;
	int value;
};

static void *thread_counter(void *argument)
{
	struct counter *counter = argument;

	pthread_barrier_wait(&counter->barrier);
	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&counter->mutex);
		counter->value++;
		pthread_cond_signal(&counter->changed);
		pthread_mutex_unlock(&counter->mutex);
	}
	return NULL;
}

static void mutex_condition_barrier(void)
{
	static struct counter counter = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, { { 0 } }, 0 };
	pthread_t threads[4];

	pthread_barrier_init(&counter.barrier, NULL, 4);
	for (int i = 0; i < 4; i++)
		REQUIRE(pthread_create(&threads[i], NULL, thread_counter, &counter) == 0);
	pthread_mutex_lock(&counter.mutex);
	while (counter.value < 2000)
		pthread_cond_wait(&counter.changed, &counter.mutex);
	pthread_mutex_unlock(&counter.mutex);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(counter.value, 2000);
}

static void *thread_fault(void *argument)
{
	*(volatile int *)argument = 1;
	return NULL;
}

static void fault_in_a_thread_ends_the_process(void)
{
	struct rlimit none = { 0, 0 };
	pthread_t thread;
	pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		pthread_create(&thread, NULL, thread_fault, bad_pointers[0]);
		for (;;)
			pause();
	}
	CHECK_KILLED(child_wait(pid), SIGSEGV);
}

TESTS(TEST(threads_have_ids_of_their_own), TEST(set_tid_address_clears_and_wakes),
      TEST(set_tid_address_of_bad_pointer_is_harmless), TEST(robust_list_marks_the_owner_dead),
      TEST(robust_list_refuses), TEST(robust_list_with_hostile_pointers), TEST(robust_mutex_across_processes),
      TEST(mask_and_name_are_per_thread), TEST(identity_is_per_thread_in_the_kernel), TEST(thread_local_storage),
      TEST(vectors_are_kept_apart), TEST(mutex_condition_barrier), TEST(fault_in_a_thread_ends_the_process))
