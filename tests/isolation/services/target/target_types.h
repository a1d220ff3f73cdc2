/* What crosses the gate to the service `target`. */
#ifndef TARGET_TYPES_H
#define TARGET_TYPES_H

#include <tessera/types.h>

struct target_pair {
	u64 a, b;
	u8 rest[41];
};

#endif
