/* Addresses that are not the raider's. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <tessera/types.h>

extern const u64 hostile_addresses[];
extern const u32 hostile_count;

#endif
