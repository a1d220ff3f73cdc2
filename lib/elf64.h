/* Headers of ELF files (ELF-64 Object File Format, System V ABI chapter 5). Whoever reads them checks what they say. */
#ifndef LIB_ELF64_H
#define LIB_ELF64_H

#include <stdint.h>

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, program_offset, section_offset;
	uint32_t flags;
	uint16_t header_size, program_entry_size, program_count, section_entry_size, section_count, section_names;
};
struct elf_program_header {
	uint32_t type, flags;
	uint64_t offset, address, physical, file_size, memory_size, alignment;
};
struct elf_dynamic { uint64_t tag, value; };
struct elf_relocation { uint64_t offset, info, addend; }; /* info: its type in the low half */
_Static_assert(sizeof(struct elf_header) == 64, "ABI");
_Static_assert(sizeof(struct elf_program_header) == 56, "ABI");

#define ELF_IDENT "\177ELF\2\1\1" /* 64 bits, little-endian, version 1 */
#define ELF_IDENT_SIZE 7
enum elf_type { ELF_TYPE_EXECUTABLE = 2, ELF_TYPE_DYNAMIC = 3 };
enum elf_segment_type { ELF_LOAD = 1, ELF_DYNAMIC = 2, ELF_INTERPRETER = 3, ELF_STACK = 0x6474e551 };
enum elf_segment_flags { ELF_EXECUTE = 1, ELF_WRITE = 2, ELF_READ = 4 };
enum elf_tag { ELF_TAG_RELA = 7, ELF_TAG_RELA_SIZE = 8 };

#endif
