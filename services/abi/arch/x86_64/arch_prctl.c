/* x86_64: arch_prctl, the bases of the FS and GS segments. */
#include "../../process.h"
#include <tessera/arch.h>

enum { ARCH_SET_GS = 0x1001, ARCH_SET_FS, ARCH_GET_FS, ARCH_GET_GS, ARCH_GET_CPUID = 0x1011, ARCH_SET_CPUID };

/* Sets a base by the registers; the rest of them stays as it is, and so does the call's result. */
static long base_set(u64 *base, u64 value, struct tk_regs *regs)
{
	if (value >= rt_boot->user_limit + PAGE_SIZE)
		return -EPERM;
	*base = value;
	regs->rax = 0;
	return tk_thread_regs_set(0, regs, TK_VECTOR_KEEP, 0, 0);
}

long sys_arch_prctl(struct shim_thread *t, const u64 *a)
{
	struct tk_regs regs;
	long error = tk_thread_regs_get(0, &regs);

	(void)t;
	if (error < 0)
		return error;
	switch ((u32)a[0]) {
	case ARCH_SET_FS:
		return base_set(&regs.fs_base, a[1], &regs);
	case ARCH_SET_GS:
		return base_set(&regs.gs_base, a[1], &regs);
	case ARCH_GET_FS:
		return user_copy_out(a[1], &regs.fs_base, sizeof(regs.fs_base));
	case ARCH_GET_GS:
		return user_copy_out(a[1], &regs.gs_base, sizeof(regs.gs_base));
	case ARCH_SET_CPUID:
		return -ENODEV; /* no processor that is asked for can hide CPUID */
	case ARCH_GET_CPUID:
		return 1;
	default:
		return -EINVAL;
	}
}
