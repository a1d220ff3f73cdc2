/* Recovery: of a state that a failure has left, and of one that somebody has scribbled over. */
#include "fake.h"
#include "../recover.h"
#include <mem_client.h>
#include <mem/mem_types.h>

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCRIBBLES 500u
enum { RECOVERED = 40, REFUSED = 41 };

static u32 seed = 1;

static u32 random_below(u32 limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % limit;
}

/* ---- What the runtime of a stable unit tells ---- */
static u64 unanswered[4];
static u32 unanswered_count;

bool rt_recovers(void) { return false; }
void unnoted_copy(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void unnoted_zero(void *to, size_t size) { memset(to, 0, size); }
void rt_start_fail(const char *why) { (void)why; }
void stable_section_begin(void) {}
void stable_section_end(void) {}
void stable_made(u64 handle) { (void)handle; }
static struct { struct stable_result is; bool with_handles; } noted; /* the last note */
void stable_commit(long result, u64 out)
{
	noted.is = (struct stable_result){ .result = result, .outs = { out } };
	noted.with_handles = false;
}

void stable_commit_made(const struct stable_result *is, const void *kept)
{
	(void)kept;
	noted.is = *is;
	noted.with_handles = true;
}

long stable_answer(const struct rt_request *rq, const struct stable_question *question, u64 outs[3], void *kept, size_t size)
{
	(void)rq, (void)question, (void)outs, (void)kept, (void)size;
	return -ESRCH;
}
bool stable_unanswered(u32 *at, u64 *handle)
{
	if (*at >= unanswered_count)
		return false;
	*handle = unanswered[(*at)++];
	return true;
}

/* ---- A file system with something of everything ---- */
static struct { u64 data, fifo, deleted, memory, directory, second; struct fs_pipe pipe; } made;
static u8 bytes[20000];

static long lock_set(u64 file, u32 kind, u64 start, u64 end, u32 type)
{
	struct fs_lock request = { .kind = kind, .command = FS_LOCK_SET, .type = type };
	u64 first, second, third;

	return fs_op_lock(&fake_rq, file, fs_lock_pack(&request), 7, start, end, &first, &second, &third);
}

static long mount_at(const char *type, const char *path)
{
	struct fs_mount request = { .client = client };

	memcpy(request.type, type, strlen(type));
	return fs_op_mount(&fake_rq, &request, type, strlen(type) + 1, path, strlen(path) + 1);
}

static void world_make(void)
{
	struct fs_at fifo = { .client = client, .mode = FS_IFIFO | 0600 };
	u64 info, from;
	u32 i;
	char name[32];

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (u8)(i * 7);
	CHECK_EQUAL(make_directory("/world"), 0);
	CHECK_EQUAL(make_directory("/world/inner"), 0);
	CHECK_EQUAL(make_directory("/world/mount"), 0);
	CHECK_EQUAL(mount_at("tmpfs", "/world/mount"), 0);
	for (i = 0; i < 10; i++) {
		format_text(name, sizeof(name), "/world/mount/%u", i);
		text_put(name, name);
	}
	made.data = file_open("/world/data", FS_O_RDWR | FS_O_CREAT, 0644);
	CHECK_EQUAL(file_write(made.data, bytes, 4096, 0), 4096);
	CHECK_EQUAL(file_write(made.data, bytes, 3000, 9000), 3000);
	CHECK_EQUAL(make_link("data", "/world/link"), 0);
	CHECK_EQUAL(hard_link("/world/data", "/world/inner/hard"), 0);
	CHECK_EQUAL(fs_op_mknod(&fake_rq, &fifo, "/world/fifo", 12), 0);
	made.fifo = file_open("/world/fifo", FS_O_RDWR, 0);
	CHECK_EQUAL(file_write(made.fifo, bytes, 5000, 0), 5000);
	made.deleted = file_open("/world/deleted", FS_O_RDWR | FS_O_CREAT, 0600);
	CHECK_EQUAL(file_write(made.deleted, "gone", 4, 0), 4);
	CHECK_EQUAL(remove_name("/world/deleted"), 0);
	CHECK_EQUAL(fs_op_memory_file(&fake_rq, client, "name", 5, 0, &made.memory, &info), 0);
	made.directory = file_open("/world", FS_O_RDONLY, 0);
	made.second = file_open("/proc/1/status", FS_O_RDONLY, 0);
	from = (u64)file_read(made.second, bytes + 16000, 100, 0);
	CHECK(from == 100);
	CHECK_EQUAL(fs_op_pipe_create(&fake_rq, client, &made.pipe), 0);
	CHECK_EQUAL(file_write(made.pipe.write_file, bytes, 6000, 0), 6000);
	CHECK_EQUAL(lock_set(made.data, FS_LOCK_POSIX, 10, 20, FS_LOCK_WRITE), 0);
	CHECK_EQUAL(lock_set(made.data, FS_LOCK_POSIX, 100, 200, FS_LOCK_READ), 0);
	CHECK_EQUAL(lock_set(made.data, FS_LOCK_FLOCK, 0, 0, FS_LOCK_WRITE), 0);
}

static void world_check(void)
{
	static u8 got[20000];
	struct fs_stat status;

	CHECK_EQUAL(file_read(made.data, got, 4096, 0), 4096);
	CHECK(memcmp(got, bytes, 4096) == 0);
	CHECK_EQUAL(file_read(made.data, got, 4096, 9000), 3000);
	CHECK(memcmp(got, bytes, 3000) == 0);
	CHECK_EQUAL(status_get("/world/inner/hard", &status), 0);
	CHECK_EQUAL(status.links, 2);
	CHECK_EQUAL(status.size, 12000);
	CHECK_EQUAL(status_get("/world", &status), 0);
	CHECK_EQUAL(status.links, 4);
	CHECK(text_is("/world/mount/3", "/world/mount/3"));
	CHECK_EQUAL(file_read(made.deleted, got, 10, 0), 4);
	CHECK_EQUAL(file_write(made.memory, "memory", 6, 0), 6);
	CHECK_EQUAL(file_read(made.pipe.read_file, got, 3000, 0), 3000);
	CHECK(memcmp(got, bytes, 3000) == 0);
	CHECK_EQUAL(file_write(made.pipe.write_file, bytes, 3000, 0), 3000);
	CHECK_EQUAL(file_read(made.pipe.read_file, got, 6000, 0), 6000);
	CHECK(memcmp(got, bytes + 3000, 3000) == 0 && memcmp(got + 3000, bytes, 3000) == 0);
	CHECK_EQUAL(file_write(made.pipe.write_file, bytes, 6000, 0), 6000);
	CHECK_EQUAL(file_read(made.fifo, got, 10, 0), 10);
	CHECK_EQUAL(lock_set(made.data, FS_LOCK_OPEN, 15, 16, FS_LOCK_READ), -EAGAIN);
	CHECK_EQUAL(lock_set(made.data, FS_LOCK_OPEN, 30, 40, FS_LOCK_READ), 0);
}

static void world_end(void)
{
	struct fs_at at = { .client = client };
	char name[32];
	u32 i;

	CHECK_EQUAL(fs_op_lock_drop(&fake_rq, made.data, 7), 0);
	file_close(made.data);
	file_close(made.fifo);
	file_close(made.deleted);
	file_close(made.memory);
	file_close(made.directory);
	file_close(made.second);
	file_close(made.pipe.read_file);
	file_close(made.pipe.write_file);
	for (i = 0; i < 10; i++) {
		format_text(name, sizeof(name), "/world/mount/%u", i);
		CHECK_EQUAL(remove_name(name), 0);
	}
	CHECK_EQUAL(fs_op_umount(&fake_rq, &at, "/world/mount", 13), 0);
	CHECK_EQUAL(remove_directory("/world/mount"), 0);
	CHECK_EQUAL(remove_name("/world/inner/hard"), 0);
	CHECK_EQUAL(remove_name("/world/data"), 0);
	CHECK_EQUAL(remove_name("/world/link"), 0);
	CHECK_EQUAL(remove_name("/world/fifo"), 0);
	CHECK_EQUAL(remove_directory("/world/inner"), 0);
	CHECK_EQUAL(remove_directory("/world"), 0);
}

/* ---- Tests ---- */

/* References that threads had, locks that they held, memory that only they knew. */
static void disturb(void)
{
	struct fs_file *file = fs_handle_peek(made.data, FS_HANDLE_FILE), *pipe = fs_handle_peek(made.pipe.read_file, FS_HANDLE_FILE);
	u64 object;

	file->lock.word = 99;
	file->inode->lock.word = 99;
	fs_gate_exclusive(&file->inode->io);
	file->inode->references += 3;
	file->inode->links = 77;
	file->inode->super->pages_used += 1000;
	file->inode->super->inodes_used += 1000;
	file->inode->super->references++;
	file->inode->alias = (void *)file;
	fs_name_hold(file->place.name);
	fs_name_hold(file->place.name->parent);
	fs_mount_hold(file->place.mount);
	pipe->inode->pipe->lock.word = 99;
	fs_gate_exclusive(&pipe->inode->pipe->reading);
	pipe->inode->pipe->readers++;
	pipe->inode->writers = 5;
	fs_gate_exclusive(&fs_tree);
	CHECK_EQUAL(mem_object_create(3, 1, &object), 0);
	CHECK(heap_alloc(500) != NULL);
}

static void goes_on(void)
{
	long heap = fake_heap_used, objects = fake_objects;
	u32 i;

	world_make();
	for (i = 0; i < 3; i++) {
		disturb();
		CHECK_EQUAL(fs_recover(), 0);
		world_check();
	}
	world_end();
	CHECK_EQUAL(fake_objects, objects);
	/* One block may be the table of handles, of locks' waiters, or the like. */
	CHECK(fake_heap_used <= heap + 1);
}

/* A write that did not end: nothing of it is behind the end. */
static void unfinished_write(void)
{
	u64 file = file_open("/unfinished", FS_O_RDWR | FS_O_CREAT, 0600);
	struct fs_file *open = fs_handle_peek(file, FS_HANDLE_FILE);
	u64 frame;
	u8 got[200];

	CHECK_EQUAL(file_write(file, "begin", 5, 0), 5);
	fs_gate_exclusive(&open->inode->io);
	CHECK_EQUAL(mem_object_resize(open->inode->data.object, 3), 0);
	CHECK_EQUAL(mem_object_page(open->inode->data.object, 0, 0, &frame), 0);
	memset((u8 *)token_of_frame(frame) + 5, 'x', 100);
	CHECK_EQUAL(mem_object_page(open->inode->data.object, 2, MEM_PAGE_CREATE, &frame), 0);
	CHECK_EQUAL(fs_recover(), 0);
	CHECK_EQUAL(fs_op_truncate(&fake_rq, file, 10000), 0);
	CHECK_EQUAL(file_read(file, got, 100, 0), 100);
	CHECK(memcmp(got, "begin\0\0\0", 8) == 0 && got[90] == 0);
	CHECK_EQUAL(file_read(file, got, 100, 8192), 100);
	CHECK(got[0] == 0);
	file_close(file);
	CHECK_EQUAL(remove_name("/unfinished"), 0);
}

static void unanswered_calls(void)
{
	u64 told = file_open("/told", FS_O_RDWR | FS_O_CREAT, 0600), lost = file_open("/told", FS_O_RDWR, 0);
	struct fs_pipe pipe;
	u8 byte;

	CHECK_EQUAL(fs_op_pipe_create(&fake_rq, client, &pipe), 0);
	CHECK_EQUAL(lock_set(lost, FS_LOCK_FLOCK, 0, 0, FS_LOCK_WRITE), 0);
	unanswered[0] = lost;
	unanswered[1] = pipe.write_file;
	unanswered[2] = told + (1ull << 32); /* of another generation */
	unanswered_count = 3;
	CHECK_EQUAL(fs_recover(), 0);
	unanswered_count = 0;
	CHECK_EQUAL(fs_op_close(&fake_rq, lost), -EBADF);
	CHECK_EQUAL(file_read(pipe.read_file, &byte, 1, 0), 0);
	CHECK_EQUAL(lock_set(told, FS_LOCK_FLOCK, 0, 0, FS_LOCK_WRITE), 0);
	file_close(told);
	file_close(pipe.read_file);
	CHECK_EQUAL(remove_name("/told"), 0);
}

/* A creation answers what it has noted with it; one that fails behind the creation has noted that. */
static void creations(void)
{
	const struct fs_open request = { .client = client, .flags = FS_O_RDWR | FS_O_CREAT | FS_O_EXCL, .mode = 0640 };
	u64 answer[3] = { 0 };
	struct fs_stat status;
	long result = -ENOMEM, i;

	CHECK_EQUAL(fs_op_open(&fake_rq, &request, "/only", 6, &answer[0], &answer[1], &answer[2]), 0);
	CHECK(noted.with_handles && noted.is.result == 0 && memcmp(noted.is.outs, answer, sizeof(answer)) == 0);
	file_close(answer[0]);
	noted.with_handles = false;
	CHECK_EQUAL(fs_op_open(&fake_rq, &request, "/only", 6, &answer[0], &answer[1], &answer[2]), -EEXIST);
	CHECK(!noted.with_handles);
	for (i = 0; result == -ENOMEM; i++) {
		(void)!remove_name("/only");
		noted.is.result = 1;
		fake_heap_fail_after = i;
		result = fs_op_open(&fake_rq, &request, "/only", 6, &answer[0], &answer[1], &answer[2]);
		fake_heap_fail_after = -1;
		CHECK_EQUAL(noted.is.result, status_get("/only", &status) ? 1 : result);
	}
	CHECK(i > 3 && result == 0 && noted.with_handles);
	file_close(answer[0]);
	CHECK_EQUAL(remove_name("/only"), 0);
}

/* ---- Anything ---- */

static u64 scribble_value(void)
{
	size_t size;
	void *block = fake_heap_block(random_below((u32)fake_heap_used), &size);

	switch (random_below(6)) {
	case 0:
		return (u64)random_below(1u << 24) << 40 | random_below(1u << 24);
	case 1:
		return random_below(300);
	case 2:
		return ~0ull << random_below(64);
	case 3:
		return (u64)block + 8 * random_below(8);
	default:
		return (u64)block;
	}
}

static void scribble(void)
{
	u32 count = 1 + random_below(3);

	while (count--) {
		u64 value = scribble_value();
		size_t size, part = 1u << random_below(4);
		u8 *block = fake_heap_block(random_below((u32)fake_heap_used), &size);

		if (size >= part)
			memcpy(block + random_below((u32)(size - part + 1)) / part * part, &value, part);
	}
}

/* Uses everything that the world has; what comes out is not looked at. */
static void world_use(void)
{
	static u8 got[20000];
	struct fs_stat status;
	u64 next = 0, files[] = { made.data, made.fifo, made.deleted, made.memory, made.second, made.pipe.read_file, made.pipe.write_file };
	u32 i;

	for (i = 0; i < countof(files); i++) {
		(void)!file_read(files[i], got, 4096, 0);
		(void)!file_write(files[i], got, 100, 5000);
		(void)!fs_op_stat(&fake_rq, files[i], &status);
		(void)!fs_op_path_of(&fake_rq, client, files[i], got, 4096);
		(void)!lock_set(files[i], FS_LOCK_OPEN, i, 100, FS_LOCK_WRITE);
	}
	(void)!fs_op_readdir(&fake_rq, made.directory, USER_BASE, 4096, 0, FS_DIRENT_64, &next);
	(void)!hard_link("/world/data", "/world/further");
	(void)!rename_name("/world/data", "/world/inner/x", 0);
	(void)!remove_name("/world/inner/hard");
	(void)!remove_name("/world/mount/4");
	(void)!status_get("/world/mount/../link", &status);
	(void)!fs_op_getcwd(&fake_rq, client, got, 4096);
	for (i = 0; i < countof(files); i++)
		(void)!fs_op_close(&fake_rq, files[i]);
}

static int scribbled_child(u32 round)
{
	seed = round * 7919 + 1;
	scribble();
	alarm(20);
	if (fs_recover())
		return REFUSED;
	world_use();
	return RECOVERED;
}

static void scribbled(void)
{
	u32 recovered = 0, refused = 0, round;
	int status;

	world_make();
	for (round = 0; round < SCRIBBLES; round++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(scribbled_child(round));
		if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
			status = 1 << 8;
		recovered += WEXITSTATUS(status) == RECOVERED;
		refused += WEXITSTATUS(status) == REFUSED;
		if (WEXITSTATUS(status) != RECOVERED && WEXITSTATUS(status) != REFUSED)
			CHECK_EQUAL(round, -1);
	}
	CHECK(recovered > SCRIBBLES / 10 && refused > SCRIBBLES / 10);
	world_end();
}

void test_recovery(void)
{
	test_run("recovery: what a failure leaves is put right", goes_on);
	test_run("recovery: a write that did not end leaves nothing behind the end", unfinished_write);
	test_run("recovery: what nobody was told of is closed", unanswered_calls);
	test_run("recovery: a creation answers what it has noted", creations);
	test_run("recovery: of scribbled memory it ends, and does no harm", scribbled);
}
