/* All tests, and what they share. */
#ifndef TESTS_H
#define TESTS_H

#include <stdio.h>

extern int test_failures;
#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition); \
			test_failures++; \
		} \
	} while (0)

unsigned long unit_random(void); /* the same numbers at every run */

void descriptors_lowest_first(void);
void descriptors_have_a_limit(void);
void descriptors_random_against_a_model(void);
void watches_tell_what_changed(void);
void poll_looks_and_waits(void);
void poll_of_many(void);
void select_sets(void);
void epoll_random_against_a_model(void);
void epoll_sets_in_sets(void);
void timerfd_counts(void);
void timerfd_follows_the_wall_clock(void);
void rtc_is_read(void);

#endif
