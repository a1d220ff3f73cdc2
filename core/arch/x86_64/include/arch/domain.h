/* Architecture contract: what a crossing into a domain sets. */
#ifndef ARCH_DOMAIN_H
#define ARCH_DOMAIN_H

#include <tessera/types.h>

struct arch_domain {
	u64 origin;        /* for arch_entry_page.origin: unit slot of IC1, 0 otherwise */
	u32 key_rights;    /* IA32_PKRS while it runs; 0 for IC0 and IC2 */
	u32 key;           /* protection key of its pages */
	u64 root;          /* IC2: its CR3; IC1 without keys: its own root; else 0: the client's root stays */
	u32 slot;          /* IC0 and IC1: slot of its areas */
	u32 reserved;
};

/* Where the areas of a unit lie: chosen at boot, told to the unit alone. size: from private on, of all that may hold its memory; 0: IC2. */
struct arch_area { vaddr_t private, window; u64 size; };
struct arch_area arch_area_of(u32 class, u32 slot);

#endif
