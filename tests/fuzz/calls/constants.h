/* Every header whose constants calls.desc names, and the few that no header of Debian 12 has. */
#ifndef FUZZ_CONSTANTS_H
#define FUZZ_CONSTANTS_H

#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <linux/rtc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#ifndef FUTEX_32
#define FUTEX_32 2
#endif
#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ul
#endif
#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17
#endif
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

/* A handler that returns at once, and the way back from it. */
void interruption_handle(int number);
void frame_restore(void);
#define SA_RESTORER 0x4000000
#define HANDLER interruption_handle
#define RESTORER frame_restore

/* Strings that stand where a value is chosen from a list. */
#define FSNAME_TMPFS "tmpfs"
#define FSNAME_PROC "proc"
#define FSNAME_SYSFS "sysfs"
#define FSNAME_DEVPTS "devpts"
#define FSNAME_NONE ""
#define FILE_PTMX "/dev/ptmx"

#endif
