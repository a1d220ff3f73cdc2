/* System V semaphores: sets and keys, operations that are done together or wait, undoing, permissions, removal. */
#include "check.h"

#include <sys/ipc.h>
#include <sys/sem.h>

union argument { int value; struct semid_ds *set; unsigned short *values; struct seminfo *info; };

static int set_new(int count)
{
	int set = semget(IPC_PRIVATE, count, 0600);

	REQUIRE_OK(set);
	return set;
}

static int change_by(int set, unsigned short number, short by, short flags)
{
	struct sembuf operation = { number, by, flags };

	return semop(set, &operation, 1);
}

static int value_of(int set, int number) { return semctl(set, number, GETVAL); }
static int value_set(int set, int number, int value) { return semctl(set, number, SETVAL, (union argument){ .value = value }); }

static void sets_have_keys(void)
{
	key_t key = 0x7e550000 + getpid();
	int set;

	CHECK_ERR(semget(key, 1, 0600), ENOENT);
	CHECK_ERR(semget(key, 0, IPC_CREAT | 0600), EINVAL);
	CHECK_ERR(semget(key, -1, IPC_CREAT | 0600), EINVAL);
	CHECK_ERR(semget(key, 1 << 20, IPC_CREAT | 0600), EINVAL);
	set = semget(key, 3, IPC_CREAT | 0640);
	REQUIRE_OK(set);
	CHECK_EQ(semget(key, 0, 0), set);
	CHECK_EQ(semget(key, 3, IPC_CREAT | 0600), set);
	CHECK_ERR(semget(key, 4, 0), EINVAL);
	CHECK_ERR(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	CHECK(set_new(1) != set);
	CHECK_OK(semctl(set, 0, IPC_RMID));
	CHECK_ERR(semctl(set, 0, IPC_RMID), EINVAL);
	CHECK_ERR(change_by(set, 0, 1, 0), EINVAL);
	CHECK_ERR(semget(key, 3, 0), ENOENT);
}

static void values_and_facts(void)
{
	unsigned short values[3] = { 5, 6, 7 };
	struct semid_ds is;
	int set = set_new(3);
	time_t before = time(NULL);

	CHECK_EQ(value_of(set, 0), 0);
	CHECK_OK(value_set(set, 1, 32767));
	CHECK_ERR(value_set(set, 1, 32768), ERANGE);
	CHECK_ERR(value_set(set, 1, -1), ERANGE);
	CHECK_ERR(value_set(set, 3, 1), EINVAL);
	CHECK_ERR(value_of(set, -1), EINVAL);
	CHECK_ERR(change_by(set, 1, 1, 0), ERANGE);
	CHECK_OK(semctl(set, 0, SETALL, (union argument){ .values = values }));
	memset(values, 0, sizeof(values));
	CHECK_OK(semctl(set, 0, GETALL, (union argument){ .values = values }));
	CHECK(values[0] == 5 && values[1] == 6 && values[2] == 7);
	values[1] = 40000;
	CHECK_ERR(semctl(set, 0, SETALL, (union argument){ .values = values }), ERANGE);
	CHECK_EQ(value_of(set, 0), 5);
	CHECK_ERR(semctl(set, 0, GETALL, (union argument){ .values = bad_pointers[2] }), EFAULT);
	CHECK_OK(semctl(set, 0, IPC_STAT, (union argument){ .set = &is }));
	CHECK(is.sem_nsems == 3 && is.sem_otime == 0 && is.sem_ctime >= before - 1 && (is.sem_perm.mode & 0777) == 0600);
	CHECK(is.sem_perm.uid == geteuid() && is.sem_perm.cuid == geteuid() && is.sem_perm.__key == 0);
	CHECK_OK(change_by(set, 2, 1, 0));
	CHECK_EQ(semctl(set, 2, GETPID), getpid());
	CHECK_OK(semctl(set, 0, IPC_STAT, (union argument){ .set = &is }));
	CHECK(is.sem_otime >= before - 1);
	CHECK_ERR(semctl(set, 0, IPC_STAT, (union argument){ .set = bad_pointers[3] }), EFAULT);
	CHECK_ERR(semctl(set, 0, 999), EINVAL);
	CHECK_ERR(semctl(-1, 0, GETVAL), EINVAL);
	CHECK_OK(semctl(set, 0, IPC_RMID));
}

static void limits_are_told(void)
{
	struct seminfo info;
	int set = set_new(4);

	CHECK_OK(semctl(0, 0, IPC_INFO, (union argument){ .info = &info }));
	CHECK(info.semmsl == 32000 && info.semopm == 500 && info.semvmx == 32767 && info.semmni == 32000);
	CHECK_OK(semctl(0, 0, SEM_INFO, (union argument){ .info = &info }));
	CHECK(info.semusz >= 1 && info.semaem >= 4);
	CHECK_OK(semctl(set, 0, IPC_RMID));
}

static void all_or_nothing(void)
{
	int set = set_new(2);
	struct sembuf both[2] = { { 0, -1, IPC_NOWAIT }, { 1, 1, 0 } }, many[501] = { 0 };

	CHECK_ERR(semop(set, both, 2), EAGAIN);
	CHECK_EQ(value_of(set, 1), 0);
	both[0] = (struct sembuf){ 1, 1, 0 };
	both[1] = (struct sembuf){ 0, -1, IPC_NOWAIT };
	CHECK_ERR(semop(set, both, 2), EAGAIN);
	CHECK_EQ(value_of(set, 1), 0);
	CHECK_OK(value_set(set, 0, 2));
	CHECK_OK(semop(set, both, 2));
	CHECK(value_of(set, 0) == 1 && value_of(set, 1) == 1);
	/* Zero waits for zero; operations see those before them. */
	CHECK_ERR(change_by(set, 0, 0, IPC_NOWAIT), EAGAIN);
	both[0] = (struct sembuf){ 0, -1, 0 };
	both[1] = (struct sembuf){ 0, 0, IPC_NOWAIT };
	CHECK_OK(semop(set, both, 2));
	CHECK_ERR(semop(set, both, 0), EINVAL);
	CHECK_ERR(semop(set, many, 501), E2BIG);
	CHECK_OK(semop(set, many, 500));
	CHECK_ERR(change_by(set, 2, 1, 0), EFBIG);
	CHECK_ERR(semop(set, bad_pointers[4], 1), EFAULT);
	CHECK_ERR(semop(set, bad_pointers[4], 2), EFAULT);
	CHECK_ERR(semop(-1, both, 1), EINVAL);
	CHECK_OK(semctl(set, 0, IPC_RMID));
}

struct asked { int set; short by; int error; };

static void wait_in_child(void *argument)
{
	const struct asked *asked = argument;

	if (asked->error)
		CHECK_ERR(change_by(asked->set, 0, asked->by, 0), asked->error);
	else
		CHECK_OK(change_by(asked->set, 0, asked->by, 0));
}

static void waiters_wait(void)
{
	struct asked down = { set_new(1), -2, 0 }, zero = { down.set, 0, 0 };
	pid_t first = child_start(wait_in_child, &down), second;

	task_wait_asleep(first);
	CHECK_EQ(semctl(down.set, 0, GETNCNT), 1);
	CHECK_EQ(semctl(down.set, 0, GETZCNT), 0);
	CHECK_OK(change_by(down.set, 0, 1, 0));
	task_wait_asleep(first);
	second = child_start(wait_in_child, &zero);
	task_wait_asleep(second);
	CHECK_EQ(semctl(down.set, 0, GETZCNT), 1);
	CHECK_OK(change_by(down.set, 0, 1, 0));
	CHECK_EXITED(child_wait(first), 0);
	CHECK_EXITED(child_wait(second), 0);
	CHECK(value_of(down.set, 0) == 0 && semctl(down.set, 0, GETNCNT) == 0 && semctl(down.set, 0, GETZCNT) == 0);
	CHECK_OK(semctl(down.set, 0, IPC_RMID));
}

static void removal_wakes(void)
{
	struct asked down = { set_new(1), -1, EIDRM };
	pid_t pid = child_start(wait_in_child, &down);

	task_wait_asleep(pid);
	CHECK_OK(semctl(down.set, 0, IPC_RMID));
	CHECK_EXITED(child_wait(pid), 0);
}

static void interrupted_wait(void *argument)
{
	signal_set(SIGALRM, signal_count, SA_RESTART);
	ualarm(20000, 0);
	CHECK_ERR(change_by(*(int *)argument, 0, -1, 0), EINTR);
	CHECK_EQ(semctl(*(int *)argument, 0, GETNCNT), 0);
}

static void signals_and_deadlines_end_waits(void)
{
	int set = set_new(1);
	struct sembuf down = { 0, -1, 0 };
	struct timespec soon = time_spec(20 * MILLISECOND), wrong = { 0, SECOND };
	int64_t before = time_now();

	CHECK_EXITED(child_run(interrupted_wait, &set), 0);
	CHECK_ERR(semtimedop(set, &down, 1, &soon), EAGAIN);
	CHECK(time_now() - before >= 20 * MILLISECOND);
	CHECK_ERR(semtimedop(set, &down, 1, &wrong), EINVAL);
	CHECK_ERR(semtimedop(set, &down, 1, bad_pointers[2]), EFAULT);
	CHECK_EQ(semctl(set, 0, GETNCNT), 0);
	CHECK_OK(semctl(set, 0, IPC_RMID));
}

static void take_and_end(void *argument)
{
	int set = *(int *)argument;

	CHECK_OK(change_by(set, 0, -2, SEM_UNDO));
	CHECK_OK(change_by(set, 1, 1, SEM_UNDO));
	CHECK_OK(change_by(set, 0, 1, SEM_UNDO));
	CHECK_OK(change_by(set, 1, 3, 0));
	/* A child has nothing of its maker's to undo. */
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	CHECK_EXITED(child_wait(pid), 0);
	CHECK_EQ(value_of(set, 0), 2);
	CHECK_EQ(value_of(set, 1), 4);
}

static void the_end_of_a_process_undoes(void)
{
	int set = set_new(2);

	CHECK_OK(value_set(set, 0, 3));
	CHECK_EXITED(child_run(take_and_end, &set), 0);
	CHECK_EQ(value_of(set, 0), 3);
	CHECK_EQ(value_of(set, 1), 3);
	/* Setting a value forgets what was to be undone. */
	CHECK_OK(change_by(set, 0, 1, SEM_UNDO));
	CHECK_OK(value_set(set, 0, 9));
	CHECK_EQ(value_of(set, 0), 9);
	CHECK_OK(semctl(set, 0, IPC_RMID));
}

static void as_user(void *argument)
{
	const int *sets = argument;
	struct semid_ds is;

	CHECK_ERR(change_by(sets[0], 0, 1, 0), EACCES);
	CHECK_ERR(value_of(sets[0], 0), EACCES);
	CHECK_ERR(semctl(sets[0], 0, IPC_STAT, (union argument){ .set = &is }), EACCES);
	CHECK_ERR(semctl(sets[0], 0, IPC_RMID), EPERM);
	CHECK_EQ(value_of(sets[1], 0), 0);
	CHECK_OK(change_by(sets[1], 0, 0, 0));
	CHECK_ERR(change_by(sets[1], 0, 1, 0), EACCES);
	CHECK_OK(change_by(sets[2], 0, 1, 0));
	CHECK_ERR(value_of(sets[2], 0), EACCES);
	CHECK_OK(semctl(sets[3], 0, IPC_RMID));
}

static void permissions(void)
{
	int sets[4] = { set_new(1), semget(IPC_PRIVATE, 1, 0644), semget(IPC_PRIVATE, 1, 0622), set_new(1) };
	struct semid_ds is = { .sem_perm = { .uid = 1000, .gid = 1000, .mode = 0600 } };

	CHECK_OK(semctl(sets[3], 0, IPC_SET, (union argument){ .set = &is }));
	CHECK_EXITED(child_run_as_user(as_user, sets), 0);
	for (int i = 0; i < 3; i++)
		CHECK_OK(semctl(sets[i], 0, IPC_RMID));
}

#define ROUNDS 500

static void partner(void *argument)
{
	for (int i = 0; i < ROUNDS; i++) {
		REQUIRE_OK(change_by(*(int *)argument, 0, -1, 0));
		REQUIRE_OK(change_by(*(int *)argument, 1, 1, 0));
	}
}

static void two_take_turns(void)
{
	int set = set_new(2);
	pid_t pid = child_start(partner, &set);

	for (int i = 0; i < ROUNDS; i++) {
		REQUIRE_OK(change_by(set, 0, 1, 0));
		REQUIRE_OK(change_by(set, 1, -1, 0));
	}
	CHECK_EXITED(child_wait(pid), 0);
	CHECK(value_of(set, 0) == 0 && value_of(set, 1) == 0);
	CHECK_OK(semctl(set, 0, IPC_RMID));
}

TESTS(TEST(sets_have_keys), TEST(values_and_facts), TEST(limits_are_told), TEST(all_or_nothing), TEST(waiters_wait), TEST(removal_wakes),
      TEST(signals_and_deadlines_end_waits), TEST(the_end_of_a_process_undoes), TEST(permissions), TEST(two_take_turns))
