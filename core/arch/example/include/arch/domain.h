/* What a crossing into a domain sets. Meaning: arch/x86_64/include/arch/domain.h. */
#ifndef ARCH_DOMAIN_H
#define ARCH_DOMAIN_H

#include <tessera/types.h>

struct arch_domain {
	u64 origin;
	u32 key_rights, key;
	u64 root;
	u32 slot;
};

#endif
