/* TAP through the core's log: each test function counts failures by CHECK. */
#ifndef TAP_H
#define TAP_H

#include <runtime.h>

extern u32 tap_failures;
#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			log_line("# %s:%d: %s", __FILE__, __LINE__, #condition); \
			tap_failures++; \
		} \
	} while (0)

struct tap_test {
	const char *name;
	void (*run)(void);
};
extern const struct tap_test gate_tests[], thread_tests[], rule_tests[], attack_tests[]; /* ended by one without a name */

#endif
