/* Files of terminals: the waiting of reads and writes, and opening anew when the service was restarted. */
#include "clock.h"
#include "terminal.h"
#include "include/abi_fcntl.h"
#include "include/abi_poll.h"
#include <fs_client.h>
#include <tty_client.h>

#define RESTART_PAUSE (10 * NANOS_IN_MILLI)

/* One read or write of the application's. */
struct terminal_call { struct shim_thread *thread; struct shim_file *file; u32 seen, deaths; };

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

static long terminal_keep_settings(u64 handle)
{
	struct tty_settings settings;
	long result = tty_settings_get(handle, &settings);

	if (result < 0)
		return result;
	lock_acquire(&settings_lock);
	settings_kept = settings;
	settings_valid = true;
	lock_release(&settings_lock);
	return 0;
}

/* The console, of which a restarted service knows; its pseudo-terminals are gone. */
static bool terminal_is_line(struct shim_file *file)
{
	return terminal_of(file)->device == TTY_DEVICE_SERIAL || terminal_of(file)->device == TTY_DEVICE_CONSOLE;
}

/* Opens a terminal; the console is as the last program has set it, whoever comes first after a restart. */
static long terminal_connect(u32 device, u32 flags, struct terminal_open *open)
{
	struct tty_settings settings;
	bool restore;
	u64 word;
	long result = tty_open(device, flags, &open->handle, &word, &open->opened);

	if (result < 0)
		return result;
	open->word = pollword_of_handle(word);
	lock_acquire(&settings_lock);
	settings = settings_kept;
	restore = settings_valid && TTY_OPENED_DEVICE(open->opened) == TTY_DEVICE_SERIAL;
	lock_release(&settings_lock);
	/* A word that is not there any more: the service has failed since. */
	result = !open->word ? -TK_ECLOSED : restore ? tty_settings_put(open->handle, &settings) : 0;
	if (result < 0)
		(void)tty_close(open->handle);
	return result;
}

/* The service was not there, or failed meanwhile: 0 when it may be there again; any other result stays. */
static long terminal_wait_restart(struct shim_thread *t, long result)
{
	static const volatile u32 never;

	if (result == -TK_ELOST || result == -TK_EFATAL)
		return 0;
	if (result != -TK_ECLOSED)
		return result;
	result = shim_wait(t, &never, 0, clock_monotonic() + RESTART_PAUSE);
	return result == -ETIMEDOUT ? 0 : result;
}

long terminal_open(struct shim_thread *t, u32 device, u32 flags, struct terminal_open *open)
{
	u32 deaths = 0;

	for (;;) {
		long result = terminal_connect(device, flags, open);

		if (result >= 0)
			return 0;
		if (result == -TK_EFATAL && ++deaths == RT_DEATHS_MAX)
			return -EIO;
		result = terminal_wait_restart(t, result);
		if (result < 0)
			return result;
	}
}

/* Who waits for the file waits for another word from now on. */
static void terminal_move(struct shim_file *file, const struct tk_pollword *word)
{
	const struct tk_pollword *old = file->pollword;

	file->pollword = word;
	file_moved(file);
	(void)tk_wake(&old->sequence, ~0u, 0, ~0u); /* it tells nothing more */
}

/* It is gone: the word of all such terminals then, which says that every call has its answer. */
static void terminal_lose(struct shim_file *file)
{
	static struct tk_pollword *lost;

	if (!lost && (lost = pollword_alloc())) {
		lost->sequence = ~0u / 2; /* far from what anybody saw in another word, who waits for this one then */
		pollword_event(lost, POLLIN | POLLOUT | POLLERR | POLLHUP);
	}
	if (lost && file->pollword != lost)
		terminal_move(file, lost);
}

/* Opens the terminal again at a service that has forgotten the handle `lost`; 0, or why not. */
static long terminal_reopen(struct shim_file *file, u64 lost)
{
	struct terminal_open open;
	long result = 0;

	lock_acquire(&file->position_lock);
	if (file->handle == lost) {
		result = -EIO;
		if (terminal_is_line(file))
			result = terminal_connect(terminal_of(file)->device, TTY_OPEN_NOCTTY, &open);
		if (result >= 0) {
			terminal_move(file, open.word);
			file->handle = open.handle;
		} else if (result == -EIO) {
			terminal_lose(file);
		}
	}
	lock_release(&file->position_lock);
	return result;
}

void terminal_enter(struct shim_file *file, struct terminal_file *terminal)
{
	terminal->file = file;
	file->data = terminal;
	lock_acquire(&terminals_lock);
	list_push_back(&terminals, &terminal->all);
	lock_release(&terminals_lock);
}

/* One that can't be opened now is looked at again: the service has failed once more. */
void terminals_look(void)
{
	lock_acquire(&terminals_lock);
	list_each(node, &terminals) {
		struct shim_file *file = container_of(node, struct terminal_file, all)->file;
		struct tty_settings settings;
		u64 handle = file->handle;
		long result = tty_settings_get(handle, &settings);

		if (result == -EBADF)
			(void)terminal_reopen(file, handle);
		else if (result == -EIO) /* it stays down */
			terminal_lose(file);
	}
	lock_release(&terminals_lock);
}

/* Waits for the terminal's next event. A word that is gone: the service has failed, and is asked again a little later. */
static long terminal_wait(const struct terminal_call *call, nanos_t deadline)
{
	long result = shim_wait_word(call->thread, call->file->pollword, call->seen, deadline);

	return result == -EIO ? terminal_wait_restart(call->thread, -TK_ECLOSED) : result;
}

static void terminal_look(struct terminal_call *call)
{
	/* Before the attempt, so that an event after it ends the wait. */
	call->seen = __atomic_load_n(&call->file->pollword->sequence, __ATOMIC_ACQUIRE);
}

/* A result of the service that only the shim can understand: 0 to try again, else what the call answers. */
static long terminal_trouble(struct terminal_call *call, u64 handle, long result)
{
	if (result == -EINTR) /* job control has sent a signal */
		return -ERESTARTSYS;
	if (result == -TK_EFATAL && ++call->deaths == RT_DEATHS_MAX)
		return -EIO;
	if (result == -EBADF)
		result = terminal_reopen(call->file, handle);
	return terminal_wait_restart(call->thread, result);
}

static long terminal_read(struct shim_thread *t, struct shim_file *file, vaddr_t to, u64 size, i64 offset)
{
	struct terminal_call call = { t, file, 0, 0 };
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
			result = terminal_trouble(&call, handle, result);
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
	struct terminal_call call = { t, file, 0, 0 };
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
			result = terminal_trouble(&call, handle, result);
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
	struct terminal_call call = { t, file, 0, 0 };
	u32 size = argument_size(command);
	u64 handle;
	long result;

	if (command == TIOCGPTPEER)
		return terminal_open_peer(t, file, (u32)argument);
	for (;;) {
		terminal_look(&call);
		handle = file->handle;
		result = tty_ioctl(handle, command, argument, size ? argument : 0, size);
		if (result >= 0 && command_sets(command) && terminal_is_line(file))
			result = terminal_keep_settings(handle);
		if (result >= 0)
			return result;
		result = result == -EAGAIN ? terminal_wait(&call, NANOS_NEVER) : terminal_trouble(&call, handle, result);
		if (result < 0)
			return result;
	}
}

static long terminal_stat(struct shim_thread *t, struct shim_file *file, void *stat)
{
	(void)t;
	return fs_stat(terminal_of(file)->fs_file, stat);
}

static void terminal_close(struct shim_file *file)
{
	struct terminal_file *terminal = terminal_of(file);

	bool named = terminal->is_master;

	lock_acquire(&terminals_lock);
	list_remove(&terminal->all);
	list_each(node, &terminals) {
		const struct terminal_file *other = container_of(node, struct terminal_file, all);

		if (other->is_master && other->number == terminal->number) /* one of the two was lost, and the number is in use again */
			named = false;
	}
	lock_release(&terminals_lock);
	(void)tty_close(file->handle);
	if (named)
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
	.moves = true,
	.read = terminal_read,
	.write = terminal_write,
	.ioctl = terminal_ioctl,
	.stat = terminal_stat,
	.fs_handle = terminal_fs_handle,
	.close = terminal_close,
};
