/* Several threads make and remove names at once: each finds what it has made itself, one alone makes a name, a full directory stays. */
#include "fake.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define THREADS 4u
#define STEPS 3000u
#define OWN_NAMES 8u
#define COMMON_NAMES 3u
#define PATH_SIZE 32

enum kind { NOTHING, FILE_NAME, DIRECTORY, LINK };
struct worker {
	pthread_t thread;
	u64 client;
	u32 seed, number;
	enum kind own[OWN_NAMES];
	long balance[COMMON_NAMES];   /* names made less names removed */
};

static u32 random_below(struct worker *w, u32 limit)
{
	w->seed = w->seed * 1664525 + 1013904223;
	return (w->seed >> 8) % limit;
}

static long file_make(struct worker *w, const char *path, u32 flags)
{
	struct fs_open request = { .client = w->client, .flags = FS_O_RDWR | FS_O_CREAT | flags, .mode = 0644 };
	u64 file, info, word;
	long result = fs_op_open(&fake_rq, &request, path, PATH_SIZE, &file, &info, &word);

	if (!result)
		CHECK_EQUAL(fs_op_close(&fake_rq, file), 0);
	return result;
}

static long name_remove(struct worker *w, const char *path, u32 flags)
{
	struct fs_at at = { .client = w->client, .flags = flags };

	return fs_op_unlink(&fake_rq, &at, path, PATH_SIZE);
}

static long directory_make(struct worker *w, const char *path)
{
	struct fs_at at = { .client = w->client, .mode = 0755 };

	return fs_op_mkdir(&fake_rq, &at, path, PATH_SIZE);
}

static u64 inodes_free(void)
{
	struct fs_at at = { .client = client };
	struct fs_statfs result = { 0 };

	CHECK_EQUAL(fs_op_statfs(&fake_rq, &at, "/", 2, &result), 0);
	return result.files_free;
}

static void together(struct worker *workers, void *(*run)(void *))
{
	u32 i;

	alarm(120);   /* a deadlock ends the test */
	for (i = 0; i < THREADS; i++) {
		workers[i].seed = i + 1;
		workers[i].number = i;
		CHECK_EQUAL(fs_op_client_fork(&fake_rq, client, 0, &workers[i].client), 0);
	}
	for (i = 0; i < THREADS; i++)
		CHECK_EQUAL(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
	for (i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		CHECK_EQUAL(fs_op_client_release(&fake_rq, workers[i].client), 0);
	}
	alarm(0);
}

/* ---- Each thread has names of its own in one directory: their state is what it has left ------------------------------------------ */

static long own_make(struct worker *w, const char *path, enum kind kind)
{
	struct fs_at at = { .client = w->client };

	if (kind == FILE_NAME)
		return file_make(w, path, FS_O_EXCL);
	return kind == DIRECTORY ? directory_make(w, path) : fs_op_symlink(&fake_rq, &at, path, PATH_SIZE, "nowhere", 8);
}

static void own_step(struct worker *w, char *path, u32 at)
{
	enum kind kind = 1 + random_below(w, 3), *own = &w->own[at];
	struct fs_pair pair = { .client = w->client, .flags = FS_RENAME_NOREPLACE };
	struct fs_at place = { .client = w->client, .flags = FS_AT_SYMLINK_NOFOLLOW };
	char other[PATH_SIZE] = { 0 };
	struct fs_stat status;
	u32 to = random_below(w, OWN_NAMES);

	switch (random_below(w, 8)) {
	case 0: case 1: case 2:
		CHECK_EQUAL(own_make(w, path, kind), *own ? -EEXIST : 0);
		*own = *own ? *own : kind;
		break;
	case 3: case 4: case 5:
		CHECK_EQUAL(name_remove(w, path, *own == DIRECTORY ? FS_AT_REMOVEDIR : 0), *own ? 0 : -ENOENT);
		*own = NOTHING;
		break;
	case 6:
		snprintf(other, sizeof(other), "/d/%u_%u", w->number, to);
		CHECK_EQUAL(fs_op_rename(&fake_rq, &pair, path, PATH_SIZE, other, PATH_SIZE), !*own ? -ENOENT : w->own[to] ? -EEXIST : 0);
		if (*own && !w->own[to]) {
			w->own[to] = *own;
			*own = NOTHING;
		}
		break;
	default:
		CHECK_EQUAL(fs_op_stat_at(&fake_rq, &place, path, PATH_SIZE, &status), *own ? 0 : -ENOENT);
	}
}

static void *own_run(void *argument)
{
	struct worker *w = argument;
	char path[PATH_SIZE] = { 0 };
	u32 step, at;

	fake_thread_start();
	for (step = 0; step < STEPS; step++) {
		at = random_below(w, OWN_NAMES);
		snprintf(path, sizeof(path), "/d/%u_%u", w->number, at);
		own_step(w, path, at);
	}
	for (at = 0; at < OWN_NAMES; at++) {
		snprintf(path, sizeof(path), "/d/%u_%u", w->number, at);
		CHECK_EQUAL(name_remove(w, path, w->own[at] == DIRECTORY ? FS_AT_REMOVEDIR : 0), w->own[at] ? 0 : -ENOENT);
	}
	return NULL;
}

static void own_names(void)
{
	struct worker workers[THREADS] = { 0 };
	struct fs_stat status;
	u64 before = inodes_free();

	CHECK_EQUAL(make_directory("/d"), 0);
	together(workers, own_run);
	CHECK_EQUAL(status_get("/d", &status), 0);
	CHECK_EQUAL(status.links, 2);
	CHECK_EQUAL(status.size, 2 * FS_DIRECTORY_ENTRY);
	CHECK_EQUAL(remove_directory("/d"), 0);
	CHECK_EQUAL(inodes_free(), before);
}

/* ---- All threads want the same names: one alone makes each, one alone removes it -------------------------------------------------- */

static u32 turns;   /* names that several open at about the same time: each is made once */

static void turn_path(char path[PATH_SIZE], u32 turn)
{
	snprintf(path, PATH_SIZE, "/d/turn%u", turn);
}

static void *common_run(void *argument)
{
	struct worker *w = argument;
	char path[PATH_SIZE] = { 0 };
	u32 step, at;

	fake_thread_start();
	for (step = 0; step < STEPS; step++) {
		struct fs_pair pair = { .client = w->client };
		long result;

		at = random_below(w, COMMON_NAMES);
		snprintf(path, sizeof(path), "/d/%u", at);
		switch (random_below(w, 4)) {
		case 0:
			result = file_make(w, path, FS_O_EXCL);
			CHECK(result == 0 || result == -EEXIST);
			w->balance[at] += result == 0;
			break;
		case 1:
			turn_path(path, __atomic_fetch_add(&turns, 1, __ATOMIC_RELAXED) / THREADS);
			CHECK_EQUAL(file_make(w, path, 0), 0);
			break;
		case 2:
			result = fs_op_link(&fake_rq, &pair, "/one", 5, path, PATH_SIZE);
			CHECK(result == 0 || result == -EEXIST);
			w->balance[at] += result == 0;
			break;
		default:
			result = name_remove(w, path, 0);
			CHECK(result == 0 || result == -ENOENT);
			w->balance[at] -= result == 0;
		}
	}
	return NULL;
}

static void common_names(void)
{
	struct worker workers[THREADS] = { 0 };
	char path[PATH_SIZE] = { 0 };
	struct fs_stat one, status;
	u64 before = inodes_free();
	long linked = 0;
	u32 at, i;

	CHECK_EQUAL(make_directory("/d"), 0);
	text_put("/one", "1");
	together(workers, common_run);
	CHECK_EQUAL(status_get("/one", &one), 0);
	for (at = 0; at < COMMON_NAMES; at++) {
		long balance = 0;

		for (i = 0; i < THREADS; i++)
			balance += workers[i].balance[at];
		snprintf(path, sizeof(path), "/d/%u", at);
		CHECK_EQUAL(exists(path), balance);
		linked += balance && status_get(path, &status) == 0 && status.inode == one.inode;
		CHECK_EQUAL(remove_name(path), balance ? 0 : -ENOENT);
	}
	CHECK_EQUAL(one.links, 1 + linked);
	for (i = 0; i <= (turns - 1) / THREADS; i++) {
		turn_path(path, i);
		CHECK_EQUAL(remove_name(path), 0);
	}
	CHECK_EQUAL(remove_directory("/d"), 0);   /* each name stood in it once */
	CHECK_EQUAL(remove_name("/one"), 0);
	CHECK_EQUAL(inodes_free(), before);
}

/* ---- A directory comes and goes while others come into it: it goes empty, and nothing comes into one that is gone ------------------ */

#define GONE 0
#define INSIDE 1
#define BELOW 2

static void *leaving_run(void *argument)
{
	static const char paths[COMMON_NAMES][PATH_SIZE] = { [GONE] = "/d/gone", [INSIDE] = "/d/gone/inside", [BELOW] = "/d/gone/below" };
	struct worker *w = argument;
	u32 step, at;
	long result;

	fake_thread_start();
	for (step = 0; step < STEPS; step++) {
		at = random_below(w, COMMON_NAMES);
		if (random_below(w, 2)) {
			result = at == INSIDE ? file_make(w, paths[at], FS_O_EXCL) : directory_make(w, paths[at]);
			CHECK(result == 0 || result == -EEXIST || (at != GONE && result == -ENOENT));
			w->balance[at] += result == 0;
		} else {
			result = name_remove(w, paths[at], at == INSIDE ? 0 : FS_AT_REMOVEDIR);
			CHECK(result == 0 || result == -ENOENT || (at == GONE && result == -ENOTEMPTY));
			w->balance[at] -= result == 0;
		}
	}
	return NULL;
}

static void leaving_directory(void)
{
	struct worker workers[THREADS] = { 0 };
	long balance[COMMON_NAMES] = { 0 };
	u64 before = inodes_free();
	u32 at, i;

	CHECK_EQUAL(make_directory("/d"), 0);
	together(workers, leaving_run);
	for (i = 0; i < THREADS; i++)
		for (at = 0; at < COMMON_NAMES; at++)
			balance[at] += workers[i].balance[at];
	CHECK_EQUAL(remove_name("/d/gone/inside"), balance[INSIDE] ? 0 : -ENOENT);
	CHECK_EQUAL(remove_directory("/d/gone/below"), balance[BELOW] ? 0 : -ENOENT);
	CHECK_EQUAL(remove_directory("/d/gone"), balance[GONE] ? 0 : -ENOENT);
	CHECK_EQUAL(remove_directory("/d"), 0);
	CHECK_EQUAL(inodes_free(), before);
}

void test_directories(void)
{
	test_run("names of their own for several threads in one directory", own_names);
	test_run("the same names for several threads", common_names);
	test_run("a directory that goes while others come into it", leaving_directory);
}
