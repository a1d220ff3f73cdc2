/* Architecture contract: what the boot path tells generic code; power; the serial console and report channel of the core. */
#ifndef ARCH_BOOT_H
#define ARCH_BOOT_H

#include <tessera/types.h>

#define BOOT_RAM_MAX 64
struct boot_ram { paddr_t start; u64 size; };
struct boot_facts {
	struct boot_ram ram[BOOT_RAM_MAX];    /* usable RAM, sorted, page-aligned, without image, archive and the first MiB */
	u32 ram_count;
	paddr_t archive;                      /* initial file system archive, page-aligned or moved so; 0 none */
	u64 archive_size;
	paddr_t image_start, image_end;       /* physical */
	char command_line[512];
};
extern struct boot_facts boot_facts __attribute__((visibility("hidden")));

/* core/main.c: called on the boot processor's core stack with the final page tables; does not return. */
noreturn_fn void core_main(void);
/* Called on each further processor when it is ready to schedule. */
noreturn_fn void core_main_secondary(void);
/* After frame_init: the firmware's tables, this processor's interrupt controller. */
void arch_boot_platform(void);
/* Starts the other processors, one after the other; each calls core_main_secondary. */
void arch_smp_start(void);

/* Polled output. The report channel (port 0xe9) gets everything; the UART only until a unit owns the console. */
void arch_console_write(const char *text, size_t length);
void arch_console_share(bool uart); /* false when a unit first drives it: only the report channel from then on; true again as the core ends */
noreturn_fn void arch_power(u32 how, u32 status); /* enum tk_power */

#endif
