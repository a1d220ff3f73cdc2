/* prctl: the options of processes and threads that proc keeps. */
#include "process.h"

enum {
	PR_SET_PDEATHSIG = 1, PR_GET_PDEATHSIG = 2, PR_GET_DUMPABLE = 3, PR_SET_DUMPABLE = 4, PR_GET_KEEPCAPS = 7, PR_SET_KEEPCAPS = 8,
	PR_GET_TIMING = 13, PR_SET_TIMING = 14, PR_SET_NAME = 15, PR_GET_NAME = 16, PR_CAPBSET_READ = 23, PR_CAPBSET_DROP = 24,
	PR_GET_SECUREBITS = 27, PR_SET_SECUREBITS = 28, PR_SET_TIMERSLACK = 29, PR_GET_TIMERSLACK = 30, PR_SET_CHILD_SUBREAPER = 36,
	PR_GET_CHILD_SUBREAPER = 37, PR_SET_NO_NEW_PRIVS = 38, PR_GET_NO_NEW_PRIVS = 39, PR_GET_TID_ADDRESS = 40, PR_CAP_AMBIENT = 47,
};
enum { AMBIENT_IS_SET = 1, AMBIENT_RAISE, AMBIENT_LOWER, AMBIENT_CLEAR_ALL };

/* Options that are plain numbers: where a value goes out it is the result (`out` 0) or an int at a[1]. */
struct option_rule {
	u32 option;
	u8 kind;       /* 's' set, 'r' read as the result, 'p' read to an int at a[1] */
	u8 proc;       /* enum proc_option */
	u8 zeros;      /* arguments from the third on must be 0 */
};
static const struct option_rule rules[] = {
	{ PR_SET_PDEATHSIG, 's', PROC_OPTION_DEATH_SIGNAL, 0 },
	{ PR_GET_PDEATHSIG, 'p', PROC_OPTION_DEATH_SIGNAL, 0 },
	{ PR_GET_DUMPABLE, 'r', PROC_OPTION_DUMPABLE, 0 },
	{ PR_SET_DUMPABLE, 's', PROC_OPTION_DUMPABLE, 0 },
	{ PR_GET_KEEPCAPS, 'r', PROC_OPTION_KEEP_CAPS, 0 },
	{ PR_SET_KEEPCAPS, 's', PROC_OPTION_KEEP_CAPS, 0 },
	{ PR_CAPBSET_DROP, 's', PROC_OPTION_BOUNDING_DROP, 0 },
	{ PR_GET_SECUREBITS, 'r', PROC_OPTION_SECURE_BITS, 0 },
	{ PR_SET_SECUREBITS, 's', PROC_OPTION_SECURE_BITS, 0 },
	{ PR_SET_TIMERSLACK, 's', PROC_OPTION_TIMER_SLACK, 0 },
	{ PR_GET_TIMERSLACK, 'r', PROC_OPTION_TIMER_SLACK, 0 },
	{ PR_SET_CHILD_SUBREAPER, 's', PROC_OPTION_SUBREAPER, 0 },
	{ PR_GET_CHILD_SUBREAPER, 'p', PROC_OPTION_SUBREAPER, 0 },
	{ PR_SET_NO_NEW_PRIVS, 's', PROC_OPTION_NO_NEW_PRIVILEGES, 1 },
	{ PR_GET_NO_NEW_PRIVS, 'r', PROC_OPTION_NO_NEW_PRIVILEGES, 2 },
};

static long rule_follow(struct shim_thread *t, const struct option_rule *rule, const u64 *a)
{
	u64 value;
	i32 shown;
	long error;

	if (rule->zeros && ((rule->zeros == 2 && a[1]) || a[2] || a[3] || a[4]))
		return -EINVAL;
	if (rule->kind == 's') {
		error = proc_option_set(rule->proc, a[1], 0);
		if (error >= 0 && rule->option == PR_SET_SECUREBITS)
			error = shim_credentials_changed(t);
		return error;
	}
	error = proc_option_get(rule->proc, 0, &value);
	if (error < 0 || rule->kind == 'r')
		return error < 0 ? error : (long)value;
	shown = (i32)value;
	return user_copy_out(a[1], &shown, sizeof(shown));
}

static long name_set(vaddr_t from)
{
	char name[PROC_NAME_SIZE] = { 0 };
	long length = user_copy_string(name, from, sizeof(name));

	if (length == -ENAMETOOLONG)
		length = user_copy_in(name, from, sizeof(name) - 1);
	return length < 0 ? length : proc_name_set(0, name, sizeof(name));
}

static long name_get(vaddr_t to)
{
	struct proc_info *info = heap_alloc(sizeof(*info));
	long error = info ? proc_info(0, 0, info) : -ENOMEM;

	if (error >= 0)
		error = user_copy_out(to, info->name, sizeof(info->name));
	heap_free(info);
	return error;
}

static long ambient(const u64 *a)
{
	u64 value;
	long error;

	switch (a[1]) {
	case AMBIENT_CLEAR_ALL:
		return a[2] || a[3] || a[4] ? -EINVAL : proc_option_set(PROC_OPTION_AMBIENT, 2, 0);
	case AMBIENT_RAISE:
	case AMBIENT_LOWER:
		return a[3] || a[4] ? -EINVAL : proc_option_set(PROC_OPTION_AMBIENT, a[1] == AMBIENT_RAISE, a[2]);
	case AMBIENT_IS_SET:
		error = a[3] || a[4] ? -EINVAL : proc_option_get(PROC_OPTION_AMBIENT, a[2], &value);
		return error < 0 ? error : (long)value;
	default:
		return -EINVAL;
	}
}

long sys_prctl(struct shim_thread *t, const u64 *a)
{
	u32 option = (u32)a[0];
	u64 value;
	long error;

	for (u32 i = 0; i < countof(rules); i++)
		if (rules[i].option == option)
			return rule_follow(t, &rules[i], a);
	switch (option) {
	case PR_SET_NAME:
		return name_set(a[1]);
	case PR_GET_NAME:
		return name_get(a[1]);
	case PR_GET_TIMING:
		return 0;
	case PR_SET_TIMING:
		return a[1] ? -EINVAL : 0;
	case PR_CAPBSET_READ:
		error = proc_option_get(PROC_OPTION_BOUNDING_READ, a[1], &value);
		return error < 0 ? error : (long)value;
	case PR_GET_TID_ADDRESS:
		return user_copy_out(a[1], &t->clear_child_tid, sizeof(t->clear_child_tid));
	case PR_CAP_AMBIENT:
		return ambient(a);
	default:
		return -EINVAL;
	}
}
