/* ELF64 headers (System V ABI, chapter 5) to a plan of what to map. */
#include <elf64.h>
#include <runtime.h>
#include <tessera/arch.h>
#include "elf.h"

static long header_check(const struct elf_header *header, size_t size)
{
	if (size < sizeof(*header) || memcmp(header->ident, ELF_IDENT, ELF_IDENT_SIZE))
		return -ENOEXEC;
	if ((header->type != ELF_TYPE_EXECUTABLE && header->type != ELF_TYPE_DYNAMIC) || header->machine != ARCH_ELF_MACHINE)
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
	return (flags & ELF_READ ? TK_PROT_READ : 0) | (flags & ELF_WRITE ? TK_PROT_WRITE : 0) |
	       (flags & ELF_EXECUTE ? TK_PROT_EXECUTE : 0);
}

static void image_extend(struct proc_image *image, const struct elf_program_header *header)
{
	u64 end = header->address + header->file_size;

	if (header->flags & ELF_EXECUTE) {
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
	case ELF_LOAD:
		error = segment_add(program, header, user_limit);
		if (error < 0)
			return error;
		if (header->offset <= file->program_offset && file->program_offset - header->offset < header->file_size)
			image->headers = header->address + (file->program_offset - header->offset);
		return 0;
	case ELF_INTERPRETER:
		if (image->flags & PROC_IMAGE_INTERPRETER)
			return 0; /* the first one counts */
		if (header->file_size < 2 || header->file_size > 4096 || header->offset >> 62)
			return -ENOEXEC;
		image->flags |= PROC_IMAGE_INTERPRETER;
		image->interpreter_offset = header->offset;
		image->interpreter_size = header->file_size;
		return 0;
	case ELF_STACK:
		if (header->flags & ELF_EXECUTE)
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
	program->dynamic = file.type == ELF_TYPE_DYNAMIC;
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
