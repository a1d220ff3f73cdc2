/* Mappings of files: shared and private, msync, truncation, permissions, and mremap of both kinds of memory. */
#include "check.h"

#include <pthread.h>

#define READ_WRITE (PROT_READ | PROT_WRITE)

static int file_of_pages(const char *path, int pages)
{
	char page[PAGE];
	int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);

	REQUIRE(file >= 0);
	for (int i = 0; i < pages; i++) {
		memset(page, 'a' + i, PAGE);
		REQUIRE(write(file, page, PAGE) == PAGE);
	}
	return file;
}

static char *map_file(int file, size_t pages, int protection, int flags)
{
	char *map = mmap(NULL, pages * PAGE, protection, flags, file, 0);

	REQUIRE(map != MAP_FAILED);
	return map;
}

static void shared_mapping_is_the_file(void)
{
	char byte, *map, *again;
	int file;

	scratch_enter();
	file = file_of_pages("file", 2);
	map = map_file(file, 2, READ_WRITE, MAP_SHARED);
	again = map_file(file, 2, PROT_READ, MAP_SHARED);
	CHECK(map[0] == 'a' && map[PAGE] == 'b');
	map[5] = 'X';
	CHECK(pread(file, &byte, 1, 5) == 1 && byte == 'X');
	CHECK_EQ(again[5], 'X');
	REQUIRE(pwrite(file, "Y", 1, PAGE + 5) == 1);
	CHECK_EQ(map[PAGE + 5], 'Y');
	/* The mapping outlives the descriptor and the name. */
	close(file);
	unlink("file");
	map[6] = 'Z';
	CHECK_EQ(again[6], 'Z');
}

static void private_mapping_keeps_writes(void)
{
	char byte, *map;
	int file;

	scratch_enter();
	file = file_of_pages("file", 2);
	map = map_file(file, 2, READ_WRITE, MAP_PRIVATE);
	map[5] = 'X';
	CHECK(pread(file, &byte, 1, 5) == 1 && byte == 'a');
	CHECK(map[5] == 'X' && map[6] == 'a');
	REQUIRE(pwrite(file, "Y", 1, PAGE) == 1);
	CHECK_EQ(map[PAGE], 'Y');
	REQUIRE(pwrite(file, "Y", 1, 6) == 1);
	/* The page was copied at its first write. */
	CHECK_EQ(map[6], 'a');
	CHECK_OK(madvise(map, PAGE, MADV_DONTNEED));
	CHECK(map[5] == 'a' && map[6] == 'Y');
}

static void offset_and_tail(void)
{
	char *map, byte = 1;
	int file;

	scratch_enter();
	file = file_of_pages("file", 3);
	REQUIRE_OK(ftruncate(file, 2 * PAGE + 10));
	map = mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, file, 2 * PAGE);
	REQUIRE(map != MAP_FAILED);
	CHECK(map[9] == 'c' && map[10] == 0);
	map[10] = 'T';
	/* Bytes after the end are not part of the file. */
	CHECK_EQ(lseek(file, 0, SEEK_END), 2 * PAGE + 10);
	CHECK_EQ(pread(file, &byte, 1, 2 * PAGE + 10), 0);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 5), EINVAL);
}

static void access_mode_is_checked(void)
{
	int read_only, write_only, directory = open("/", O_RDONLY | O_DIRECTORY), pipes[2];
	char *map;

	scratch_enter();
	close(file_of_pages("file", 1));
	read_only = open("file", O_RDONLY);
	write_only = open("file", O_WRONLY);
	REQUIRE_OK(pipe(pipes));
	CHECK_ERR(mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, read_only, 0), EACCES);
	CHECK(mmap(NULL, PAGE, READ_WRITE, MAP_PRIVATE, read_only, 0) != MAP_FAILED);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, write_only, 0), EACCES);
	CHECK_ERR(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, write_only, 0), EACCES);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, directory, 0), ENODEV);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, pipes[0], 0), ENODEV);
	map = map_file(read_only, 1, PROT_READ, MAP_SHARED);
	CHECK_ERR(mprotect(map, PAGE, READ_WRITE), EACCES);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_PRIVATE | 0x4, read_only, 0), EINVAL);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, read_only, 0), EOPNOTSUPP);
}

static void shared_file_mapping_across_fork(void)
{
	char *map;
	pid_t pid;

	scratch_enter();
	map = map_file(file_of_pages("file", 1), 1, READ_WRITE, MAP_SHARED);
	pid = fork();
	if (pid == 0) {
		map[100] = 'C';
		_exit(0);
	}
	CHECK_EXITED(child_wait(pid), 0);
	CHECK_EQ(map[100], 'C');
}

static void msync_flags(void)
{
	char *map;

	scratch_enter();
	map = map_file(file_of_pages("file", 2), 2, READ_WRITE, MAP_SHARED);
	map[0] = 1;
	CHECK_OK(msync(map, 2 * PAGE, MS_SYNC));
	CHECK_OK(msync(map, PAGE, MS_ASYNC));
	CHECK_OK(msync(map, PAGE, MS_SYNC | MS_INVALIDATE));
	CHECK_OK(msync(map, 0, MS_SYNC));
	CHECK_ERR(msync(map, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	CHECK_ERR(msync(map + 1, PAGE, MS_SYNC), EINVAL);
	CHECK_ERR(msync(map, PAGE, 0x80), EINVAL);
	REQUIRE_OK(munmap(map + PAGE, PAGE));
	CHECK_ERR(msync(map, 2 * PAGE, MS_SYNC), ENOMEM);
}

static void truncation_empties_private_pages_too(void)
{
	volatile char *map;
	int file;
	pid_t pid;

	scratch_enter();
	file = file_of_pages("file", 1);
	map = map_file(file, 1, READ_WRITE, MAP_PRIVATE);
	map[0] = 'X';
	REQUIRE_OK(ftruncate(file, 0));
	pid = fork();
	if (pid == 0)
		_exit(map[0]);
	CHECK_EQ(child_wait(pid) & 0x7f, SIGBUS);
	REQUIRE_OK(ftruncate(file, PAGE));
	CHECK_EQ(map[0], 0);
}

static void read_into_a_mapping_of_the_same_file(void)
{
	char *map;
	int file;

	scratch_enter();
	file = file_of_pages("file", 2);
	map = map_file(file, 2, READ_WRITE, MAP_SHARED);
	CHECK_EQ(pread(file, map, PAGE, PAGE), PAGE);
	CHECK(map[0] == 'b' && map[PAGE - 1] == 'b');
	CHECK_EQ(pwrite(file, map, PAGE, PAGE), PAGE);
	CHECK_EQ(map[2 * PAGE - 1], 'b');
}

static void read_past_a_mappings_end_is_efault(void)
{
	char *map, buffer[8] = "1234567";
	int file, other;

	scratch_enter();
	file = file_of_pages("file", 1);
	other = file_make("other", "0123456789", 0);
	map = map_file(file, 2, READ_WRITE, MAP_SHARED);
	CHECK_ERR(pread(other, map + PAGE, 8, 0), EFAULT);
	CHECK_ERR(pwrite(other, map + PAGE, 8, 0), EFAULT);
	CHECK_EQ(pwrite(other, buffer, 8, 0), 8);
}

static void fill(char *pages, int count)
{
	for (int i = 0; i < count; i++)
		memset(pages + i * PAGE, 'A' + i, PAGE);
}

static bool filled(const char *pages, int count)
{
	for (int i = 0; i < count; i++)
		if (pages[i * PAGE] != 'A' + i || pages[(i + 1) * PAGE - 1] != 'A' + i)
			return false;
	return true;
}

static void mremap_shrinks_and_grows(void)
{
	char *pages = pages_new(8), *moved;

	fill(pages, 4);
	REQUIRE_OK(munmap(pages + 4 * PAGE, 4 * PAGE));
	CHECK(mremap(pages, 4 * PAGE, 6 * PAGE, 0) == pages);
	CHECK(filled(pages, 4) && pages[4 * PAGE] == 0 && pages[6 * PAGE - 1] == 0);
	CHECK(mremap(pages, 6 * PAGE, 2 * PAGE, 0) == pages);
	CHECK(filled(pages, 2));
	/* A neighbour in the way: it fails, or moves if it may. */
	REQUIRE(mmap(pages + 2 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	CHECK_ERR(mremap(pages, 2 * PAGE, 4 * PAGE, 0), ENOMEM);
	moved = mremap(pages, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
	REQUIRE(moved != MAP_FAILED && moved != pages);
	CHECK(filled(moved, 2) && moved[2 * PAGE] == 0);
	CHECK_ERR(msync(pages, PAGE, MS_ASYNC), ENOMEM);
}

static void mremap_fixed_and_dontunmap(void)
{
	char *pages = pages_new(3), *target = pages_new(3), *moved;

	fill(pages, 3);
	memset(target, 'x', 3 * PAGE);
	CHECK(mremap(pages, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target);
	CHECK(filled(target, 2) && target[2 * PAGE] == 'x');
	CHECK_ERR(msync(pages, PAGE, MS_ASYNC), ENOMEM);
	REQUIRE_OK(moved = mremap(target, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL));
	CHECK(moved != target);
	CHECK(filled(moved, 2) && target[0] == 0 && target[2 * PAGE - 1] == 0);
}

static void mremap_refuses(void)
{
	char *pages = pages_new(4);

	CHECK_ERR(mremap(pages + 1, PAGE, PAGE, 0), EINVAL);
	CHECK_ERR(mremap(pages, PAGE, 0, 0), EINVAL);
	CHECK_ERR(mremap(pages, PAGE, PAGE, 0x80), EINVAL);
	CHECK_ERR(mremap(pages, PAGE, PAGE, MREMAP_FIXED, pages + PAGE), EINVAL);
	CHECK_ERR(mremap(pages, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, pages + PAGE), EINVAL);
	CHECK_ERR(mremap(pages, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, pages + PAGE + 1), EINVAL);
	CHECK_ERR(mremap(pages, PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL), EINVAL);
	CHECK_ERR(mremap(pages, 0, PAGE, MREMAP_MAYMOVE), EINVAL);
	CHECK_ERR(mremap(pages, PAGE, 1UL << 57, MREMAP_MAYMOVE), ENOMEM);
	REQUIRE_OK(munmap(pages, PAGE));
	CHECK_ERR(mremap(pages, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
	REQUIRE_OK(mprotect(pages + 2 * PAGE, PAGE, PROT_READ));
	CHECK_ERR(mremap(pages + PAGE, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE), EFAULT);
}

static void mremap_of_shared_memory(void)
{
	char *shared = pages_shared(2), *twin, *map;
	int file;

	fill(shared, 2);
	/* An old size of zero makes a second mapping of the same shared memory. */
	twin = mremap(shared, 0, 2 * PAGE, MREMAP_MAYMOVE);
	REQUIRE(twin != MAP_FAILED);
	CHECK(filled(twin, 2));
	twin[0] = '!';
	CHECK_EQ(shared[0], '!');
	scratch_enter();
	file = file_of_pages("file", 3);
	map = map_file(file, 1, READ_WRITE, MAP_SHARED);
	map = mremap(map, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
	REQUIRE(map != MAP_FAILED);
	CHECK(map[0] == 'a' && map[PAGE] == 'b' && map[2 * PAGE] == 'c');
}

static volatile bool stop;

static void *thread_reader(void *argument)
{
	volatile char *page = argument;

	while (!stop) {
		char byte = *page;

		REQUIRE(byte == 'A' || byte == 'B');
	}
	return NULL;
}

static void replacing_a_page_under_a_reader(void)
{
	char *page;
	pthread_t thread;
	int one, two;

	scratch_enter();
	one = file_make("one", "A", 0);
	two = file_make("two", "B", 0);
	page = map_file(one, 1, PROT_READ, MAP_SHARED);
	REQUIRE(pthread_create(&thread, NULL, thread_reader, page) == 0);
	/* MAP_FIXED replaces in one step: the reader sees one file or the other, never a hole. */
	for (int i = 0; i < 200; i++)
		REQUIRE(mmap(page, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, i % 2 ? one : two, 0) == page);
	stop = true;
	pthread_join(thread, NULL);
}

static void removed_pages_are_zero(void)
{
	int file = memfd_create("file", 0);
	char *map, *kept, bytes[3 * PAGE];

	memset(bytes, 'a', sizeof(bytes));
	REQUIRE(write(file, bytes, sizeof(bytes)) == sizeof(bytes));
	map = map_file(file, 3, READ_WRITE, MAP_SHARED);
	kept = map_file(file, 3, READ_WRITE, MAP_PRIVATE);
	kept[PAGE] = 'k';
	CHECK_OK(madvise(map + PAGE, PAGE, MADV_REMOVE));
	CHECK(map[PAGE - 1] == 'a' && map[PAGE] == 0 && map[2 * PAGE - 1] == 0 && map[2 * PAGE] == 'a');
	CHECK(kept[PAGE - 1] == 'a' && kept[PAGE] == 'k' && kept[PAGE + 1] == 'a');
	REQUIRE(pread(file, bytes, sizeof(bytes), 0) == sizeof(bytes));
	CHECK(bytes[PAGE - 1] == 'a' && bytes[PAGE] == 0 && bytes[2 * PAGE - 1] == 0 && bytes[2 * PAGE] == 'a');
	map[PAGE] = 'b';
	CHECK(pread(file, bytes, 1, PAGE) == 1 && bytes[0] == 'b');
	CHECK_ERR(madvise(kept, PAGE, MADV_REMOVE), EACCES);
	CHECK_ERR(madvise(pages_new(1), PAGE, MADV_REMOVE), EINVAL);
}

TESTS(TEST(shared_mapping_is_the_file), TEST(private_mapping_keeps_writes), TEST(offset_and_tail),
      TEST(access_mode_is_checked), TEST(shared_file_mapping_across_fork), TEST(msync_flags),
      TEST(truncation_empties_private_pages_too), TEST(read_into_a_mapping_of_the_same_file),
      TEST(read_past_a_mappings_end_is_efault), TEST(mremap_shrinks_and_grows), TEST(mremap_fixed_and_dontunmap),
      TEST(mremap_refuses), TEST(mremap_of_shared_memory), TEST(replacing_a_page_under_a_reader),
      TEST(removed_pages_are_zero))
