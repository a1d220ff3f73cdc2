/* Linux x86_64: poll, select and epoll. The level of a poll word holds these POLL bits. */
#ifndef ABI_POLL_H
#define ABI_POLL_H

#include <tessera/types.h>

#define POLLIN 0x0001
#define POLLPRI 0x0002
#define POLLOUT 0x0004
#define POLLERR 0x0008
#define POLLHUP 0x0010
#define POLLNVAL 0x0020
#define POLLRDNORM 0x0040
#define POLLRDBAND 0x0080
#define POLLWRNORM 0x0100
#define POLLWRBAND 0x0200
#define POLLMSG 0x0400
#define POLLRDHUP 0x2000
#define POLL_READABLE (POLLIN | POLLRDNORM)
#define POLL_WRITABLE (POLLOUT | POLLWRNORM)

struct linux_pollfd {
	i32 fd;
	i16 events;
	i16 revents;
};

#define EPOLL_CTL_ADD 1
#define EPOLL_CTL_DEL 2
#define EPOLL_CTL_MOD 3
#define EPOLLEXCLUSIVE (1u << 28)
#define EPOLLWAKEUP (1u << 29)
#define EPOLLONESHOT (1u << 30)
#define EPOLLET (1u << 31)
#define EPOLL_CLOEXEC 02000000

struct linux_epoll_event {
	u32 events;
	u64 data;
} __attribute__((packed));
_Static_assert(sizeof(struct linux_epoll_event) == 12, "ABI");

#define FD_SETSIZE_BITS 64 /* bits of one word of an fd_set */

#define EFD_SEMAPHORE 1
#define EFD_NONBLOCK 00004000
#define EFD_CLOEXEC 02000000
#define TFD_TIMER_ABSTIME 1
#define TFD_TIMER_CANCEL_ON_SET 2
#define TFD_NONBLOCK 00004000
#define TFD_CLOEXEC 02000000

#endif
