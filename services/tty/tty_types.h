/*
 * Terminals: what callers of the service name. A terminal handle is one open of a terminal; it is the caller's alone.
 * Structs of ioctl arguments are Linux's own: services/abi/include/abi_termios.h.
 */
#ifndef TTY_TYPES_H
#define TTY_TYPES_H

#include <tessera/types.h>
#include <abi/include/abi_termios.h>

/* Device numbers, as Linux's: major << 8 | minor. */
#define TTY_DEVICE(major, minor) ((u32)((major) << 8 | (minor)))
#define TTY_DEVICE_CURRENT TTY_DEVICE(5, 0)  /* /dev/tty: the caller's controlling terminal */
#define TTY_DEVICE_CONSOLE TTY_DEVICE(5, 1)
#define TTY_DEVICE_PTMX TTY_DEVICE(5, 2)     /* each open makes a pair and opens its master */
#define TTY_DEVICE_SERIAL TTY_DEVICE(4, 64)
#define TTY_DEVICE_PTS TTY_DEVICE(136, 0)    /* slaves: minor 0 to TTY_PAIRS_MAX - 1 */
#define TTY_PAIRS_MAX 64
/* Out word `opened`: the device, and for a master the number of its pair. */
#define TTY_OPENED(device, number) ((u64)(device) | (u64)(number) << 32)
#define TTY_OPENED_DEVICE(opened) ((u32)(opened))
#define TTY_OPENED_NUMBER(opened) ((u32)((opened) >> 32))

enum tty_open_flags {
	TTY_OPEN_NOCTTY = 1,   /* do not become the caller's controlling terminal */
};
enum tty_read_flags {
	TTY_READ_NONBLOCK = 1, /* take what is there; -EAGAIN if nothing is */
	TTY_READ_TAKE = 2,     /* the timer which `wait` asked for has run out, or a signal came: take what is there, even nothing */
};

struct tty_settings {
	struct linux_termios2 termios;
	struct linux_winsize size;
};

#endif
