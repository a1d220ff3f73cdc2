/* The stack on which a program starts: argument count, pointers, auxiliary vector, strings (System V ABI, x86_64, 3.4.1). */
#include "exec_stack.h"
#include "include/abi_process.h"

#define RANDOM_SIZE 16
#define AUXILIARY_PAIRS 24
static const char platform[] = "x86_64";

/* Writes a stream of bytes upward through a buffer of a page. */
struct writer {
	vaddr_t at;      /* where the buffer goes */
	u8 *buffer;
	u64 used;
};

static long writer_flush(struct writer *writer)
{
	long error = user_copy_out(writer->at, writer->buffer, writer->used);

	writer->at += writer->used;
	writer->used = 0;
	return error;
}

static long writer_put(void *context, const void *bytes, u64 size)
{
	struct writer *writer = context;
	const u8 *from = bytes;

	while (size) {
		u64 part = PAGE_SIZE - writer->used < size ? PAGE_SIZE - writer->used : size;

		memcpy(writer->buffer + writer->used, from, part);
		writer->used += part;
		from += part;
		size -= part;
		if (writer->used == PAGE_SIZE) {
			long error = writer_flush(writer);

			if (error < 0)
				return error;
		}
	}
	return 0;
}

static long writer_word(struct writer *writer, u64 word)
{
	return writer_put(writer, &word, sizeof(word));
}

static long writer_zeros(struct writer *writer, vaddr_t up_to)
{
	static const u8 zeros[64];

	while (writer->at + writer->used < up_to) {
		u64 left = up_to - (writer->at + writer->used);
		long error = writer_put(writer, zeros, left < sizeof(zeros) ? left : sizeof(zeros));

		if (error < 0)
			return error;
	}
	return 0;
}

/* Writes the addresses of strings as they pass by; a NULL after the arguments and after the environment. */
struct pointers {
	struct writer *writer;
	vaddr_t at;             /* address of the next byte of the strings */
	u32 arguments_left, environment_left;
	bool inside;            /* of a string */
};

static long pointer_put(struct pointers *pointers)
{
	if (pointers->arguments_left) {
		pointers->arguments_left--;
		return writer_word(pointers->writer, pointers->at);
	}
	pointers->environment_left--;
	return writer_word(pointers->writer, pointers->at);
}

static long pointers_pass(void *context, const void *bytes, u64 size)
{
	struct pointers *pointers = context;
	const char *text = bytes;

	for (u64 i = 0; i < size; i++, pointers->at++) {
		if (!pointers->inside) {
			bool last = pointers->arguments_left == 0;
			long error;

			if (last && !pointers->environment_left)
				return -E2BIG; /* can't be: counted before */
			error = pointer_put(pointers);
			if (error >= 0 && !last && !pointers->arguments_left)
				error = writer_word(pointers->writer, 0);
			if (error < 0)
				return error;
			pointers->inside = true;
		}
		if (!text[i])
			pointers->inside = false;
	}
	return 0;
}

void exec_stack_layout(struct exec_stack *stack, const struct exec_strings *strings, const char *name)
{
	u64 words = 1 + (u64)exec_strings_arguments(strings) + 1 + strings->environment + 1 + 2 * AUXILIARY_PAIRS;

	stack->name = stack->top - sizeof(u64) - (strlen(name) + 1);
	stack->strings = stack->name - exec_strings_size(strings);
	stack->platform = (stack->strings & ~15ull) - sizeof(platform);
	stack->random = (stack->platform & ~15ull) - RANDOM_SIZE;
	stack->pointer = (stack->random - words * sizeof(u64)) & ~15ull;
}

static long auxiliary_put(struct writer *writer, const struct exec_stack *stack)
{
	const struct proc_credentials *is = &stack->credentials;
	const u64 pairs[][2] = {
		{ AT_SYSINFO_EHDR, stack->vdso },
		{ AT_HWCAP, shim_hardware_capabilities() },
		{ AT_PAGESZ, PAGE_SIZE },
		{ AT_CLKTCK, CLOCK_TICKS },
		{ AT_PHDR, stack->program.headers },
		{ AT_PHENT, 56 },
		{ AT_PHNUM, stack->program.header_count },
		{ AT_BASE, stack->loader_base },
		{ AT_FLAGS, 0 },
		{ AT_ENTRY, stack->program.entry },
		{ AT_UID, is->uid },
		{ AT_EUID, is->euid },
		{ AT_GID, is->gid },
		{ AT_EGID, is->egid },
		{ AT_SECURE, stack->secure },
		{ AT_RANDOM, stack->random },
		{ AT_HWCAP2, shim_hardware_capabilities_more() },
		{ AT_EXECFN, stack->name },
		{ AT_PLATFORM, stack->platform },
		{ AT_MINSIGSTKSZ, shim_signal_stack_min() },
		{ AT_NULL, 0 },
	};
	_Static_assert(countof(pairs) <= AUXILIARY_PAIRS, "room was reserved");

	for (u32 i = 0; i < countof(pairs); i++) {
		long error;

		if (pairs[i][0] == AT_SYSINFO_EHDR && !pairs[i][1])
			continue;
		error = writer_put(writer, pairs[i], sizeof(pairs[i]));
		if (error < 0)
			return error;
	}
	return 0;
}

static long stack_put(struct writer *writer, const struct exec_stack *stack, const struct exec_strings *strings, const char *name)
{
	struct pointers pointers = { .writer = writer, .at = stack->strings, .arguments_left = exec_strings_arguments(strings),
				     .environment_left = strings->environment };
	u8 random[RANDOM_SIZE];
	long error = writer_word(writer, exec_strings_arguments(strings));

	if (error >= 0)
		error = exec_strings_each(strings, pointers_pass, &pointers);
	if (error >= 0)
		error = writer_word(writer, 0);
	if (error >= 0)
		error = auxiliary_put(writer, stack);
	if (error >= 0)
		error = writer_zeros(writer, stack->random);
	random_bytes(random, sizeof(random));
	if (error >= 0)
		error = writer_put(writer, random, sizeof(random));
	if (error >= 0)
		error = writer_zeros(writer, stack->platform);
	if (error >= 0)
		error = writer_put(writer, platform, sizeof(platform));
	if (error >= 0)
		error = writer_zeros(writer, stack->strings);
	if (error >= 0)
		error = exec_strings_each(strings, writer_put, writer);
	if (error >= 0)
		error = writer_put(writer, name, strlen(name) + 1);
	if (error >= 0)
		error = writer_zeros(writer, stack->top);
	return error < 0 ? error : writer_flush(writer);
}

long exec_stack_write(const struct exec_stack *stack, const struct exec_strings *strings, const char *name)
{
	struct writer writer = { .at = stack->pointer, .buffer = heap_alloc(PAGE_SIZE) };
	long error;

	if (!writer.buffer)
		return -ENOMEM;
	error = stack_put(&writer, stack, strings, name);
	heap_free(writer.buffer);
	return error;
}
