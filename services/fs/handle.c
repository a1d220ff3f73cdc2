/* Handles: index in the low half, generation in the high half. An entry counts the references of its object. */
#include "recover.h"

#define CHUNK_BITS 7
#define CHUNK_SIZE (1u << CHUNK_BITS)
#define CHUNKS 4096u
#define CLOSED 0x80000000u
#define REFERENCES 0x7fffffffu

struct handle_entry {
	volatile u64 state;   /* generation << 32 | CLOSED | references: changed by compare and exchange */
	u32 owner;            /* these three stand still while there are references */
	u32 kind;
	void *object;         /* free entries: index of the next free one */
};
static struct handle_entry *chunks[CHUNKS]; /* written under table_lock; never freed */
static u32 chunk_count, first_free;         /* table_lock; index 0 is never used */
static struct rt_lock table_lock = RT_LOCK_INIT;

static struct handle_entry *entry_of_index(u32 index)
{
	struct handle_entry *chunk;

	if (index >> CHUNK_BITS >= CHUNKS)
		return NULL;
	chunk = __atomic_load_n(&chunks[index >> CHUNK_BITS], __ATOMIC_ACQUIRE); /* its entries are made before its address */
	return chunk ? &chunk[index & (CHUNK_SIZE - 1)] : NULL;
}

/* Makes a chunk and puts its entries on the free list; table_lock is held. */
static bool chunk_add(void)
{
	struct handle_entry *chunk;
	u32 i, base = chunk_count << CHUNK_BITS;

	if (chunk_count == CHUNKS)
		return false;
	chunk = heap_alloc(CHUNK_SIZE * sizeof(*chunk));
	if (!chunk)
		return false;
	for (i = 0; i < CHUNK_SIZE; i++) {
		chunk[i].state = 1ull << 32;
		chunk[i].object = (void *)(uintptr_t)(i + 1 < CHUNK_SIZE ? base + i + 1 : first_free);
	}
	__atomic_store_n(&chunks[chunk_count++], chunk, __ATOMIC_RELEASE);
	first_free = base ? base : 1;
	return true;
}

long fs_handle_refusal(void)
{
	/* Relaxed: a number by itself. */
	return __atomic_load_n(&chunk_count, __ATOMIC_RELAXED) == CHUNKS ? -ENFILE : -ENOMEM;
}

u64 fs_handle_create(u32 owner, enum fs_handle_kind kind, void *object)
{
	struct handle_entry *entry;
	u32 index;
	u64 generation;

	lock_acquire(&table_lock);
	if (!first_free && !chunk_add()) {
		lock_release(&table_lock);
		return 0;
	}
	index = first_free;
	entry = entry_of_index(index);
	first_free = (u32)(uintptr_t)entry->object;
	lock_release(&table_lock);
	entry->owner = owner;
	entry->kind = kind;
	entry->object = object;
	generation = entry->state >> 32;
	stable_made(generation << 32 | index);
	__atomic_store_n(&entry->state, generation << 32 | 1, __ATOMIC_RELEASE); /* the entry before its first reference */
	return generation << 32 | index;
}

static void entry_free(struct handle_entry *entry, u32 index)
{
	u64 generation = (entry->state >> 32) + 1;

	if ((u32)generation == 0)
		generation = 1;
	entry->kind = FS_HANDLE_FREE;
	lock_acquire(&table_lock);
	entry->object = (void *)(uintptr_t)first_free;
	entry->state = (u64)(u32)generation << 32;
	first_free = index;
	lock_release(&table_lock);
}

/* The entry of a handle, with a reference; NULL: no such handle. */
static inline struct handle_entry *entry_take(u64 handle)
{
	struct handle_entry *entry = entry_of_index((u32)handle);
	u64 state;

	if (!entry)
		return NULL;
	state = __atomic_load_n(&entry->state, __ATOMIC_RELAXED);
	do {
		if (state >> 32 != handle >> 32 || (state & CLOSED) || !(state & REFERENCES))
			return NULL;
		/* Acquire: the entry's contents belong to this generation. */
	} while (!__atomic_compare_exchange_n(&entry->state, &state, state + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return entry;
}

void *fs_handle_peek(u64 handle, enum fs_handle_kind kind)
{
	struct handle_entry *entry = entry_take(handle);

	if (!entry || entry->kind == kind)
		return entry ? entry->object : NULL;
	fs_handle_put(handle);
	return NULL;
}

void *fs_handle_get(u64 handle, u32 owner, enum fs_handle_kind kind)
{
	struct handle_entry *entry = entry_take(handle);

	if (!entry)
		return NULL;
	if (likely(entry->kind == kind && entry->owner == owner))
		return entry->object;
	fs_handle_put(handle);
	return NULL;
}

void fs_handle_put(u64 handle)
{
	struct handle_entry *entry = entry_of_index((u32)handle);
	void *object = entry->object;
	u32 kind = entry->kind;
	/* Release what was done with the object, acquire what others did before its end. */
	u64 state = __atomic_sub_fetch(&entry->state, 1, __ATOMIC_ACQ_REL);

	if (state & REFERENCES)
		return;
	entry_free(entry, (u32)handle);
	if (kind == FS_HANDLE_FILE)
		fs_file_destroy(object);
	else
		fs_client_destroy(object);
}

long fs_handle_close(u64 handle, u32 owner, enum fs_handle_kind kind)
{
	struct handle_entry *entry;
	u64 state;

	if (!fs_handle_get(handle, owner, kind))
		return -EBADF;
	entry = entry_of_index((u32)handle);
	state = __atomic_fetch_or(&entry->state, CLOSED, __ATOMIC_RELAXED); /* the puts below order the rest */
	if (!(state & CLOSED))
		fs_handle_put(handle);
	fs_handle_put(handle);
	return state & CLOSED ? -EBADF : 0;
}

/* What calls made that were never answered. */
static void unanswered_close(void)
{
	u64 handle;
	u32 at = 0;

	while (stable_unanswered(&at, &handle)) {
		struct handle_entry *entry = entry_of_index((u32)handle);

		if (entry && entry->state >> 32 == handle >> 32)
			entry->state |= CLOSED;
	}
}

static void entry_recover_free(struct handle_entry *entry, u32 index)
{
	u64 generation = entry->state >> 32;

	if ((u32)entry->state || entry->kind != FS_HANDLE_FREE || !generation)
		generation++;
	entry->state = (u64)((u32)generation ? (u32)generation : 1) << 32;
	entry->kind = FS_HANDLE_FREE;
	entry->object = (void *)(uintptr_t)first_free;
	first_free = index;
}

long fs_handles_recover(void)
{
	u32 i;

	table_lock = (struct rt_lock)RT_LOCK_INIT;
	if (chunk_count > CHUNKS)
		return fs_bad("the table of handles");
	for (i = 0; i < CHUNKS; i++) {
		if (i >= chunk_count)
			chunks[i] = NULL;
		else if (!heap_claim(chunks[i], CHUNK_SIZE * sizeof(*chunks[i]), FS_CLAIMED_BYTES))
			return fs_bad("a table of handles");
	}
	unanswered_close();
	first_free = 0;
	for (i = chunk_count * CHUNK_SIZE; i-- > 1;) {
		struct handle_entry *entry = entry_of_index(i);
		u64 handle = entry->state >> 32 << 32 | i;
		long result = 0;

		if ((entry->state & CLOSED) || !(entry->state & REFERENCES) || entry->kind == FS_HANDLE_FREE) {
			entry_recover_free(entry, i);
			continue;
		}
		entry->state = (entry->state >> 32 << 32) | 1;
		if (entry->kind == FS_HANDLE_FILE)
			result = fs_recover_file(entry->object, handle, entry->owner);
		else
			result = entry->kind == FS_HANDLE_CLIENT ? fs_recover_client(entry->object, handle) : fs_bad("a handle");
		if (result)
			return result;
	}
	return 0;
}

bool fs_handle_lives(u64 handle)
{
	struct handle_entry *entry = entry_of_index((u32)handle);

	return entry && entry->state >> 32 == handle >> 32 && (entry->state & REFERENCES) && !(entry->state & CLOSED);
}
