/* Files of terminals: the waiting of reads and writes, and opening anew when the service was restarted. */
#include "clock.h"
#include "terminal.h"
#include "include/abi_fcntl.h"
#include "include/abi_poll.h"
#include <fs_client.h>
#include <tty_client.h>

#define RESTART_PAUSE (10 * NANOS_IN_MILLI)

/* One read or write of the application's. */
struct terminal_call { struct shim_thread *thread; struct shim_file *file; u32 seen; };

/* What the last program set, for a restarted service; one terminal outlives it, the console. */
static struct rt_lock settings_lock = RT_LOCK_INIT;
static struct tty_settings settings_kept;
static bool settings_valid;

static struct rt_lock terminals_lock = RT_LOCK_INIT;
static struct list terminals = LIST_INIT(terminals);

static struct terminal_file *terminal_of(struct shim_file *file)
{
	return file->data;
}

static void terminal_keep_settings(struct shim_file *file)
{
	struct tty_settings settings;

	if (terminal_of(file)->device != TTY_DEVICE_SERIAL || tty_settings_get(file->handle, &settings) < 0)
		return;
	lock_acquire(&settings_lock);
	settings_kept = settings;
	settings_valid = true;
	lock_release(&settings_lock);
}

/* Opens the terminal again at a service that has forgotten the handle `lost`; 0, or why not. */
static long terminal_reopen(struct shim_file *file, u64 lost)
{
	struct tty_settings settings;
	u64 handle, word, opened;
	long result = 0;
	bool restore;

	lock_acquire(&file->position_lock);
	if (file->handle == lost) {
		result = tty_open(terminal_of(file)->device, TTY_OPEN_NOCTTY, &handle, &word, &opened);
		if (result >= 0 && !pollword_of_handle(word)) {
			(void)tty_close(handle);
			result = -EIO;
		}
		if (result >= 0) {
			file->pollword = pollword_of_handle(word);
			file->handle = handle;
		}
	}
	lock_release(&file->position_lock);
	if (result < 0)
		return result;
	lock_acquire(&settings_lock);
	settings = settings_kept;
	restore = settings_valid && terminal_of(file)->device == TTY_DEVICE_SERIAL;
	lock_release(&settings_lock);
	return restore ? tty_settings_put(file->handle, &settings) : 0;
}

void terminal_enter(struct shim_file *file, struct terminal_file *terminal)
{
	terminal->file = file;
	file->data = terminal;
	lock_acquire(&terminals_lock);
	list_push_back(&terminals, &terminal->all);
	lock_release(&terminals_lock);
}

/* The service stays down: the word of all terminals then, which says that every call has its answer. */
static bool terminal_lose(struct shim_file *file)
{
	static struct tk_pollword *lost;

	if (!lost && (lost = pollword_alloc())) {
		lost->sequence = ~0u / 2; /* far from what anybody saw in another word, who waits for this one then */
		pollword_event(lost, POLLIN | POLLOUT | POLLERR | POLLHUP);
	}
	if (lost)
		file->pollword = lost;
	return lost;
}

void terminals_look(void)
{
	lock_acquire(&terminals_lock);
	list_each(node, &terminals) {
		struct shim_file *file = container_of(node, struct terminal_file, all)->file;
		const struct tk_pollword *word = file->pollword;
		struct tty_settings settings;
		long result = tty_settings_get(file->handle, &settings);

		if (result == -EBADF ? terminal_reopen(file, file->handle) < 0 : result != -EIO || !terminal_lose(file))
			continue;
		epoll_file_moved(file);
		(void)tk_wake(&word->sequence, ~0u, 0, ~0u); /* the old word tells nothing more */
	}
	lock_release(&terminals_lock);
}

/* Waits for the terminal's next event. A word that is gone: the service has failed, and is asked again a little later. */
static long terminal_wait(const struct terminal_call *call, nanos_t deadline)
{
	static const volatile u32 never;
	long result = shim_wait_word(call->thread, call->file->pollword, call->seen, deadline);

	if (result != -EIO)
		return result;
	result = shim_wait(call->thread, &never, 0, clock_monotonic() + RESTART_PAUSE);
	return result == -ETIMEDOUT ? 0 : result;
}

static void terminal_look(struct terminal_call *call)
{
	/* Before the attempt, so that an event after it ends the wait. */
	call->seen = __atomic_load_n(&call->file->pollword->sequence, __ATOMIC_ACQUIRE);
}

/* A result of the service that only the shim can understand: 0 to try again, else what the call answers. */
static long terminal_trouble(struct shim_file *file, u64 handle, long result)
{
	if (result == -EINTR) /* job control has sent a signal */
		return -ERESTARTSYS;
	if (result == -EBADF) {
		result = terminal_reopen(file, handle);
		return result == -EAGAIN || result >= 0 ? 0 : -EIO;
	}
	return result;
}

static long terminal_read(struct shim_thread *t, struct shim_file *file, vaddr_t to, u64 size, i64 offset)
{
	struct terminal_call call = { t, file, 0 };
	u32 flags = file->flags & O_NONBLOCK ? TTY_READ_NONBLOCK : 0;
	u64 handle, wait = 0;
	long result, waited = 0;

	if (offset >= 0)
		return -ESPIPE;
	for (;;) {
		terminal_look(&call);
		handle = file->handle;
		result = tty_read(handle, to, size, flags, &wait);
		if (result > 0 && (u64)result > size)
			return -EIO; /* the service is not to be believed */
		if (waited == -ERESTARTSYS) /* a signal ended the wait: what is there counts, else the signal */
			return result > 0 ? result : waited;
		if (result > 0 || (result == 0 && wait == 0))
			return result;
		if (result < 0 && result != -EAGAIN) {
			result = terminal_trouble(file, handle, result);
			if (result < 0)
				return result;
			continue;
		}
		if (flags & TTY_READ_NONBLOCK)
			return -EAGAIN;
		waited = terminal_wait(&call, wait ? clock_monotonic() + wait : NANOS_NEVER);
		if (waited < 0)
			flags |= TTY_READ_TAKE;
	}
}

static long terminal_write(struct shim_thread *t, struct shim_file *file, vaddr_t from, u64 size, i64 offset)
{
	struct terminal_call call = { t, file, 0 };
	u64 done = 0, handle;
	long result = 0;

	if (offset >= 0)
		return -ESPIPE;
	while (done < size) {
		terminal_look(&call);
		handle = file->handle;
		result = tty_write(handle, from + done, size - done);
		if (result > 0 && (u64)result > size - done)
			result = -EIO; /* the service is not to be believed */
		if (result > 0)
			done += (u64)result;
		else if (result == -EAGAIN && !(file->flags & O_NONBLOCK))
			result = terminal_wait(&call, NANOS_NEVER);
		else if (result < 0)
			result = terminal_trouble(file, handle, result);
		if (result < 0)
			break;
	}
	return done ? (long)done : result;
}

/* Bytes behind the argument of each command; the others have none. */
static const struct { u32 command, size; } arguments[] = {
	{ TCGETS, 36 }, { TCSETS, 36 }, { TCSETSW, 36 }, { TCSETSF, 36 }, { TCGETA, 18 }, { TCSETA, 18 }, { TCSETAW, 18 },
	{ TCSETAF, 18 }, { TCGETS2, 44 }, { TCSETS2, 44 }, { TCSETSW2, 44 }, { TCSETSF2, 44 }, { TIOCGPGRP, 4 }, { TIOCSPGRP, 4 },
	{ TIOCGSID, 4 }, { TIOCOUTQ, 4 }, { FIONREAD, 4 }, { TIOCGWINSZ, 8 }, { TIOCSWINSZ, 8 }, { TIOCMGET, 4 }, { TIOCGETD, 4 },
	{ TIOCSETD, 4 }, { TIOCGDEV, 4 }, { TIOCGEXCL, 4 }, { TIOCGPTN, 4 }, { TIOCSPTLCK, 4 }, { TIOCGPTLCK, 4 },
};

static u32 argument_size(u32 command)
{
	for (u32 i = 0; i < countof(arguments); i++)
		if (arguments[i].command == command)
			return arguments[i].size;
	return 0;
}

static bool command_sets(u32 command)
{
	return (command >= TCSETS && command <= TCSETSF) || (command >= TCSETA && command <= TCSETAF) || command == TIOCSWINSZ ||
	       command == TCSETS2 || command == TCSETSW2 || command == TCSETSF2;
}

static long terminal_ioctl(struct shim_thread *t, struct shim_file *file, u32 command, u64 argument)
{
	struct terminal_call call = { t, file, 0 };
	u32 size = argument_size(command);
	u64 handle;
	long result;

	if (command == TIOCGPTPEER)
		return terminal_open_peer(t, file, (u32)argument);
	for (;;) {
		terminal_look(&call);
		handle = file->handle;
		result = tty_ioctl(handle, command, argument, size ? argument : 0, size);
		if (result >= 0)
			break;
		result = result == -EAGAIN ? terminal_wait(&call, NANOS_NEVER) : terminal_trouble(file, handle, result);
		if (result < 0)
			return result;
	}
	if (command_sets(command))
		terminal_keep_settings(file);
	return result;
}

static long terminal_stat(struct shim_thread *t, struct shim_file *file, void *stat)
{
	(void)t;
	return fs_stat(terminal_of(file)->fs_file, stat);
}

static void terminal_close(struct shim_file *file)
{
	struct terminal_file *terminal = terminal_of(file);

	lock_acquire(&terminals_lock);
	list_remove(&terminal->all);
	lock_release(&terminals_lock);
	(void)tty_close(file->handle);
	if (terminal->is_master)
		terminal_node_remove(terminal->number);
	if (terminal->fs_file)
		(void)fs_close(terminal->fs_file);
	heap_free(terminal);
}

static u64 terminal_fs_handle(struct shim_file *file)
{
	return terminal_of(file)->fs_file;
}

const struct shim_file_ops terminal_ops = {
	.name = "terminal",
	.read = terminal_read,
	.write = terminal_write,
	.ioctl = terminal_ioctl,
	.stat = terminal_stat,
	.fs_handle = terminal_fs_handle,
	.close = terminal_close,
};
