/* The guest's memory is a file that QEMU shares: page tables of x86_64 and the end of a program's stack can be read there. */
#include "profile.h"
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096ul
#define PRESENT 1ul
#define USER 4ul
#define LARGE 0x80ul
#define ADDRESS 0x000ffffffffff000ul
#define PAGES_TRIED 8

static const uint8_t *memory;
static uint64_t memory_size;

bool guest_open(const char *path, uint64_t size)
{
	int file = open(path, O_RDONLY);
	void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);

	if (file >= 0)
		close(file);
	if (mapped == MAP_FAILED)
		return false;
	memory = mapped;
	memory_size = size;
	return true;
}

bool guest_word(uint64_t physical, uint64_t *word)
{
	if (physical > memory_size - sizeof(*word))
		return false;
	/* The guest may be writing it: one load. */
	*word = *(const volatile uint64_t *)(memory + physical);
	return true;
}

/* A stack ends with the name that the program was executed by and eight zero bytes. */
static bool name_of_page(const char *page, char *name, size_t size)
{
	static const char zeros[8];
	size_t end = PAGE - sizeof(zeros), start;

	if (memcmp(page + end, zeros, sizeof(zeros)) != 0 || page[end - 1] != 0)
		return false;
	for (start = end - 1; start > 0 && page[start - 1] > ' '; start--)
		;
	for (size_t i = start; page[i]; i++)
		if (page[i] == '/')
			start = i + 1;
	if (page[start] == 0)
		return false;
	snprintf(name, size, "%s", page + start);
	return true;
}

/* The last pages of an address space, from its end down. */
static bool tables_search(uint64_t table, int level, int *tries, char *name, size_t size)
{
	for (int i = level == 4 ? 255 : 511; i >= 0 && *tries > 0; i--) {
		uint64_t entry;

		if (!guest_word((table & ADDRESS) + (uint64_t)i * sizeof(entry), &entry))
			return false;
		if ((entry & (PRESENT | USER)) != (PRESENT | USER) || (level > 1 && level < 4 && entry & LARGE))
			continue;
		if (level > 1) {
			if (tables_search(entry, level - 1, tries, name, size))
				return true;
			continue;
		}
		--*tries;
		if ((entry & ADDRESS) <= memory_size - PAGE && name_of_page((const char *)memory + (entry & ADDRESS), name, size))
			return true;
	}
	return false;
}

bool guest_program_name(uint64_t root, char *name, size_t size)
{
	int tries = PAGES_TRIED;

	return tables_search(root, 4, &tries, name, size);
}
