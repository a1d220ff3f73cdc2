/* The files of /proc/PID and /proc/PID/task/TID: stat, status, statm, limits, links. */
#include "proc.h"
#include <mem_client.h>
#include <mem/mem_types.h>
#include <proc_client.h>

/* What a text about a task needs, on the heap. */
struct view { struct proc_info info; struct mem_space_info space; };

static i32 tid_of(const struct fs_inode *inode)
{
	return inode->generated.tid ? inode->generated.tid : inode->generated.pid;
}

static struct view *view_get(const struct fs_inode *inode)
{
	struct view *view = heap_alloc(sizeof(*view));

	if (view && proc_info(tid_of(inode), inode->generated.tid == 0, &view->info) < 0) {
		heap_free(view);
		return NULL;
	}
	/* A task that has ended has no space. */
	if (view && (!view->info.space || mem_space_info(view->info.space, &view->space) < 0))
		memset(&view->space, 0, sizeof(view->space));
	return view;
}

/* Linux's number of a terminal device in stat's tty_nr: minor low byte, major, minor high. proc keeps tty's handle. */
static u32 terminal_number(const struct proc_info *info)
{
	return (u32)info->terminal;
}

/* Nice 0 shows as 20; a real-time priority p as -1 - p. */
static i32 priority_shown(const struct proc_info *info)
{
	return info->policy == 1 || info->policy == 2 ? -1 - (i32)info->priority : 20 + info->nice;
}

static void numbers_add(struct fs_text *text, const u64 *numbers, u32 count)
{
	u32 at;

	for (at = 0; at < count; at++)
		fs_text_add_number(text, numbers[at], ' ');
}

/* The fields of stat from num_threads on, by proc(5). */
static void stat_rest_add(struct fs_text *text, const struct view *view)
{
	const struct proc_info *i = &view->info;
	const struct mem_space_info *m = &view->space;
	bool realtime = i->policy == 1 || i->policy == 2;
	const u64 numbers[] = {
		i->thread_count, 0, i->start / FS_PROC_TICK, m->total * PAGE_SIZE, m->resident, i->space ? i->limits[PROC_LIMIT_RSS].soft : 0,
		i->code_start, i->code_end, i->stack_start, 0, 0, i->pending & 0x7fffffff, i->blocked & 0x7fffffff, i->ignored & 0x7fffffff,
		i->caught & 0x7fffffff, 0, 0, 0, i->exit_signal, i->processor, realtime ? i->priority : 0, i->policy, 0, 0, 0,
		i->data_start, i->data_end, m->break_start, i->arguments_start, i->arguments_end, i->environment_start, i->environment_end,
	};

	numbers_add(text, numbers, countof(numbers));
	fs_text_add(text, "%d\n", i->exit_status);
}

long fs_proc_stat_show(struct fs_text *text, const struct fs_inode *inode)
{
	struct view *view = view_get(inode);
	const struct proc_info *i;

	if (!view)
		return -ESRCH;
	i = &view->info;
	fs_text_add(text, "%d (%s) %c %d %d %d %u %d 4194304 ", i->tid, i->name, i->state, i->parent, i->group, i->session, terminal_number(i),
		i->terminal ? i->terminal_group : -1);
	fs_text_add_number(text, i->usage.faults_minor, ' ');
	fs_text_add_number(text, i->children.faults_minor, ' ');
	fs_text_add_number(text, i->usage.faults_major, ' ');
	fs_text_add_number(text, i->children.faults_major, ' ');
	fs_text_add_number(text, i->usage.user_nanos / FS_PROC_TICK, ' ');
	fs_text_add_number(text, i->usage.system_nanos / FS_PROC_TICK, ' ');
	fs_text_add_number(text, i->children.user_nanos / FS_PROC_TICK, ' ');
	fs_text_add_number(text, i->children.system_nanos / FS_PROC_TICK, ' ');
	fs_text_add(text, "%d %d ", priority_shown(i), i->nice);
	stat_rest_add(text, view);
	heap_free(view);
	return 0;
}

long fs_proc_statm_show(struct fs_text *text, const struct fs_inode *inode)
{
	struct view *view = view_get(inode);
	const struct mem_space_info *m;

	if (!view)
		return -ESRCH;
	m = &view->space;
	fs_text_add(text, "%llu %llu %llu %llu 0 %llu 0\n", (unsigned long long)m->total, (unsigned long long)m->resident,
		(unsigned long long)m->shared, (unsigned long long)m->executable, (unsigned long long)(m->data + m->stack));
	heap_free(view);
	return 0;
}

static const char *state_name(char state)
{
	static const char *const names[] = { "R (running)", "S (sleeping)", "D (disk sleep)", "T (stopped)", "t (tracing stop)", "X (dead)", "Z (zombie)" };
	u32 i;

	for (i = 0; i < countof(names); i++)
		if (names[i][0] == state)
			return names[i];
	return "R (running)";
}

static void identity_add(struct fs_text *text, const struct proc_info *i)
{
	const struct proc_credentials *c = &i->credentials;
	u32 *groups = heap_alloc(PROC_GROUPS_MAX * sizeof(*groups));
	long size = groups ? proc_groups_get(i->tid, groups, PROC_GROUPS_MAX * sizeof(*groups)) : 0, at;

	fs_text_add(text, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nFDSize:\t64\nGroups:\t", c->uid, c->euid, c->suid, c->fsuid, c->gid, c->egid,
		c->sgid, c->fsgid);
	for (at = 0; at < size / (long)sizeof(*groups); at++)
		fs_text_add(text, "%u ", groups[at]);
	heap_free(groups);
	fs_text_add(text, size > 0 ? "\n" : " \n");
}

static void sizes_add(struct fs_text *text, const struct mem_space_info *m)
{
	const struct { const char *name; u64 pages; } lines[] = {
		{ "VmPeak", m->total_peak }, { "VmSize", m->total }, { "VmLck", m->locked }, { "VmPin", 0 }, { "VmHWM", m->resident_peak },
		{ "VmRSS", m->resident }, { "VmData", m->data }, { "VmStk", m->stack }, { "VmExe", m->executable }, { "VmLib", 0 },
		{ "VmPTE", m->page_tables }, { "VmSwap", 0 },
	};
	u32 i;

	for (i = 0; i < countof(lines); i++)
		fs_text_add(text, "%s:\t%8llu kB\n", lines[i].name, (unsigned long long)(lines[i].pages * (PAGE_SIZE / 1024)));
}

static void signals_add(struct fs_text *text, const struct proc_info *i)
{
	fs_text_add(text, "Threads:\t%u\nSigQ:\t%u/%u\nSigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\nSigIgn:\t%016llx\nSigCgt:\t%016llx\n",
		i->thread_count, i->pending_count, i->pending_limit, (unsigned long long)i->pending, (unsigned long long)i->pending_shared,
		(unsigned long long)i->blocked, (unsigned long long)i->ignored, (unsigned long long)i->caught);
}

static void processors_add(struct fs_text *text, i32 tid)
{
	u64 mask = 0;

	if (proc_affinity_get(tid, &mask) < 0)
		mask = 0;
	mask &= rt_boot->processors < 64 ? (1ull << rt_boot->processors) - 1 : ~0ull;
	fs_text_add(text, "Cpus_allowed:\t%llx\nCpus_allowed_list:\t", (unsigned long long)mask);
	{
		u32 cpu, first = ~0u;
		bool any = false;

		for (cpu = 0; cpu <= 64; cpu++) {
			bool on = cpu < 64 && (mask >> cpu & 1);

			if (on && first == ~0u)
				first = cpu;
			if (on || first == ~0u)
				continue;
			fs_text_add(text, cpu - 1 > first ? "%s%u-%u" : "%s%u", any ? "," : "", first, cpu - 1);
			any = true;
			first = ~0u;
		}
	}
	fs_text_add(text, "\nMems_allowed:\t1\nMems_allowed_list:\t0\n");
}

long fs_proc_status_show(struct fs_text *text, const struct fs_inode *inode)
{
	struct view *view = view_get(inode);
	const struct proc_info *i;
	const struct proc_credentials *c;

	if (!view)
		return -ESRCH;
	i = &view->info;
	c = &i->credentials;
	fs_text_add(text, "Name:\t");
	fs_text_add_escaped(text, i->name, "\n");
	fs_text_add(text, "\n");
	fs_proc_umask_add(text, i->fs_client);
	fs_text_add(text, "State:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", state_name(i->state), i->pid, i->tid, i->parent);
	identity_add(text, i);
	fs_text_add(text, "NStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", i->pid, i->tid, i->group, i->session);
	if (i->space)
		sizes_add(text, &view->space);
	signals_add(text, i);
	fs_text_add(text, "CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\nCapAmb:\t%016llx\n", (unsigned long long)c->inheritable,
		(unsigned long long)c->permitted, (unsigned long long)c->effective, (unsigned long long)c->bounding, (unsigned long long)c->ambient);
	fs_text_add(text, "NoNewPrivs:\t%u\nSeccomp:\t0\nSeccomp_filters:\t0\n", i->no_new_privileges);
	processors_add(text, i->tid);
	fs_text_add(text, "voluntary_ctxt_switches:\t%llu\nnonvoluntary_ctxt_switches:\t%llu\n", (unsigned long long)i->usage.switches_voluntary,
		(unsigned long long)i->usage.switches_forced);
	heap_free(view);
	return 0;
}

static void limit_add(struct fs_text *text, u64 value)
{
	if (value == PROC_LIMIT_INFINITY)
		fs_text_add(text, "%-20s ", "unlimited");
	else
		fs_text_add(text, "%-20llu ", (unsigned long long)value);
}

long fs_proc_limits_show(struct fs_text *text, const struct fs_inode *inode)
{
	static const struct { const char *name, *unit; } lines[PROC_LIMITS] = {
		{ "Max cpu time", "seconds" }, { "Max file size", "bytes" }, { "Max data size", "bytes" }, { "Max stack size", "bytes" },
		{ "Max core file size", "bytes" }, { "Max resident set", "bytes" }, { "Max processes", "processes" }, { "Max open files", "files" },
		{ "Max locked memory", "bytes" }, { "Max address space", "bytes" }, { "Max file locks", "locks" }, { "Max pending signals", "signals" },
		{ "Max msgqueue size", "bytes" }, { "Max nice priority", "" }, { "Max realtime priority", "" }, { "Max realtime timeout", "us" },
	};
	struct view *view = view_get(inode);
	u32 i;

	if (!view)
		return -ESRCH;
	fs_text_add(text, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (i = 0; i < PROC_LIMITS; i++) {
		fs_text_add(text, "%-25s ", lines[i].name);
		limit_add(text, view->info.limits[i].soft);
		limit_add(text, view->info.limits[i].hard);
		fs_text_add(text, lines[i].unit[0] ? "%-10s\n" : "\n", lines[i].unit);
	}
	heap_free(view);
	return 0;
}

static long comm_show(struct fs_text *text, const struct fs_inode *inode)
{
	struct proc_info *info = fs_proc_info(tid_of(inode), false);

	if (!info)
		return -ESRCH;
	fs_text_add(text, "%s\n", info->name);
	heap_free(info);
	return 0;
}

static long comm_store(const struct fs_inode *inode, char *text, size_t size)
{
	if (size && text[size - 1] == '\n')
		size--;
	return proc_name_set(tid_of(inode), text, size < 15 ? size : 15);
}

static long oom_score_show(struct fs_text *text, const struct fs_inode *inode)
{
	struct view *view = view_get(inode);
	const i64 total = (i64)rt_boot->memory_frames;
	i64 score;

	if (!view)
		return -ESRCH;
	score = proc_oom_points(view->space.resident + view->space.page_tables, view->info.oom_adjust, (u64)total);
	score = (1000 + score * 1000 / total) * 2 / 3; /* proc_oom_score: positive, as programs expect */
	if (view->info.oom_adjust == PROC_OOM_NEVER || view->info.pid == 1 || !view->info.space)
		score = 0;
	fs_text_add(text, "%lld\n", (long long)score);
	heap_free(view);
	return 0;
}

static long oom_adjust_show(struct fs_text *text, const struct fs_inode *inode)
{
	struct proc_info *info = fs_proc_info(tid_of(inode), false);

	if (!info)
		return -ESRCH;
	fs_text_add(text, "%d\n", info->oom_adjust);
	heap_free(info);
	return 0;
}

/* A decimal number, space around it. */
static long oom_adjust_store(const struct fs_inode *inode, char *text, size_t size)
{
	const char *end = text + size;
	bool negative;
	i32 value = 0;

	while (text < end && (end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t'))
		end--;
	while (text < end && (*text == ' ' || *text == '\t' || *text == '\n'))
		text++;
	negative = text < end && *text == '-';
	text += negative || (text < end && *text == '+');
	if (text == end || end - text > 9)
		return -EINVAL;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (*text - '0');
	}
	return proc_oom_adjust(tid_of(inode), negative ? -value : value);
}

static long personality_show(struct fs_text *text, const struct fs_inode *inode)
{
	(void)inode;
	fs_text_add(text, "00000000\n");
	return 0;
}

static long mounts_show(struct fs_text *text, const struct fs_inode *inode)
{
	return fs_proc_with_root(tid_of(inode), text, fs_proc_mounts_show);
}

static long mountinfo_show(struct fs_text *text, const struct fs_inode *inode)
{
	return fs_proc_with_root(tid_of(inode), text, fs_proc_mountinfo_show);
}

static long exe_follow(const struct fs_inode *inode, struct fs_place *place)
{
	return fs_proc_exe_place(tid_of(inode), place);
}

static long cwd_follow(const struct fs_inode *inode, struct fs_place *place)
{
	return fs_proc_client_place(tid_of(inode), false, place);
}

static long root_follow(const struct fs_inode *inode, struct fs_place *place)
{
	return fs_proc_client_place(tid_of(inode), true, place);
}

#define FILE(entry_name, function) { .name = entry_name, .mode = FS_IFREG | 0444, .show = function }
#define DIRECTORY(entry_name, entry_mode, entry_ops) { .name = entry_name, .mode = FS_IFDIR | (entry_mode), .ops = &(entry_ops) }
#define MAGIC(entry_name, function) { .name = entry_name, .mode = FS_IFLNK | 0777, .follow = function }

const struct fs_proc_entry fs_proc_task[] = {
	{ .name = "auxv", .mode = FS_IFREG | 0400, .show = fs_proc_auxv_show }, FILE("cmdline", fs_proc_memory_show), { .name = "comm", .mode = FS_IFREG | 0644, .show = comm_show, .store = comm_store },
	MAGIC("cwd", cwd_follow), { .name = "environ", .mode = FS_IFREG | 0400, .show = fs_proc_memory_show, .argument = 1 },
	MAGIC("exe", exe_follow), FILE("limits", fs_proc_limits_show), { .name = "maps", .mode = FS_IFREG | 0444, .show = fs_proc_maps_show, .traced = true }, FILE("mountinfo", mountinfo_show),
	FILE("mounts", mounts_show), FILE("oom_score", oom_score_show),
	{ .name = "oom_score_adj", .mode = FS_IFREG | 0644, .show = oom_adjust_show, .store = oom_adjust_store }, { .name = "personality", .mode = FS_IFREG | 0400, .show = personality_show }, MAGIC("root", root_follow),
	FILE("stat", fs_proc_stat_show), FILE("statm", fs_proc_statm_show), FILE("status", fs_proc_status_show),
	DIRECTORY("fd", 0500, fs_proc_descriptors_ops), DIRECTORY("fdinfo", 0555, fs_proc_descriptor_infos_ops),
	DIRECTORY("task", 0555, fs_proc_threads_directory_ops),
};
const u32 fs_proc_task_count = countof(fs_proc_task);
