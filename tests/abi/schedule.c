/* Real-time scheduling on one processor: who runs first, who runs on, and what a lock that a service holds makes of it. */
#include "check.h"

#include <pthread.h>
#include <semaphore.h>

#define RUNNERS 4

struct runner {
	pthread_t thread;
	int number, policy, priority;
};

static volatile int go, spins, order[RUNNERS], ran;

static void policy_set(pid_t tid, int policy, int priority)
{
	struct sched_param parameter = { .sched_priority = priority };

	REQUIRE_OK(sched_setscheduler(tid, policy, &parameter));
}

/* The first processor alone, for this thread and those that it starts, and above all of them. */
static void alone(int priority)
{
	cpu_set_t first;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	REQUIRE_OK(sched_setaffinity(0, sizeof(first), &first));
	policy_set(0, SCHED_FIFO, priority);
}

static void runner_start(struct runner *runner, int number, int policy, int priority, void *(*run)(void *))
{
	pthread_attr_t attributes;

	*runner = (struct runner){ .number = number, .policy = policy, .priority = priority };
	pthread_attr_init(&attributes);
	pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attributes, policy);
	pthread_attr_setschedparam(&attributes, &(struct sched_param){ .sched_priority = priority });
	REQUIRE(pthread_create(&runner->thread, &attributes, run, runner) == 0);
}

static void *run_note(void *argument)
{
	order[ran] = ((struct runner *)argument)->number;
	ran = ran + 1;
	return NULL;
}

static void the_highest_runs_first(void)
{
	static const struct { int policy, priority; } wanted[RUNNERS] = { { SCHED_OTHER, 0 }, { SCHED_FIFO, 10 }, { SCHED_RR, 20 }, { SCHED_FIFO, 30 } };
	struct runner runners[RUNNERS];

	alone(50);
	for (int i = 0; i < RUNNERS; i++)
		runner_start(&runners[i], i, wanted[i].policy, wanted[i].priority, run_note);
	CHECK_EQ(ran, 0);
	for (int i = 0; i < RUNNERS; i++)
		pthread_join(runners[i].thread, NULL);
	for (int i = 0; i < RUNNERS; i++)
		CHECK_EQ(order[i], RUNNERS - 1 - i);
}

static pid_t tids[RUNNERS];

static void *run_tell_then_note(void *argument)
{
	struct runner *runner = argument;

	__atomic_store_n(&tids[runner->number], gettid(), __ATOMIC_SEQ_CST);
	while (!go)
		sched_yield();
	return run_note(argument);
}

/* Those of one priority take turns as they yield. */
static void who_yields_stands_behind_his_equals(void)
{
	struct runner runners[RUNNERS];

	alone(50);
	for (int i = 0; i < RUNNERS; i++)
		runner_start(&runners[i], i, SCHED_FIFO, 10, run_tell_then_note);
	policy_set(0, SCHED_FIFO, 10);
	for (int i = 0; i < RUNNERS; i++)
		while (!tids[i])
			sched_yield();
	CHECK_EQ(ran, 0);
	go = 1;
	for (int i = 0; i < RUNNERS; i++)
		pthread_join(runners[i].thread, NULL);
	CHECK_EQ(ran, RUNNERS);
}

static sem_t begin[RUNNERS];

static void *run_tell_then_wait(void *argument)
{
	struct runner *runner = argument;

	__atomic_store_n(&tids[runner->number], gettid(), __ATOMIC_SEQ_CST);
	sem_wait(&begin[runner->number]);
	return run_note(argument);
}

/* While this thread has the processor, others are woken and wait for it; then their places change. */
static void places_are_those_of_the_policy_now(void)
{
	struct runner runners[RUNNERS];

	alone(10);
	for (int i = 0; i < RUNNERS; i++)
		runner_start(&runners[i], i, SCHED_FIFO, 20 + i, run_tell_then_wait);
	policy_set(0, SCHED_FIFO, 50);
	for (int i = 0; i < RUNNERS; i++)
		sem_post(&begin[i]);
	CHECK_EQ(ran, 0);
	policy_set(tids[3], SCHED_OTHER, 0);
	policy_set(tids[0], SCHED_RR, 40);
	policy_set(tids[1], SCHED_FIFO, 30);
	for (int i = 0; i < RUNNERS; i++)
		pthread_join(runners[i].thread, NULL);
	CHECK(order[0] == 0 && order[1] == 1 && order[2] == 2 && order[3] == 3);
}

static void *run_until_told(void *argument)
{
	sem_wait(&begin[((struct runner *)argument)->number]);
	while (!go)
		spins = spins + 1;
	order[0] = ran; /* of those that note */
	return NULL;
}

static void *run_wake_and_tell(void *argument)
{
	struct timespec moment = time_spec(5 * MILLISECOND);

	while (!spins)
		nanosleep(&moment, NULL);
	go = 1;
	order[1] = ((struct runner *)argument)->number;
	return NULL;
}

static void *run_count(void *argument)
{
	sem_wait(&begin[((struct runner *)argument)->number]);
	ran = ran + 1;
	return NULL;
}

/* Who wakes above the one that runs takes its place; that one goes on before others of its priority. */
static void a_waker_preempts_and_the_preempted_goes_on(void)
{
	struct runner spinner, waker, other;

	alone(50);
	runner_start(&waker, 7, SCHED_FIFO, 40, run_wake_and_tell);
	runner_start(&spinner, 0, SCHED_FIFO, 10, run_until_told);
	runner_start(&other, 1, SCHED_FIFO, 10, run_count);
	policy_set(0, SCHED_FIFO, 5); /* until they wait to begin */
	policy_set(0, SCHED_FIFO, 50);
	sem_post(&begin[0]);
	sem_post(&begin[1]);
	pthread_join(waker.thread, NULL);
	pthread_join(spinner.thread, NULL);
	pthread_join(other.thread, NULL);
	CHECK_EQ(order[0], 0);
	CHECK_EQ(order[1], 7);
	CHECK_EQ(ran, 1);
}

/* Whoever loops with a fixed priority leaves a part of the time to the others: 5 % of it after a second (sched_rt_runtime_us). */
static void fixed_priorities_leave_time(void)
{
	struct runner fair;

	alone(50);
	runner_start(&fair, 3, SCHED_OTHER, 0, run_note);
	for (int64_t end = time_now() + 20 * SECOND; !ran && time_now() < end;)
		;
	CHECK_EQ(ran, 1);
	CHECK_EQ(order[0], 3);
	pthread_join(fair.thread, NULL);
}

static volatile int turns[2];

static void *run_take_turns(void *argument)
{
	struct runner *runner = argument;
	int64_t end = time_now() + 10 * SECOND;

	turns[runner->number] = 1;
	while (!turns[1 - runner->number] && time_now() < end)
		;
	return NULL;
}

static void round_robin_shares(void)
{
	struct runner runners[2];

	alone(50);
	for (int i = 0; i < 2; i++)
		runner_start(&runners[i], i, SCHED_RR, 10, run_take_turns);
	for (int i = 0; i < 2; i++)
		pthread_join(runners[i].thread, NULL);
	CHECK(turns[0] && turns[1]);
}

#define TRIES 60
#define LARGE (1024 * PAGE)

/* Maps and unmaps, with the lock of the address space held for long. */
static void *run_map(void *argument)
{
	(void)argument;
	while (!go) {
		void *pages = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		REQUIRE(pages != MAP_FAILED);
		REQUIRE_OK(munmap(pages, LARGE));
	}
	return NULL;
}

/* The lowest is stopped again and again within the memory service, whose lock it holds: the highest waits for it, not for the middle. */
static void a_lock_lends_its_priority(void)
{
	struct timespec moment = time_spec(MILLISECOND);
	struct runner mapper, spinner;

	alone(50);
	runner_start(&mapper, 0, SCHED_OTHER, 0, run_map);
	runner_start(&spinner, 1, SCHED_OTHER, 0, run_until_told);
	sem_post(&begin[1]);
	for (int i = 0; i < TRIES; i++) {
		nanosleep(&moment, NULL);
		void *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		REQUIRE(page != MAP_FAILED);
		REQUIRE_OK(munmap(page, PAGE));
	}
	go = 1;
	pthread_join(mapper.thread, NULL);
	pthread_join(spinner.thread, NULL);
}

TESTS(TEST(the_highest_runs_first), TEST(who_yields_stands_behind_his_equals), TEST(places_are_those_of_the_policy_now),
      TEST(a_waker_preempts_and_the_preempted_goes_on), TEST(fixed_priorities_leave_time), TEST(round_robin_shares), TEST(a_lock_lends_its_priority))
