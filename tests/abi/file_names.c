/* Names: link, symlink, readlink, rename, unlink, directories, getdents64 and the current directory. */
#include "check.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>

static bool same_file(const char *one, const char *two)
{
	struct stat first, second;

	return stat(one, &first) == 0 && stat(two, &second) == 0 && first.st_ino == second.st_ino &&
	       first.st_dev == second.st_dev;
}

static unsigned links_of(const char *path)
{
	struct stat status;

	REQUIRE_OK(lstat(path, &status));
	return status.st_nlink;
}

static void hard_links(void)
{
	scratch_enter();
	close(file_make("one", "abc", 0));
	mkdir("dir", 0755);
	symlink("one", "link");
	CHECK_OK(link("one", "two"));
	CHECK(same_file("one", "two"));
	CHECK_EQ(links_of("one"), 2);
	CHECK_ERR(link("one", "two"), EEXIST);
	CHECK_ERR(link("missing", "three"), ENOENT);
	CHECK_ERR(link("one", "missing/three"), ENOENT);
	CHECK_ERR(link("dir", "three"), EPERM);
	CHECK_ERR(link("one", "/three"), EXDEV);
	CHECK_ERR(link("one/x", "three"), ENOTDIR);
	/* Without the flag a link to a symbolic link is made. */
	CHECK_OK(link("link", "linklink"));
	CHECK_EQ(links_of("link"), 2);
	CHECK_OK(linkat(AT_FDCWD, "link", AT_FDCWD, "three", AT_SYMLINK_FOLLOW));
	CHECK_EQ(links_of("one"), 3);
	CHECK_ERR(linkat(AT_FDCWD, "link", AT_FDCWD, "four", 0x8000), EINVAL);
	CHECK_OK(unlink("one"));
	CHECK_EQ(links_of("two"), 2);
}

static void symbolic_links(void)
{
	char text[16];
	struct stat status;

	scratch_enter();
	CHECK_OK(symlink("some/target", "link"));
	memset(text, '#', sizeof(text));
	CHECK_EQ(readlink("link", text, sizeof(text)), 11);
	CHECK(memcmp(text, "some/target#", 12) == 0);
	CHECK_EQ(readlink("link", text, 4), 4);
	CHECK_ERR(readlink("link", text, 0), EINVAL);
	CHECK_ERR(readlink("link", text, -1), EINVAL);
	CHECK_ERR(readlink(".", text, 5), EINVAL);
	CHECK_ERR(readlink("missing", text, 5), ENOENT);
	CHECK_ERR(symlink("x", "link"), EEXIST);
	CHECK_ERR(symlink("", "empty"), ENOENT);
	CHECK_ERR(symlink("x", ""), ENOENT);
	REQUIRE_OK(lstat("link", &status));
	CHECK_EQ(status.st_mode, S_IFLNK | 0777);
	CHECK_EQ(status.st_size, 11);
	CHECK_EQ(readlinkat(open("link", O_PATH | O_NOFOLLOW), "", text, 16), 11);
}

static void unlinking(void)
{
	char text[4] = { 0 };
	int file;

	scratch_enter();
	file = file_make("file", "abc", 0);
	mkdir("dir", 0755);
	symlink("file", "link");
	CHECK_ERR(unlink("dir"), EISDIR);
	CHECK_ERR(unlink("missing"), ENOENT);
	CHECK_ERR(unlink("file/"), ENOTDIR);
	CHECK_ERR(unlinkat(AT_FDCWD, "file", AT_REMOVEDIR), ENOTDIR);
	CHECK_ERR(unlinkat(AT_FDCWD, "file", 0x8000), EINVAL);
	CHECK_OK(unlink("link"));
	CHECK_OK(unlink("file"));
	CHECK_EQ(pread(file, text, 3, 0), 3);
	CHECK(strcmp(text, "abc") == 0);
	CHECK_EQ(write(file, "d", 1), 1);
	CHECK_OK(unlinkat(AT_FDCWD, "dir", AT_REMOVEDIR));
}

static void directories(void)
{
	struct stat status;

	scratch_enter();
	umask(022);
	CHECK_OK(mkdir("dir", 0777));
	REQUIRE_OK(stat("dir", &status));
	CHECK_EQ(status.st_mode, S_IFDIR | 0755);
	CHECK_EQ(status.st_nlink, 2);
	CHECK_OK(mkdir("dir/sub/", 0700));
	CHECK_EQ(links_of("dir"), 3);
	CHECK_ERR(mkdir("dir", 0777), EEXIST);
	CHECK_ERR(mkdir("missing/dir", 0777), ENOENT);
	CHECK_ERR(mkdir("/", 0777), EEXIST);
	close(file_make("file", "abc", 0));
	CHECK_ERR(mkdir("file", 0777), EEXIST);
	CHECK_ERR(mkdir("file/dir", 0777), ENOTDIR);
	CHECK_ERR(rmdir("dir"), ENOTEMPTY);
	CHECK_ERR(rmdir("file"), ENOTDIR);
	CHECK_ERR(rmdir("missing"), ENOENT);
	CHECK_ERR(rmdir("dir/sub/."), EINVAL);
	CHECK_ERR(rmdir("dir/sub/.."), ENOTEMPTY);
	CHECK_ERR(rmdir("/"), EBUSY);
	CHECK_OK(rmdir("dir/sub"));
	CHECK_EQ(links_of("dir"), 2);
}

static void renaming_files(void)
{
	scratch_enter();
	close(file_make("one", "1", 0));
	close(file_make("two", "2", 0));
	mkdir("dir", 0755);
	int file = open("two", O_RDONLY);
	char byte;

	CHECK_OK(rename("one", "two"));
	CHECK_ERR(access("one", F_OK), ENOENT);
	CHECK(pread(file, &byte, 1, 0) == 1 && byte == '2');
	file = open("two", O_RDONLY);
	CHECK(pread(file, &byte, 1, 0) == 1 && byte == '1');
	CHECK_ERR(rename("missing", "two"), ENOENT);
	CHECK_ERR(rename("two", "dir"), EISDIR);
	CHECK_ERR(rename("dir", "two"), ENOTDIR);
	CHECK_ERR(rename("two", "missing/x"), ENOENT);
	CHECK_ERR(rename("two", "new/"), ENOTDIR);
	CHECK_ERR(rename("two", "/x"), EXDEV);
	CHECK_OK(rename("two", "two"));
	/* Two names of one file: nothing happens. */
	link("two", "three");
	CHECK_OK(rename("two", "three"));
	CHECK_OK(access("two", F_OK));
	CHECK_OK(rename("two", "dir/two"));
	CHECK(same_file("dir/two", "three"));
}

static void renaming_directories(void)
{
	scratch_enter();
	mkdir("a", 0755);
	mkdir("a/b", 0755);
	mkdir("empty", 0755);
	mkdir("full", 0755);
	close(file_make("full/file", "x", 0));
	CHECK_ERR(rename("a", "a/b/c"), EINVAL);
	CHECK_ERR(rename("a/b", "a"), ENOTEMPTY);
	CHECK_ERR(rename("a", "full"), ENOTEMPTY);
	CHECK_OK(rename("a", "empty"));
	CHECK_OK(access("empty/b", F_OK));
	CHECK_OK(rename("empty/b", "full/b"));
	CHECK_EQ(links_of("empty"), 2);
	CHECK_EQ(links_of("full"), 3);
	CHECK(same_file("full/b/..", "full"));
	CHECK_ERR(rename("full/.", "x"), EBUSY);
	CHECK_ERR(rename("full", "full/.."), EBUSY);
}

static void renameat2_flags(void)
{
	scratch_enter();
	close(file_make("one", "1", 0));
	mkdir("dir", 0755);
	CHECK_ERR(renameat2(AT_FDCWD, "one", AT_FDCWD, "dir", RENAME_NOREPLACE), EEXIST);
	CHECK_OK(renameat2(AT_FDCWD, "one", AT_FDCWD, "dir", RENAME_EXCHANGE));
	CHECK_OK(open("dir", O_WRONLY));
	CHECK_OK(open("one", O_RDONLY | O_DIRECTORY));
	CHECK_ERR(renameat2(AT_FDCWD, "one", AT_FDCWD, "missing", RENAME_EXCHANGE), ENOENT);
	CHECK_OK(renameat2(AT_FDCWD, "one", AT_FDCWD, "missing", RENAME_NOREPLACE));
	CHECK_ERR(renameat2(AT_FDCWD, "missing", AT_FDCWD, "x", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
	CHECK_ERR(renameat2(AT_FDCWD, "missing", AT_FDCWD, "x", 0x80), EINVAL);
}

struct linux_dirent64 {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

/* Reads a directory with buffers of this size; counts the names and records which of f0 to f99 were seen. */
static int directory_read(int directory, size_t size, bool seen[100])
{
	_Alignas(8) char buffer[4096];
	int count = 0;
	long got;

	while ((got = syscall(SYS_getdents64, directory, buffer, size)) > 0) {
		for (long at = 0; at < got; count++) {
			struct linux_dirent64 *entry = (void *)(buffer + at);

			CHECK_EQ(entry->length % 8, 0);
			CHECK(entry->inode != 0);
			if (entry->name[0] == 'f') {
				CHECK_EQ(entry->type, DT_REG);
				CHECK(!seen[atoi(entry->name + 1)]);
				seen[atoi(entry->name + 1)] = true;
			} else if (entry->name[0] == '.') {
				CHECK_EQ(entry->type, DT_DIR);
			}
			at += entry->length;
		}
	}
	CHECK_EQ(got, 0);
	return count;
}

static void getdents64_lists_each_name_once(void)
{
	bool seen[100] = { false };
	char name[8];
	int directory;

	scratch_enter();
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		close(file_make(name, "x", 0));
	}
	mkdir("sub", 0755);
	symlink("x", "link");
	directory = open(".", O_RDONLY | O_DIRECTORY);
	CHECK_EQ(directory_read(directory, 4096, seen), 104);
	memset(seen, 0, sizeof(seen));
	CHECK_EQ(lseek(directory, 0, SEEK_SET), 0);
	CHECK_EQ(directory_read(directory, 64, seen), 104);
	CHECK_EQ(seen[99] + seen[0], 2);
}

static void getdents64_errors(void)
{
	_Alignas(8) char buffer[512];
	int directory, file;

	scratch_enter();
	file = file_make("file", "x", 0);
	mkdir("dir", 0755);
	directory = open("dir", O_RDONLY);
	CHECK_ERR(syscall(SYS_getdents64, file, buffer, sizeof(buffer)), ENOTDIR);
	CHECK_ERR(syscall(SYS_getdents64, 999, buffer, sizeof(buffer)), EBADF);
	CHECK_ERR(syscall(SYS_getdents64, directory, buffer, 8), EINVAL);
	CHECK_ERR(syscall(SYS_getdents64, directory, bad_pointers[4], 512), EFAULT);
	REQUIRE_OK(rmdir("dir"));
	CHECK_ERR(syscall(SYS_getdents64, directory, buffer, sizeof(buffer)), ENOENT);
}

static void current_directory(void)
{
	char path[PATH_MAX], start[PATH_MAX];
	int directory;

	scratch_enter();
	REQUIRE(getcwd(start, sizeof(start)));
	mkdir("dir", 0755);
	mkdir("dir/sub", 0755);
	symlink("dir/sub", "link");
	CHECK_OK(chdir("link"));
	REQUIRE(getcwd(path, sizeof(path)));
	CHECK(strcmp(path + strlen(start), "/dir/sub") == 0);
	CHECK_EQ(syscall(SYS_getcwd, path, sizeof(path)), strlen(start) + 9);
	CHECK_ERR(syscall(SYS_getcwd, path, 5), ERANGE);
	CHECK_ERR(syscall(SYS_getcwd, bad_pointers[2], 512), EFAULT);
	CHECK_OK(chdir(".."));
	directory = open("..", O_RDONLY);
	CHECK_OK(rename("sub", "other"));
	CHECK_OK(chdir("other"));
	CHECK_OK(rename("../../dir", "../../moved"));
	REQUIRE(getcwd(path, sizeof(path)));
	CHECK(strcmp(path + strlen(start), "/moved/other") == 0);
	CHECK_OK(rmdir("../other"));
	CHECK_ERR(syscall(SYS_getcwd, path, sizeof(path)), ENOENT);
	CHECK_ERR(open("file", O_CREAT | O_RDWR, 0600), ENOENT);
	CHECK_OK(fchdir(directory));
	REQUIRE(getcwd(path, sizeof(path)));
	CHECK(strcmp(path, start) == 0);
}

static void change_directory_errors(void)
{
	int file;

	scratch_enter();
	file = file_make("file", "x", 0);
	CHECK_ERR(chdir("missing"), ENOENT);
	CHECK_ERR(chdir("file"), ENOTDIR);
	CHECK_ERR(chdir(""), ENOENT);
	CHECK_ERR(fchdir(file), ENOTDIR);
	CHECK_ERR(fchdir(999), EBADF);
	CHECK_ERR(chroot("missing"), ENOENT);
	mkdir("root", 0755);
	mkdir("root/in", 0755);
	CHECK_OK(chroot("root"));
	CHECK_OK(access("/in", F_OK));
	CHECK_OK(access("/../../in", F_OK));
}

TESTS(TEST(hard_links), TEST(symbolic_links), TEST(unlinking), TEST(directories), TEST(renaming_files),
      TEST(renaming_directories), TEST(renameat2_flags), TEST(getdents64_lists_each_name_once), TEST(getdents64_errors),
      TEST(current_directory), TEST(change_directory_errors))
