/* Self-relocation of the image: only R_X86_64_RELATIVE occurs in a static PIE of hidden symbols (ELF x86-64 psABI, 4.4.1). */
#include "startup.h"

#define RELOCATION_RELATIVE 8

struct relocation { u64 offset, type; i64 addend; };
extern const struct relocation rela_start[] __attribute__((visibility("hidden")));
extern const struct relocation rela_end[] __attribute__((visibility("hidden")));

void image_relocate(char *base, u64 slide)
{
	for (const struct relocation *r = rela_start; r < rela_end; r++)
		if ((u32)r->type == RELOCATION_RELATIVE)
			*(u64 *)(base + (r->offset - ARCH_IMAGE)) = (u64)r->addend + slide;
}
