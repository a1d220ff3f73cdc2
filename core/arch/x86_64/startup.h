/*
 * The boot path of x86_64, private to this folder. Two stages: start_early runs at the image's physical address on the identity map,
 * before pointers in static data are right; start_high runs at the final addresses.
 */
#ifndef X86_64_STARTUP_H
#define X86_64_STARTUP_H

#include <tessera/types.h>
#include <arch/boot.h>
#include "cpu.h"

/* hvm_start_info of Xen's direct boot ABI, version 1 (xen/include/public/arch-x86/hvm/start_info.h). */
struct hvm_start_info {
	u32 magic, version, flags, module_count;
	u64 modules, command_line, rsdp, memory_map;
	u32 memory_map_count, reserved;
};
#define HVM_START_MAGIC 0x336ec578
struct hvm_module { u64 address, size, command_line, reserved; };
struct hvm_memory { u64 address, size; u32 type, reserved; };
enum hvm_memory_type { HVM_MEMORY_RAM = 1, HVM_MEMORY_ACPI = 3, HVM_MEMORY_NVS = 4 }; /* Multiboot 2 has the same */

#define EARLY_LIMIT (1ull << 32)                  /* the identity map ends */
#define PHYSMAP_LIMIT (1ull << 39)                /* the map of all memory ends */
#define DEVICES_SIZE (1ull << 32)                 /* device registers are mapped at layout.devices + physical address */
#define MEMORY_MAP_MAX 96
#define LARGE_SIZE 0x200000ull
#define HUGE_SIZE 0x40000000ull

#pragma GCC visibility push(hidden) /* reached before relocation, without a table of addresses */
extern paddr_t start_rsdp;                        /* 0: search for it */
extern struct hvm_memory memory_map[MEMORY_MAP_MAX];
extern u32 memory_map_count;
extern u64 start_counter;                         /* time counter at entry */
extern u64 boot_root[512];                        /* early tables: identity; then for the other processors' start */
extern char boot_stack_top[];
extern u64 __stack_chk_guard;
#pragma GCC visibility pop

/* What a loader says, in its memory: facts_set copies all of it. Fields are 0 when there is no such thing. */
struct loader_facts { paddr_t archive; u64 archive_size; const char *command_line; };
void facts_memory_add(u64 address, u64 size, u32 type);
bool facts_set(const struct loader_facts *loader);
/* facts.c, multiboot.c: boot_facts from the loader's; true when it is complete. */
bool facts_read(const struct hvm_start_info *info);
bool facts_read_multiboot(const void *info);

/* layout.c: where areas lie in this boot. What runs before layout_apply, or seldom, takes their bases from here; see ARCH_MOVED. */
struct layout { u64 slide, physmap, records, entry, entry_stacks, devices; };
extern struct layout layout __attribute__((visibility("hidden")));
void layout_choose(void);
/* On the identity map: pointers in static data get the image's slide, code that holds bases as constants gets the bases. */
void layout_apply(void);
void layout_report(void);                         /* to the log, with the option `layout` */
void layout_slots_prepare(void);                  /* reads the manifest; with all that the kernel half will ever have in its top table */

/* map.c: builder of the kernel root's tables at boot. flags: as of arch_page_entry */
paddr_t map_page_take(void);                      /* a zeroed page for tables and processor areas */
void map_range(vaddr_t address, paddr_t physical, u64 size, u64 flags);
void map_prepare_slot(vaddr_t address);           /* the table below the top table exists: every later root has it */
bool map_present(vaddr_t address);
/* Physical memory outside RAM (firmware tables), readable at the returned address afterwards; NULL if out of reach. */
void *map_firmware(paddr_t physical, u64 size);
/* Device registers, uncached. */
volatile void *map_device(paddr_t physical, u64 size);
/* Pages come from boot_facts.ram, on the identity map; through the final map; from frame_boot_alloc. */
enum map_stage { MAP_EARLY, MAP_HIGH, MAP_FRAMES };
extern enum map_stage map_stage __attribute__((visibility("hidden")));

/* idt.c: the interrupt descriptor table, the same for every processor. page: zeroed, key CORE_RO */
void idt_init(void *page);
void idt_load(void);                              /* on each processor */

/* percpu.c */
struct cpu *percpu_create(u32 id);                /* maps the entry area of processor id and fills GDT and TSS */
void percpu_load(struct cpu *cpu);                /* on that processor: GDT, TSS, GS */

/* page_root.c: fills the root of an IC1 unit on processors without protection keys: its two slots, entry code and data only. */
void root_init_unit(paddr_t root, u32 slot);

noreturn_fn void start_early(const void *info, bool multiboot);
noreturn_fn void start_leave(u64 root, u64 stack, void (*next)(void));
noreturn_fn void start_secondary(struct cpu *cpu);

#endif
