/* /proc/cpuinfo, from what the processor says of itself (CPUID). */
#include "../../proc.h"

struct leaf { u32 a, b, c, d; };

static struct leaf cpuid(u32 number, u32 sub)
{
	struct leaf leaf;

	__asm__ volatile("cpuid" : "=a"(leaf.a), "=b"(leaf.b), "=c"(leaf.c), "=d"(leaf.d) : "a"(number), "c"(sub));
	return leaf;
}

/* Names of feature bits as Linux has them, from bit 0 up; empty ones are not shown. */
static const char *const basic_d[32] = {
	"fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", NULL, "sep", "mtrr", "pge", "mca", "cmov", "pat", "pse36", "pn",
	"clflush", NULL, "dts", "acpi", "mmx", "fxsr", "sse", "sse2", "ss", "ht", "tm", NULL, "pbe",
};
static const char *const extended_d[32] = {
	[11] = "syscall", [20] = "nx", [22] = "mmxext", [25] = "fxsr_opt", [26] = "pdpe1gb", [27] = "rdtscp", [29] = "lm",
};
static const char *const basic_c[32] = {
	"pni", "pclmulqdq", [9] = "ssse3", [12] = "fma", [13] = "cx16", [17] = "pcid", [19] = "sse4_1", [20] = "sse4_2", [21] = "x2apic",
	[22] = "movbe", [23] = "popcnt", [24] = "tsc_deadline_timer", [25] = "aes", [26] = "xsave", [28] = "avx", [29] = "f16c",
	[30] = "rdrand", [31] = "hypervisor",
};
static const char *const extended_c[32] = { [0] = "lahf_lm", [5] = "abm", [6] = "sse4a", [8] = "3dnowprefetch" };
static const char *const structured_b[32] = {
	"fsgsbase", "tsc_adjust", [3] = "bmi1", [5] = "avx2", [7] = "smep", [8] = "bmi2", [9] = "erms", [10] = "invpcid", [16] = "avx512f",
	[18] = "rdseed", [19] = "adx", [20] = "smap", [23] = "clflushopt", [24] = "clwb", [29] = "sha_ni", [30] = "avx512bw", [31] = "avx512vl",
};
static const char *const structured_c[32] = { [2] = "umip", [3] = "pku", [4] = "ospke", [16] = "la57", [22] = "rdpid" };

static void flags_add(struct fs_text *text, u32 bits, const char *const names[32])
{
	u32 i;

	for (i = 0; i < 32; i++)
		if ((bits >> i & 1) && names[i])
			fs_text_add(text, " %s", names[i]);
}

static void name_add(struct fs_text *text)
{
	struct leaf parts[3];
	char name[49];
	const char *start = name;
	u32 i;

	for (i = 0; i < 3; i++)
		parts[i] = cpuid(0x80000002u + i, 0);
	memcpy(name, parts, sizeof(parts));
	name[48] = 0;
	while (*start == ' ')
		start++;
	fs_text_add(text, "model name\t: %s\n", start);
}

static void processor_add(struct fs_text *text, u32 number)
{
	struct leaf vendor = cpuid(0, 0), one = cpuid(1, 0), seven = cpuid(7, 0), extended = cpuid(0x80000001u, 0), sizes = cpuid(0x80000008u, 0);
	const struct tk_clock_page *clock = (const struct tk_clock_page *)rt_boot->clock;
	u32 family = one.a >> 8 & 15, model = one.a >> 4 & 15;
	u64 hertz = clock->counter_hertz;
	char name[13];

	memcpy(name, &vendor.b, 4);
	memcpy(name + 4, &vendor.d, 4);
	memcpy(name + 8, &vendor.c, 4);
	name[12] = 0;
	if (family == 6 || family == 15)
		model |= one.a >> 12 & 0xf0;
	if (family == 15)
		family += one.a >> 20 & 0xff;
	fs_text_add(text, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n", number, name, family, model);
	name_add(text);
	fs_text_add(text, "stepping\t: %u\ncpu MHz\t\t: %llu.%03llu\nphysical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\n",
		one.a & 15, (unsigned long long)(hertz / 1000000), (unsigned long long)(hertz / 1000 % 1000), rt_boot->processors, number,
		rt_boot->processors);
	fs_text_add(text, "fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %u\nwp\t\t: yes\nflags\t\t:", vendor.a);
	flags_add(text, one.d, basic_d);
	flags_add(text, extended.d, extended_d);
	flags_add(text, one.c, basic_c);
	flags_add(text, extended.c, extended_c);
	flags_add(text, seven.b, structured_b);
	flags_add(text, seven.c, structured_c);
	fs_text_add(text, "\nbugs\t\t:\nbogomips\t: %llu.%02llu\nclflush size\t: %u\ncache_alignment\t: 64\n"
		"address sizes\t: %u bits physical, %u bits virtual\npower management:\n\n", (unsigned long long)(hertz / 500000),
		(unsigned long long)(hertz / 5000 % 100), (one.b >> 8 & 0xff) * 8, sizes.a & 0xff, sizes.a >> 8 & 0xff);
}

long fs_proc_cpuinfo_show(struct fs_text *text, const struct fs_inode *inode)
{
	u32 i;

	(void)inode;
	for (i = 0; i < rt_boot->processors; i++)
		processor_add(text, i);
	return 0;
}
