/* Descriptors and locks: dup, fcntl, POSIX locks, open-file-description locks and flock. */
#include "check.h"

#include <pthread.h>
#include <sys/file.h>

static struct flock lock_of(short type, off_t start, off_t length)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };
}

static int lock_set(int file, int command, short type, off_t start, off_t length)
{
	struct flock lock = lock_of(type, start, length);

	return fcntl(file, command, &lock);
}

static void dup_family(void)
{
	int file;

	scratch_enter();
	file = open("file", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	CHECK_EQ(fcntl(file, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(dup(file), F_GETFD), 0);
	CHECK_EQ(dup2(file, 50), 50);
	CHECK_EQ(fcntl(50, F_GETFD), 0);
	CHECK_EQ(dup3(file, 51, O_CLOEXEC), 51);
	CHECK_EQ(fcntl(51, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(dup2(file, file), file);
	CHECK_EQ(fcntl(file, F_GETFD), FD_CLOEXEC);
	CHECK_ERR(dup3(file, file, 0), EINVAL);
	CHECK_ERR(dup3(file, 52, O_APPEND), EINVAL);
	CHECK_ERR(dup2(999, 50), EBADF);
	CHECK_ERR(dup2(999, 999), EBADF);
	CHECK_ERR(dup2(file, -1), EBADF);
	CHECK_ERR(dup(999), EBADF);
	CHECK_EQ(fcntl(file, F_DUPFD, 60), 60);
	CHECK_EQ(fcntl(file, F_DUPFD_CLOEXEC, 60), 61);
	CHECK_EQ(fcntl(61, F_GETFD), FD_CLOEXEC);
	CHECK_ERR(fcntl(file, F_DUPFD, -1), EINVAL);
	CHECK_EQ(write(50, "ab", 2), 2);
	CHECK_EQ(lseek(60, 0, SEEK_CUR), 2);
}

static void status_flags(void)
{
	int pipes[2], copy;

	REQUIRE_OK(pipe2(pipes, O_NONBLOCK | O_CLOEXEC));
	CHECK_EQ(fcntl(pipes[0], F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_NONBLOCK | O_RDONLY);
	CHECK_EQ(fcntl(pipes[1], F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_NONBLOCK | O_WRONLY);
	copy = dup(pipes[0]);
	CHECK_OK(fcntl(copy, F_SETFL, O_APPEND | O_RDWR));
	/* Flags belong to the open file; the access mode never changes. */
	CHECK_EQ(fcntl(pipes[0], F_GETFL) & (O_NONBLOCK | O_ACCMODE | O_APPEND), O_APPEND | O_RDONLY);
	CHECK_OK(fcntl(copy, F_SETFD, FD_CLOEXEC));
	CHECK_OK(fcntl(copy, F_SETFD, 0));
	CHECK_EQ(fcntl(copy, F_GETFD), 0);
	CHECK_ERR(fcntl(999, F_GETFL), EBADF);
	CHECK_ERR(fcntl(copy, 9999), EINVAL);
	CHECK_ERR(fcntl(copy, F_SETOWN_EX, bad_pointers[2]), EFAULT);
	CHECK_OK(fcntl(copy, F_SETOWN, getpid()));
	CHECK_EQ(fcntl(copy, F_GETOWN), getpid());
	CHECK_EQ(fcntl(copy, F_GETSIG), 0);
}

struct lock_case {
	const char *path;
	int command;
	short type;
	off_t start, length;
	int error;
};

static void try_lock(void *argument)
{
	const struct lock_case *lock = argument;
	int file = open(lock->path, O_RDWR);

	if (lock->error)
		CHECK_ERR(lock_set(file, lock->command, lock->type, lock->start, lock->length), lock->error);
	else
		CHECK_OK(lock_set(file, lock->command, lock->type, lock->start, lock->length));
}

static void child_locks(int command, short type, off_t start, off_t length, int error)
{
	struct lock_case lock = { "file", command, type, start, length, error };

	CHECK_EXITED(child_run(try_lock, &lock), 0);
}

static void posix_locks_exclude(void)
{
	int file;

	scratch_enter();
	file = file_make("file", "0123456789", 0);
	CHECK_OK(lock_set(file, F_SETLK, F_WRLCK, 2, 4));
	child_locks(F_SETLK, F_WRLCK, 5, 1, EAGAIN);
	child_locks(F_SETLK, F_RDLCK, 0, 3, EAGAIN);
	child_locks(F_SETLK, F_WRLCK, 6, 0, 0);
	child_locks(F_SETLK, F_WRLCK, 0, 2, 0);
	child_locks(F_SETLK, F_UNLCK, 0, 0, 0);
	/* The owner may change its own lock: a piece in the middle becomes a read lock, then free. */
	CHECK_OK(lock_set(file, F_SETLK, F_RDLCK, 3, 1));
	child_locks(F_SETLK, F_RDLCK, 3, 1, 0);
	child_locks(F_SETLK, F_WRLCK, 3, 1, EAGAIN);
	CHECK_OK(lock_set(file, F_SETLK, F_UNLCK, 3, 1));
	child_locks(F_SETLK, F_WRLCK, 3, 1, 0);
	child_locks(F_SETLK, F_WRLCK, 4, 1, EAGAIN);
	/* Closing any descriptor of the file drops the process's locks. */
	close(open("file", O_RDONLY));
	child_locks(F_SETLK, F_WRLCK, 0, 0, 0);
}

static void check_getlk(void *argument)
{
	struct flock lock = lock_of(F_WRLCK, 0, 0);
	int file = open("file", O_RDWR);

	CHECK_OK(fcntl(file, F_GETLK, &lock));
	CHECK(lock.l_type == F_RDLCK && lock.l_start == 2 && lock.l_len == 4 && lock.l_whence == SEEK_SET);
	CHECK_EQ(lock.l_pid, *(pid_t *)argument);
	lock = lock_of(F_RDLCK, 0, 0);
	CHECK_OK(fcntl(file, F_GETLK, &lock));
	CHECK_EQ(lock.l_type, F_UNLCK);
}

static void getlk_names_the_holder(void)
{
	pid_t self = getpid();
	int file;

	scratch_enter();
	file = file_make("file", "0123456789", 0);
	CHECK_OK(lock_set(file, F_SETLK, F_RDLCK, 2, 4));
	CHECK_EXITED(child_run(check_getlk, &self), 0);
}

static void lock_errors(void)
{
	struct flock lock = lock_of(F_WRLCK, 0, 0);
	int read_only, pipes[2];

	scratch_enter();
	close(file_make("file", "0123456789", 0));
	read_only = open("file", O_RDONLY);
	CHECK_ERR(lock_set(read_only, F_SETLK, F_WRLCK, 0, 0), EBADF);
	CHECK_OK(lock_set(read_only, F_SETLK, F_RDLCK, 0, 0));
	CHECK_ERR(lock_set(open("file", O_WRONLY), F_SETLK, F_RDLCK, 0, 0), EBADF);
	CHECK_ERR(lock_set(read_only, F_SETLK, 77, 0, 0), EINVAL);
	CHECK_ERR(lock_set(read_only, F_SETLK, F_RDLCK, -1, 0), EINVAL);
	CHECK_ERR(lock_set(read_only, F_SETLK, F_RDLCK, 0, -1), EINVAL);
	CHECK_OK(lock_set(read_only, F_SETLK, F_RDLCK, 5, -3));
	CHECK_ERR(fcntl(read_only, F_SETLK, bad_pointers[4]), EFAULT);
	CHECK_ERR(fcntl(999, F_SETLK, &lock), EBADF);
	REQUIRE_OK(pipe(pipes));
	lock.l_pid = 5;
	CHECK_ERR(fcntl(read_only, F_OFD_GETLK, &lock), EINVAL);
}

static void wait_for_lock(void *argument)
{
	(void)argument;
	CHECK_OK(lock_set(open("file", O_RDWR), F_SETLKW, F_WRLCK, 0, 1));
}

static void setlkw_waits(void)
{
	int file, status;
	pid_t pid;

	scratch_enter();
	file = file_make("file", "0123456789", 0);
	CHECK_OK(lock_set(file, F_SETLK, F_WRLCK, 0, 0));
	pid = child_start(wait_for_lock, NULL);
	task_wait_asleep(pid);
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	CHECK_OK(lock_set(file, F_SETLK, F_UNLCK, 0, 0));
	CHECK_EXITED(child_wait(pid), 0);
}

static void interrupted_wait(void *argument)
{
	(void)argument;
	signal_set(SIGALRM, signal_count, 0);
	ualarm(20000, 20000);
	CHECK_ERR(lock_set(open("file", O_RDWR), F_SETLKW, F_WRLCK, 0, 1), EINTR);
}

static void setlkw_is_interrupted(void)
{
	int file;

	scratch_enter();
	file = file_make("file", "0123456789", 0);
	CHECK_OK(lock_set(file, F_SETLK, F_WRLCK, 0, 0));
	CHECK_EXITED(child_run(interrupted_wait, NULL), 0);
}

static void lock_crosswise(void *argument)
{
	volatile int *step = argument;
	int file = open("file", O_RDWR);

	CHECK_OK(lock_set(file, F_SETLK, F_WRLCK, 1, 1));
	*step = 1;
	/* The parent finds the circle first or this process does: exactly one of them is told. */
	if (lock_set(file, F_SETLKW, F_WRLCK, 0, 1) < 0) {
		CHECK_EQ(errno, EDEADLK);
		step[1]++;
	}
}

static void deadlock_is_found(void)
{
	volatile int *step = pages_shared(1);
	int file;
	pid_t pid;

	scratch_enter();
	file = file_make("file", "0123456789", 0);
	CHECK_OK(lock_set(file, F_SETLK, F_WRLCK, 0, 1));
	pid = child_start(lock_crosswise, (void *)step);
	CHECK(WAIT_UNTIL(step[0] == 1));
	task_wait_asleep(pid);
	CHECK_ERR(lock_set(file, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
	CHECK_OK(lock_set(file, F_SETLK, F_UNLCK, 0, 1));
	CHECK_EXITED(child_wait(pid), 0);
	CHECK_EQ(step[1], 0);
}

#define LEAPS 300

/* Each takes the byte ahead, which the other leaves, and leaves its own: a circle only for who takes a woken waiter for one that waits. */
static void leapfrog(int file, off_t at)
{
	for (unsigned i = 0; i < LEAPS; i++) {
		off_t next = (at + 1) % 3;

		REQUIRE_OK(lock_set(file, F_SETLKW, F_WRLCK, next, 1));
		REQUIRE_OK(lock_set(file, F_SETLK, F_UNLCK, at, 1));
		at = next;
	}
}

static void leapfrog_child(void *argument)
{
	volatile int *step = argument;
	int file = open("file", O_RDWR);

	REQUIRE_OK(lock_set(file, F_SETLK, F_WRLCK, 1, 1));
	*step = 1;
	leapfrog(file, 1);
}

static void no_deadlock_where_locks_move_on(void)
{
	volatile int *step = pages_shared(1);
	int file;
	pid_t pid;

	scratch_enter();
	file = file_make("file", "0123456789", 0);
	REQUIRE_OK(lock_set(file, F_SETLK, F_WRLCK, 0, 1));
	pid = child_start(leapfrog_child, (void *)step);
	REQUIRE(WAIT_UNTIL(*step == 1));
	leapfrog(file, 0);
	CHECK_OK(lock_set(file, F_SETLK, F_UNLCK, 0, 0));
	CHECK_EXITED(child_wait(pid), 0);
}

static volatile int *crosswise; /* a step, and the threads' ids */

static void *thread_waits(void *argument)
{
	long at = (long)argument;

	crosswise[1 + at] = gettid();
	return (void *)(long)(lock_set(open("file", O_RDWR), F_SETLKW, F_WRLCK, at, 1) < 0 ? errno : 0);
}

static void two_threads_wait(void *argument)
{
	int file = open("file", O_RDWR);
	pthread_t threads[2];
	void *result;

	(void)argument;
	REQUIRE_OK(lock_set(file, F_SETLK, F_WRLCK, 2, 1));
	signal_set(SIGUSR1, signal_count, 0);
	for (long i = 0; i < 2; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, thread_waits, (void *)i) == 0);
		REQUIRE(WAIT_UNTIL(crosswise[1 + i]));
		task_wait_asleep(crosswise[1 + i]);
	}
	crosswise[0] = 1;
	CHECK(WAIT_UNTIL(crosswise[0] == 2));
	pthread_kill(threads[1], SIGUSR1);
	pthread_join(threads[1], &result);
	CHECK_EQ(result, EINTR);
	crosswise[0] = 3;
	pthread_join(threads[0], &result);
	CHECK_EQ(result, 0);
}

/* Threads of a process that wait for two ranges are two that wait, and one that is interrupted takes only its own wait back. */
static void each_thread_waits_by_itself(void)
{
	int file;
	pid_t pid;

	scratch_enter();
	crosswise = pages_shared(1);
	file = file_make("file", "0123456789", 0);
	REQUIRE_OK(lock_set(file, F_SETLK, F_WRLCK, 0, 2));
	pid = child_start(two_threads_wait, NULL);
	REQUIRE(WAIT_UNTIL(crosswise[0] == 1));
	CHECK_ERR(lock_set(file, F_SETLKW, F_WRLCK, 2, 1), EDEADLK);
	crosswise[0] = 2;
	REQUIRE(WAIT_UNTIL(crosswise[0] == 3));
	CHECK_ERR(lock_set(file, F_SETLKW, F_WRLCK, 2, 1), EDEADLK);
	CHECK_OK(lock_set(file, F_SETLK, F_UNLCK, 0, 0));
	CHECK_EXITED(child_wait(pid), 0);
}

static void ofd_locks_belong_to_the_open_file(void)
{
	int one, two, copy;

	scratch_enter();
	one = file_make("file", "0123456789", 0);
	two = open("file", O_RDWR);
	copy = dup(one);
	CHECK_OK(lock_set(one, F_OFD_SETLK, F_WRLCK, 0, 4));
	CHECK_ERR(lock_set(two, F_OFD_SETLK, F_RDLCK, 0, 1), EAGAIN);
	CHECK_OK(lock_set(copy, F_OFD_SETLK, F_WRLCK, 0, 4));
	CHECK_ERR(lock_set(two, F_SETLK, F_WRLCK, 0, 1), EAGAIN);
	struct flock lock = lock_of(F_WRLCK, 0, 1);

	CHECK_OK(fcntl(two, F_OFD_GETLK, &lock));
	CHECK(lock.l_type == F_WRLCK && lock.l_pid == -1);
	/* It stays until the last descriptor of that open file is closed. */
	close(one);
	CHECK_ERR(lock_set(two, F_OFD_SETLK, F_RDLCK, 0, 1), EAGAIN);
	close(copy);
	CHECK_OK(lock_set(two, F_OFD_SETLK, F_RDLCK, 0, 1));
}

static void check_flock_shared(void *argument)
{
	int inherited = *(int *)argument, file = open("file", O_RDONLY);

	CHECK_ERR(flock(file, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	CHECK_ERR(flock(file, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	/* The inherited descriptor is the same open file. */
	CHECK_OK(flock(inherited, LOCK_SH | LOCK_NB));
	CHECK_OK(flock(file, LOCK_SH | LOCK_NB));
}

static void flock_is_of_the_open_file(void)
{
	int file, other;

	scratch_enter();
	file = file_make("file", "x", 0);
	other = open("file", O_RDONLY);
	CHECK_OK(flock(file, LOCK_EX));
	CHECK_ERR(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	CHECK_EXITED(child_run(check_flock_shared, &file), 0);
	CHECK_OK(flock(other, LOCK_SH | LOCK_NB));
	CHECK_ERR(flock(file, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	CHECK_OK(flock(other, LOCK_UN));
	CHECK_OK(flock(file, LOCK_EX | LOCK_NB));
	CHECK_OK(lock_set(other, F_OFD_SETLK, F_RDLCK, 0, 0));
	CHECK_ERR(flock(file, 16), EINVAL);
	CHECK_ERR(flock(999, LOCK_SH), EBADF);
}

static void wait_for_flock(void *argument)
{
	(void)argument;
	CHECK_OK(flock(open("file", O_RDONLY), LOCK_EX));
}

static void flock_waits(void)
{
	int file;
	pid_t pid;

	scratch_enter();
	file = file_make("file", "x", 0);
	CHECK_OK(flock(file, LOCK_EX));
	pid = child_start(wait_for_flock, NULL);
	task_wait_asleep(pid);
	/* The child has the descriptor too, so closing it here would free nothing. */
	CHECK_OK(flock(file, LOCK_UN));
	CHECK_EXITED(child_wait(pid), 0);
}

TESTS(TEST(dup_family), TEST(status_flags), TEST(posix_locks_exclude), TEST(getlk_names_the_holder), TEST(lock_errors),
      TEST(setlkw_waits), TEST(setlkw_is_interrupted), TEST(deadlock_is_found),
      TEST(no_deadlock_where_locks_move_on), TEST(each_thread_waits_by_itself), TEST(ofd_locks_belong_to_the_open_file),
      TEST(flock_is_of_the_open_file), TEST(flock_waits))
