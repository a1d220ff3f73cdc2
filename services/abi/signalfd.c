/* signalfd: signals of the reading process as records of a file. proc keeps the signals; its poll word counts those that were sent. */
#include "shim.h"
#include "include/abi_fcntl.h"
#include "include/abi_poll.h"
#include <proc_client.h>

#define SFD_NONBLOCK O_NONBLOCK
#define SFD_CLOEXEC O_CLOEXEC

struct linux_signalfd_siginfo {
	u32 signal;
	i32 error, code;
	u32 pid, uid;
	i32 fd;
	u32 timer, band, overrun, trap;
	i32 status, integer;
	u64 pointer, user_ticks, system_ticks, address;
	u16 address_lsb, pad;
	i32 number;
	u64 call_address;
	u32 architecture;
	u8 reserved[28];
};
_Static_assert(sizeof(struct linux_signalfd_siginfo) == 128, "ABI");

struct signal_set { volatile u64 mask; };

static struct linux_signalfd_siginfo record_of(const struct proc_siginfo *info)
{
	struct linux_signalfd_siginfo record = { .signal = (u32)info->signal, .error = info->error, .code = info->code };

	if (info->code == PROC_SI_TIMER) {
		record.timer = (u32)info->timer.timer;
		record.overrun = (u32)info->timer.overrun;
		record.pointer = info->timer.value;
		record.integer = (i32)info->timer.value;
	} else if (info->code > 0 && info->code < PROC_SI_KERNEL && info->signal == SIGCHLD) {
		record.pid = (u32)info->child.pid;
		record.uid = info->child.uid;
		record.status = info->child.status;
		record.user_ticks = (u64)info->child.user_ticks;
		record.system_ticks = (u64)info->child.system_ticks;
	} else if (info->code > 0 && info->code < PROC_SI_KERNEL && info->signal == SIGIO) {
		record.band = (u32)info->poll.band;
		record.fd = info->poll.fd;
	} else if (info->code > 0 && info->code < PROC_SI_KERNEL) {
		record.address = info->fault.address;
	} else {
		record.pid = (u32)info->sender.pid;
		record.uid = info->sender.uid;
		if (info->code < 0 && info->code != PROC_SI_TKILL) {
			record.pointer = info->sender.value;
			record.integer = (i32)info->sender.value;
		}
	}
	return record;
}

/* The word that counts signals sent to a process; NULL when there is no memory for it. */
static const struct tk_pollword *process_word(struct shim_process *process)
{
	u64 handle;

	if (!process->signal_word && proc_signal_pollword(&handle) >= 0)
		process->signal_word = pollword_of_handle(handle);
	return process->signal_word;
}

struct signal_read { u64 mask; struct proc_siginfo info; };

static long signal_take(void *context)
{
	struct signal_read *call = context;

	return proc_signal_wait(call->mask, 0, &call->info);
}

static long signalfd_read(struct shim_thread *t, struct shim_file *file, vaddr_t to, u64 size, i64 offset)
{
	struct signal_set *set = file->data;
	struct signal_read call = { .mask = set->mask };
	struct linux_signalfd_siginfo record;
	u64 done = 0;
	long result;

	if (offset >= 0)
		return -ESPIPE;
	if (size < sizeof(record))
		return -EINVAL;
	if (!process_word(t->process))
		return -ENOMEM;
	result = shim_wait_file(t, file, signal_take, &call);
	while (result >= 0) {
		record = record_of(&call.info);
		result = user_copy_out(to + done, &record, sizeof(record));
		if (result < 0)
			break;
		done += sizeof(record);
		if (size - done < sizeof(record))
			break;
		result = signal_take(&call);
	}
	return done ? (long)done : result;
}

static u32 signalfd_ready(struct shim_thread *t, struct shim_file *file)
{
	struct signal_set *set = file->data;
	u64 pending = 0;

	(void)t;
	return proc_signal_pending(&pending) >= 0 && pending & set->mask ? POLL_READABLE : 0;
}

static const volatile u32 *signalfd_event_word(struct shim_file *file)
{
	struct shim_thread *t = shim_thread_current();
	const struct tk_pollword *word = t ? process_word(t->process) : NULL;

	(void)file;
	return word ? &word->sequence : NULL;
}

static void signalfd_close(struct shim_file *file)
{
	heap_free(file->data);
}

static const struct shim_file_ops signalfd_ops = {
	.name = "anon_inode:[signalfd]",
	.read = signalfd_read,
	.event_word = signalfd_event_word,
	.ready = signalfd_ready,
	.close = signalfd_close,
};

static long signalfd_change(struct shim_thread *t, i32 fd, u64 mask)
{
	struct shim_file *file = file_get(t, fd);
	long result = -EINVAL;

	if (!file)
		return -EBADF;
	if (file->ops == &signalfd_ops) {
		((struct signal_set *)file->data)->mask = mask;
		result = fd;
	}
	file_put(file);
	return result;
}

static long signalfd_make(struct shim_thread *t, u64 mask, u32 flags)
{
	struct signal_set *set = heap_alloc(sizeof(*set));
	struct shim_file *file;

	if (!set)
		return -ENOMEM;
	file = file_create(&signalfd_ops, O_RDWR | (flags & SFD_NONBLOCK), 0);
	if (!file) {
		heap_free(set);
		return -ENOMEM;
	}
	set->mask = mask;
	file->data = set;
	return fd_install(t, file, flags, 0);
}

static long signalfd_call(struct shim_thread *t, const u64 *a, u32 flags)
{
	u64 mask;

	if (flags & ~(u32)(SFD_NONBLOCK | SFD_CLOEXEC) || a[2] != sizeof(mask))
		return -EINVAL;
	if (user_copy_in(&mask, a[1], sizeof(mask)) < 0)
		return -EFAULT;
	mask &= ~(PROC_SIGNAL_BIT(SIGKILL) | PROC_SIGNAL_BIT(SIGSTOP));
	return (i32)a[0] == -1 ? signalfd_make(t, mask, flags) : signalfd_change(t, (i32)a[0], mask);
}

long sys_signalfd(struct shim_thread *t, const u64 *a)
{
	return signalfd_call(t, a, 0);
}

long sys_signalfd4(struct shim_thread *t, const u64 *a)
{
	return signalfd_call(t, a, (u32)a[3]);
}
