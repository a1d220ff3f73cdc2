/* Initial archives: good ones, and random damage to them. */
#include "fake.h"
#include "../archive.h"

#include "../decompress.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static u8 image[1 << 16];
static size_t image_size;
static u32 seed = 3;

static u32 random_below(u32 limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % limit;
}

static void entry_put(const char *name, u32 mode, u32 inode, u32 links, const char *data)
{
	size_t length = strlen(name) + 1, size = data ? strlen(data) : 0;

	image_size = round_up(image_size, 4);
	format_text((char *)image + image_size, 112, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", inode, mode, 5, 6, links, 1234567,
		(u32)size, 0, 0, 1, 3, (u32)length, 0);
	image_size += 110;
	memcpy(image + image_size, name, length);
	image_size = round_up(image_size + length, 4);
	if (size)
		memcpy(image + image_size, data, size);
	image_size = round_up(image_size + size, 4);
}

static void image_make(void)
{
	memset(image, 0, sizeof(image));
	image_size = 0;
	entry_put("boot", FS_IFDIR | 0755, 1, 2, NULL);
	entry_put("boot/file", FS_IFREG | 0640, 2, 1, "content");
	entry_put("boot/link", FS_IFLNK | 0777, 3, 1, "file");
	entry_put("boot/null", FS_IFCHR | 0666, 4, 1, NULL);
	entry_put("boot/hard1", FS_IFREG | 0600, 5, 2, NULL);
	entry_put("boot/hard2", FS_IFREG | 0600, 5, 2, "shared");
	entry_put("TRAILER!!!", 0, 0, 1, NULL);
	image_size = round_up(image_size, 512);
	entry_put("boot/second", FS_IFREG | 0600, 5, 1, "archive");
	entry_put("TRAILER!!!", 0, 0, 1, NULL);
}

static void image_remove(void)
{
	static const char *const names[] = { "/boot/file", "/boot/link", "/boot/null", "/boot/hard1", "/boot/hard2", "/boot/second" };

	for (u32 i = 0; i < countof(names); i++)
		if (remove_name(names[i]) == -EISDIR)
			CHECK_EQUAL(remove_directory(names[i]), 0);
	if (exists("/boot") && remove_directory("/boot") == -ENOTDIR)
		CHECK_EQUAL(remove_name("/boot"), 0);
}

static void good(void)
{
	struct fs_archive archive = { .rq = &fake_rq, .client = client };
	struct fs_stat status;

	image_make();
	CHECK_EQUAL(fs_archive_unpack(&archive, image, image_size), 0);
	CHECK_EQUAL(archive.entries, 7);
	CHECK_EQUAL(archive.errors, 0);
	CHECK(text_is("/boot/link", "content"));
	CHECK(text_is("/boot/hard1", "shared") && text_is("/boot/second", "archive"));
	CHECK_EQUAL(status_get("/boot/hard1", &status), 0);
	CHECK_EQUAL(status.links, 2);
	CHECK_EQUAL(status_get("/boot/file", &status), 0);
	CHECK_EQUAL(status.mode, FS_IFREG | 0640);
	CHECK(status.uid == 5 && status.gid == 6 && status.modified.seconds == 1234567);
	CHECK_EQUAL(status_get("/boot/null", &status), 0);
	CHECK_EQUAL(status.device, fs_device(1, 3));
	image_remove();
	CHECK(!exists("/boot"));
}

static void damaged(void)
{
	u32 round, i;

	for (round = 0; round < 4000; round++) {
		struct fs_archive archive = { .rq = &fake_rq, .client = client };
		size_t size;
		u8 *copy;
		long result;

		image_make();
		size = random_below(4) ? image_size : random_below((u32)image_size);
		/* A block of just this size: a read behind it is found. */
		copy = malloc(size + 1);
		memcpy(copy, image, size);
		for (i = random_below(6); i > 0 && size; i--)
			copy[random_below((u32)size)] = random_below(2) ? (u8)random_below(256) : "0123456789abcdefF/."[random_below(19)];
		copy = realloc(copy, size ? size : 1);
		result = fs_archive_unpack(&archive, copy, size);
		CHECK(result == 0 || result == -EINVAL);
		free(copy);
		image_remove();
	}
}

/* The archive as a tool of the host compresses it: the number of its bytes. */
static size_t image_pack(const char *tool, u8 *packed, size_t capacity)
{
	char command[64];
	char path[] = "/tmp/fs_test_XXXXXX";
	int file = mkstemp(path);
	size_t size;
	FILE *pipe;

	image_make();
	close(file);
	format_text(command, sizeof(command), "%s > %s", tool, path);
	pipe = popen(command, "w");
	CHECK(pipe && fwrite(image, 1, image_size, pipe) == image_size && pclose(pipe) == 0);
	pipe = fopen(path, "r");
	size = pipe ? fread(packed, 1, capacity, pipe) : 0;
	fclose(pipe);
	unlink(path);
	CHECK(size > 100);
	return size;
}

/* Whole, cut off, and with random damage. */
static void compressed_by(const char *tool)
{
	static u8 packed[1 << 16];
	size_t size = image_pack(tool, packed, sizeof(packed));

	for (u32 round = 0; round < 2000; round++) {
		struct fs_archive archive = { .rq = &fake_rq, .client = client };
		size_t used = round % 3 == 2 ? random_below((u32)size) : size;
		u8 *copy = malloc(used ? used : 1);
		long result;

		memcpy(copy, packed, used);
		if (round % 3 == 1)
			copy[random_below((u32)used)] ^= (u8)(1u << random_below(8));
		result = fs_archive_unpack(&archive, copy, used);
		CHECK(round % 3 == 0 ? result == 0 && archive.entries == 7 && text_is("/boot/second", "archive") : result == 0 || result == -EINVAL);
		free(copy);
		image_remove();
	}
}

static void gzip_compressed(void)
{
	compressed_by("gzip -n");
}

static void zstd_compressed(void)
{
	compressed_by("zstd -q -19");
	compressed_by("zstd -q --no-check -1");
}

/* Frames made of nothing but a head and noise, with every window that a head can ask for. */
static void zstd_noise(void)
{
	for (u32 round = 0; round < 20000; round++) {
		struct fs_archive archive = { .rq = &fake_rq, .client = client };
		size_t size = 9 + random_below(300);
		u8 *data = malloc(size);

		for (size_t i = 0; i < size; i++)
			data[i] = (u8)random_below(256);
		memcpy(data, "\x28\xb5\x2f\xfd", 4);
		data[4] &= 0x07;   /* a window is told, most of the time no size */
		CHECK_EQUAL(fs_archive_unpack(&archive, data, size), -EINVAL);
		free(data);
	}
}

void test_archives(void)
{
	struct fs_at at = { .client = client };
	u64 first = client;

	CHECK_EQUAL(fs_op_umask_set(&fake_rq, client, 0), 022);
	test_run("initial archives", good);
	/* In a root of its own: damaged names land anywhere. */
	CHECK_EQUAL(make_directory("/jail"), 0);
	CHECK_EQUAL(fs_op_client_fork(&fake_rq, first, 0, &client), 0);
	at.client = client;
	CHECK_EQUAL(fs_op_chroot(&fake_rq, &at, "/jail", 6), 0);
	CHECK_EQUAL(fs_op_chdir(&fake_rq, &at, "/", 2), 0);
	test_run("damaged archives", damaged);
	if (fs_inflate.present)
		test_run("archives compressed by gzip", gzip_compressed);
	if (fs_unzstd.present) {
		test_run("archives compressed by zstd", zstd_compressed);
		test_run("noise that begins like zstd", zstd_noise);
	}
	CHECK_EQUAL(fs_op_client_release(&fake_rq, client), 0);
	client = first;
	CHECK_EQUAL(fs_op_umask_set(&fake_rq, client, 022), 0);
}
