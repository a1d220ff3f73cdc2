/*
 * The one list of errors. Functions return them negated; 0 and above is success.
 * The numbers are those of the Linux ABI, so that the shim hands them through unchanged; those that somebody returns.
 */
#ifndef TESSERA_ERRNO_H
#define TESSERA_ERRNO_H

#define EPERM 1
#define ENOENT 2
#define ESRCH 3
#define EINTR 4
#define EIO 5
#define ENXIO 6
#define E2BIG 7
#define ENOEXEC 8
#define EBADF 9
#define ECHILD 10
#define EAGAIN 11
#define ENOMEM 12
#define EACCES 13
#define EFAULT 14
#define EBUSY 16
#define EEXIST 17
#define EXDEV 18
#define ENODEV 19
#define ENOTDIR 20
#define EISDIR 21
#define EINVAL 22
#define ENFILE 23
#define EMFILE 24
#define ENOTTY 25
#define ETXTBSY 26
#define EFBIG 27
#define ENOSPC 28
#define ESPIPE 29
#define EROFS 30
#define EMLINK 31
#define EPIPE 32
#define ERANGE 34
#define EDEADLK 35
#define ENAMETOOLONG 36
#define ENOLCK 37
#define ENOSYS 38
#define ENOTEMPTY 39
#define ELOOP 40
#define EOVERFLOW 75
#define EOPNOTSUPP 95
#define ETIMEDOUT 110
#define ECANCELED 125
#define EOWNERDEAD 130

/* How a call ended that a unit which keeps its state did not answer (docs/recovery.md); others answer -EAGAIN and -EIO. */
#define TK_ECLOSED 530 /* it did not begin: the unit is about to be restarted */
#define TK_ELOST 531   /* the unit died meanwhile: nobody knows how far the call got */
#define TK_EFATAL 532  /* the same, and it was this call that it died of */

#endif
