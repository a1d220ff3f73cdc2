/* Self-relocation of the image: only R_X86_64_RELATIVE occurs in a static PIE of hidden symbols (ELF x86-64 psABI, 4.4.1). */
#include <elf64.h>
#include <tessera/arch.h>
#include "startup.h"

extern const struct elf_relocation rela_start[] __attribute__((visibility("hidden")));
extern const struct elf_relocation rela_end[] __attribute__((visibility("hidden")));

void image_relocate(char *base, u64 slide)
{
	for (const struct elf_relocation *r = rela_start; r < rela_end; r++)
		if ((u32)r->info == ARCH_ELF_RELATIVE)
			*(u64 *)(base + (r->offset - ARCH_IMAGE)) = r->addend + slide;
}
