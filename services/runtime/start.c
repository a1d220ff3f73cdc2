/* The start of a unit's runtime. */
#include <runtime_unit.h>

const struct tk_boot_info *rt_boot;

void runtime_start(const struct tk_boot_info *boot)
{
	rt_boot = boot;
	if (boot->magic != TK_BOOT_MAGIC)
		unit_fail(__FILE__, __LINE__, "the boot page has another magic number");
	heap_start();
	random_start();
}
