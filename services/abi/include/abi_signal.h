/* Linux: structures of signal calls (the layouts of siginfo and sigaction are proc's, which hold the same bytes). */
#ifndef ABI_SIGNAL_H
#define ABI_SIGNAL_H

#include <tessera/types.h>

#define SIGSET_SIZE 8
#define SIGINFO_SIZE 128

#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2

#define SS_ONSTACK 1
#define SS_DISABLE 2
#define SS_AUTODISARM (1u << 31)
#define MINSIGSTKSZ 2048

struct linux_stack {
	u64 base;
	i32 flags, pad;
	u64 size;
};
_Static_assert(sizeof(struct linux_stack) == 24, "ABI");

/* As rt_sigaction takes it. */
struct linux_sigaction {
	u64 handler, flags, restorer, mask;
};
_Static_assert(sizeof(struct linux_sigaction) == 32, "ABI");

struct linux_sigevent {
	u64 value;
	i32 signal, notify;
	i32 tid;
	i32 pad[11];
};
_Static_assert(sizeof(struct linux_sigevent) == 64, "ABI");

#endif
