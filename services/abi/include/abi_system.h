/* What the system calls itself: uname(2), /proc/version and /proc/sys/kernel. Programs look for Linux and its version. */
#ifndef ABI_SYSTEM_H
#define ABI_SYSTEM_H

#define SYSTEM_NAME "Linux"
#define SYSTEM_RELEASE "6.1.0-tessera"
#define SYSTEM_VERSION "#1 SMP Tessera"
#define SYSTEM_MACHINE "x86_64"

#endif
