/* The files of /proc that belong to no process, and sysfs. */
#include "proc.h"
#include "recover.h"
#include <abi/include/abi_system.h>
#include <fs_server.h>
#include <mem_client.h>
#include <mem/mem_types.h>
#include <proc_client.h>

#define PID_MAX 4194304
#define NOTHING (~(size_t)0)   /* a line of /proc/meminfo that is always zero */

static u64 kib(u64 pages)
{
	return pages * (PAGE_SIZE / 1024);
}

static long meminfo_show(struct fs_text *text, const struct fs_inode *inode)
{
	static const struct { const char *name; size_t field; } lines[] = {
		{ "MemTotal:", offsetof(struct mem_information, total) }, { "MemFree:", offsetof(struct mem_information, free) },
		{ "MemAvailable:", offsetof(struct mem_information, available) }, { "Buffers:", NOTHING },
		{ "Cached:", offsetof(struct mem_information, objects) }, { "SwapCached:", NOTHING },
		{ "Active:", offsetof(struct mem_information, anonymous) }, { "Inactive:", offsetof(struct mem_information, objects) },
		{ "SwapTotal:", NOTHING }, { "SwapFree:", NOTHING }, { "Dirty:", NOTHING }, { "Writeback:", NOTHING },
		{ "AnonPages:", offsetof(struct mem_information, anonymous) }, { "Mapped:", NOTHING },
		{ "Shmem:", offsetof(struct mem_information, objects) }, { "KReclaimable:", NOTHING },
		{ "Slab:", offsetof(struct mem_information, units) }, { "SReclaimable:", NOTHING },
		{ "SUnreclaim:", offsetof(struct mem_information, units) }, { "PageTables:", offsetof(struct mem_information, page_tables) },
		{ "CommitLimit:", offsetof(struct mem_information, total) }, { "Committed_AS:", offsetof(struct mem_information, committed) },
	};
	struct mem_information *m = heap_alloc(sizeof(*m));
	u32 i;

	(void)inode;
	if (!m || mem_information(m) < 0) {
		heap_free(m);
		return -ENOMEM;
	}
	for (i = 0; i < countof(lines); i++)
		fs_text_add(text, "%-16s%8llu kB\n", lines[i].name, (unsigned long long)(lines[i].field == NOTHING ? 0
			: kib(*(const u64 *)((const u8 *)m + lines[i].field))));
	heap_free(m);
	return 0;
}

static u64 idle_nanos(const struct proc_system *system)
{
	u64 up = clock_monotonic() * rt_boot->processors, busy = system->user_nanos + system->system_nanos;

	return up > busy ? up - busy : 0;
}

static void seconds_add(struct fs_text *text, u64 nanos, char end)
{
	fs_text_add(text, "%llu.%02llu%c", (unsigned long long)(nanos / 1000000000), (unsigned long long)(nanos / 10000000 % 100), end);
}

static long uptime_show(struct fs_text *text, const struct fs_inode *inode)
{
	struct proc_system system;

	(void)inode;
	if (proc_system_info(&system) < 0)
		return -EIO;
	seconds_add(text, clock_monotonic(), ' ');
	seconds_add(text, idle_nanos(&system), '\n');
	return 0;
}

static long loadavg_show(struct fs_text *text, const struct fs_inode *inode)
{
	struct proc_system system;
	u32 i;

	(void)inode;
	if (proc_system_info(&system) < 0)
		return -EIO;
	for (i = 0; i < 3; i++)
		fs_text_add(text, "%u.%02u ", system.load[i] >> 11, (system.load[i] & 2047) * 100 >> 11);
	fs_text_add(text, "%u/%u %d\n", system.running, system.threads, system.last_pid);
	return 0;
}

/* Times are known of all processors together: each line of one shows its share. */
static long stat_show(struct fs_text *text, const struct fs_inode *inode)
{
	struct proc_system system;
	u64 user, kernel, idle;
	u32 i, count = rt_boot->processors;

	(void)inode;
	if (proc_system_info(&system) < 0)
		return -EIO;
	user = system.user_nanos / FS_PROC_TICK;
	kernel = system.system_nanos / FS_PROC_TICK;
	idle = idle_nanos(&system) / FS_PROC_TICK;
	fs_text_add(text, "cpu  %llu 0 %llu %llu 0 0 0 0 0 0\n", (unsigned long long)user, (unsigned long long)kernel, (unsigned long long)idle);
	for (i = 0; i < count; i++)
		fs_text_add(text, "cpu%u %llu 0 %llu %llu 0 0 0 0 0 0\n", i, (unsigned long long)(user / count), (unsigned long long)(kernel / count),
			(unsigned long long)(idle / count));
	fs_text_add(text, "intr 0\nctxt %llu\nbtime %llu\nprocesses %llu\nprocs_running %u\nprocs_blocked %u\nsoftirq 0\n",
		(unsigned long long)system.switches, (unsigned long long)(system.boot_realtime / 1000000000), (unsigned long long)system.forks,
		system.running ? system.running : 1, system.blocked);
	return 0;
}

static long version_show(struct fs_text *text, const struct fs_inode *inode)
{
	(void)inode;
	fs_text_add(text, SYSTEM_NAME " version " SYSTEM_RELEASE " (tessera) (clang) " SYSTEM_VERSION "\n");
	return 0;
}

static long filesystems_show(struct fs_text *text, const struct fs_inode *inode)
{
	u32 i;

	(void)inode;
	for (i = 0; fs_type_at(i); i++)
		fs_text_add(text, "nodev\t%s\n", fs_type_at(i)->name);
	return 0;
}

static long cmdline_show(struct fs_text *text, const struct fs_inode *inode)
{
	(void)inode;
	fs_text_add_bytes(text, rt_boot->command_line, strnlen(rt_boot->command_line, sizeof(rt_boot->command_line)));
	fs_text_add(text, "\n");
	return 0;
}

static long devices_show(struct fs_text *text, const struct fs_inode *inode)
{
	(void)inode;
	fs_text_add(text, "Character devices:\n  1 mem\n  4 ttyS\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n");
	return 0;
}

static long swaps_show(struct fs_text *text, const struct fs_inode *inode)
{
	(void)inode;
	fs_text_add(text, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	return 0;
}

static long partitions_show(struct fs_text *text, const struct fs_inode *inode)
{
	(void)inode;
	fs_text_add(text, "major minor  #blocks  name\n\n"); /* no disks */
	return 0;
}

static long nothing_show(struct fs_text *text, const struct fs_inode *inode)
{
	(void)inode;
	fs_text_add(text, "%s", "");
	return 0;
}

static long vmstat_show(struct fs_text *text, const struct fs_inode *inode)
{
	struct mem_information m;

	(void)inode;
	if (mem_information(&m) < 0)
		return -EIO;
	fs_text_add(text, "nr_free_pages %llu\nnr_anon_pages %llu\nnr_file_pages %llu\nnr_shmem %llu\nnr_page_table_pages %llu\npgpgin 0\npgpgout 0\n"
		"pswpin 0\npswpout 0\npgfault %llu\npgmajfault %llu\n",
		(unsigned long long)m.free, (unsigned long long)m.anonymous, (unsigned long long)m.objects, (unsigned long long)m.objects,
		(unsigned long long)m.page_tables, (unsigned long long)m.faults, (unsigned long long)m.faults_major);
	return 0;
}

static long self_link(const struct fs_inode *inode, char *text, size_t capacity)
{
	u64 pid;

	(void)inode;
	return proc_task_process(0, &pid) < 0 ? -ENOENT : format_text(text, capacity, "%d", (i32)pid);
}

static long thread_self_link(const struct fs_inode *inode, char *text, size_t capacity)
{
	struct proc_info *info = fs_proc_info(0, false);
	long length = -ENOENT;

	(void)inode;
	if (info)
		length = format_text(text, capacity, "%d/task/%d", info->pid, info->tid);
	heap_free(info);
	return length;
}

static long mounts_link(const struct fs_inode *inode, char *text, size_t capacity)
{
	(void)inode;
	return format_text(text, capacity, "self/mounts");
}

/* ---- /proc/sys --------------------------------------------------------------------------------------------------------------- */

static long constant_show(struct fs_text *text, const struct fs_inode *inode)
{
	fs_text_add(text, "%s\n", (const char *)(uintptr_t)((const struct fs_proc_entry *)inode->generated.entry)->argument);
	return 0;
}

static long number_show(struct fs_text *text, const struct fs_inode *inode)
{
	fs_text_add(text, "%llu\n", (unsigned long long)((const struct fs_proc_entry *)inode->generated.entry)->argument);
	return 0;
}

static long node_name_show(struct fs_text *text, const struct fs_inode *inode)
{
	struct rt_request rq = { 0, 0 };
	char name[64];
	long size = fs_op_node_name_get(&rq, (u32)((const struct fs_proc_entry *)inode->generated.entry)->argument, name, sizeof(name));

	if (size < 0)
		return size;
	fs_text_add_bytes(text, name, (size_t)size);
	fs_text_add(text, "\n");
	return 0;
}

static long node_name_store(const struct fs_inode *inode, char *text, size_t size)
{
	struct rt_request rq = { 0, 0 };

	if (size && text[size - 1] == '\n')
		size--;
	return fs_op_node_name_set(&rq, (u32)((const struct fs_proc_entry *)inode->generated.entry)->argument, text, size < 64 ? size : 64);
}

static void uuid_add(struct fs_text *text, const u8 bytes[16])
{
	u32 i;

	for (i = 0; i < 16; i++)
		fs_text_add(text, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", bytes[i]);
	fs_text_add(text, "\n");
}

static void uuid_make(u8 bytes[16])
{
	random_bytes(bytes, 16);
	bytes[6] = (u8)((bytes[6] & 15) | 0x40);
	bytes[8] = (u8)((bytes[8] & 63) | 0x80);
}

static long uuid_show(struct fs_text *text, const struct fs_inode *inode)
{
	u8 bytes[16];

	(void)inode;
	uuid_make(bytes);
	uuid_add(text, bytes);
	return 0;
}

static struct rt_lock boot_id_lock = RT_LOCK_INIT;

void fs_proc_static_recover(void)
{
	boot_id_lock = (struct rt_lock)RT_LOCK_INIT;
}

static long boot_id_show(struct fs_text *text, const struct fs_inode *inode)
{
	static u8 bytes[16];   /* guarded by boot_id_lock */
	static bool made;

	(void)inode;
	lock_acquire(&boot_id_lock);
	if (!made)
		uuid_make(bytes);
	made = true;
	lock_release(&boot_id_lock);
	uuid_add(text, bytes);
	return 0;
}

#define DIRECTORY(path) { .name = path, .mode = FS_IFDIR | 0555 }
#define FILE(path, function) { .name = path, .mode = FS_IFREG | 0444, .show = function }
#define LINK(path, function) { .name = path, .mode = FS_IFLNK | 0777, .link = function }
#define TEXT(path, value) { .name = path, .mode = FS_IFREG | 0444, .show = constant_show, .argument = (u64)(uintptr_t)(value) }
#define NUMBER(path, value) { .name = path, .mode = FS_IFREG | 0444, .show = number_show, .argument = (value) }
#define NODE_NAME(path, which) { .name = path, .mode = FS_IFREG | 0644, .show = node_name_show, .store = node_name_store, .argument = (which) }

const struct fs_proc_entry fs_proc_static[] = {
	FILE("cmdline", cmdline_show), FILE("cpuinfo", fs_proc_cpuinfo_show), FILE("devices", devices_show), FILE("diskstats", nothing_show), FILE("filesystems", filesystems_show),
	FILE("loadavg", loadavg_show), FILE("meminfo", meminfo_show), FILE("modules", nothing_show), LINK("mounts", mounts_link), FILE("partitions", partitions_show), LINK("self", self_link),
	FILE("stat", stat_show), FILE("swaps", swaps_show), LINK("thread-self", thread_self_link), FILE("uptime", uptime_show),
	FILE("version", version_show), FILE("vmstat", vmstat_show),
	DIRECTORY("sys"), DIRECTORY("sys/kernel"), DIRECTORY("sys/kernel/random"), DIRECTORY("sys/fs"), DIRECTORY("sys/vm"),
	TEXT("sys/kernel/ostype", SYSTEM_NAME), TEXT("sys/kernel/osrelease", SYSTEM_RELEASE), TEXT("sys/kernel/version", SYSTEM_VERSION),
	NODE_NAME("sys/kernel/hostname", FS_NAME_HOST), NODE_NAME("sys/kernel/domainname", FS_NAME_DOMAIN),
	NUMBER("sys/kernel/pid_max", PID_MAX), NUMBER("sys/kernel/cap_last_cap", PROC_CAP_LAST), NUMBER("sys/kernel/ngroups_max", FS_GROUPS_MAX),
	TEXT("sys/kernel/core_pattern", "core"), NUMBER("sys/kernel/overflowuid", 65534), NUMBER("sys/kernel/overflowgid", 65534), NUMBER("sys/kernel/randomize_va_space", 2),
	FILE("sys/kernel/random/uuid", uuid_show), FILE("sys/kernel/random/boot_id", boot_id_show),
	NUMBER("sys/kernel/random/poolsize", 256), NUMBER("sys/kernel/random/entropy_avail", 256),
	NUMBER("sys/fs/pipe-max-size", 1048576), NUMBER("sys/fs/nr_open", 1048576), NUMBER("sys/fs/file-max", 524288),
	NUMBER("sys/fs/protected_hardlinks", 1), NUMBER("sys/fs/protected_symlinks", 1),
	NUMBER("sys/vm/overcommit_memory", 0), NUMBER("sys/vm/max_map_count", 65530), NUMBER("sys/vm/swappiness", 0),
};
const u32 fs_proc_static_count = countof(fs_proc_static);

/* ---- sysfs: what libraries look for to count processors ------------------------------------------------------------------------- */

static long processors_show(struct fs_text *text, const struct fs_inode *inode)
{
	(void)inode;
	if (rt_boot->processors > 1)
		fs_text_add(text, "0-%u\n", rt_boot->processors - 1);
	else
		fs_text_add(text, "0\n");
	return 0;
}

const struct fs_proc_entry fs_sysfs_static[] = {
	DIRECTORY("devices"), DIRECTORY("devices/system"), DIRECTORY("devices/system/cpu"),
	FILE("devices/system/cpu/online", processors_show), FILE("devices/system/cpu/possible", processors_show),
	FILE("devices/system/cpu/present", processors_show),
};
const u32 fs_sysfs_static_count = countof(fs_sysfs_static);
