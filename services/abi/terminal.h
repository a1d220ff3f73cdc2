/* Terminals in the shim. */
#ifndef ABI_TERMINAL_H
#define ABI_TERMINAL_H

#include "shim.h"
#include "include/abi_ioctl.h"
#include <tty/tty_types.h>
#include <list.h>

struct terminal_file {
	struct list all;    /* all open terminals, for a restarted service */
	struct shim_file *file;
	u64 fs_file;        /* the device node's handle at fs */
	u32 device;         /* as it is opened again: what was opened, or the console by its own name */
	bool is_master;
	u32 number;         /* of a master's pair */
};
extern const struct shim_file_ops terminal_ops;
void terminal_enter(struct shim_file *file, struct terminal_file *terminal); /* the file is one of terminals from now on */
void terminals_look(void);  /* a unit runs again or stays down: terminals that it has forgotten are opened again, or lost */

/* An open of a terminal at the service; waits while that is restarted. */
struct terminal_open { u64 handle, opened; const struct tk_pollword *word; };
long terminal_open(struct shim_thread *t, u32 device, u32 flags, struct terminal_open *open) must_check;

/* device.c */
long terminal_open_peer(struct shim_thread *t, struct shim_file *master, u32 flags) must_check; /* TIOCGPTPEER: a new descriptor */
void terminal_node_remove(u32 number);   /* /dev/pts/N */

#endif
