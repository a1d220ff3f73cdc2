/* Copies between a service and its client: what the core can't reach yet is brought in by mem, then the copy goes on. */
#include <runtime_unit.h>
#include <mem_client.h>

#define RETRIES_MAX 64      /* without progress: memory so short that what came in is gone again each time */
#define FAULT_IN_MAX 65536ul
#define STRING_STEP_FIRST 64ul

/* One step of a copy; `from` or `to` is the client's address. */
typedef long (*copy_step)(void *service, vaddr_t client, size_t length);

static long step_in(void *service, vaddr_t client, size_t length)
{
	return tk_copy_in(service, client, length);
}

static long step_out(void *service, vaddr_t client, size_t length)
{
	return tk_copy_out(client, service, length);
}

static const char zeroes[1024];

/* Zeroes come from one small block, so a step may do less than it is asked for. */
static long step_zero(void *service, vaddr_t client, size_t length)
{
	(void)service;
	return tk_copy_out(client, zeroes, length < sizeof(zeroes) ? length : sizeof(zeroes));
}

/* noinline: a copy that is done at once does not pay for this frame. */
static __attribute__((noinline)) long copy_all(copy_step step, void *service, vaddr_t client, size_t length, u32 access)
{
	u32 retries = 0;

	if (client + length < client)
		return -EFAULT;
	while (length) {
		long done = step(service, client, length);

		if (done < 0 || (size_t)done > length)
			return -EFAULT;
		if (done) {
			service = service ? (char *)service + done : NULL;
			client += (u64)done;
			length -= (size_t)done;
			retries = 0;
			continue;
		}
		if (++retries > RETRIES_MAX)
			return -EFAULT;
		if (mem_fault_in(client, length < FAULT_IN_MAX ? length : FAULT_IN_MAX, access) < 0 &&
		    mem_fault_in(client, 1, access) < 0)
			return -EFAULT;
	}
	return 0;
}

long user_copy_in(void *to, vaddr_t from, size_t length)
{
	lock_none_at_copy();
	if (likely(client_get(to, from, length)))
		return 0;
	return copy_all(step_in, to, from, length, TK_ACCESS_READ);
}

long user_copy_out(vaddr_t to, const void *from, size_t length)
{
	lock_none_at_copy();
	if (likely(client_put(to, from, length)))
		return 0;
	return copy_all(step_out, (void *)(uintptr_t)from, to, length, TK_ACCESS_WRITE);
}

long user_fill_zero(vaddr_t to, size_t length)
{
	lock_none_at_copy();
	if (length <= sizeof(zeroes) && client_put(to, zeroes, length))
		return 0;
	return copy_all(step_zero, NULL, to, length, TK_ACCESS_WRITE);
}

long user_copy_string(char *to, vaddr_t from, size_t capacity)
{
	size_t done = 0, step = STRING_STEP_FIRST;

	while (done < capacity) {
		size_t to_page_end = PAGE_SIZE - (from & PAGE_MASK);
		size_t part = step < capacity - done ? step : capacity - done;

		if (part > to_page_end)
			part = to_page_end; /* the string may end at the last mapped page */
		long result = user_copy_in(to + done, from, part);

		if (result < 0)
			return result;
		const char *end = memchr(to + done, 0, part);

		if (end)
			return end - to;
		done += part;
		from += part;
		step *= 4;
	}
	return -ENAMETOOLONG;
}
