/* What a crossing into a domain sets. Meaning: arch/x86_64/include/arch/domain.h. */
#ifndef ARCH_DOMAIN_H
#define ARCH_DOMAIN_H

#include <tessera/types.h>

struct arch_domain {
	u64 root;
	u32 key, slot;
};

struct arch_area { vaddr_t private, window; u64 size; };
struct arch_area arch_area_of(u32 class, u32 slot);
struct domain;
void arch_domain_init(struct domain *d);

#endif
