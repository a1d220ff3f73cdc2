/*
 * Harness of unit tests on the host: each test is a function, CHECK counts failures, main is TEST_MAIN(tests...). Prints TAP.
 * With arguments only the tests that they name run.
 */
#ifndef UNIT_HARNESS_H
#define UNIT_HARNESS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int unit_failures;

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition); \
			unit_failures++; \
		} \
	} while (0)

struct unit_test {
	const char *name;
	void (*run)(void);
};
#define TEST(function) { #function, function }

/* A generator of test input that is the same at every run (splitmix64). */
static inline unsigned long unit_random(void)
{
	static unsigned long state;
	unsigned long x = state += 0x9e3779b97f4a7c15ul;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ul;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebul;
	return x ^ (x >> 31);
}

/* names: what main got, of which the first is the program's own. */
static inline int unit_wanted(const struct unit_test *test, int count, char **names)
{
	for (int i = 1; i < count; i++)
		if (!strcmp(names[i], test->name))
			return 1;
	return count < 2;
}

static inline int unit_run(const struct unit_test *tests, int count, int name_count, char **names)
{
	int failed = 0, wanted = 0;

	for (int i = 0; i < count; i++)
		wanted += unit_wanted(&tests[i], name_count, names);
	printf("1..%d\n", wanted);
	for (int i = 0; i < count; i++) {
		if (!unit_wanted(&tests[i], name_count, names))
			continue;
		unit_failures = 0;
		tests[i].run();
		printf("%sok %d - %s\n", unit_failures ? "not " : "", i + 1, tests[i].name);
		fflush(stdout);
		failed += unit_failures != 0;
	}
	return failed != 0;
}

#define TEST_MAIN(...) \
	int main(int argc, char **argv) \
	{ \
		static const struct unit_test tests[] = { __VA_ARGS__ }; \
		return unit_run(tests, (int)(sizeof(tests) / sizeof(*tests)), argc, argv); \
	}

#endif
