/*
 * The hooks of -fsanitize=thread: what processors do with memory. Each word that a processor wrote is a cell and part of the state. A word
 * that several processors use, one of them writing, is shared: a processor pauses before each access to it. Which are shared is learned:
 * when one turns out to be, all is explored anew (memory_restart).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine.h"

#define CELLS_MAX 32768u       /* power of two */
#define TOUCHED_MAX 65536u

struct cell {
	u64 address;
	u64 initial, value;    /* before the first write; as others see it */
	u32 index;             /* among those that were written, or ~0 */
	u8 readers, writers;   /* by processor */
	bool shared;
};

bool delayed_stores, memory_restart;
static struct cell cells[CELLS_MAX];
static struct cell *written[CELLS_MAX];
static u32 written_count;
static u64 cells_hash;                      /* of all cells that are not as at first */
static struct cell *touched[TOUCHED_MAX];   /* written in this step */
static u32 touched_count;
static struct delayed_store open_store;     /* size 0: none; its value is in memory when the next hook comes */

static u64 mix(u64 a, u64 b)
{
	u64 x = (a ^ b * 0x9e3779b97f4a7c15ul) + 0x9e3779b97f4a7c15ul;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ul;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebul;
	return x ^ (x >> 31);
}

u64 hash_words(u64 hash, const u64 *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		hash = mix(hash, words[i]);
	return hash;
}

static bool on_stack(u64 address) { return address - STACK_BASE < PROCESSORS_MAX * STACK_SIZE; }

static struct cell *cell_of(u64 address)
{
	u64 at = address >> 3;

	for (u32 i = (u32)(mix(at, 0) % CELLS_MAX), tried = 0; tried < CELLS_MAX; i = (i + 1) % CELLS_MAX, tried++) {
		if (cells[i].address == at)
			return &cells[i];
		if (cells[i].address == 0) {
			cells[i] = (struct cell){ .address = at, .index = ~0u };
			return &cells[i];
		}
	}
	printf("Bail out! more memory than the harness follows\n");
	exit(1);
}

static u64 *cell_word(const struct cell *c) { return (u64 *)(c->address << 3); }

/* Before the first write to a cell. Stacks are kept apart. */
static void cell_write(struct cell *c)
{
	u64 address = c->address << 3;

	if (on_stack(address)) {
		if ((address - STACK_BASE) / STACK_SIZE == (u64)running)
			return;
		printf("Bail out! a write to another's stack\n");
		exit(1);
	}
	if (c->index == ~0u) {
		c->initial = c->value = *cell_word(c);
		c->index = written_count;
		written[written_count++] = c;
	}
	if (touched_count == TOUCHED_MAX) {
		printf("Bail out! a step writes too much\n");
		exit(1);
	}
	touched[touched_count++] = c;
}

static u64 cell_hash(const struct cell *c) { return c->value == c->initial ? 0 : mix(c->address, c->value); }

static void cell_settle(struct cell *c)
{
	u64 value = *cell_word(c);

	if (value == c->value)
		return;
	cells_hash ^= cell_hash(c);
	c->value = value;
	cells_hash ^= cell_hash(c);
}

static void touched_settle(void)
{
	for (u32 i = 0; i < touched_count; i++)
		cell_settle(touched[i]);
	touched_count = 0;
}

/* ---- Delayed stores ------------------------------------------------------------------------------------------------------------ */

static u64 load_sized(u64 address, u32 size)
{
	u64 value = 0;

	for (u32 i = 0; i < size; i++)
		value |= (u64)((u8 *)address)[i] << (8 * i);
	return value;
}

static void store_sized(u64 address, u32 size, u64 value)
{
	for (u32 i = 0; i < size; i++)
		((u8 *)address)[i] = (u8)(value >> (8 * i));
}

/* The oldest store is in memory for good; while its processor runs, memory shows it already. */
static void delayed_drop(struct processor *p)
{
	p->delayed_count--;
	for (u32 i = 0; i < p->delayed_count; i++)
		p->delayed[i] = p->delayed[i + 1];
	p->delayed[p->delayed_count] = (struct delayed_store){ 0 };
}

static void store_close(void)
{
	struct processor *p = &processors[running];

	if (open_store.size == 0)
		return;
	open_store.value = load_sized(open_store.address, open_store.size);
	if (p->delayed_count == DELAYED_MAX)
		delayed_drop(p);
	p->delayed[p->delayed_count++] = open_store;
	open_store.size = 0;
}

static void buffer_empty(void)
{
	store_close();
	while (processors[running].delayed_count)
		delayed_drop(&processors[running]);
}

void memory_enter(void)
{
	struct processor *p = &processors[running];

	for (u32 i = 0; i < p->delayed_count; i++) {
		struct delayed_store *s = &p->delayed[i];
		s->below = load_sized(s->address, s->size);
		store_sized(s->address, s->size, s->value);
		cell_write(cell_of(s->address));
	}
}

void memory_leave(void)
{
	struct processor *p = &processors[running];

	store_close();
	for (u32 i = p->delayed_count; i-- > 0;) {
		store_sized(p->delayed[i].address, p->delayed[i].size, p->delayed[i].below);
		p->delayed[i].below = 0;
	}
	touched_settle();
}

void memory_drain(struct processor *p)
{
	store_sized(p->delayed[0].address, p->delayed[0].size, p->delayed[0].value);
	cell_write(cell_of(p->delayed[0].address));
	delayed_drop(p);
	touched_settle();
}

/* ---- Accesses -------------------------------------------------------------------------------------------------------------------- */

/* Notes who uses the words; true if one is shared. */
static bool access_note(u64 address, u64 size, bool write)
{
	bool shared = false;

	for (u64 at = address & ~7ul; at < address + size; at += 8) {
		struct cell *c = cell_of(at);
		*(write ? &c->writers : &c->readers) |= (u8)(1u << running);
		u32 users = c->readers | c->writers;
		if (!c->shared && c->writers && users & (users - 1))
			c->shared = memory_restart = true;
		shared |= c->shared;
	}
	return shared;
}

/* Locked: of an instruction that empties the buffer. Stores to stacks, and those of more than a word, are not delayed. */
static inline __attribute__((always_inline)) void access_before(u64 address, u64 size, bool write, bool locked)
{
	if (running < 0)
		return;
	store_close();
	bool shared = access_note(address, size, write);
	if (shared)
		processor_pause(address, (u64)__builtin_return_address(0));
	if (locked || (write && shared && size > 8))
		buffer_empty();
	if (!write)
		return;
	for (u64 at = address & ~7ul; at < address + size; at += 8)
		cell_write(cell_of(at));
	if (delayed_stores && shared && !locked && size <= 8 && !on_stack(address))
		open_store = (struct delayed_store){ address, 0, load_sized(address, (u32)size), (u32)size, 0 };
}

u64 interleave_load(const u64 *address)
{
	access_before((u64)address, sizeof(*address), false, false);
	return *address;
}

void interleave_store(u64 *address, u64 value)
{
	access_before((u64)address, sizeof(*address), true, false);
	*address = value;
}

#define HOOK(name, size, write) \
	void __tsan_##name(void *address); \
	void __tsan_##name(void *address) { access_before((u64)address, size, write, false); }
#define HOOKS(size) HOOK(read##size, size, false) HOOK(write##size, size, true) \
	HOOK(unaligned_read##size, size, false) HOOK(unaligned_write##size, size, true)
HOOKS(1) HOOKS(2) HOOKS(4) HOOKS(8) HOOKS(16)

void __tsan_init(void);
void __tsan_init(void) { }
void __tsan_func_entry(void *place);
void __tsan_func_entry(void *place) { (void)place; }
void __tsan_func_exit(void);
void __tsan_func_exit(void) { }

#define ATOMIC_CHANGE(bits, name, expression) \
	u##bits __tsan_atomic##bits##_##name(volatile u##bits *address, u##bits value, int order); \
	u##bits __tsan_atomic##bits##_##name(volatile u##bits *address, u##bits value, int order) \
	{ \
		(void)order; \
		access_before((u64)address, bits / 8, true, true); \
		u##bits old = *address; \
		*address = (u##bits)(expression); \
		return old; \
	}
#define ATOMIC(bits) \
	u##bits __tsan_atomic##bits##_load(const volatile u##bits *address, int order); \
	u##bits __tsan_atomic##bits##_load(const volatile u##bits *address, int order) \
	{ \
		(void)order; \
		access_before((u64)address, bits / 8, false, false); \
		return *address; \
	} \
	void __tsan_atomic##bits##_store(volatile u##bits *address, u##bits value, int order); \
	void __tsan_atomic##bits##_store(volatile u##bits *address, u##bits value, int order) \
	{ \
		access_before((u64)address, bits / 8, true, order == __ATOMIC_SEQ_CST); \
		*address = value; \
	} \
	u##bits __tsan_atomic##bits##_compare_exchange_val(volatile u##bits *address, u##bits old, u##bits value, int order, int failure); \
	u##bits __tsan_atomic##bits##_compare_exchange_val(volatile u##bits *address, u##bits old, u##bits value, int order, int failure) \
	{ \
		(void)order, (void)failure; \
		access_before((u64)address, bits / 8, true, true); \
		u##bits seen = *address; \
		if (seen == old) \
			*address = value; \
		return seen; \
	} \
	ATOMIC_CHANGE(bits, exchange, value) ATOMIC_CHANGE(bits, fetch_add, old + value) ATOMIC_CHANGE(bits, fetch_sub, old - value) \
	ATOMIC_CHANGE(bits, fetch_or, old | value) ATOMIC_CHANGE(bits, fetch_and, old & value) ATOMIC_CHANGE(bits, fetch_xor, old ^ value)
ATOMIC(8) ATOMIC(16) ATOMIC(32) ATOMIC(64)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
	if (running >= 0 && order == __ATOMIC_SEQ_CST)
		buffer_empty();
}
void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order) { (void)order; }

/* What the compiler makes of larger assignments: these stand before the C library's. */
void *memset(void *to, int value, size_t size)
{
	u8 *bytes = to;

	if (size)
		access_before((u64)to, size, true, false);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (u8)value;
	return to;
}

void *memmove(void *to, const void *from, size_t size)
{
	u8 *bytes = to;
	const u8 *source = from;

	if (size) {
		access_before((u64)from, size, false, false);
		access_before((u64)to, size, true, false);
	}
	if (bytes <= source)
		for (size_t i = 0; i < size; i++)
			bytes[i] = source[i];
	else
		for (size_t i = size; i-- > 0;)
			bytes[i] = source[i];
	return to;
}

void *memcpy(void *to, const void *from, size_t size) { return memmove(to, from, size); }

/* ---- States ------------------------------------------------------------------------------------------------------------------------ */

void memory_forget(void)
{
	for (u32 i = 0; i < CELLS_MAX; i++)
		cells[i] = (struct cell){ 0 };
	written_count = 0;
	cells_hash = 0;
}

u64 memory_hash(void) { return cells_hash; }
u32 memory_cells(void) { return written_count; }

void memory_save(u64 *values)
{
	for (u32 i = 0; i < written_count; i++)
		values[i] = written[i]->value;
}

/* Cells that were first written later are as they were before. */
void memory_restore(const u64 *values, u32 count)
{
	for (u32 i = 0; i < written_count; i++) {
		struct cell *c = written[i];
		u64 value = i < count ? values[i] : c->initial;
		if (c->value == value)
			continue;
		cells_hash ^= cell_hash(c);
		*cell_word(c) = c->value = value;
		cells_hash ^= cell_hash(c);
	}
}
