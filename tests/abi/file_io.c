/* Reading and writing files: offsets, vectors, holes, seeking, truncation, sendfile and size limits. */
#include "check.h"

#include <limits.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static bool file_is(int file, const char *expected)
{
	char text[256] = { 0 };
	ssize_t size = pread(file, text, sizeof(text) - 1, 0);

	return size == (ssize_t)strlen(expected) && memcmp(text, expected, size) == 0;
}

static void read_and_write_move_the_offset(void)
{
	char text[16] = { 0 };
	int file;

	scratch_enter();
	file = file_make("file", "abcdef", 0);
	CHECK_EQ(lseek(file, 2, SEEK_SET), 2);
	CHECK_EQ(read(file, text, 3), 3);
	CHECK(strcmp(text, "cde") == 0);
	CHECK_EQ(write(file, "XY", 2), 2);
	CHECK_EQ(read(file, text, 3), 0);
	CHECK(file_is(file, "abcdeXY"));
	CHECK_EQ(read(file, text, 0), 0);
	CHECK_EQ(write(file, text, 0), 0);
	CHECK_ERR(read(999, text, 1), EBADF);
	CHECK_ERR(read(-1, text, 1), EBADF);
}

static void positioned_calls_do_not(void)
{
	char text[16] = { 0 };
	int file, pipes[2];

	scratch_enter();
	file = file_make("file", "abcdef", 0);
	lseek(file, 1, SEEK_SET);
	CHECK_EQ(pread(file, text, 4, 3), 3);
	CHECK(strcmp(text, "def") == 0);
	CHECK_EQ(pwrite(file, "Z", 1, 8), 1);
	CHECK_EQ(lseek(file, 0, SEEK_CUR), 1);
	CHECK_EQ(pread(file, text, 9, 0), 9);
	CHECK(memcmp(text, "abcdef\0\0Z", 9) == 0);
	CHECK_EQ(pread(file, text, 1, 100), 0);
	CHECK_ERR(pread(file, text, 1, -1), EINVAL);
	CHECK_ERR(pwrite(file, text, 1, -1), EINVAL);
	REQUIRE_OK(pipe(pipes));
	CHECK_ERR(pread(pipes[0], text, 1, 0), ESPIPE);
	CHECK_ERR(pwrite(pipes[1], text, 1, 0), ESPIPE);
}

static void vectors(void)
{
	char one[3] = { 0 }, two[5] = { 0 };
	struct iovec parts[3] = { { one, 2 }, { NULL, 0 }, { two, 4 } };
	int file;

	scratch_enter();
	file = file_make("file", "abcdef", 0);
	lseek(file, 0, SEEK_SET);
	CHECK_EQ(readv(file, parts, 3), 6);
	CHECK(strcmp(one, "ab") == 0 && strcmp(two, "cdef") == 0);
	CHECK_EQ(pwritev(file, parts, 3, 2), 6);
	CHECK(file_is(file, "ababcdef"));
	CHECK_EQ(preadv(file, parts, 3, 6), 2);
	CHECK_EQ(preadv2(file, parts, 3, 0, 0), 6);
	CHECK_ERR(preadv2(file, parts, 3, 0, 0x80000000), EOPNOTSUPP);
	CHECK_EQ(writev(file, parts, 0), 0);
	CHECK_EQ(writev(file, NULL, 0), 0);
	CHECK_ERR(syscall(SYS_readv, file, parts, -1), EINVAL);
	CHECK_ERR(syscall(SYS_readv, file, parts, IOV_MAX + 1), EINVAL);
	parts[0].iov_len = -1;
	CHECK_ERR(readv(file, parts, 3), EINVAL);
	CHECK_ERR(readv(file, bad_pointers[4], 1), EFAULT);
}

static void partial_before_a_bad_address(void)
{
	char *end = page_end(4), text[16] = { 0 };
	struct iovec parts[2] = { { text, 4 }, { bad_pointers[0], 4 } };
	int file;

	scratch_enter();
	file = file_make("file", "abcdefgh", 0);
	/* What could be transferred counts; only if nothing could is there an error. */
	CHECK_EQ(pread(file, end, 8, 0), 4);
	CHECK(memcmp(end, "abcd", 4) == 0);
	memcpy(end, "WXYZ", 4);
	CHECK_EQ(pwrite(file, end, 8, 0), 4);
	CHECK(file_is(file, "WXYZefgh"));
	CHECK_EQ(preadv(file, parts, 2, 0), 4);
	CHECK_EQ(pwritev(file, parts, 2, 4), 4);
	CHECK(file_is(file, "WXYZWXYZ"));
	CHECK_ERR(pread(file, bad_pointers[0], 8, 0), EFAULT);
	CHECK_ERR(pwrite(file, bad_pointers[0], 8, 0), EFAULT);
	CHECK_ERR(pread(file, bad_pointers[4], 8, 0), EFAULT);
	CHECK_EQ(pread(file, bad_pointers[0], 8, 100), 0);
}

static void seeking(void)
{
	int file, pipes[2], directory = open("/", O_RDONLY);

	scratch_enter();
	file = file_make("file", "abcdef", 0);
	CHECK_EQ(lseek(file, -2, SEEK_END), 4);
	CHECK_EQ(lseek(file, 3, SEEK_CUR), 7);
	CHECK_ERR(lseek(file, -8, SEEK_CUR), EINVAL);
	CHECK_ERR(lseek(file, -1, SEEK_SET), EINVAL);
	CHECK_ERR(lseek(file, 0, 99), EINVAL);
	CHECK_EQ(lseek(file, 0, SEEK_CUR), 7);
	CHECK_EQ(lseek(file, 1L << 40, SEEK_SET), 1L << 40);
	CHECK_ERR(lseek(file, INT64_MAX, SEEK_CUR), EINVAL);
	REQUIRE_OK(pipe(pipes));
	CHECK_ERR(lseek(pipes[0], 0, SEEK_SET), ESPIPE);
	CHECK_ERR(lseek(999, 0, SEEK_SET), EBADF);
	CHECK_EQ(lseek(directory, 0, SEEK_SET), 0);
}

static void holes(void)
{
	struct stat status;
	char byte = 1;
	int file;

	scratch_enter();
	file = file_make("file", "a", 0);
	REQUIRE_OK(ftruncate(file, 1 << 20));
	REQUIRE(pwrite(file, "b", 1, 512 << 10) == 1);
	CHECK(pread(file, &byte, 1, 100 << 10) == 1 && byte == 0);
	REQUIRE_OK(fstat(file, &status));
	CHECK(status.st_blocks * 512 < 1 << 20);
	CHECK_EQ(lseek(file, 0, SEEK_DATA), 0);
	CHECK_EQ(lseek(file, 0, SEEK_HOLE), PAGE);
	CHECK_EQ(lseek(file, 2 * PAGE, SEEK_DATA), 512 << 10);
	CHECK_EQ(lseek(file, 512 << 10, SEEK_HOLE), (512 << 10) + PAGE);
	CHECK_EQ(lseek(file, 2 * PAGE, SEEK_HOLE), 2 * PAGE);
	CHECK_ERR(lseek(file, 600 << 10, SEEK_DATA), ENXIO);
	CHECK_ERR(lseek(file, 1 << 20, SEEK_HOLE), ENXIO);
	CHECK_ERR(lseek(file, -1, SEEK_DATA), ENXIO);
}

static void truncation(void)
{
	char text[8];
	int file, pipes[2];

	scratch_enter();
	mkdir("dir", 0755);
	file = file_make("file", "abcdef", 0);
	CHECK_OK(ftruncate(file, 3));
	CHECK_OK(truncate("file", 6));
	CHECK_EQ(pread(file, text, 8, 0), 6);
	CHECK(memcmp(text, "abc\0\0\0", 6) == 0);
	CHECK_ERR(truncate("file", -1), EINVAL);
	CHECK_ERR(ftruncate(file, -1), EINVAL);
	CHECK_ERR(truncate("missing", 0), ENOENT);
	CHECK_ERR(truncate("dir", 0), EISDIR);
	CHECK_ERR(ftruncate(999, 0), EBADF);
	REQUIRE_OK(pipe(pipes));
	CHECK_ERR(ftruncate(pipes[1], 0), EINVAL);
	/* The offset stays, and a write there makes a hole. */
	CHECK_EQ(lseek(file, 10, SEEK_SET), 10);
	CHECK_OK(ftruncate(file, 0));
	CHECK_EQ(write(file, "x", 1), 1);
	CHECK_EQ(lseek(file, 0, SEEK_END), 11);
}

static void removed_content_does_not_come_back(void)
{
	static char text[4 * PAGE];

	scratch_enter();
	for (int i = 0; i < 100; i++) {
		int file = open("file", O_CREAT | O_RDWR, 0600), other = open("other", O_CREAT | O_TRUNC | O_RDWR, 0600);

		memset(text, 'x', sizeof(text));
		REQUIRE(write(file, text, sizeof(text)) == sizeof(text));
		REQUIRE_OK(i % 2 ? ftruncate(file, 0) : unlink("file"));
		close(file);
		REQUIRE(pwrite(other, "y", 1, PAGE + 7) == 1);
		REQUIRE_OK(ftruncate(other, sizeof(text)));
		REQUIRE(pread(other, text, sizeof(text), 0) == sizeof(text));
		for (size_t at = 0; at < sizeof(text); at++)
			REQUIRE(text[at] == (at == PAGE + 7 ? 'y' : 0));
		close(other);
	}
}

static void allocation(void)
{
	struct stat status;
	int file, pipes[2];

	scratch_enter();
	file = file_make("file", "abc", 0);
	CHECK_OK(fallocate(file, 0, 0, 4 * PAGE));
	REQUIRE_OK(fstat(file, &status));
	CHECK_EQ(status.st_size, 4 * PAGE);
	CHECK_EQ(status.st_blocks, 4 * PAGE / 512);
	CHECK_OK(fallocate(file, FALLOC_FL_KEEP_SIZE, 4 * PAGE, PAGE));
	CHECK_EQ(lseek(file, 0, SEEK_END), 4 * PAGE);
	REQUIRE(pwrite(file, "d", 1, PAGE) == 1);
	CHECK_OK(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	CHECK_EQ(lseek(file, 0, SEEK_DATA), PAGE);
	CHECK_ERR(fallocate(file, FALLOC_FL_PUNCH_HOLE, 0, PAGE), EOPNOTSUPP);
	CHECK_ERR(fallocate(file, 0, 0, 0), EINVAL);
	CHECK_ERR(fallocate(file, 0, -1, 5), EINVAL);
	REQUIRE_OK(pipe(pipes));
	CHECK_ERR(fallocate(pipes[1], 0, 0, 5), ESPIPE);
}

static void sendfile_copies(void)
{
	char text[16] = { 0 };
	off_t offset = 2;
	int from, to, pipes[2];

	scratch_enter();
	from = file_make("from", "abcdef", 0);
	to = file_make("to", "12", 0);
	CHECK_EQ(sendfile(to, from, &offset, 3), 3);
	CHECK_EQ(offset, 5);
	CHECK_EQ(lseek(from, 0, SEEK_CUR), 6);
	CHECK(file_is(to, "12cde"));
	lseek(from, 0, SEEK_SET);
	CHECK_EQ(sendfile(to, from, NULL, 100), 6);
	CHECK_EQ(sendfile(to, from, NULL, 100), 0);
	REQUIRE_OK(pipe(pipes));
	offset = 0;
	CHECK_EQ(sendfile(pipes[1], from, &offset, 6), 6);
	CHECK_EQ(read(pipes[0], text, 16), 6);
	CHECK(memcmp(text, "abcdef", 6) == 0);
	CHECK_ERR(sendfile(to, 999, NULL, 1), EBADF);
	CHECK_ERR(sendfile(999, from, NULL, 1), EBADF);
	offset = -1;
	CHECK_ERR(sendfile(to, from, &offset, 1), EINVAL);
	CHECK_ERR(sendfile(to, from, bad_pointers[2], 1), EFAULT);
	CHECK_ERR(sendfile(open("to", O_RDONLY), from, NULL, 1), EBADF);
	CHECK_ERR(sendfile(open("to", O_WRONLY | O_APPEND), from, NULL, 1), EINVAL);
}

static void copy_file_range_copies(void)
{
	loff_t in = 1, out = 0;
	int from, to;

	scratch_enter();
	from = file_make("from", "abcdef", 0);
	to = file_make("to", "123456", 0);
	CHECK_EQ(copy_file_range(from, &in, to, &out, 3, 0), 3);
	CHECK(in == 4 && out == 3 && file_is(to, "bcd456"));
	CHECK_ERR(copy_file_range(from, &in, to, &out, 3, 1), EINVAL);
	CHECK_ERR(copy_file_range(from, &in, open("/", O_RDONLY), &out, 3, 0), EISDIR);
	in = 0;
	out = 1;
	CHECK_ERR(copy_file_range(from, &in, from, &out, 3, 0), EINVAL);
}

static void size_limit(void)
{
	struct rlimit limit = { 10, 10 };
	int file;

	scratch_enter();
	file = file_make("file", "abcdef", 0);
	signal_set(SIGXFSZ, signal_count, 0);
	REQUIRE_OK(setrlimit(RLIMIT_FSIZE, &limit));
	/* What fits is written; only a write that starts at the limit fails. */
	CHECK_EQ(write(file, "0123456789", 10), 4);
	CHECK_EQ(signals_counted, 0);
	CHECK_ERR(write(file, "x", 1), EFBIG);
	CHECK_EQ(signals_counted, 1);
	CHECK_ERR(ftruncate(file, 11), EFBIG);
	CHECK_EQ(signals_counted, 2);
	CHECK_OK(ftruncate(file, 5));
	CHECK_ERR(pwrite(file, "x", 1, 10), EFBIG);
}

static void directories_are_not_read(void)
{
	int directory = open("/", O_RDONLY);
	char byte;

	CHECK_ERR(read(directory, &byte, 1), EISDIR);
	CHECK_ERR(write(directory, &byte, 1), EBADF);
	CHECK_ERR(ftruncate(directory, 0), EINVAL);
}

static void large_counts_are_cut(void)
{
	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDONLY);
	char *page = pages_new(1);

	REQUIRE_OK(null);
	CHECK_EQ(write(null, page, 0x7fffffff), 0x7ffff000);
	CHECK_EQ(write(null, page, PAGE), PAGE);
	CHECK_EQ(read(null, page, PAGE), 0);
	REQUIRE_OK(zero);
	memset(page, 1, PAGE);
	CHECK_EQ(read(zero, page, PAGE), PAGE);
	CHECK(page[0] == 0 && page[PAGE - 1] == 0);
	CHECK_ERR(write(open("/dev/full", O_WRONLY), page, 1), ENOSPC);
}

static void devices_without_state(void)
{
	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), full = open("/dev/full", O_RDWR);
	char *pages = pages_new(3);
	struct iovec parts[2] = { { pages + 10, 20 }, { pages + PAGE, PAGE } };

	memset(pages, 1, 3 * PAGE);
	CHECK_EQ(readv(zero, parts, 2), 20 + PAGE);
	CHECK(pages[9] == 1 && pages[10] == 0 && pages[29] == 0 && pages[30] == 1 && pages[PAGE] == 0 && pages[2 * PAGE] == 1);
	CHECK_EQ(preadv(full, parts, 2, 77), 20 + PAGE);
	CHECK_EQ(pwritev(null, parts, 2, 77), 20 + PAGE);
	CHECK_ERR(writev(full, parts, 2), ENOSPC);
	CHECK_ERR(write(full, pages, 0), ENOSPC); /* there is no room even for nothing */
	CHECK_EQ(lseek(zero, 5, SEEK_SET), 0);
	CHECK_EQ(lseek(null, 5, SEEK_CUR), 0);
	CHECK_EQ(read(zero, pages + 3, 0), 0);
	/* What is mapped is filled; nothing of it: an error. */
	REQUIRE_OK(munmap(pages + PAGE, PAGE));
	memset(pages, 1, PAGE);
	CHECK_EQ(read(zero, pages + PAGE - 5, 100), 5);
	CHECK(pages[PAGE - 6] == 1 && pages[PAGE - 5] == 0 && pages[PAGE - 1] == 0);
	CHECK_ERR(read(zero, pages + PAGE, 100), EFAULT);
	REQUIRE_OK(mprotect(pages, PAGE, PROT_READ));
	CHECK_ERR(pread(full, pages, 1, 0), EFAULT);
	CHECK_EQ(read(null, pages, 1), 0);
	CHECK_ERR(read(open("/dev/zero", O_WRONLY), pages, 1), EBADF);
}

static void sync_family(void)
{
	int file, pipes[2];

	scratch_enter();
	file = file_make("file", "abcdef", 0);
	sync();
	CHECK_OK(fsync(file));
	CHECK_OK(fdatasync(file));
	CHECK_OK(syncfs(file));
	CHECK_OK(sync_file_range(file, 0, 6, SYNC_FILE_RANGE_WRITE));
	CHECK_OK(posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL));
	CHECK_EQ(posix_fadvise(file, 0, 0, 99), EINVAL);
	CHECK_ERR(fsync(999), EBADF);
	REQUIRE_OK(pipe(pipes));
	CHECK_ERR(fsync(pipes[0]), EINVAL);
	CHECK_EQ(posix_fadvise(pipes[0], 0, 0, 0), ESPIPE);
}

TESTS(TEST(read_and_write_move_the_offset), TEST(positioned_calls_do_not), TEST(vectors),
      TEST(partial_before_a_bad_address), TEST(seeking), TEST(holes), TEST(truncation), TEST(removed_content_does_not_come_back),
      TEST(allocation), TEST(sendfile_copies), TEST(copy_file_range_copies), TEST(size_limit), TEST(directories_are_not_read),
      TEST(large_counts_are_cut), TEST(devices_without_state), TEST(sync_family))
