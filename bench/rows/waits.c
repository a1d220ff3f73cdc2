/* One waits for the other: futex, mutex, semaphores (LMBench: lat_sem), record locks (lat_fcntl), yield; sleep until woken by time. */
#include "row.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SLEEP 100000ul

static struct meeting {
	uint32_t turn;
	sem_t semaphores[2];
	pthread_mutex_t mutex;
	unsigned long guarded;
} *meeting;
static int file, semaphore;

static void places_take(const struct row *row, void (*work)(const struct row *row))
{
	meeting = meeting ? meeting : row_shared(sizeof(*meeting));
	if (row->flags & ROW_TWO)
		row_pin(0);
	row_partner(work, row);
}

static void turn_wait(uint32_t mine)
{
	while (__atomic_load_n(&meeting->turn, __ATOMIC_ACQUIRE) != mine)
		syscall(SYS_futex, &meeting->turn, FUTEX_WAIT, !mine, NULL, NULL, 0);
}

static void turn_give(uint32_t to)
{
	__atomic_store_n(&meeting->turn, to, __ATOMIC_RELEASE);
	syscall(SYS_futex, &meeting->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void futex_partner(const struct row *row)
{
	if (row->flags & ROW_TWO)
		row_pin(1);
	for (;;) {
		turn_wait(1);
		turn_give(0);
	}
}

static void futex_make(const struct row *row)
{
	places_take(row, futex_partner);
}

static unsigned long futex_run(const struct row *row, unsigned long count)
{
	(void)row;
	for (unsigned long i = 0; i < count; i++) {
		turn_give(1);
		turn_wait(0);
	}
	return count;
}

static void semaphore_partner(const struct row *row)
{
	if (row->flags & ROW_TWO)
		row_pin(1);
	while (sem_wait(&meeting->semaphores[0]) == 0)
		sem_post(&meeting->semaphores[1]);
}

static void semaphore_make(const struct row *row)
{
	meeting = row_shared(sizeof(*meeting));
	for (unsigned i = 0; i < 2; i++)
		row_check(sem_init(&meeting->semaphores[i], 1, 0) == 0, "sem_init");
	places_take(row, semaphore_partner);
}

static unsigned long semaphore_run(const struct row *row, unsigned long count)
{
	(void)row;
	for (unsigned long i = 0; i < count; i++)
		row_check(sem_post(&meeting->semaphores[0]) == 0 && sem_wait(&meeting->semaphores[1]) == 0, "sem_post");
	return count;
}

static int system_v_change(unsigned short number, short change)
{
	struct sembuf operation = { .sem_num = number, .sem_op = change };

	return semop(semaphore, &operation, 1);
}

static void system_v_partner(const struct row *row)
{
	(void)row;
	while (system_v_change(0, -1) == 0)
		system_v_change(1, 1);
}

static void system_v_make(const struct row *row)
{
	semaphore = semget(IPC_PRIVATE, 2, 0600 | IPC_CREAT);
	row_check(semaphore >= 0, "semget");
	places_take(row, system_v_partner);
}

static unsigned long system_v_run(const struct row *row, unsigned long count)
{
	(void)row;
	for (unsigned long i = 0; i < count; i++)
		row_check(system_v_change(0, 1) == 0 && system_v_change(1, -1) == 0, "semop");
	return count;
}

static void byte_lock(short type, unsigned long byte)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1 };

	row_check(fcntl(file, F_SETLKW, &lock) == 0, "fcntl");
}

/* Two processes leapfrog over three bytes: each takes the byte ahead, which the other leaves, and leaves the one behind. */
static unsigned long leap(unsigned long at)
{
	unsigned long next = (at + 1) % 3;

	byte_lock(F_WRLCK, next);
	byte_lock(F_UNLCK, at);
	return next;
}

static void lock_partner(const struct row *row)
{
	unsigned long at = 1;

	(void)row;
	byte_lock(F_WRLCK, at);
	turn_give(1);
	for (;;)
		at = leap(at);
}

static unsigned long place;

static void lock_make(const struct row *row)
{
	file = row_file("locks", 3);
	byte_lock(F_WRLCK, 0);
	places_take(row, lock_partner);
	turn_wait(1);
}

static unsigned long lock_run(const struct row *row, unsigned long count)
{
	(void)row;
	for (unsigned long i = 0; i < count; i++)
		place = leap(place);
	return count;
}

#define YIELDS_BEFORE 1000ul

static void yield_partner(const struct row *row)
{
	(void)row;
	for (;;) {
		__atomic_add_fetch(&meeting->guarded, 1, __ATOMIC_RELAXED);
		sched_yield();
	}
}

/* A scheduler may let a new process wait for a while first: the row begins when the two take turns. */
static void yield_make(const struct row *row)
{
	places_take(row, yield_partner);
	while (__atomic_load_n(&meeting->guarded, __ATOMIC_RELAXED) < YIELDS_BEFORE)
		sched_yield();
}

static unsigned long yield_run(const struct row *row, unsigned long count)
{
	(void)row;
	for (unsigned long i = 0; i < count; i++)
		sched_yield();
	return count;
}

static void mutex_pass(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		pthread_mutex_lock(&meeting->mutex);
		meeting->guarded++;
		pthread_mutex_unlock(&meeting->mutex);
	}
}

static void mutex_partner(const struct row *row)
{
	(void)row;
	row_pin(1);
	mutex_pass((unsigned long)-1);
}

static void mutex_make(const struct row *row)
{
	pthread_mutexattr_t kind;

	meeting = row_shared(sizeof(*meeting));
	pthread_mutexattr_init(&kind);
	pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&meeting->mutex, &kind);
	if (row->flags & ROW_TWO)
		places_take(row, mutex_partner);
}

static unsigned long mutex_run(const struct row *row, unsigned long count)
{
	(void)row;
	mutex_pass(count);
	return count;
}

/* How much later than asked for a sleeper runs. */
static uint64_t sleep_late(void)
{
	struct timespec length = { .tv_nsec = SLEEP };
	uint64_t begun = row_clock(), late;

	row_check(nanosleep(&length, NULL) == 0, "nanosleep");
	late = row_clock() - begun;
	return late > SLEEP ? late - SLEEP : 0;
}

static unsigned long sleep_run(const struct row *row, unsigned long count)
{
	(void)row;
	for (unsigned long i = 0; i < count; i++)
		row_time_add(sleep_late());
	return count;
}

static void load_partner(const struct row *row)
{
	(void)row;
	row_pin(1);
	for (;;)
		close(open("/dev/null", O_RDONLY));
}

static void load_make(const struct row *row)
{
	places_take(row, load_partner);
}

/* The worst of `count`, told as if each had taken it. */
static unsigned long worst_run(const struct row *row, unsigned long count)
{
	uint64_t worst = 0;

	(void)row;
	for (unsigned long i = 0; i < count; i++) {
		uint64_t late = sleep_late();

		worst = late > worst ? late : worst;
	}
	row_time_add(worst * count);
	return count;
}

const struct row rows_waits[] = {
	{ "futex_pingpong", "switch", "round trip", ROW_SCALES, futex_make, futex_run, { 0 }, 0 },
	{ "futex_pingpong_cross", "switch", "round trip", ROW_TWO, futex_make, futex_run, { 0 }, 0 },
	{ "mutex_uncontended", "user", "pair", 0, mutex_make, mutex_run, { 0 }, 0 },
	{ "mutex_contended", "switch", "pair", ROW_TWO, mutex_make, mutex_run, { 0 }, 0 },
	{ "semaphore", "switch", "round trip", 0, semaphore_make, semaphore_run, { 0 }, 0 },
	{ "semaphore_cross", "switch", "round trip", ROW_TWO, semaphore_make, semaphore_run, { 0 }, 0 },
	{ "semaphore_system_v", "switch", "round trip", 0, system_v_make, system_v_run, { 0 }, 0 },
	{ "fcntl_lock", "switch", "hand-over", 0, lock_make, lock_run, { 0 }, 0 },
	{ "yield_two", "switch", "call", 0, yield_make, yield_run, { 0 }, 0 },
	{ "nanosleep_wake", "switch", "sleep", ROW_SELF_TIMED, NULL, sleep_run, { 0 }, 0 },
	{ "nanosleep_worst", "latency", "worst of 10,000", ROW_TWO | ROW_SELF_TIMED | ROW_ONCE, load_make, worst_run, { 0 }, 10000 },
	{ 0 },
};
