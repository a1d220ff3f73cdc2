/* What the processor has beside what is required: XSAVE and FSGSBASE. Filled on the boot processor before anything else runs; the others are taken to be alike. */
#ifndef X86_64_FEATURES_H
#define X86_64_FEATURES_H

#include <tessera/types.h>

struct features {
	bool smep, smap, umip;
	bool x2apic, deadline_timer;
	bool hypervisor;
};
extern struct features features;

void features_report(void);

#endif
