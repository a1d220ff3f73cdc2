/* Layouts and numbers of System V IPC as Linux defines them on 64-bit machines. */
#ifndef ABI_IPC_H
#define ABI_IPC_H

#include <tessera/types.h>

#define EIDRM 43

enum { IPC_RMID = 0, IPC_SET = 1, IPC_STAT = 2, IPC_INFO = 3 };
enum {
	SEM_GETPID = 11, SEM_GETVAL = 12, SEM_GETALL = 13, SEM_GETNCNT = 14, SEM_GETZCNT = 15, SEM_SETVAL = 16, SEM_SETALL = 17,
	SEM_STAT = 18, SEM_INFO = 19, SEM_STAT_ANY = 20,
};

struct linux_ipc_perm {
	i32 key;
	u32 uid, gid, cuid, cgid, mode;
	u16 sequence, pad;
	u64 unused[2];
};
_Static_assert(sizeof(struct linux_ipc_perm) == 48, "ABI");
struct linux_semid_ds {
	struct linux_ipc_perm perm;
	i64 otime;
	u64 unused1;
	i64 ctime;
	u64 unused2;
	u64 count;
	u64 unused3[2];
};
_Static_assert(sizeof(struct linux_semid_ds) == 104, "ABI");
struct linux_seminfo { i32 map, mni, mns, mnu, msl, opm, ume, usz, vmx, aem; };
_Static_assert(sizeof(struct linux_seminfo) == 40, "ABI");

#endif
