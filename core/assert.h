/*
 * A bug in the core: one line on the console and the report channel, then every processor stops.
 * Never for a value that came from a unit, an application or a device.
 */
#ifndef CORE_ASSERT_H
#define CORE_ASSERT_H

#include <tessera/types.h>

noreturn_fn void core_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define core_assert(condition) (likely(condition) ? (void)0 : core_panic("%s:%d: %s", __FILE__, __LINE__, #condition))
#define core_fail(what) core_panic("%s:%d: %s", __FILE__, __LINE__, what)

#endif
