/* Opening terminals by device number, and the nodes of pseudo-terminals in /dev/pts. */
#include "terminal.h"
#include "include/abi_fcntl.h"
#include <fs_client.h>
#include <proc_client.h>
#include <tty_client.h>

#define MAJOR_SERIAL 4u
#define MAJOR_TERMINAL 5u
#define MAJOR_PTS 136u
#define NODE_MODE (FS_IFCHR | 0620u)

static struct rt_lock node_lock = RT_LOCK_INIT;
static u64 node_client;   /* fs client of the shim's own, which may make nodes wherever the caller's root is; under node_lock */

static struct fs_at node_at(u32 flags, u32 mode, u64 value)
{
	lock_acquire(&node_lock);
	if (!node_client && fs_client_create(&node_client) < 0)
		node_client = 0;
	lock_release(&node_lock);
	return (struct fs_at){ .client = node_client, .flags = flags, .mode = mode, .value = value };
}

static size_t node_path(char *path, size_t capacity, u32 number)
{
	return (size_t)format_text(path, capacity, "/dev/pts/%u", number) + 1;
}

/* Makes the slave's node, owned by who opened the master. */
static long terminal_node_create(u32 number)
{
	struct proc_credentials credentials;
	struct fs_at at = node_at(FS_AT_TERMINALS, 0755, 0);
	char path[24];
	size_t size = node_path(path, sizeof(path), number);
	long result = proc_credentials_get(0, &credentials);

	if (result < 0)
		return result;
	result = fs_mkdir(&at, "/dev/pts", sizeof("/dev/pts"));
	if (result < 0 && result != -EEXIST)
		return result;
	at = node_at(FS_AT_TERMINALS, NODE_MODE, fs_device(MAJOR_PTS, number));
	result = fs_mknod(&at, path, size);
	if (result < 0 && result != -EEXIST)
		return result;
	at = node_at(0, NODE_MODE & 07777, 0);
	result = fs_chmod(&at, path, size); /* the umask has had its say */
	if (result < 0)
		return result;
	at = node_at(0, 0, credentials.fsuid | (u64)credentials.fsgid << 32);
	return fs_chown(&at, path, size);
}

void terminal_node_remove(u32 number)
{
	struct fs_at at = node_at(FS_AT_TERMINALS, 0, 0);
	char path[24];
	size_t size = node_path(path, sizeof(path), number);

	if (fs_unlink(&at, path, size) < 0)
		log_line("abi: %s could not be removed", path);
}

static struct terminal_file *terminal_file_create(u64 fs_file, u32 device)
{
	struct terminal_file *terminal = heap_alloc(sizeof(*terminal));

	if (!terminal)
		return NULL;
	terminal->fs_file = fs_file;
	terminal->device = device;
	return terminal;
}

static u32 open_flags(u32 flags)
{
	return flags & O_NOCTTY || (flags & O_ACCMODE) == O_WRONLY ? TTY_OPEN_NOCTTY : 0;
}

/* Makes the file of an opened terminal; on failure the terminal is closed, fs_file stays the caller's. */
static long terminal_file_open(struct shim_thread *t, u32 device, u32 flags, u64 fs_file, struct shim_file **file)
{
	struct terminal_open open;
	long result = terminal_open(t, device, open_flags(flags), &open);
	struct terminal_file *terminal;
	struct shim_file *made;

	if (result < 0)
		return result == -ENOSYS ? -ENXIO : result;
	terminal = terminal_file_create(fs_file, device == TTY_DEVICE_CONSOLE ? device : TTY_OPENED_DEVICE(open.opened));
	made = terminal ? file_create(&terminal_ops, flags, open.handle) : NULL;
	if (!made) {
		heap_free(terminal);
		(void)tty_close(open.handle);
		return -ENOMEM;
	}
	made->pollword = open.word;
	terminal->number = TTY_OPENED_NUMBER(open.opened);
	terminal->is_master = device == TTY_DEVICE_PTMX;
	terminal_enter(made, terminal);
	if (terminal->is_master) {
		result = terminal_node_create(terminal->number);
		terminal->is_master = result >= 0;
	}
	if (result < 0) {
		terminal->fs_file = 0;
		file_put(made);
		return result;
	}
	*file = made;
	return 0;
}

long sys_vhangup(struct shim_thread *t, const u64 *a)
{
	struct proc_credentials credentials;
	struct terminal_open open;
	long result = proc_credentials_get(0, &credentials);

	(void)a;
	if (result < 0)
		return result;
	if (!(credentials.effective >> PROC_CAP_SYS_TTY_CONFIG & 1))
		return -EPERM;
	if (terminal_open(t, TTY_DEVICE_CURRENT, TTY_OPEN_NOCTTY, &open) < 0)
		return 0; /* there is no terminal to hang up */
	result = tty_ioctl(open.handle, TIOCVHANGUP, 0, 0, 0);
	(void)tty_close(open.handle);
	return result == -TK_ECLOSED || result == -TK_ELOST || result == -TK_EFATAL || result > 0 ? 0 : result; /* a failure has hung up as well */
}

long device_open(struct shim_thread *t, u32 device_major, u32 device_minor, u32 flags, u64 fs_file, struct shim_file **file)
{
	if (device_major == MAJOR_SERIAL || device_major == MAJOR_TERMINAL || device_major == MAJOR_PTS)
		return device_minor < 256 ? terminal_file_open(t, TTY_DEVICE(device_major, device_minor), flags, fs_file, file) : -ENXIO;
	return -ENXIO;
}

long terminal_open_peer(struct shim_thread *t, struct shim_file *master, u32 flags)
{
	struct terminal_file *terminal = master->data;
	struct fs_open request = { .client = node_at(0, 0, 0).client, .flags = flags & (O_ACCMODE | O_NONBLOCK) };
	struct shim_file *file;
	u64 fs_file, info, word;
	char path[24];
	size_t size = node_path(path, sizeof(path), terminal->number);
	long result;

	if (!terminal->is_master)
		return -ENOTTY;
	result = fs_open(&request, path, size, &fs_file, &info, &word);
	if (result < 0)
		return result;
	result = terminal_file_open(t, TTY_DEVICE(MAJOR_PTS, terminal->number), flags, fs_file, &file);
	if (result < 0) {
		(void)fs_close(fs_file);
		return result;
	}
	return fd_install(t, file, flags, 0);
}
