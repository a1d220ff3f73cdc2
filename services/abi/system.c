/* The machine as programs ask about it: uname, sysinfo, host name, reboot. */
#include "clock.h"
#include "include/abi_system.h"
#include <fs_client.h>
#include <mem_client.h>
#include <proc_client.h>

#define NAME_SIZE 65
#define PERSONALITY_UNAME26 0x0020000

struct linux_utsname { char system[NAME_SIZE], node[NAME_SIZE], release[NAME_SIZE], version[NAME_SIZE], machine[NAME_SIZE], domain[NAME_SIZE]; };

struct linux_sysinfo {
	i64 uptime;
	u64 loads[3], total, free, shared, buffers, swap_total, swap_free;
	u16 processes, pad;
	u64 high_total, high_free;
	u32 unit;
	u32 tail;
};
_Static_assert(sizeof(struct linux_sysinfo) == 112, "ABI");

/* A name as fs keeps it, with its NUL in a field that is zeroed. */
static void name_fill(char *to, u32 which)
{
	if (fs_node_name_get(which, to, NAME_SIZE - 1) < 0)
		to[0] = 0;
}

long sys_uname(struct shim_thread *t, const u64 *a)
{
	struct linux_utsname name = {
		.system = SYSTEM_NAME, .release = SYSTEM_RELEASE, .version = SYSTEM_VERSION, .machine = SYSTEM_MACHINE,
	};

	if (t->process->personality & PERSONALITY_UNAME26)
		(void)format_text(name.release, sizeof(name.release), "2.6.60");
	name_fill(name.node, FS_NAME_HOST);
	name_fill(name.domain, FS_NAME_DOMAIN);
	return user_copy_out(a[0], &name, sizeof(name));
}

static long capability_needed(u32 capability)
{
	struct proc_credentials credentials;
	long result = proc_credentials_get(0, &credentials);

	if (result < 0)
		return result;
	return credentials.effective >> capability & 1 ? 0 : -EPERM;
}

static long name_set(const u64 *a, u32 which)
{
	char name[NAME_SIZE];
	u32 length = (u32)a[1]; /* an int of Linux: what stands above it in the register does not count */
	long result = capability_needed(PROC_CAP_SYS_ADMIN);

	if (result < 0)
		return result;
	if (length > NAME_SIZE - 1)
		return -EINVAL;
	result = user_copy_in(name, a[0], length);
	return result < 0 ? result : fs_node_name_set(which, name, length);
}

long sys_sethostname(struct shim_thread *t, const u64 *a)
{
	(void)t;
	return name_set(a, FS_NAME_HOST);
}

long sys_setdomainname(struct shim_thread *t, const u64 *a)
{
	(void)t;
	return name_set(a, FS_NAME_DOMAIN);
}

long sys_sysinfo(struct shim_thread *t, const u64 *a)
{
	struct mem_information memory;
	struct proc_system processes;
	struct linux_sysinfo info;
	long result = mem_information(&memory);

	(void)t;
	if (result >= 0)
		result = proc_system_info(&processes);
	if (result < 0)
		return result;
	info = (struct linux_sysinfo){
		.uptime = (i64)((clock_monotonic() + NANOS_IN_SECOND - 1) / NANOS_IN_SECOND),
		.total = memory.total * PAGE_SIZE,
		.free = memory.free * PAGE_SIZE,
		.shared = memory.objects * PAGE_SIZE,
		.processes = (u16)processes.threads,
		.unit = 1,
	};
	for (u32 i = 0; i < 3; i++)
		info.loads[i] = (u64)processes.load[i] << 5; /* 16 bits of fraction here, 11 there */
	return user_copy_out(a[0], &info, sizeof(info));
}

enum reboot_command {
	REBOOT_RESTART = 0x01234567, REBOOT_HALT = (i32)0xcdef0123, REBOOT_POWER_OFF = 0x4321fedc, REBOOT_RESTART2 = (i32)0xa1b2c3d4,
	REBOOT_CAD_ON = (i32)0x89abcdef, REBOOT_CAD_OFF = 0,
};

long sys_reboot(struct shim_thread *t, const u64 *a)
{
	long result = capability_needed(PROC_CAP_SYS_BOOT);
	u32 second = (u32)a[1];

	(void)t;
	if (result < 0)
		return result;
	if ((u32)a[0] != 0xfee1dead || (second != 672274793 && second != 85072278 && second != 369367448 && second != 537993216))
		return -EINVAL;
	switch ((i32)a[2]) {
	case REBOOT_RESTART:
	case REBOOT_RESTART2:
		log_line("abi: restarting the machine");
		return tk_power(TK_POWER_RESET, 0);
	case REBOOT_HALT:
	case REBOOT_POWER_OFF:
		log_line("abi: power off");
		return tk_power(TK_POWER_OFF, 0);
	case REBOOT_CAD_ON:
	case REBOOT_CAD_OFF: /* there is no such key combination on a serial console */
		return 0;
	default:
		return -EINVAL;
	}
}

long sys_getcpu(struct shim_thread *t, const u64 *a)
{
	u32 processor = t->page->processor, node = 0;
	long result = 0;

	if (a[0])
		result = user_copy_out(a[0], &processor, sizeof(processor));
	if (result == 0 && a[1])
		result = user_copy_out(a[1], &node, sizeof(node));
	return result;
}

enum syslog_action {
	SYSLOG_CLOSE, SYSLOG_OPEN, SYSLOG_READ, SYSLOG_READ_ALL, SYSLOG_READ_CLEAR, SYSLOG_CLEAR, SYSLOG_CONSOLE_OFF, SYSLOG_CONSOLE_ON,
	SYSLOG_CONSOLE_LEVEL, SYSLOG_SIZE_UNREAD, SYSLOG_SIZE_BUFFER,
};

/* The log goes to the machine's report channel and is not kept here: to syslog(2) it is an empty buffer. */
long sys_syslog(struct shim_thread *t, const u64 *a)
{
	long result;

	(void)t;
	if ((u32)a[0] > SYSLOG_SIZE_BUFFER)
		return -EINVAL;
	result = capability_needed(PROC_CAP_SYS_ADMIN);
	if (result < 0)
		return result;
	if (((u32)a[0] >= SYSLOG_READ && (u32)a[0] <= SYSLOG_READ_CLEAR && (!a[1] || (i32)a[2] < 0)) ||
	    ((u32)a[0] == SYSLOG_CONSOLE_LEVEL && ((i32)a[2] < 1 || (i32)a[2] > 8)))
		return -EINVAL;
	return 0;
}
