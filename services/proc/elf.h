/* Reads the headers of an ELF64 program, which anyone may have written: every number is checked before it is used. */
#ifndef PROC_ELF_H
#define PROC_ELF_H

#include <tessera/types.h>
#include "proc_types.h"

struct elf_segment {
	u64 address;            /* as linked, not rounded */
	u64 offset;             /* in the file; the same within a page as address */
	u64 file_size, size;    /* bytes from the file, bytes in memory */
	u32 prot;               /* enum tk_prot */
};
struct elf_program {
	bool dynamic;           /* position-independent */
	u32 segment_count;
	struct elf_segment segments[PROC_IMAGE_HEADERS_MAX];
	u64 low, high;          /* of all segments, rounded to pages */
	u64 alignment;          /* largest of a segment, a power of two, at least a page */
	struct proc_image image;/* addresses as linked: nothing added yet */
};

/* head: the ELF header with all program headers behind it. 0, -ENOEXEC (no such program) or -EINVAL (one that can't be mapped). */
long elf_read(const void *head, size_t size, u64 user_limit, struct elf_program *program) must_check;

#endif
