/* open, openat, openat2 and the resolution of paths: flags, symbolic links, limits and errors. */
#include "check.h"

#include <limits.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/time.h>

static char letters[PATH_MAX + 8];

/* A path of this many letters. */
static const char *path_of_length(size_t length)
{
	memset(letters, 'n', length);
	letters[length] = '\0';
	return letters;
}

static void creation(void)
{
	struct stat status;
	int file;

	scratch_enter();
	umask(027);
	CHECK_OK(file = open("new", O_WRONLY | O_CREAT | O_EXCL, 0666));
	REQUIRE_OK(fstat(file, &status));
	CHECK_EQ(status.st_mode, S_IFREG | 0640);
	CHECK_EQ(status.st_size, 0);
	CHECK_EQ(status.st_nlink, 1);
	CHECK_ERR(open("new", O_WRONLY | O_CREAT | O_EXCL, 0666), EEXIST);
	CHECK_OK(open("new", O_WRONLY | O_CREAT, 0777));
	/* A mode without write permission does not bind the descriptor that creates the file. */
	CHECK_OK(file = open("readonly", O_RDWR | O_CREAT, 0400));
	CHECK_EQ(write(file, "x", 1), 1);
	symlink("nowhere", "dangling");
	CHECK_ERR(open("dangling", O_WRONLY | O_CREAT | O_EXCL, 0666), EEXIST);
	CHECK_OK(open("dangling", O_WRONLY | O_CREAT, 0666));
	CHECK_OK(access("nowhere", F_OK));
	CHECK_OK(creat("made", 0600));
}

static void errors(void)
{
	scratch_enter();
	close(file_make("file", "abc", 0));
	mkdir("dir", 0755);
	CHECK_ERR(open("missing", O_RDONLY), ENOENT);
	CHECK_ERR(open("missing/file", O_RDONLY | O_CREAT, 0666), ENOENT);
	CHECK_ERR(open("", O_RDONLY), ENOENT);
	CHECK_ERR(open("file/x", O_RDONLY), ENOTDIR);
	CHECK_ERR(open("file/", O_RDONLY), ENOTDIR);
	CHECK_ERR(open("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERR(open("dir", O_WRONLY), EISDIR);
	CHECK_ERR(open("dir", O_RDWR), EISDIR);
	CHECK_ERR(open("dir", O_RDONLY | O_CREAT, 0666), EISDIR);
	CHECK_ERR(open("new/", O_WRONLY | O_CREAT, 0666), EISDIR);
	CHECK_ERR(open("dir/", O_RDONLY | O_CREAT | O_EXCL, 0666), EISDIR);
	CHECK_OK(open("dir//./../dir/", O_RDONLY | O_DIRECTORY));
	CHECK_ERR(openat(999, "file", O_RDONLY), EBADF);
	CHECK_OK(openat(999, "/", O_RDONLY));
	CHECK_ERR(open(bad_pointers[0], O_RDONLY), EFAULT);
	CHECK_ERR(open(bad_pointers[4], O_RDONLY), EFAULT);
}

static void lengths(void)
{
	char *end = page_end(8);

	scratch_enter();
	CHECK_OK(open(path_of_length(NAME_MAX), O_CREAT | O_RDWR, 0600));
	CHECK_ERR(open(path_of_length(NAME_MAX + 1), O_CREAT | O_RDWR, 0600), ENAMETOOLONG);
	CHECK_ERR(open(path_of_length(PATH_MAX), O_RDONLY), ENAMETOOLONG);
	memset(letters, '/', PATH_MAX - 1);
	letters[PATH_MAX - 1] = '\0';
	CHECK_OK(open(letters, O_RDONLY));
	/* A path that ends exactly where memory ends is fine; one without an end is not. */
	strcpy(end, "missing");
	CHECK_ERR(open(end, O_RDONLY), ENOENT);
	memset(end, 'm', 8);
	CHECK_ERR(open(end, O_RDONLY), EFAULT);
}

static void symlinks(void)
{
	char name[16], target[16];

	scratch_enter();
	close(file_make("file", "abc", 0));
	mkdir("dir", 0755);
	symlink("file", "link");
	symlink("dir", "dirlink");
	symlink("loop2", "loop1");
	symlink("loop1", "loop2");
	CHECK_OK(open("link", O_RDONLY));
	CHECK_ERR(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK_ERR(open("dirlink", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
	CHECK_OK(open("dirlink/../file", O_RDONLY | O_NOFOLLOW));
	CHECK_OK(open("dirlink/", O_RDONLY | O_DIRECTORY));
	CHECK_ERR(open("loop1", O_RDONLY), ELOOP);
	CHECK_ERR(open("loop1/x", O_RDONLY), ELOOP);
	CHECK_ERR(open("link/", O_RDONLY), ENOTDIR);
	symlink("file", "s0");
	for (int i = 1; i <= 40; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		snprintf(target, sizeof(target), "s%d", i - 1);
		symlink(target, name);
	}
	CHECK_OK(open("s39", O_RDONLY));
	CHECK_ERR(open("s40", O_RDONLY), ELOOP);
}

static void truncation_and_append(void)
{
	char text[16] = { 0 };
	int file, second;

	scratch_enter();
	close(file_make("file", "abcdef", 0));
	CHECK_OK(file = open("file", O_RDWR | O_APPEND));
	CHECK_EQ(lseek(file, 0, SEEK_CUR), 0);
	CHECK_EQ(write(file, "12", 2), 2);
	CHECK_EQ(lseek(file, 0, SEEK_CUR), 8);
	/* Appending goes to the end as another descriptor moved it; Linux's pwrite appends as well. */
	second = open("file", O_WRONLY | O_APPEND);
	CHECK_EQ(write(second, "3", 1), 1);
	CHECK_EQ(lseek(file, 1, SEEK_SET), 1);
	CHECK_EQ(write(file, "4", 1), 1);
	CHECK_EQ(pwrite(file, "5", 1, 0), 1);
	CHECK_EQ(pread(file, text, 15, 0), 11);
	CHECK(strcmp(text, "abcdef12345") == 0);
	CHECK_OK(open("file", O_WRONLY | O_TRUNC));
	CHECK_EQ(lseek(file, 0, SEEK_END), 0);
}

static void path_descriptors(void)
{
	struct stat status;
	char byte;
	int path, directory, link;

	scratch_enter();
	close(file_make("file", "abc", 0));
	symlink("file", "link");
	mkdir("dir", 0755);
	CHECK_OK(path = open("file", O_PATH | O_RDWR));
	CHECK_OK(fstat(path, &status));
	CHECK_EQ(status.st_size, 3);
	CHECK_ERR(read(path, &byte, 1), EBADF);
	CHECK_ERR(write(path, &byte, 1), EBADF);
	CHECK_ERR(fchmod(path, 0600), EBADF);
	CHECK_ERR(ioctl(path, FIONREAD, &byte), EBADF);
	CHECK_EQ(fcntl(path, F_GETFL) & O_PATH, O_PATH);
	CHECK_OK(link = open("link", O_PATH | O_NOFOLLOW));
	CHECK_OK(fstat(link, &status));
	CHECK(S_ISLNK(status.st_mode));
	CHECK_OK(directory = open("dir", O_PATH | O_DIRECTORY));
	CHECK_OK(openat(directory, "../file", O_RDONLY));
	CHECK_OK(fchdir(directory));
}

static void access_modes(void)
{
	char byte;
	int file;

	scratch_enter();
	close(file_make("file", "abc", 0));
	file = open("file", O_WRONLY);
	CHECK_ERR(read(file, &byte, 1), EBADF);
	CHECK_EQ(fcntl(file, F_GETFL) & O_ACCMODE, O_WRONLY);
	file = open("file", O_RDONLY);
	CHECK_ERR(write(file, "x", 1), EBADF);
	CHECK_ERR(ftruncate(file, 0), EINVAL);
	/* Mode 3 gives a descriptor for ioctl only. */
	CHECK_OK(file = open("file", 3));
	CHECK_ERR(read(file, &byte, 1), EBADF);
	CHECK_ERR(write(file, "x", 1), EBADF);
}

static void lowest_descriptor_and_limit(void)
{
	struct rlimit limit;
	int one = open("/", O_RDONLY), two = open("/", O_RDONLY);

	CHECK_EQ(two, one + 1);
	close(one);
	CHECK_EQ(open("/", O_RDONLY), one);
	CHECK_EQ(dup(0), two + 1);
	REQUIRE_OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = two + 2;
	REQUIRE_OK(setrlimit(RLIMIT_NOFILE, &limit));
	CHECK_ERR(open("/", O_RDONLY), EMFILE);
	CHECK_ERR(dup(0), EMFILE);
	CHECK_ERR(dup2(0, two + 2), EBADF);
	CHECK_ERR(fcntl(0, F_DUPFD, two + 2), EINVAL);
	close(one);
	CHECK_EQ(open("/", O_RDONLY), one);
}

static long open_how(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = flags, .mode = mode, .resolve = resolve };

	return syscall(SYS_openat2, directory, path, &how, sizeof(how));
}

static void openat2_is_strict(void)
{
	struct { struct open_how how; uint64_t more; } big = { .how = { .flags = O_RDONLY }, .more = 0 };

	scratch_enter();
	CHECK_OK(open_how(AT_FDCWD, "file", O_CREAT | O_RDWR, 0600, 0));
	CHECK_ERR(open_how(AT_FDCWD, "file", O_RDONLY, 0600, 0), EINVAL);
	CHECK_ERR(open_how(AT_FDCWD, "file", O_CREAT | O_RDWR, 010000, 0), EINVAL);
	CHECK_ERR(open_how(AT_FDCWD, "file", 1ull << 40, 0, 0), EINVAL);
	CHECK_ERR(open_how(AT_FDCWD, "file", O_RDONLY, 0, 1 << 30), EINVAL);
	CHECK_ERR(syscall(SYS_openat2, AT_FDCWD, "file", &big, 23), EINVAL);
	CHECK_OK(syscall(SYS_openat2, AT_FDCWD, "file", &big, sizeof(big)));
	big.more = 1;
	CHECK_ERR(syscall(SYS_openat2, AT_FDCWD, "file", &big, sizeof(big)), E2BIG);
	CHECK_ERR(syscall(SYS_openat2, AT_FDCWD, "file", bad_pointers[2], sizeof(big.how)), EFAULT);
}

static void openat2_resolution(void)
{
	int directory;

	scratch_enter();
	mkdir("dir", 0755);
	close(file_make("dir/file", "abc", 0));
	close(file_make("outside", "abc", 0));
	symlink("file", "dir/link");
	symlink("/etc", "dir/absolute");
	directory = open("dir", O_RDONLY | O_DIRECTORY);
	CHECK_OK(open_how(directory, "file", O_RDONLY, 0, RESOLVE_BENEATH));
	CHECK_OK(open_how(directory, "link", O_RDONLY, 0, RESOLVE_BENEATH));
	CHECK_ERR(open_how(directory, "../outside", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(open_how(directory, "/", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(open_how(directory, "absolute", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(open_how(directory, "link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP);
	CHECK_ERR(open_how(directory, "../outside", O_RDONLY, 0, RESOLVE_IN_ROOT), ENOENT);
	CHECK_OK(open_how(directory, "/file", O_RDONLY, 0, RESOLVE_IN_ROOT));
	CHECK_ERR(open_how(AT_FDCWD, "/proc/self/stat", O_RDONLY, 0, RESOLVE_NO_XDEV), EXDEV);
	CHECK_ERR(open_how(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS), ELOOP);
}

static void unnamed_temporary_file(void)
{
	char path[64];
	struct stat status;
	int file;

	scratch_enter();
	file = open(".", O_TMPFILE | O_RDWR, 0600);
	SKIP_UNLESS(file >= 0 || errno != EOPNOTSUPP, "no O_TMPFILE on this file system");
	REQUIRE_OK(file);
	REQUIRE_OK(fstat(file, &status));
	CHECK_EQ(status.st_nlink, 0);
	CHECK_EQ(write(file, "abc", 3), 3);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	CHECK_OK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	CHECK_OK(stat("named", &status));
	CHECK_EQ(status.st_size, 3);
	CHECK_ERR(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
}

static void close_and_ranges(void)
{
	int first = dup(2);

	CHECK_OK(close(first));
	CHECK_ERR(close(first), EBADF);
	CHECK_ERR(close(-1), EBADF);
	for (int i = 0; i < 6; i++)
		REQUIRE(dup(2) == first + i);
	CHECK_OK(syscall(SYS_close_range, first + 1, first + 2, 0));
	CHECK_ERR(fcntl(first + 2, F_GETFD), EBADF);
	CHECK_EQ(fcntl(first + 3, F_GETFD), 0);
	CHECK_OK(syscall(SYS_close_range, first + 3, first + 4, 4));
	CHECK_EQ(fcntl(first + 4, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(first + 5, F_GETFD), 0);
	CHECK_ERR(syscall(SYS_close_range, 5, 4, 0), EINVAL);
	CHECK_ERR(syscall(SYS_close_range, 5, 6, 0x80), EINVAL);
}

TESTS(TEST(creation), TEST(errors), TEST(lengths), TEST(symlinks), TEST(truncation_and_append), TEST(path_descriptors),
      TEST(access_modes), TEST(lowest_descriptor_and_limit), TEST(openat2_is_strict), TEST(openat2_resolution),
      TEST(unnamed_temporary_file), TEST(close_and_ranges))
