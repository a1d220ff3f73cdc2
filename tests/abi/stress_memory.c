/* Threads that fault while others unmap, protect, fork and signal. Argument: rounds (default 30). */
#include "check.h"

#include <pthread.h>
#include <setjmp.h>

#define THREADS 4
#define PAGES 16

static unsigned rounds = 30;
static volatile bool stop;
static char *area;
static __thread sigjmp_buf after_fault;
static __thread volatile sig_atomic_t armed;
static volatile unsigned faults;

static void jump_back(int number)
{
	(void)number;
	if (!armed)
		_exit(70);
	__atomic_add_fetch(&faults, 1, __ATOMIC_RELAXED);
	siglongjmp(after_fault, 1);
}

/* Touches the area until told to stop; a fault is caught and counted. */
static void *thread_toucher(void *argument)
{
	unsigned seed = (unsigned)(uintptr_t)argument;

	while (!stop) {
		volatile char *at = area + (size_t)(rand_r(&seed) % PAGES) * PAGE;

		armed = 1;
		if (sigsetjmp(after_fault, 1) == 0)
			*at = *at + 1;
		armed = 0;
	}
	return NULL;
}

static void touchers_start(pthread_t threads[THREADS])
{
	area = pages_new(PAGES);
	signal_set(SIGSEGV, jump_back, SA_NODEFER);
	for (uintptr_t i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, thread_toucher, (void *)(i + 1)) == 0);
}

static void touchers_stop(pthread_t threads[THREADS])
{
	stop = true;
	for (int i = 0; i < THREADS; i++)
		REQUIRE(pthread_join(threads[i], NULL) == 0);
}

static void unmap_against_faults(void)
{
	pthread_t threads[THREADS];

	touchers_start(threads);
	for (unsigned i = 0; i < rounds; i++) {
		REQUIRE_OK(munmap(area, PAGES * PAGE));
		sched_yield();
		REQUIRE(mmap(area, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == area);
		sched_yield();
	}
	touchers_stop(threads);
}

static void protect_against_faults(void)
{
	static const int protections[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	pthread_t threads[THREADS];

	touchers_start(threads);
	for (unsigned i = 0; i < rounds * 3; i++) {
		REQUIRE_OK(mprotect(area + (i % PAGES) * PAGE, (PAGES - i % PAGES) * PAGE, protections[i % 3]));
		sched_yield();
	}
	touchers_stop(threads);
}

static void protection_takes_effect_everywhere(void)
{
	pthread_t threads[THREADS];
	char copy[PAGES];

	/* Once mprotect has returned no thread may write any more, on whichever processor. */
	touchers_start(threads);
	for (unsigned i = 0; i < rounds; i++) {
		REQUIRE_OK(mprotect(area, PAGES * PAGE, PROT_READ));
		for (int j = 0; j < PAGES; j++)
			copy[j] = area[j * PAGE];
		sched_yield();
		for (int j = 0; j < PAGES; j++)
			REQUIRE(copy[j] == area[j * PAGE]);
		REQUIRE_OK(mprotect(area, PAGES * PAGE, PROT_READ | PROT_WRITE));
		sched_yield();
	}
	touchers_stop(threads);
}

static void check_copy(void *argument)
{
	char *copy = argument;

	for (int i = 0; i < PAGES; i++)
		copy[i] = area[i * PAGE];
	sched_yield();
	for (int i = 0; i < PAGES; i++)
		REQUIRE(copy[i] == area[i * PAGE]);
	memset(area, 0, PAGES * PAGE);
}

static void fork_against_faults(void)
{
	pthread_t threads[THREADS];
	char copy[PAGES];

	touchers_start(threads);
	/* Each child sees one frozen image while the parent's threads write on. */
	for (unsigned i = 0; i < rounds; i++)
		REQUIRE(child_run(check_copy, copy) == 0);
	touchers_stop(threads);
}

static void *thread_signaller(void *argument)
{
	pthread_t *threads = argument;

	while (!stop)
		for (int i = 0; i < THREADS; i++) {
			pthread_kill(threads[i], SIGUSR1);
			sched_yield();
		}
	return NULL;
}

static void signals_against_faults(void)
{
	pthread_t threads[THREADS], signaller;

	signal_set(SIGUSR1, signal_count, SA_RESTART);
	touchers_start(threads);
	REQUIRE(pthread_create(&signaller, NULL, thread_signaller, threads) == 0);
	for (unsigned i = 0; i < rounds; i++) {
		REQUIRE_OK(madvise(area, PAGES * PAGE, MADV_DONTNEED));
		REQUIRE_OK(mprotect(area, PAGES * PAGE, i % 2 ? PROT_NONE : PROT_READ | PROT_WRITE));
		sched_yield();
	}
	CHECK(WAIT_UNTIL(signals_counted > 0));
	stop = true;
	pthread_join(signaller, NULL);
	touchers_stop(threads);
}

static void *thread_mapper(void *argument)
{
	unsigned seed = (unsigned)(uintptr_t)argument;

	for (unsigned i = 0; i < rounds * 2; i++) {
		size_t count = 1 + rand_r(&seed) % 8;
		char *pages = pages_new(count);

		for (size_t j = 0; j < count; j++)
			REQUIRE(pages[j * PAGE] == 0);
		memset(pages, (int)seed | 1, count * PAGE);
		REQUIRE_OK(munmap(pages, count * PAGE));
	}
	return NULL;
}

static void mapping_in_parallel(void)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, thread_mapper, (void *)(i + 7)) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static const struct test tests[] = {
	TEST(unmap_against_faults), TEST(protect_against_faults), TEST(protection_takes_effect_everywhere),
	TEST(fork_against_faults), TEST(signals_against_faults), TEST(mapping_in_parallel),
};

int main(int argc, char **argv)
{
	rounds = rounds_take(&argc, &argv, rounds);
	return tests_run(argc, argv, tests, COUNT(tests));
}
