/* Workloads of files. Each knows what it has made, and no call may answer EIO. */
#include "work.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTENT_MAX 40000u

/* Content: random pieces written, read back and compared; descriptors and what was written before the first fault stay. */
static void content(void)
{
	static uint8_t model[CONTENT_MAX], piece[6000], got[CONTENT_MAX];
	int fd = open("/content", O_RDWR | O_CREAT | O_TRUNC, 0600);
	size_t size = 0;

	CHECK(fd >= 0);
	while (time_left()) {
		size_t at = random_number(CONTENT_MAX - sizeof(piece)), length = 1 + random_number(sizeof(piece) - 1);
		struct stat facts;

		for (size_t i = 0; i < length; i++)
			piece[i] = (uint8_t)random_number(256);
		if (random_number(8) == 0) {
			CHECK(ftruncate(fd, (off_t)at) == 0);
			if (at < size)
				memset(model + at, 0, size - at);
			size = at;
		} else {
			CHECK(pwrite(fd, piece, length, (off_t)at) == (ssize_t)length);
			memcpy(model + at, piece, length);
			size = at + length > size ? at + length : size;
		}
		CHECK(fstat(fd, &facts) == 0 && (size_t)facts.st_size == size);
		CHECK(pread(fd, got, sizeof(got), 0) == (ssize_t)size);
		CHECK(memcmp(got, model, size) == 0);
		done_count();
	}
}

/* Appends: each record is there once, in order, by the offset that the descriptor keeps. */
static void append(void)
{
	int fd = open("/append", O_WRONLY | O_CREAT | O_APPEND | O_TRUNC, 0600), in = open("/append", O_RDONLY);
	uint32_t next = 0, seen = 0, value;

	CHECK(fd >= 0 && in >= 0);
	while (time_left()) {
		CHECK(write(fd, &next, sizeof(next)) == sizeof(next));
		next++;
		if (random_number(4))
			continue;
		while (seen < next) {
			CHECK(read(in, &value, sizeof(value)) == sizeof(value));
			CHECK(value == seen);
			seen++;
			done_count();
		}
	}
}

/* A pipe: a writer of records of many sizes, a reader that knows each byte. */
static void pipe_work(void)
{
	static uint8_t bytes[70000];
	int ends[2];
	uint64_t at = 0;
	pid_t writer;

	CHECK(pipe(ends) == 0);
	writer = child_make();
	if (writer == 0) {
		close(ends[0]);
		while (time_left()) {
			size_t length = random_number(10) ? 1 + random_number(5000) : 1 + random_number(sizeof(bytes) - 1);

			for (size_t i = 0; i < length; i++)
				bytes[i] = (uint8_t)((at + i) * 7 + (at + i) / 256);
			for (size_t done = 0; done < length;) {
				ssize_t result = write(ends[1], bytes + done, length - done);

				CHECK(result > 0);
				done += (size_t)result;
			}
			at += length;
		}
		_exit(0);
	}
	close(ends[1]);
	for (;;) {
		ssize_t result = read(ends[0], bytes, 1 + random_number(6000));

		CHECK(result >= 0);
		if (result == 0)
			break;
		for (ssize_t i = 0; i < result; i++, at++)
			CHECK(bytes[i] == (uint8_t)(at * 7 + at / 256));
		done_count();
	}
	child_end(writer, 0);
}

/* Programs by fork, from a file of /proc. */
static void processes(void)
{
	while (time_left())
		program_run(false);
}

/* Names: a set of them in a directory, made, moved, linked and removed; the directory and the model agree. */
static void names(void)
{
	unsigned there[16] = { 0 }, made = 0; /* 0: missing; else which file */
	char from[32], to[32];

	CHECK(mkdir("/names", 0700) == 0);
	while (time_left()) {
		unsigned a = (unsigned)random_number(16), b = (unsigned)random_number(16), found = 0, expected = 0;
		struct dirent *entry;
		DIR *directory;

		snprintf(from, sizeof(from), "/names/%u", a);
		snprintf(to, sizeof(to), "/names/%u", b);
		if (!there[a]) {
			if (random_number(2))
				CHECK(symlink("/content", from) == 0);
			else
				CHECK(mknod(from, S_IFREG | 0600, 0) == 0);
			there[a] = ++made;
		} else if (a == b) {
			CHECK(unlink(from) == 0);
			there[a] = 0;
		} else if (there[b]) {
			CHECK(rename(from, to) == 0);
			if (there[a] != there[b]) { /* two names of one file stay */
				there[b] = there[a];
				there[a] = 0;
			}
		} else {
			CHECK(link(from, to) == 0);
			there[b] = there[a];
		}
		directory = opendir("/names");
		CHECK(directory != NULL);
		while ((entry = readdir(directory)))
			if (entry->d_name[0] != '.') {
				CHECK(there[atoi(entry->d_name)]);
				found++;
			}
		closedir(directory);
		for (unsigned i = 0; i < 16; i++)
			expected += there[i] != 0;
		CHECK(found == expected);
		done_count();
	}
}

static void directories(void)
{
	unsigned long round = 0;
	char path[64], text[64];

	while (time_left()) {
		struct stat facts;

		snprintf(path, sizeof(path), "/directory%lu", round++ % 7);
		CHECK(mkdir(path, 0755) == 0);
		CHECK(chdir(path) == 0);
		CHECK(getcwd(text, sizeof(text)) && strcmp(text, path) == 0);
		CHECK(mkdir("inner", 0700) == 0);
		CHECK(stat(path, &facts) == 0 && facts.st_nlink == 3);
		CHECK(rmdir(path) == -1 && errno == ENOTEMPTY);
		CHECK(rmdir("inner") == 0);
		CHECK(chdir("/") == 0);
		CHECK(rmdir(path) == 0);
		done_count();
	}
}

/* How often a place is in the list of mounts. */
static unsigned mounts_of(const char *place)
{
	FILE *list = fopen("/proc/mounts", "r");
	char line[200];
	unsigned found = 0;

	CHECK(list != NULL);
	while (fgets(line, sizeof(line), list))
		found += strstr(line, place) != NULL;
	fclose(list);
	return found;
}

/* Mounts are made and undone once, with what is in them; the umask that is given back is the last one. */
static void mounts(void)
{
	mode_t last = 0;

	(void)umask(0);
	CHECK(mkdir("/mounted", 0700) == 0);
	while (time_left()) {
		mode_t next = (mode_t)random_number(01000);

		CHECK(mount("here", "/mounted", "tmpfs", 0, "size=64k") == 0);
		CHECK(mounts_of(" /mounted ") == 1);
		CHECK(mkdir("/mounted/inner", 0777) == 0);
		CHECK(umask(next) == last);
		last = next;
		CHECK(umount2("/mounted", 0) == 0);
		CHECK(mounts_of(" /mounted ") == 0);
		CHECK(rmdir("/mounted/inner") == -1 && errno == ENOENT);
		done_count();
	}
}

#define LOCKERS 3

/* Locks: a counter in a file that is read and written under a record lock by several; none of the additions is lost. */
static void locks(void)
{
	int fd = open("/counter", O_RDWR | O_CREAT | O_TRUNC, 0600);
	uint64_t *added = shared_make(), value = 0;
	pid_t pids[LOCKERS];

	CHECK(fd >= 0 && write(fd, &value, sizeof(value)) == sizeof(value));
	for (int i = 0; i < LOCKERS; i++) {
		pids[i] = child_make();
		while (pids[i] == 0) {
			struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 8 };
			int result = fcntl(fd, F_SETLKW, &lock);

			if (!time_left())
				_exit(0);
			if (result == -1 && errno == EDEADLK) /* may be told to a waiter whose blocker has just gone */
				continue;
			CHECK(result == 0);
			CHECK(pread(fd, &value, sizeof(value), 0) == sizeof(value));
			value++;
			CHECK(pwrite(fd, &value, sizeof(value), 0) == sizeof(value));
			added[i]++;
			lock.l_type = F_UNLCK;
			CHECK(fcntl(fd, F_SETLK, &lock) == 0);
			done_count();
		}
	}
	for (int i = 0; i < LOCKERS; i++)
		child_end(pids[i], 0);
	CHECK(pread(fd, &value, sizeof(value), 0) == sizeof(value));
	CHECK(value == added[0] + added[1] + added[2]);
}

/* A file that is there is a lock: who makes it has it, and who is refused has not made it. */
static void exclusive_files(void)
{
	uint64_t *counter = shared_make();
	pid_t pids[LOCKERS];

	for (int i = 0; i < LOCKERS; i++) {
		pids[i] = child_make();
		while (pids[i] == 0) {
			pid_t own = getpid(), maker = 0;
			int fd;

			if (!time_left())
				_exit(0);
			fd = open("/exclusive", O_RDWR | O_CREAT | O_EXCL, 0600);
			CHECK(fd >= 0 || errno == EEXIST);
			if (fd < 0)
				continue;
			counter[0]++;
			counter[1 + i]++;
			CHECK(counter[0] == counter[1] + counter[2] + counter[3]);
			CHECK(pwrite(fd, &own, sizeof(own), 0) == sizeof(own));
			CHECK(pread(fd, &maker, sizeof(maker), 0) == sizeof(maker) && maker == own);
			CHECK(close(fd) == 0 && unlink("/exclusive") == 0);
			done_count();
		}
	}
	for (int i = 0; i < LOCKERS; i++)
		child_end(pids[i], 0);
	CHECK(access("/exclusive", F_OK) == -1 && errno == ENOENT);
}

/* Mappings of a file, and what is written by calls, show the same. */
static void mappings(void)
{
	int fd = open("/mapped", O_RDWR | O_CREAT | O_TRUNC, 0600);
	uint32_t *map, value;

	CHECK(fd >= 0 && ftruncate(fd, 65536) == 0);
	map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	while (time_left()) {
		size_t at = random_number(16384);

		map[at] = (uint32_t)random_number(1u << 30);
		CHECK(pread(fd, &value, sizeof(value), (off_t)(at * 4)) == sizeof(value) && value == map[at]);
		value = ~value;
		CHECK(pwrite(fd, &value, sizeof(value), (off_t)(at * 4)) == sizeof(value) && map[at] == value);
		done_count();
	}
}

/* Waiting: a poll for a pipe's end wakes though its service was ended meanwhile. */
static void waiting(void)
{
	int to[2], back[2];
	pid_t other;
	char byte;

	CHECK(pipe(to) == 0 && pipe(back) == 0);
	other = child_make();
	if (other == 0) {
		close(to[1]);
		while (read(to[0], &byte, 1) == 1)
			CHECK(write(back[1], &byte, 1) == 1);
		_exit(0);
	}
	while (time_left()) {
		struct pollfd want = { .fd = back[0], .events = POLLIN };
		char sent = (char)random_number(256);

		CHECK(write(to[1], &sent, 1) == 1);
		CHECK(poll(&want, 1, 20000) == 1 && want.revents == POLLIN);
		CHECK(read(back[0], &byte, 1) == 1 && byte == sent);
		done_count();
	}
	close(to[1]);
	child_end(other, 0);
}

const struct work file_works[] = {
	{ "content of files", content }, { "appended records", append }, { "bytes of a pipe", pipe_work }, { "processes", processes },
	{ "names", names }, { "directories", directories }, { "mounts", mounts }, { "record locks", locks }, { "exclusive files", exclusive_files }, { "mappings", mappings }, { "waiting", waiting },
	{ NULL, NULL },
};
