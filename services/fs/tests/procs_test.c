/* procfs: its files, its passing names, its refusals. */
#include "fake.h"

static char text[16384];

static void read_text(const char *path)
{
	u64 file = file_open(path, FS_O_RDONLY, 0);
	long size = file_read(file, text, sizeof(text) - 1, 0);

	CHECK(size >= 0);
	text[size > 0 ? size : 0] = 0;
	file_close(file);
}

static bool text_has(const char *part)
{
	size_t length = strlen(part);

	for (const char *at = text; *at; at++)
		if (strncmp(at, part, length) == 0)
			return true;
	return false;
}

static void files(void)
{
	read_text("/proc/meminfo");
	CHECK(text_has("MemTotal:         131072 kB\n"));
	read_text("/proc/loadavg");
	CHECK(strcmp(text, "1.00 0.50 0.25 1/3 5\n") == 0);
	read_text("/proc/filesystems");
	CHECK(text_has("nodev\ttmpfs\n") && text_has("nodev\tproc\n"));
	read_text("/proc/mounts");
	CHECK(text_has(" / rootfs rw,relatime 0 0\n") && text_has("proc /proc proc rw,relatime 0 0\n"));
	read_text("/proc/cpuinfo");
	CHECK(text_has("processor\t: 1\n"));
	read_text("/sys/devices/system/cpu/online");
	CHECK(strcmp(text, "0-1\n") == 0);
	read_text("/proc/sys/kernel/hostname");
	CHECK(strcmp(text, "tessera\n") == 0);
	{
		u64 file = file_open("/proc/sys/kernel/hostname", FS_O_WRONLY | FS_O_TRUNC, 0);

		CHECK_EQUAL(file_write(file, "other\n", 6, 0), 6);
		file_close(file);
	}
	read_text("/proc/sys/kernel/hostname");
	CHECK(strcmp(text, "other\n") == 0);
	read_text("/proc/1/stat");
	CHECK(text_has("1 (init) S 0 0 0 "));
	read_text("/proc/1/status");
	CHECK(text_has("Name:\tinit\n") && text_has("Umask:\t0022\n") && text_has("Cpus_allowed_list:\t0-1\n"));
	read_text("/proc/5/cmdline");
	CHECK(memcmp(text, "init\0-x", 8) == 0);
	read_text("/proc/1/maps");
	CHECK(text_has("00001000-00003000 r--p 00000000 00:00 0 ") && text_has("[stack]\n"));
	read_text("/proc/self/task/2/comm");
	CHECK(strcmp(text, "init\n") == 0);
	read_text("/proc/1/limits");
	CHECK(text_has("Max open files            0                    0                    files     \n"));
}

static void names(void)
{
	struct fs_at at = { .client = client };
	char link[64];
	u64 directory, next;

	CHECK_EQUAL(try_open("/proc/7", 0, 0), -ENOENT);
	CHECK_EQUAL(try_open("/proc/01", 0, 0), -ENOENT);
	CHECK_EQUAL(try_open("/proc/1/nothing", 0, 0), -ENOENT);
	CHECK_EQUAL(try_open("/proc/5/task/1", 0, 0), -ENOENT);
	CHECK_EQUAL(try_open("/proc/new", FS_O_CREAT | FS_O_RDWR, 0600), -ENOENT);
	CHECK_EQUAL(make_directory("/proc/dir"), -ENOENT);
	CHECK_EQUAL(remove_name("/proc/uptime"), -EPERM);
	CHECK_EQUAL(remove_directory("/proc/1"), -EPERM);
	CHECK_EQUAL(try_open("/proc/uptime", FS_O_WRONLY, 0), 0); /* by whom the mode lets: writing is refused */
	CHECK_EQUAL(fs_op_readlink(&fake_rq, &at, "/proc/self", 11, link, sizeof(link)), 1);
	CHECK_EQUAL(fs_op_readlink(&fake_rq, &at, "/proc/thread-self", 18, link, sizeof(link)), 8);
	CHECK_EQUAL(fs_op_readlink(&fake_rq, &at, "/proc/1/cwd", 12, link, sizeof(link)), 1);
	CHECK_EQUAL(fs_op_readlink(&fake_rq, &at, "/proc/1/exe", 12, link, sizeof(link)), -ENOENT);
	CHECK(exists("/proc/1/cwd/proc/1/root/proc"));
	CHECK_EQUAL(fs_op_chdir(&fake_rq, &at, "/proc/1/task", 13), 0);
	CHECK(exists("../stat") && exists("2/../../stat") && exists("../../5"));
	CHECK_EQUAL(fs_op_getcwd(&fake_rq, client, link, sizeof(link)), 13);
	CHECK_EQUAL(fs_op_chdir(&fake_rq, &at, "/", 2), 0);
	{
		struct fs_descriptor told = { .fd = 63 };
		struct fs_open request = { .client = client };
		struct fs_pipe pipe;
		u64 file, info, word;

		CHECK_EQUAL(fs_op_pipe_create(&fake_rq, client, &pipe), 0);
		file_close(pipe.write_file);
		told.file = pipe.read_file;
		CHECK_EQUAL(try_open("/proc/self/fd/63", 0, 0), -(FS_DESCRIPTORS_WANTED + 1));
		CHECK_EQUAL(fs_op_descriptors_note(&fake_rq, client, 1, 0, &told, sizeof(told)), 0);
		CHECK_EQUAL(fs_op_open(&fake_rq, &request, "/dev/fd/63", 11, &file, &info, &word), 0);
		CHECK_EQUAL(fs_op_open_ready(&fake_rq, file), 0);
		file_close(file);
		CHECK_EQUAL(try_open("/proc/self/fd/63", 0, 0), -(FS_DESCRIPTORS_WANTED + 1));
		CHECK_EQUAL(fs_op_descriptors_note(&fake_rq, client, 1, 0, &told, sizeof(told)), 0);
		CHECK_EQUAL(fs_op_readlink(&fake_rq, &at, "/proc/1/fd/63", 14, link, sizeof(link)) > 6, 1);
		CHECK(memcmp(link, "pipe:[", 6) == 0);
		file_close(pipe.read_file);
	}
	directory = file_open("/proc", FS_O_RDONLY, 0);
	CHECK(fs_op_readdir(&fake_rq, directory, USER_BASE, 4096, 0, FS_DIRENT_64, &next) > 100);
	CHECK_EQUAL(next, 0x10005);
	CHECK_EQUAL(fs_op_readdir(&fake_rq, directory, USER_BASE, 4096, next, FS_DIRENT_64, &next), 0);
	file_close(directory);
	directory = file_open("/proc/1", FS_O_RDONLY, 0);
	CHECK(fs_op_readdir(&fake_rq, directory, USER_BASE, 4096, 0, FS_DIRENT_64, &next) > 100);
	CHECK_EQUAL(fs_op_readdir(&fake_rq, directory, USER_BASE, 4096, next, FS_DIRENT_64, &next), 0);
	file_close(directory);
}

void test_proc(void)
{
	test_run("files of procfs", files);
	test_run("names of procfs", names);
}
