/* Builds that do not follow locks: see lock_debug.c. */
#include <runtime_unit.h>

void lock_wanted(const struct rt_lock *lock, const void *place) { (void)lock, (void)place; }
void lock_taken(const struct rt_lock *lock, const void *place) { (void)lock, (void)place; }
void lock_left(const struct rt_lock *lock) { (void)lock; }
void lock_none(const char *what) { (void)what; }
void lock_none_at_copy(void) { }
