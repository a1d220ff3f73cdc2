/* Where the core's structures have what the walk reads: `name value` lines, from the core's own headers. */
#include <stdio.h>
#include <tessera/types.h>
#include <tessera/arch.h>
#include <tessera/object.h>
#include <arch/layout.h>
#include "domain.h"
#include "frame.h"
#include "vspace.h"

#define SHOW(name, value) printf(name " %llu\n", (unsigned long long)(value))
#define OFFSET(type, member) SHOW(#type "." #member, offsetof(struct type, member))
#define SIZE(type) SHOW(#type, sizeof(struct type))
#define VALUE(constant) SHOW(#constant, constant)

static void structures_show(void)
{
	SIZE(domain);
	OFFSET(domain, arch.key);
	OFFSET(domain, arch.root);
	OFFSET(domain, arch.slot);
	OFFSET(domain, class);
	OFFSET(domain, unit);
	OFFSET(domain, root);
	OFFSET(domain, window);
	OFFSET(domain, private);
	OFFSET(domain, page);
	OFFSET(tk_domain_page, name);
	SIZE(frame_record);
	OFFSET(frame_record, type);
	OFFSET(frame_record, object_type);
	OFFSET(frame_record, owner);
	OFFSET(frame_record, flags);
	OFFSET(frame_record, pins);
	OFFSET(frame_record, map_count);
	OFFSET(frame_record, object);
	OFFSET(frame_record, holders);
	OFFSET(vspace, root);
	OFFSET(vspace, owner);
}

int main(void)
{
	structures_show();
	VALUE(FRAME_ABSENT);
	VALUE(FRAME_CORE);
	VALUE(FRAME_USER);
	VALUE(FRAME_TABLE);
	VALUE(FRAME_OBJECT);
	VALUE(FRAME_PRIVATE);
	VALUE(TK_OBJECT_VSPACE);
	VALUE(ARCH_PHYSMAP);
	VALUE(ARCH_RECORDS);
	SHOW("ARCH_UNITS_SLOT_FIRST", ARCH_KERNEL_UNIT_PRIVATE(0) >> 39 & 511); /* with nokaslr */
	VALUE(ARCH_UNITS_MAX);
	VALUE(ARCH_ENTRY);
	VALUE(ARCH_ENTRY_STRIDE);
	VALUE(ARCH_ENTRY_STACKS);
	VALUE(ARCH_ENTRY_STACK_STRIDE);
	VALUE(ARCH_DEVICES);
	VALUE(ARCH_IMAGE);
	VALUE(ARCH_KEY_CORE);
	VALUE(ARCH_KEY_CORE_RO);
	VALUE(ARCH_IC2_IMAGE_BASE);
	VALUE(ARCH_UNIT_STACKS);
	VALUE(ARCH_UNIT_HEAP);
	VALUE(ARCH_UNIT_BOOT);
	VALUE(ARCH_UNIT_CLOCK);
	return 0;
}
