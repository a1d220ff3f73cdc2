/* Features of the processor: found by CPUID, switched on alike on every processor. */
#include <arch/context.h>
#include <arch/cpu.h>
#include <arch/selectors.h>
#include "assert.h"
#include "cpu.h"
#include "features.h"
#include "log.h"
#include "processor.h"

#define CR0_MONITOR 0x2ull
#define CR0_EMULATION 0x4ull
#define CR0_NUMERIC 0x20ull
#define CR0_WRITE_PROTECT 0x10000ull
#define CR0_ALIGNMENT 0x40000ull   /* a program that sets AC is told of unaligned accesses */

#define CR4_PAE (1ull << 5)
#define CR4_MCE (1ull << 6)
#define CR4_PGE (1ull << 7)
#define CR4_OSFXSR (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP (1ull << 11)
#define CR4_FSGSBASE (1ull << 16)
#define CR4_OSXSAVE (1ull << 18)
#define CR4_SMEP (1ull << 20)
#define CR4_SMAP (1ull << 21)
#define CR4_PKS (1ull << 24)

#define VECTOR_LEAF 13
#define EFER_SYSCALL 0x1ull

#define XCR0_LEGACY 0x3ull      /* x87 and SSE */
#define XCR0_AVX 0x4ull
#define XCR0_AVX512 0xe0ull

/* PAT: the power-up table but for entry 7, which is write-combining. */
#define PAT_VALUE 0x0107040600070406ull

/* CF PF AF ZF SF TF IF DF OF IOPL NT RF AC ID: a program's flags do not reach the core. */
#define SYSCALL_FLAGS_CLEARED 0x257fd5ull

bool arch_has_keys;
struct features features;

extern char syscall_entry_keys[], syscall_entry_roots[];

static void features_find(void)
{
	struct cpuid one = cpuid_read(1, 0), seven = cpuid_read(7, 0), thirteen = cpuid_read(VECTOR_LEAF, 0);

	features.x2apic = one.ecx >> 21 & 1;
	features.deadline_timer = one.ecx >> 24 & 1;
	if (cpuid_read(0, 0).eax < VECTOR_LEAF || !(one.ecx >> 26 & 1) || !(seven.ebx & 1))
		core_fail("the processor lacks XSAVE or FSGSBASE (x86-64 of 2013 and later has both)");
	features.smep = seven.ebx >> 7 & 1;
	features.smap = seven.ebx >> 20 & 1;
	features.umip = seven.ecx >> 2 & 1;
	arch_has_keys = seven.ecx >> 31 & 1;
	features.hypervisor = one.ecx >> 31 & 1;
	arch_vector_features = XCR0_LEGACY;
	if (thirteen.eax & XCR0_AVX)
		arch_vector_features |= XCR0_AVX;
	if (arch_vector_features & XCR0_AVX && (thirteen.eax & XCR0_AVX512) == XCR0_AVX512)
		arch_vector_features |= XCR0_AVX512;
}

static u64 cr4_wanted(void)
{
	u64 v = CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE | CR4_OSXSAVE;

	if (features.umip)
		v |= CR4_UMIP;
	if (features.smep)
		v |= CR4_SMEP;
	if (features.smap)
		v |= CR4_SMAP;
	/* Global pages outlive a change of root, so they may exist only where keys, not roots, part the units from the core. */
	if (arch_has_keys)
		v |= CR4_PKS | CR4_PGE;
	return v;
}

static void xcr0_write(u64 v)
{
	__asm__ volatile("xsetbv" : : "c"(0), "a"((u32)v), "d"((u32)(v >> 32)));
}

void arch_cpu_features_init(void)
{
	if (arch_cpu()->arch.processor == 0)
		features_find();
	cr0_write((cr0_read() & ~CR0_EMULATION) | CR0_MONITOR | CR0_NUMERIC | CR0_WRITE_PROTECT | CR0_ALIGNMENT);
	cr4_write(cr4_wanted());
	xcr0_write(arch_vector_features);
	arch_vector_size = cpuid_read(VECTOR_LEAF, 0).ebx; /* with these components on */
	core_assert(arch_vector_size <= sizeof(((struct arch_vector *)0)->area));
	if (arch_has_keys)
		msr_write(MSR_PKRS, 0);
	msr_write(MSR_PAT, PAT_VALUE);
	msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SYSCALL);
	msr_write(MSR_STAR, (u64)ARCH_SELECTOR_SYSRET << 48 | (u64)ARCH_SELECTOR_CORE_CODE << 32);
	msr_write(MSR_LSTAR, (u64)(arch_has_keys ? syscall_entry_keys : syscall_entry_roots));
	msr_write(MSR_SFMASK, SYSCALL_FLAGS_CLEARED);
	msr_write(MSR_SYSENTER_CS, 0); /* SYSENTER faults */
	msr_write(MSR_FS_BASE, 0);
	msr_write(MSR_KERNEL_GS_BASE, 0);
}

void features_report(void)
{
	core_log("processor:%s%s%s%s%s%s, vector state %lx", arch_has_keys ? " keys" : " no-keys", features.smep ? " smep" : "",
		features.smap ? " smap" : "", features.umip ? " umip" : "",
		features.x2apic ? " x2apic" : "", features.deadline_timer ? " deadline-timer" : "", arch_vector_features);
}
