/* Architecture contract: what a crossing into a domain sets. */
#ifndef ARCH_DOMAIN_H
#define ARCH_DOMAIN_H

#include <tessera/types.h>

struct arch_domain {
	u64 crossing;      /* IC1: offset of its struct arch_crossing in the entry page of each processor */
	u32 way;           /* how it is entered: ARCH_WAY_ of layout.h */
	u32 key;           /* protection key of its pages */
	u64 root;          /* IC2: its CR3; IC1 without keys: its own root; else 0: the client's root stays */
	u32 slot;          /* IC0 and IC1: slot of its areas */
	u32 reserved;
};

/* Where the areas of a unit lie: chosen at boot, told to the unit alone. size: from private on, of all that may hold its memory; 0: IC2. */
struct arch_area { vaddr_t private, window; u64 size; };
struct arch_area arch_area_of(u32 class, u32 slot);

struct domain;
/* Boot: all that a crossing needs, once its image is loaded and all processors are known. */
void arch_domain_init(struct domain *d);

#endif
