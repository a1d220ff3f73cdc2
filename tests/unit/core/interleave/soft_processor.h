/* Stands for core/arch/x86_64/processor.h where tlb.c is explored: the translation buffers are those of machine.c. */
#ifndef X86_64_PROCESSOR_H
#define X86_64_PROCESSOR_H

#include <tessera/types.h>

static inline u64 cr3_read(void) { return 0; }
static inline u64 cr4_read(void) { return 0; }
static inline void cr4_write(u64 value) { (void)value; }
void cr3_write(u64 root);      /* all translations of this processor are gone */
void invlpg(vaddr_t address);  /* that of one page */

#endif
