/* The start of a unit's runtime. */
#include <runtime_unit.h>

FRESH const struct tk_boot_info *rt_boot;
static FRESH long start_result;

void runtime_start(const struct tk_boot_info *boot)
{
	rt_boot = boot;
	if (boot->magic != TK_BOOT_MAGIC)
		unit_fail(__FILE__, __LINE__, "the boot page has another magic number");
	if (!stable_start(boot)) {
		heap_start();
		random_start();
		return;
	}
	if (!start_result && !(heap_recover() && pollword_recover()))
		rt_start_fail("the memory that it kept can't be used");
	random_recover();
}

void rt_start_fail(const char *why)
{
	log_line("it can't be started again: %s", why);
	start_result = -EIO;
}

long rt_start_result(void)
{
	return start_result;
}
