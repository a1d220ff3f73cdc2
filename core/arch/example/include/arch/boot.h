/* What the boot path tells generic code; power; the core's console. Meaning of each: arch/x86_64/include/arch/boot.h. */
#ifndef ARCH_BOOT_H
#define ARCH_BOOT_H

#include <tessera/types.h>

#define BOOT_RAM_MAX 64
struct boot_ram { paddr_t start; u64 size; };
struct boot_facts {
	struct boot_ram ram[BOOT_RAM_MAX];
	u32 ram_count;
	paddr_t archive;
	u64 archive_size;
	paddr_t image_start, image_end;
	char command_line[512];
};
extern struct boot_facts boot_facts;

noreturn_fn void core_main(void);
noreturn_fn void core_main_secondary(void);
void arch_boot_platform(void);
void arch_smp_start(void);
void arch_console_write(const char *text, size_t length);
void arch_console_share(bool uart);
noreturn_fn void arch_power(u32 how, u32 status);

#endif
