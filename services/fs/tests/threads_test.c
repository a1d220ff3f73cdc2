/* Many threads at once on a small tree: nothing is lost, freed twice or waited for without end. */
#include "fake.h"

#include <pthread.h>
#include <unistd.h>

#define THREADS 4
#define STEPS 4000u
#define USER_PART (USER_SIZE / THREADS)

struct worker { pthread_t thread; u64 client; u32 seed; u32 number; u64 shared_pipe[2]; };

static u32 random_below(struct worker *w, u32 limit)
{
	w->seed = w->seed * 1664525 + 1013904223;
	return (w->seed >> 8) % limit;
}

/* Paths of four names, up to three deep: the threads meet often. */
static size_t random_path(struct worker *w, char *path)
{
	u32 depth = 1 + random_below(w, 3), i;
	size_t length = 0;

	for (i = 0; i < depth; i++) {
		path[length++] = '/';
		path[length++] = (char)('a' + random_below(w, 4));
	}
	path[length] = 0;
	return length + 1;
}

static void content_step(struct worker *w, const char *path, size_t size)
{
	struct fs_open request = { .client = w->client, .flags = FS_O_RDWR | (random_below(w, 2) ? FS_O_CREAT : 0), .mode = 0644 };
	vaddr_t memory = USER_BASE + w->number * USER_PART;
	u64 file, info, word, end, next;
	struct fs_stat status;
	u32 i;

	if (random_below(w, 4) == 0)
		request.flags = FS_O_RDONLY;
	if (fs_op_open(&fake_rq, &request, path, size, &file, &info, &word))
		return;
	for (i = random_below(w, 4); i > 0; i--) {
		u32 at = random_below(w, 40000), length = random_below(w, 20000);

		(void)!fs_op_write(&fake_rq, file, memory, length, at, random_below(w, 2) ? FS_O_APPEND : 0, &end);
		(void)!fs_op_read(&fake_rq, file, memory, length, at);
		if (random_below(w, 3) == 0)
			(void)!fs_op_truncate(&fake_rq, file, at);
		(void)!fs_op_stat(&fake_rq, file, &status);
	}
	(void)!fs_op_readdir(&fake_rq, file, memory, 4096, 0, FS_DIRENT_64, &next);
	CHECK_EQUAL(fs_op_close(&fake_rq, file), 0);
}

static void lock_step(struct worker *w, const char *path, size_t size)
{
	struct fs_open request = { .client = w->client, .flags = FS_O_RDWR };
	struct fs_lock wanted = { .kind = random_below(w, 3), .command = random_below(w, 3), .type = random_below(w, 3), .owner = w->number + 1 }, result;
	u64 file, info, word;

	wanted.start = random_below(w, 100);
	wanted.end = wanted.start + random_below(w, 100);
	if (fs_op_open(&fake_rq, &request, path, size, &file, &info, &word))
		return;
	(void)!file_lock(file, &wanted, &result);
	(void)!file_lock_cancel(file, &wanted);
	CHECK_EQUAL(fs_op_lock_drop(&fake_rq, file, wanted.owner), 0);
	CHECK_EQUAL(fs_op_close(&fake_rq, file), 0);
}

static void name_step(struct worker *w, const char *path, size_t size)
{
	struct fs_at at = { .client = w->client, .mode = 0755, .flags = random_below(w, 2) ? FS_AT_REMOVEDIR : 0 };
	struct fs_pair pair = { .client = w->client, .flags = random_below(w, 3) };
	struct fs_stat status;
	char other[16];
	size_t other_size = random_path(w, other);

	switch (random_below(w, 7)) {
	case 0:
		(void)!fs_op_mkdir(&fake_rq, &at, path, size);
		break;
	case 1:
		(void)!fs_op_unlink(&fake_rq, &at, path, size);
		break;
	case 2:
		(void)!fs_op_rename(&fake_rq, &pair, path, size, other, other_size);
		break;
	case 3:
		pair.flags = 0;
		(void)!fs_op_link(&fake_rq, &pair, path, size, other, other_size);
		break;
	case 4:
		(void)!fs_op_symlink(&fake_rq, &at, path, size, other, other_size);
		break;
	case 5:
		at.flags = 0;
		(void)!fs_op_chdir(&fake_rq, &at, path, size);
		break;
	default:
		at.flags = 0;
		(void)!fs_op_stat_at(&fake_rq, &at, path, size, &status);
	}
}

static void mount_step(struct worker *w, const char *path, size_t size)
{
	struct fs_mount request = { .client = w->client };
	struct fs_at at = { .client = w->client, .flags = random_below(w, 2) ? FS_MNT_DETACH : 0 };

	if (random_below(w, 2)) {
		memcpy(request.type, random_below(w, 2) ? "tmpfs" : "ramfs", 6);
		(void)!fs_op_mount(&fake_rq, &request, "x", 2, path, size);
	} else {
		(void)!fs_op_umount(&fake_rq, &at, path, size);
	}
}

static void pipe_step(struct worker *w)
{
	vaddr_t memory = USER_BASE + w->number * USER_PART;
	u64 end;

	(void)!fs_op_write(&fake_rq, w->shared_pipe[1], memory, random_below(w, 9000), 0, 0, &end);
	(void)!fs_op_read(&fake_rq, w->shared_pipe[0], memory, random_below(w, 9000), 0);
	if (random_below(w, 20) == 0)
		(void)!fs_op_pipe_size(&fake_rq, w->shared_pipe[0], 4096u << random_below(w, 5));
}

static void *worker_run(void *argument)
{
	struct worker *w = argument;
	char path[16];
	u32 step;

	fake_thread_start();
	for (step = 0; step < STEPS; step++) {
		size_t size = random_path(w, path);

		switch (random_below(w, 10)) {
		case 0: case 1: case 2:
			content_step(w, path, size);
			break;
		case 3:
			lock_step(w, path, size);
			break;
		case 4:
			mount_step(w, path, size);
			break;
		case 5:
			pipe_step(w);
			break;
		default:
			name_step(w, path, size);
		}
	}
	return NULL;
}

/* The first name in the client's working directory; false: there is none. */
static bool first_name(u64 of, char name[2])
{
	struct fs_open request = { .client = of, .flags = FS_O_RDONLY };
	u64 directory, info, word, next;

	name[0] = 0;
	CHECK_EQUAL(fs_op_open(&fake_rq, &request, ".", 2, &directory, &info, &word), 0);
	/* "." and ".." take 24 bytes each, and so does a name of one letter. */
	if (fs_op_readdir(&fake_rq, directory, USER_BASE, 72, 0, FS_DIRENT_64, &next) == 72)
		name[0] = (char)fake_user[48 + 19];
	file_close(directory);
	return name[0];
}

/* Takes everything in the jail away: what is mounted on a name, then the name; a full directory is entered, an empty one left. */
static void clean(u64 of)
{
	struct fs_at at = { .client = of };
	char name[2] = { 0 };
	u32 depth = 0;

	CHECK_EQUAL(fs_op_chdir(&fake_rq, &at, "/", 2), 0);
	for (;;) {
		if (!first_name(of, name)) {
			if (!depth--)
				return;
			CHECK_EQUAL(fs_op_chdir(&fake_rq, &at, "..", 3), 0);
			continue;
		}
		at.flags = FS_MNT_DETACH;
		while (fs_op_umount(&fake_rq, &at, name, 2) == 0)
			;
		at.flags = FS_AT_REMOVEDIR;
		if (fs_op_unlink(&fake_rq, &at, name, 2) == 0)
			continue;
		at.flags = 0;
		if (fs_op_unlink(&fake_rq, &at, name, 2) == 0)
			continue;
		CHECK_EQUAL(fs_op_chdir(&fake_rq, &at, name, 2), 0);
		depth++;
	}
}

static void all_at_once(void)
{
	struct worker workers[THREADS] = { 0 };
	struct fs_at at = { 0 };
	struct fs_pipe pipe;
	long objects = fake_objects;
	u32 i;

	alarm(120);   /* a deadlock ends the test */
	CHECK_EQUAL(make_directory("/crowd"), 0);
	CHECK_EQUAL(fs_op_pipe_create(&fake_rq, client, &pipe), 0);
	for (i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .seed = i + 1, .number = i, .shared_pipe = { pipe.read_file, pipe.write_file } };
		CHECK_EQUAL(fs_op_client_fork(&fake_rq, client, 0, &workers[i].client), 0);
		at.client = workers[i].client;
		CHECK_EQUAL(fs_op_chroot(&fake_rq, &at, "/crowd", 7), 0);
		CHECK_EQUAL(fs_op_chdir(&fake_rq, &at, "/", 2), 0);
	}
	for (i = 0; i < THREADS; i++)
		CHECK_EQUAL(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	alarm(0);
	at.client = workers[0].client;
	at.flags = FS_MNT_DETACH;
	while (fs_op_umount(&fake_rq, &at, "/", 2) == 0)
		;
	at.flags = 0;
	clean(workers[0].client);
	for (i = 0; i < THREADS; i++)
		CHECK_EQUAL(fs_op_client_release(&fake_rq, workers[i].client), 0);
	CHECK_EQUAL(fs_op_close(&fake_rq, pipe.read_file), 0);
	CHECK_EQUAL(fs_op_close(&fake_rq, pipe.write_file), 0);
	CHECK_EQUAL(remove_directory("/crowd"), 0);
	CHECK_EQUAL(fake_objects, objects);
}

void test_threads(void)
{
	test_run("threads on one tree", all_at_once);
}
