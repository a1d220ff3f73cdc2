/* Walks, names, permissions, listing. */
#include "fake.h"

static void paths(void)
{
	char cwd[64];
	struct fs_at at = { .client = client };

	CHECK_EQUAL(make_directory("/a"), 0);
	CHECK_EQUAL(make_directory("/a/b/"), 0);
	CHECK_EQUAL(make_directory("/a"), -EEXIST);
	CHECK_EQUAL(make_directory("/"), -EEXIST);
	CHECK_EQUAL(make_directory("/a/."), -EEXIST);
	CHECK_EQUAL(make_directory("/x/y"), -ENOENT);
	text_put("/a/b/file", "text");
	CHECK(text_is("/a/../a/./b//file", "text"));
	CHECK(text_is("/../../a/b/file", "text"));
	CHECK_EQUAL(try_open("", 0, 0), -ENOENT);
	CHECK_EQUAL(try_open("/a/b/file/", 0, 0), -ENOTDIR);
	CHECK_EQUAL(try_open("/a/b/file/x", 0, 0), -ENOTDIR);
	CHECK_EQUAL(try_open("/a/b", FS_O_WRONLY, 0), -EISDIR);
	CHECK_EQUAL(try_open("/a/b", FS_O_RDONLY | FS_O_CREAT, 0), -EISDIR);
	CHECK_EQUAL(try_open("/a/b/new/", FS_O_WRONLY | FS_O_CREAT, 0600), -EISDIR);
	CHECK_EQUAL(try_open("/a/b/file", FS_O_WRONLY | FS_O_CREAT | FS_O_EXCL, 0600), -EEXIST);
	CHECK_EQUAL(try_open("/a/b/file", FS_O_DIRECTORY, 0), -ENOTDIR);
	CHECK_EQUAL(fs_op_chdir(&fake_rq, &at, "a/b", 4), 0);
	CHECK_EQUAL(fs_op_getcwd(&fake_rq, client, cwd, sizeof(cwd)), 5);
	CHECK(memcmp(cwd, "/a/b", 5) == 0);
	CHECK(text_is("file", "text"));
	CHECK(text_is("../b/file", "text"));
	CHECK_EQUAL(remove_name("file"), 0);
	CHECK_EQUAL(remove_directory("/a/b"), 0);
	CHECK_EQUAL(fs_op_getcwd(&fake_rq, client, cwd, sizeof(cwd)), -ENOENT);
	CHECK_EQUAL(try_open("new", FS_O_WRONLY | FS_O_CREAT, 0600), -ENOENT);
	CHECK_EQUAL(try_open("..", 0, 0), 0);
	CHECK_EQUAL(fs_op_chdir(&fake_rq, &at, "/", 2), 0);
	CHECK_EQUAL(remove_directory("/a"), 0);
}

static void long_names(void)
{
	char path[4200];

	memset(path, 'n', sizeof(path));
	path[0] = '/';
	path[256] = 0;
	CHECK_EQUAL(make_directory(path), 0);
	CHECK_EQUAL(remove_directory(path), 0);
	path[256] = 'n';
	path[257] = 0;
	CHECK_EQUAL(make_directory(path), -ENAMETOOLONG);
	memset(path, '/', sizeof(path));
	path[4095] = 0;
	CHECK_EQUAL(make_directory(path), -EEXIST);
	path[4095] = '/';
	path[4096] = 0;
	CHECK_EQUAL(make_directory(path), -ENAMETOOLONG);
}

static void links(void)
{
	struct fs_stat status;
	char name[16], target[16];
	u32 i;

	text_put("/target", "there");
	CHECK_EQUAL(make_link("target", "/link"), 0);
	CHECK_EQUAL(make_link("/link", "/again"), 0);
	CHECK(text_is("/again", "there"));
	CHECK_EQUAL(status_get("/again", &status), 0);
	CHECK_EQUAL(status.mode, FS_IFLNK | 0777);
	CHECK_EQUAL(status.size, 5);
	CHECK_EQUAL(try_open("/again", FS_O_NOFOLLOW, 0), -ELOOP);
	CHECK_EQUAL(try_open("/again", FS_O_NOFOLLOW | FS_O_PATH, 0), 0);
	CHECK_EQUAL(make_link("new", "/dangling"), 0);
	CHECK_EQUAL(try_open("/dangling", 0, 0), -ENOENT);
	CHECK_EQUAL(try_open("/dangling", FS_O_WRONLY | FS_O_CREAT | FS_O_EXCL, 0600), -EEXIST);
	CHECK_EQUAL(try_open("/dangling", FS_O_WRONLY | FS_O_CREAT, 0600), 0);
	CHECK(exists("/new"));
	CHECK_EQUAL(make_link("loop2", "/loop1"), 0);
	CHECK_EQUAL(make_link("loop1", "/loop2"), 0);
	CHECK_EQUAL(try_open("/loop1", 0, 0), -ELOOP);
	CHECK_EQUAL(try_open("/loop1/x", 0, 0), -ELOOP);
	/* Forty links are followed, forty-one are not. */
	for (i = 0; i < 41; i++) {
		format_text(name, sizeof(name), "/chain%u", i);
		format_text(target, sizeof(target), i ? "chain%u" : "target", i - 1);
		CHECK_EQUAL(make_link(target, name), 0);
	}
	CHECK(text_is("/chain39", "there"));
	CHECK_EQUAL(try_open("/chain40", 0, 0), -ELOOP);
	for (i = 0; i < 41; i++) {
		format_text(name, sizeof(name), "/chain%u", i);
		CHECK_EQUAL(remove_name(name), 0);
	}
	CHECK_EQUAL(make_directory("/dir"), 0);
	CHECK_EQUAL(make_link("dir", "/dirlink"), 0);
	text_put("/dirlink/in", "inside");
	CHECK(text_is("/dir/in", "inside"));
	CHECK(text_is("/dirlink/../target", "there"));
	CHECK_EQUAL(remove_directory("/dirlink"), -ENOTDIR);
	CHECK_EQUAL(remove_directory("/dirlink/"), -ENOTDIR);
	CHECK_EQUAL(remove_directory("/dir"), -ENOTEMPTY);
	CHECK_EQUAL(remove_name("/dirlink/in"), 0);
	for (i = 0; i < 7; i++) {
		static const char *const names[] = { "/target", "/link", "/again", "/dangling", "/new", "/loop1", "/loop2" };

		CHECK_EQUAL(remove_name(names[i]), 0);
	}
	CHECK_EQUAL(remove_name("/dirlink"), 0);
	CHECK_EQUAL(remove_directory("/dir"), 0);
}

static void hard_links(void)
{
	struct fs_stat one, two;
	u64 file;

	text_put("/one", "1");
	CHECK_EQUAL(hard_link("/one", "/two"), 0);
	CHECK_EQUAL(hard_link("/one", "/two"), -EEXIST);
	CHECK_EQUAL(status_get("/one", &one), 0);
	CHECK_EQUAL(status_get("/two", &two), 0);
	CHECK_EQUAL(one.inode, two.inode);
	CHECK_EQUAL(two.links, 2);
	CHECK_EQUAL(make_directory("/dir"), 0);
	CHECK_EQUAL(hard_link("/dir", "/dir2"), -EPERM);
	CHECK_EQUAL(hard_link("/missing", "/three"), -ENOENT);
	file = file_open("/one", FS_O_RDWR, 0);
	CHECK_EQUAL(remove_name("/one"), 0);
	CHECK_EQUAL(remove_name("/two"), 0);
	CHECK_EQUAL(fs_op_stat(&fake_rq, file, &one), 0);
	CHECK_EQUAL(one.links, 0);
	CHECK_EQUAL(file_write(file, "23", 2, 1), 2);
	file_close(file);
	CHECK_EQUAL(fs_op_stat(&fake_rq, file, &one), -EBADF);
	CHECK_EQUAL(remove_directory("/dir"), 0);
}

static void permissions(void)
{
	struct fs_at at = { .client = client, .mode = 0700 };

	text_put("/secret", "s");
	CHECK_EQUAL(fs_op_chmod(&fake_rq, &at, "/secret", 8), 0);
	CHECK_EQUAL(make_directory("/closed"), 0);
	text_put("/closed/file", "f");
	CHECK_EQUAL(fs_op_chmod(&fake_rq, &at, "/closed", 8), 0);
	CHECK_EQUAL(make_directory("/shared"), 0);
	at.mode = 01777;
	CHECK_EQUAL(fs_op_chmod(&fake_rq, &at, "/shared", 8), 0);
	text_put("/shared/roots", "r");
	become(1000, 1000, 0);
	CHECK_EQUAL(try_open("/secret", 0, 0), -EACCES);
	CHECK_EQUAL(try_open("/closed/file", 0, 0), -EACCES);
	CHECK_EQUAL(make_directory("/mine"), -EACCES);
	CHECK_EQUAL(make_directory("/shared/mine"), 0);
	CHECK_EQUAL(remove_name("/shared/roots"), -EPERM);
	CHECK_EQUAL(rename_name("/shared/roots", "/shared/x", 0), -EPERM);
	CHECK_EQUAL(rename_name("/shared/mine", "/shared/roots", 0), -EPERM);
	CHECK_EQUAL(remove_name("/secret"), -EACCES);
	CHECK_EQUAL(fs_op_chmod(&fake_rq, &at, "/shared/roots", 14), -EPERM);
	at.value = 1000 | 1000ull << 32;
	CHECK_EQUAL(fs_op_chown(&fake_rq, &at, "/secret", 8), -EPERM);
	become(0, 0, ~0ull);
	CHECK_EQUAL(remove_directory("/shared/mine"), 0);
	CHECK_EQUAL(remove_name("/shared/roots"), 0);
	CHECK_EQUAL(remove_directory("/shared"), 0);
	CHECK_EQUAL(remove_name("/closed/file"), 0);
	CHECK_EQUAL(remove_directory("/closed"), 0);
	CHECK_EQUAL(remove_name("/secret"), 0);
}

/* Lists a directory of `count` names in small pieces; the number of names seen. */
static u32 list_all(u64 directory, u32 piece, bool remove_some)
{
	u64 position = 0, next;
	u32 seen = 0;
	long size, at;

	while ((size = fs_op_readdir(&fake_rq, directory, USER_BASE, piece, position, FS_DIRENT_64, &next)) > 0) {
		for (at = 0; at < size; at += *(u16 *)(fake_user + at + 16)) {
			const char *name = (const char *)fake_user + at + 19;
			char path[64];

			if (name[0] == '.')
				continue;
			seen++;
			format_text(path, sizeof(path), "/many/%s", name);
			if (remove_some && seen % 3 == 0)
				CHECK_EQUAL(remove_name(path), 0);
		}
		position = next;
	}
	CHECK_EQUAL(size, 0);
	return seen;
}

static void listing(void)
{
	u64 directory, next;
	char path[32];
	u32 i;

	CHECK_EQUAL(make_directory("/many"), 0);
	for (i = 0; i < 300; i++) {
		format_text(path, sizeof(path), "/many/name%u", i);
		text_put(path, "");
	}
	directory = file_open("/many", FS_O_RDONLY | FS_O_DIRECTORY, 0);
	CHECK_EQUAL(list_all(directory, 4096, false), 300);
	CHECK_EQUAL(list_all(directory, 100, false), 300);
	CHECK_EQUAL(fs_op_readdir(&fake_rq, directory, USER_BASE, 10, 0, FS_DIRENT_64, &next), -EINVAL);
	CHECK_EQUAL(fs_op_readdir(&fake_rq, directory, 5, 4096, 0, FS_DIRENT_64, &next), -EFAULT);
	CHECK_EQUAL(list_all(directory, 200, true), 300);
	CHECK_EQUAL(list_all(directory, 4096, false), 200);
	for (i = 0; i < 300; i++) {
		format_text(path, sizeof(path), "/many/name%u", i);
		if (exists(path))
			CHECK_EQUAL(remove_name(path), 0);
	}
	CHECK_EQUAL(remove_directory("/many"), 0);
	CHECK_EQUAL(fs_op_readdir(&fake_rq, directory, USER_BASE, 4096, 0, FS_DIRENT_64, &next), -ENOENT);
	file_close(directory);
}

static void resolve(void)
{
	struct fs_open request = { .client = client, .flags = FS_O_RDONLY };
	u64 base, file, info, word;

	CHECK_EQUAL(make_directory("/r"), 0);
	CHECK_EQUAL(make_directory("/r/in"), 0);
	text_put("/outside", "o");
	text_put("/r/outside", "i");
	CHECK_EQUAL(make_link("../outside", "/r/up"), 0);
	CHECK_EQUAL(make_link("/outside", "/r/abs"), 0);
	base = file_open("/r", FS_O_RDONLY, 0);
	request.directory = base;
#define TRY(path) fs_op_open(&fake_rq, &request, path, sizeof(path), &file, &info, &word)
	request.resolve = FS_RESOLVE_BENEATH;
	CHECK_EQUAL(TRY("up"), -EXDEV);
	CHECK_EQUAL(TRY("abs"), -EXDEV);
	CHECK_EQUAL(TRY("/r/in"), -EXDEV);
	CHECK_EQUAL(TRY("in/../../outside"), -EXDEV);
	CHECK_EQUAL(TRY("in/../outside"), 0);
	file_close(file);
	request.resolve = FS_RESOLVE_NO_SYMLINKS;
	CHECK_EQUAL(TRY("up"), -ELOOP);
	request.resolve = FS_RESOLVE_NO_XDEV;
	CHECK_EQUAL(TRY("../proc/uptime"), -EXDEV);
	request.resolve = FS_RESOLVE_IN_ROOT;
	CHECK_EQUAL(TRY("/../../abs"), 0);
	CHECK_EQUAL(file_read(file, fake_user, 10, 0), 1);
	CHECK_EQUAL(fake_user[0], 'i');
	file_close(file);
	file_close(base);
	CHECK_EQUAL(remove_name("/r/up"), 0);
	CHECK_EQUAL(remove_name("/r/abs"), 0);
	CHECK_EQUAL(remove_name("/r/outside"), 0);
	CHECK_EQUAL(remove_name("/outside"), 0);
	CHECK_EQUAL(remove_directory("/r/in"), 0);
	CHECK_EQUAL(remove_directory("/r"), 0);
}

static void handles(void)
{
	struct rt_request other = { 2, 7 };
	struct fs_stat status;
	u64 file = file_open("/", FS_O_RDONLY, 0), i;

	CHECK_EQUAL(fs_op_stat(&other, file, &status), -EBADF);
	CHECK_EQUAL(fs_op_stat(&fake_rq, client, &status), -EBADF);
	CHECK_EQUAL(fs_op_close(&other, file), -EBADF);
	CHECK_EQUAL(fs_op_client_release(&fake_rq, file), -EBADF);
	for (i = 0; i < 64; i++) {
		CHECK_EQUAL(fs_op_stat(&fake_rq, file ^ 1ull << i, &status), -EBADF);
		CHECK_EQUAL(fs_op_close(&fake_rq, file ^ 1ull << i), -EBADF);
	}
	file_close(file);
	CHECK_EQUAL(fs_op_close(&fake_rq, file), -EBADF);
}

void test_names(void)
{
	test_run("paths", paths);
	test_run("long names", long_names);
	test_run("symbolic links", links);
	test_run("hard links", hard_links);
	test_run("permissions", permissions);
	test_run("listing", listing);
	test_run("openat2's limits of resolution", resolve);
	test_run("handles are checked", handles);
}
