/*
 * Terminals of the service. A terminal's fields are guarded by its lock, which is never held over a user copy or a call of proc.
 * Behaviour follows Linux's n_tty, which termios(3) only outlines: the tests compare both.
 */
#ifndef TTY_H
#define TTY_H

#include <runtime.h>
#include "tty_types.h"
#include <abi/include/abi_termios.h>
#include <abi/include/abi_ioctl.h>
#include <abi/include/abi_poll.h>

#define INPUT_SIZE 4096u       /* power of two; a line of 4095 characters at most, as Linux */
#define OUTPUT_SIZE 8192u      /* power of two */
#define OUTPUT_ECHO_ROOM 512u  /* of it only for echoes */
#define OUTPUT_LOW 256u        /* writable again below so many bytes */

struct terminal;
/* What carries the characters; called with the terminal's lock held. */
struct terminal_driver {
	void (*transmit)(struct terminal *);       /* output waits in the ring, or may go on */
	void (*input_room)(struct terminal *);     /* the reader made room */
	bool (*drained)(struct terminal *);        /* all that left the ring is on the wire */
	void (*settings)(struct terminal *);       /* termios changed */
	bool modem;                                /* has modem lines */
};

struct terminal {
	struct rt_lock lock;
	u32 device;                       /* its name to proc */
	const struct terminal_driver *driver;
	void *driver_data;
	struct tk_pollword *word;
	u32 opens, master_opens;          /* gate.c's, under its lock */
	u32 holds;                        /* opens and calls under way: gate.c's, under its lock */
	bool exclusive;                   /* TIOCEXCL */
	bool gone;                        /* hung up for good: the master is closed */
	i32 session;                      /* the last that took it as controlling terminal */
	bool drain_waits;                 /* somebody waits until all output has left */
	struct linux_termios2 termios;
	struct linux_winsize size;
	bool settled;                     /* somebody has set them since the service started */
	/* Input: positions count up; index is position % INPUT_SIZE. */
	u32 input_head, input_tail, line_head;  /* line_head: end of the last complete line */
	bool literal_next, erasing, pushed;     /* pushed: the end of line was made by a switch to canonical mode */
	u32 signals;                      /* bits of signals to send to the foreground group once the lock is free */
	u8 input[INPUT_SIZE];
	u64 line_ends[INPUT_SIZE / 64];
	/* Output. */
	u32 output_head, output_tail;
	u32 column, line_column;          /* of the cursor; where the line being typed began */
	u32 column_sent, line_column_sent;/* the same when output was last handed to the driver */
	bool stopped;                     /* by STOP or TCOOFF */
	bool stopped_by_call;             /* TCOOFF: only TCOON starts again */
	u8 output[OUTPUT_SIZE];
};

/* Flags of termios, as questions. */
static inline bool input_flag(const struct terminal *t, u32 flag) { return t->termios.c_iflag & flag; }
static inline bool output_flag(const struct terminal *t, u32 flag) { return t->termios.c_oflag & flag; }
static inline bool local_flag(const struct terminal *t, u32 flag) { return t->termios.c_lflag & flag; }
static inline bool canonical(const struct terminal *t) { return (t->termios.c_lflag & (ICANON | EXTPROC)) == ICANON; }
/* c is the control character `which`, which is not switched off. */
static inline bool control_character(const struct terminal *t, u32 which, u8 c) { return c && t->termios.c_cc[which] == c; }
static inline bool character_is_control(u8 c) { return c < 32 || c == 127; }
/* Letters as Linux's table for Latin-1 has them. */
static inline bool character_is_upper(u8 c) { return (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7); }
static inline bool character_is_lower(u8 c) { return (c >= 'a' && c <= 'z') || (c >= 0xdf && c != 0xf7); }
static inline bool character_continues(const struct terminal *t, u8 c) { return input_flag(t, IUTF8) && (c & 0xc0) == 0x80; }

/* terminal.c */
bool terminal_init(struct terminal *t, u32 device, const struct terminal_driver *driver) must_check;
void terminal_update(struct terminal *t, bool happened); /* recomputes the level; happened: counts an event even if it is the same */
u32 terminal_level(struct terminal *t);
void terminal_signals_send(struct terminal *t);   /* without the lock: sends what the discipline noted */
void terminal_transmit(struct terminal *t);       /* lets the driver go on, and tells who waits for room */
/* Characters came: the level, and an event if a reader could want to know. Heads are those before. */
void terminal_received(struct terminal *t, u32 input_head, u32 line_head);
void terminal_flush(struct terminal *t, bool input, bool output);
void termios_apply(struct terminal *t, const struct linux_termios2 *settings);

/* input.c */
u32 input_count(const struct terminal *t);        /* characters in the buffer */
bool input_ready(const struct terminal *t, bool for_poll);
u32 input_room(struct terminal *t);               /* characters that input_receive takes now */
/* One character from the line; false when there is no room. The caller sends the signals and updates the level. */
bool input_receive(struct terminal *t, u8 c);
enum input_fault { INPUT_BREAK, INPUT_PARITY };
void input_receive_fault(struct terminal *t, u8 c, enum input_fault fault);
/* Takes characters for a reader: at most a line in canonical mode. *end: the read is complete even if it is short. */
u32 input_take(struct terminal *t, u8 *to, u32 capacity, bool *end);
/* An EOF directly behind what a full read took goes with it, so that the next read does not see an end of file. */
void input_skip_end(struct terminal *t);

/* echo.c */
void echo_character(struct terminal *t, u8 c);    /* control characters as ^X */
void echo_raw(struct terminal *t, u8 c);
void echo_line_begin(struct terminal *t);         /* notes the column if no character of a line is there yet */
void echo_erasing_end(struct terminal *t);
void input_erase(struct terminal *t, u8 c);

/* output.c */
u32 output_count(const struct terminal *t);
u32 output_room(const struct terminal *t);        /* for writers */
void output_put(struct terminal *t, u8 c);        /* straight into the ring; lost when it is full */
bool output_character(struct terminal *t, u8 c, u32 room); /* with OPOST's changes; false: they need more room */
u32 output_write(struct terminal *t, const u8 *from, u32 size); /* the number taken */
bool output_get(struct terminal *t, u8 *c);       /* for the driver; false: empty or stopped */
void output_start(struct terminal *t);
void output_stop(struct terminal *t);

/* gate.c: opens; one in use is a copy which holds the terminal */
struct terminal_open {
	u64 generation;
	u32 caller;
	struct terminal *terminal;        /* NULL: free */
	bool master, console, hung;
};
/* Ends all opens but the console's and masters; for_good: nothing comes any more. Without the lock. */
void terminal_hangup(struct terminal *t, bool for_good);
void terminal_attached(struct terminal *t);       /* notes the session that has it now */
void terminal_hold(struct terminal *t);

/* transfer.c */
long terminal_read(const struct terminal_open *open, vaddr_t data, u64 size, u32 flags, u64 *wait);
long terminal_write(const struct terminal_open *open, vaddr_t data, u64 size);

/* settings.c, control.c: the operation ioctl of an open */
struct ioctl_request { u32 command; u64 argument; vaddr_t data; u64 size; };
#define IOCTL_UNKNOWN 1l
long ioctl_settings(const struct terminal_open *open, const struct ioctl_request *r); /* IOCTL_UNKNOWN: not its own */
long ioctl_control(const struct terminal_open *open, const struct ioctl_request *r);
long ioctl_copy_out(const struct ioctl_request *r, const void *from, size_t size);
long ioctl_copy_in(const struct ioctl_request *r, void *to, size_t size);
long job_control(const struct terminal_open *open, u32 signal);

/* serial.c: the console */
extern struct terminal serial_terminal;
bool serial_init(void);
noreturn_fn void serial_serve(void);

/* pair.c: pseudo-terminals. The terminal is the slave; the master reads its output and types its input. */
struct terminal *pair_create(void) must_check;               /* held for its master; NULL when there are too many */
struct terminal *pair_find(u32 device);                      /* the slave, held, if it may be opened; else NULL */
struct tk_pollword *pair_master_word(struct terminal *t);
void pair_opened(struct terminal *t);                        /* its slave side */
void pair_closed(struct terminal *t, bool master, bool last); /* without the lock; last: no other open of this side */
void pair_release(struct terminal *t);                       /* nobody holds it any more */
long pair_read(struct terminal *t, vaddr_t data, u64 size);
long pair_write(struct terminal *t, vaddr_t data, u64 size);
long pair_ioctl(const struct terminal_open *open, const struct ioctl_request *r); /* TIOCGPTN and its kin, or IOCTL_UNKNOWN */

#endif
