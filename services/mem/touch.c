/*
 * Memory of an application as other parts of the system touch it: atomic operations on futex words, and reading and writing of another
 * process. mem's window shows each frame, and the space's lock keeps a page where it is meanwhile.
 */
#include "mem.h"
#include <mem_server.h>

/* Maps a page of its own where a private region has none, whatever its protection. */
static long missing_page_force(struct mem_space *space, u32 at, u64 page)
{
	const struct tk_region *region = &space->regions[at];
	struct mem_mapping *mapping = space->side[at].mapping;
	u64 index = (region->offset + (page - region->start)) >> PAGE_SHIFT;
	frame_t from = FRAME_NONE, frame;

	if (mapping) {
		if (index >= mapping->object->pages)
			return -EIO;
		from = mem_object_frame_locked(mapping->object, index, true);
		if (!from)
			return -ENOMEM;
	}
	frame = mem_frame_take_zeroed(MEM_FRAME_ANONYMOUS);
	if (!frame)
		return -ENOMEM;
	if (from)
		mem_frame_copy(frame, from);
	return mem_page_give(space, page, frame, region->prot);
}

/* A private page for a writer who does not ask for the protection (ptrace). */
static long page_force(struct mem_space *space, u32 at, u64 page)
{
	const struct tk_region *region = &space->regions[at];
	long mapped = tk_query(space->token, page);

	if (!(region->flags & TK_REGION_PRIVATE))
		return -EFAULT;
	space->side[at].notes |= MEM_NOTE_WRITTEN;
	if (mem_is_error(mapped))
		return missing_page_force(space, at, page);
	return mem_page_copy(space, page, (frame_t)mapped, region->prot);
}

enum page_use { PAGE_READ, PAGE_WRITE, PAGE_WRITE_FORCED };

/* Brings a page into the state that a use needs. */
static long page_prepare(struct mem_space *space, u64 page, enum page_use use)
{
	u32 at = mem_region_find(space, page);
	long result;

	if (use == PAGE_READ && !mem_is_error(tk_query(space->token, page)))
		return 0;
	if (use != PAGE_WRITE_FORCED || at >= space->table->count || space->regions[at].start > page ||
	    space->regions[at].prot & TK_PROT_WRITE)
		return mem_fault_serve(space, page, use == PAGE_READ ? TK_ACCESS_READ : TK_ACCESS_WRITE);
	mem_page_edit_begin(space, at);
	result = page_force(space, at, page);
	mem_page_edit_end(space, at);
	return result;
}

/* The byte at an address, in mem's window. The page stays until page_close: its object's end waits for the edit. */
static long page_open(struct mem_space *space, u64 address, enum page_use use, char **there)
{
	u64 page = round_down(address, PAGE_SIZE);
	long result = page_prepare(space, page, use), mapped;

	if (result)
		return result;
	mem_page_edit_begin(space, mem_region_find(space, page));
	mapped = tk_query(space->token, page);
	if (mem_is_error(mapped)) {
		mem_page_edit_end(space, mem_region_find(space, page));
		return -EFAULT;
	}
	*there = (char *)mem_frame_address((frame_t)mapped) + (address & PAGE_MASK);
	return 0;
}

static void page_close(struct mem_space *space, u64 address)
{
	mem_page_edit_end(space, mem_region_find(space, round_down(address, PAGE_SIZE)));
}

/* All operations are sequentially consistent, as the processor's locked instructions are that the application uses. */
static u32 word_operate(volatile u32 *word, u32 operation, u32 operand, u32 compare)
{
	switch (operation) {
	case MEM_WORD_SET:
		return __atomic_exchange_n(word, operand, __ATOMIC_SEQ_CST);
	case MEM_WORD_ADD:
		return __atomic_fetch_add(word, operand, __ATOMIC_SEQ_CST);
	case MEM_WORD_OR:
		return __atomic_fetch_or(word, operand, __ATOMIC_SEQ_CST);
	case MEM_WORD_AND_NOT:
		return __atomic_fetch_and(word, ~operand, __ATOMIC_SEQ_CST);
	case MEM_WORD_XOR:
		return __atomic_fetch_xor(word, operand, __ATOMIC_SEQ_CST);
	case MEM_WORD_COMPARE:
		__atomic_compare_exchange_n(word, &compare, operand, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		return compare;
	default:
		return __atomic_load_n(word, __ATOMIC_SEQ_CST);
	}
}

long mem_op_word_update(const struct rt_request *rq, u64 address, u32 operation, u32 operand, u32 compare, u64 *old)
{
	struct mem_space *space;
	char *there;
	long result;

	(void)rq;
	if (operation > MEM_WORD_LOAD || address & 3)
		return -EINVAL;
	if (!mem_range_valid(address, sizeof(u32)))
		return -EFAULT;
	space = mem_space_of_client();
	if (!space)
		return -EFAULT;
	result = page_open(space, address, operation == MEM_WORD_LOAD ? PAGE_READ : PAGE_WRITE, &there);
	if (!result) {
		*old = word_operate((volatile u32 *)there, operation, operand, compare);
		page_close(space, address);
	}
	mem_space_put(space);
	return result == 0 || result == -ENOMEM ? result : -EFAULT;
}

static long page_transfer(struct mem_space *space, u64 address, void *data, size_t size, bool write)
{
	char *there;
	long result = page_open(space, address, write ? PAGE_WRITE_FORCED : PAGE_READ, &there);

	if (result)
		return result;
	if (write)
		memcpy(there, data, size);
	else
		memcpy(data, there, size);
	page_close(space, address);
	return 0;
}

/* A page that comes and goes in a free place: the core flushes all processors that run the space, each of which passes a barrier. */
static long barrier_pass(struct mem_space *space)
{
	frame_t frame;
	u64 address;
	long result = mem_place_find(space, 0, PAGE_SIZE, 0, &address);

	if (result)
		return result;
	frame = mem_frame_take_zeroed(MEM_FRAME_ANONYMOUS);
	if (!frame)
		return -ENOMEM;
	result = mem_page_give(space, address, frame, TK_PROT_READ);
	if (!result)
		mem_pages_unmap(space, address, address + PAGE_SIZE);
	return result;
}

long mem_op_barrier(const struct rt_request *rq, u64 space, u32 enroll)
{
	struct mem_space *found = mem_space_get(space);
	long result = 0;

	(void)rq;
	if (!found)
		return -EBADF;
	if (enroll)
		found->barriers = true;
	else
		result = found->barriers ? barrier_pass(found) : -EPERM;
	mem_space_put(found);
	return result;
}

static long space_transfer(u64 handle, u64 address, char *data, size_t size, bool write)
{
	struct mem_space *space;
	size_t done = 0;
	long result = 0;

	if (!mem_range_valid(address, size))
		return -EFAULT;
	space = mem_space_get(handle);
	if (!space)
		return -EBADF;
	while (done < size && !result) {
		size_t part = PAGE_SIZE - ((address + done) & PAGE_MASK);

		if (part > size - done)
			part = size - done;
		result = page_transfer(space, address + done, data + done, part, write);
		if (!result)
			done += part;
	}
	mem_space_put(space);
	if (done || !size)
		return (long)done;
	return result == -ENOMEM ? result : -EFAULT;
}

long mem_op_space_read(const struct rt_request *rq, u64 space, u64 address, void *data, size_t data_capacity)
{
	(void)rq;
	return space_transfer(space, address, data, data_capacity, false);
}

long mem_op_space_write(const struct rt_request *rq, u64 space, u64 address, const void *data, size_t data_size)
{
	(void)rq;
	return space_transfer(space, address, (char *)(uintptr_t)data, data_size, true);
}
