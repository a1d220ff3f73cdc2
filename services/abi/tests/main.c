#include "tests.h"

int test_failures;

unsigned long unit_random(void)
{
	static unsigned long state;
	unsigned long x = state += 0x9e3779b97f4a7c15ul;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ul;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebul;
	return x ^ (x >> 31);
}

int main(void)
{
	static const struct { const char *name; void (*run)(void); } tests[] = {
		{ "the lowest descriptor is taken", descriptors_lowest_first },
		{ "descriptors have a limit", descriptors_have_a_limit },
		{ "descriptors at random, against a model", descriptors_random_against_a_model },
		{ "a set of watches tells what changed", watches_tell_what_changed },
		{ "poll looks, waits and times out", poll_looks_and_waits },
		{ "poll of many descriptors", poll_of_many },
		{ "select", select_sets },
		{ "epoll at random, against a model", epoll_random_against_a_model },
		{ "epoll sets in sets", epoll_sets_in_sets },
		{ "timerfd counts", timerfd_counts },
		{ "timerfd follows the wall clock", timerfd_follows_the_wall_clock },
		{ "the real-time clock is read", rtc_is_read },
	};
	int count = sizeof(tests) / sizeof(*tests), failed = 0;

	printf("1..%d\n", count);
	for (int i = 0; i < count; i++) {
		test_failures = 0;
		tests[i].run();
		printf("%sok %d - %s\n", test_failures ? "not " : "", i + 1, tests[i].name);
		fflush(stdout);
		failed += test_failures != 0;
	}
	return failed != 0;
}
