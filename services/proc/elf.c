/* ELF64 headers (System V ABI, chapter 5) to a plan of what to map. */
#include <runtime.h>
#include <tessera/arch.h>
#include "elf.h"

struct elf_header {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	u64 entry, program_offset, section_offset;
	u32 flags;
	u16 header_size, program_entry_size, program_count, section_entry_size, section_count, section_names;
};
struct elf_program_header {
	u32 type, flags;
	u64 offset, address, physical, file_size, memory_size, alignment;
};
_Static_assert(sizeof(struct elf_header) == 64, "ABI");
_Static_assert(sizeof(struct elf_program_header) == 56, "ABI");

enum { TYPE_EXECUTABLE = 2, TYPE_DYNAMIC = 3 };
enum { SEGMENT_LOAD = 1, SEGMENT_INTERPRETER = 3 };
#define SEGMENT_STACK 0x6474e551u
enum { FLAG_EXECUTE = 1, FLAG_WRITE = 2, FLAG_READ = 4 };

static long header_check(const struct elf_header *header, size_t size)
{
	static const u8 magic[7] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 }; /* 64 bits, little-endian, version 1 */

	if (size < sizeof(*header) || memcmp(header->ident, magic, sizeof(magic)))
		return -ENOEXEC;
	if ((header->type != TYPE_EXECUTABLE && header->type != TYPE_DYNAMIC) || header->machine != ARCH_ELF_MACHINE)
		return -ENOEXEC;
	if (header->program_entry_size != sizeof(struct elf_program_header) || !header->program_count ||
	    header->program_count > PROC_IMAGE_HEADERS_MAX)
		return -ENOEXEC;
	if (size < sizeof(*header) + header->program_count * sizeof(struct elf_program_header))
		return -ENOEXEC;
	return 0;
}

static u32 prot_of_flags(u32 flags)
{
	return (flags & FLAG_READ ? TK_PROT_READ : 0) | (flags & FLAG_WRITE ? TK_PROT_WRITE : 0) |
	       (flags & FLAG_EXECUTE ? TK_PROT_EXECUTE : 0);
}

static void image_extend(struct proc_image *image, const struct elf_program_header *header)
{
	u64 end = header->address + header->file_size;

	if (header->flags & FLAG_EXECUTE) {
		if (!image->code_end || header->address < image->code_start)
			image->code_start = header->address;
		if (end > image->code_end)
			image->code_end = end;
	}
	if (header->address >= image->data_start)
		image->data_start = header->address;
	if (end > image->data_end)
		image->data_end = end;
	if (header->address + header->memory_size > image->break_start)
		image->break_start = header->address + header->memory_size;
}

static long segment_add(struct elf_program *program, const struct elf_program_header *header, u64 user_limit)
{
	struct elf_segment *segment;

	if (header->file_size > header->memory_size || header->address >= user_limit ||
	    header->memory_size > user_limit - header->address)
		return -EINVAL;
	if ((header->address ^ header->offset) & PAGE_MASK || header->offset + header->file_size < header->offset ||
	    header->offset >> 62 || header->file_size >> 62)
		return -EINVAL;
	if (!header->memory_size)
		return 0;
	segment = &program->segments[program->segment_count++];
	*segment = (struct elf_segment){
		.address = header->address, .offset = header->offset, .file_size = header->file_size, .size = header->memory_size,
		.prot = prot_of_flags(header->flags),
	};
	if (program->segment_count == 1 || round_down(header->address, PAGE_SIZE) < program->low)
		program->low = round_down(header->address, PAGE_SIZE);
	if (round_up(header->address + header->memory_size, PAGE_SIZE) > program->high)
		program->high = round_up(header->address + header->memory_size, PAGE_SIZE);
	if (header->alignment > program->alignment && !(header->alignment & (header->alignment - 1)) && header->alignment < user_limit / 4)
		program->alignment = header->alignment;
	image_extend(&program->image, header);
	return 0;
}

static long program_header_read(struct elf_program *program, const struct elf_program_header *header, const struct elf_header *file,
				u64 user_limit)
{
	struct proc_image *image = &program->image;
	long error;

	switch (header->type) {
	case SEGMENT_LOAD:
		error = segment_add(program, header, user_limit);
		if (error < 0)
			return error;
		if (header->offset <= file->program_offset && file->program_offset - header->offset < header->file_size)
			image->headers = header->address + (file->program_offset - header->offset);
		return 0;
	case SEGMENT_INTERPRETER:
		if (image->flags & PROC_IMAGE_INTERPRETER)
			return 0; /* the first one counts */
		if (header->file_size < 2 || header->file_size > 4096 || header->offset >> 62)
			return -ENOEXEC;
		image->flags |= PROC_IMAGE_INTERPRETER;
		image->interpreter_offset = header->offset;
		image->interpreter_size = header->file_size;
		return 0;
	case SEGMENT_STACK:
		if (header->flags & FLAG_EXECUTE)
			image->flags |= PROC_IMAGE_STACK_EXEC;
		return 0;
	default:
		return 0;
	}
}

long elf_read(const void *head, size_t size, u64 user_limit, struct elf_program *program)
{
	struct elf_header file;
	long error;

	memset(program, 0, sizeof(*program));
	if (size < sizeof(file))
		return -ENOEXEC;
	memcpy(&file, head, sizeof(file));
	error = header_check(&file, size);
	if (error < 0)
		return error;
	program->dynamic = file.type == TYPE_DYNAMIC;
	program->alignment = PAGE_SIZE;
	for (u32 i = 0; i < file.program_count; i++) {
		struct elf_program_header header;

		memcpy(&header, (const u8 *)head + sizeof(file) + i * sizeof(header), sizeof(header));
		error = program_header_read(program, &header, &file, user_limit);
		if (error < 0)
			return error;
	}
	if (!program->segment_count)
		return -ENOEXEC;
	if (program->high > user_limit)
		return -EINVAL;
	program->image.entry = file.entry;
	program->image.header_count = file.program_count;
	program->image.start = program->low;
	program->image.end = program->high;
	if (program->dynamic)
		program->image.flags |= PROC_IMAGE_DYNAMIC;
	return 0;
}
