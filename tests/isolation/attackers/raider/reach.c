/* What a unit may reach by its caller's leave and by its profile's, and nothing beside: ranges of the client, ports, interrupt words. */
#include <arch_call.h>
#include <neighbour_client.h>
#include "raider_server.h"
#include "raider.h"
#include "hostile.h"

#define BUFFER_SIZE 64u

static u8 buffer[BUFFER_SIZE];

/* ---- The client's memory ------------------------------------------------------------------------------------------------------ */

/* Neither copy of a place gets anything. */
static bool copies_refused(vaddr_t address, u64 size, u64 *detail)
{
	*detail = address;
	return tk_copy_in(buffer, address, size) <= 0 && tk_copy_out(address, buffer, size) <= 0;
}

/* Ranges that begin before one that was given, end behind it, or wrap around. */
static bool edges_refused(vaddr_t start, u64 size, u64 *detail)
{
	static const u64 long_sizes[] = { 1ull << 32, 1ull << 47, ~0ull - 4096, ~0ull };

	for (u32 i = 0; i < countof(long_sizes); i++)
		if (!copies_refused(start, long_sizes[i], detail))
			return false;
	return copies_refused(start - 1, 1, detail) && copies_refused(start - 1, 2, detail) && copies_refused(start + size, 1, detail) &&
	       copies_refused(start + size - 1, 2, detail) && copies_refused(start, size + 1, detail) && copies_refused(start - 8, size + 16, detail);
}

/* Another unit is not given what this one does not have. */
static bool passed_on(vaddr_t start, u64 size, u64 *detail)
{
	u64 word;

	*detail = start;
	return neighbour_look(start, size, &word) == 0 && neighbour_look(start, size + 1, &word) == -EPERM &&
	       neighbour_look(start - 8, 16, &word) == -EPERM && neighbour_look(start + size, 8, &word) == -EPERM &&
	       neighbour_look(start, ~0ull, &word) == -EPERM;
}

long raider_op_ranges(const struct rt_request *rq, vaddr_t given, u64 given_size, vaddr_t result, u64 result_size, u64 *detail)
{
	(void)rq;
	if (given_size > BUFFER_SIZE || result_size > BUFFER_SIZE)
		return -EINVAL;
	*detail = 1; /* what was given works, */
	if (tk_copy_in(buffer, given, given_size) != (long)given_size || tk_copy_out(result, buffer, result_size) != (long)result_size)
		return 1;
	*detail = 2; /* in the direction that was declared, */
	if (tk_copy_out(given, buffer, 1) >= 0 || tk_copy_in(buffer, result, 1) >= 0)
		return 1;
	*detail = 3; /* into memory of one's own */
	for (u32 i = 0; i < hostile_count; i++)
		if (tk_copy_in((void *)hostile_addresses[i], given, given_size) > 0 || tk_copy_out(result, (void *)hostile_addresses[i], result_size) > 0)
			return 1;
	return !edges_refused(given, given_size, detail) || !edges_refused(result, result_size, detail) || !passed_on(given, given_size, detail);
}

long raider_op_range(const struct rt_request *rq, u32 more, vaddr_t given, u64 given_size, u64 *detail)
{
	(void)rq, (void)more;
	*detail = 1;
	if (given_size > BUFFER_SIZE || tk_copy_in(buffer, given, given_size) != (long)given_size || tk_copy_out(given, buffer, 1) >= 0)
		return 1;
	return !edges_refused(given, given_size, detail) || !passed_on(given, given_size, detail);
}

/* ---- Devices ------------------------------------------------------------------------------------------------------------------ */

static vaddr_t token_given(u32 type)
{
	for (u32 i = 0; i < rt_boot->token_count; i++)
		if (rt_boot->tokens[i].type == type)
			return rt_boot->tokens[i].token;
	return 0;
}

/* Two ports were given. */
bool devices_closed(u64 *detail)
{
	static const struct { u64 offset, width; } beyond[] = { { 2, 1 }, { 1, 2 }, { 0, 4 }, { 0, 3 }, { 0, 0 }, { 0, 8 }, { 0x10000, 1 },
		{ ~0ull, 1 }, { ~0ull, 2 }, { ~0ull - 1, 2 }, { 1ull << 32, 1 }, { 0, ~0ull }, { (u64)-0x70, 1 } };
	vaddr_t ports = token_given(TK_OBJECT_PORTS), line = token_given(TK_OBJECT_IRQ);

	*detail = 1;
	if (!ports || !line || tk_port_read(ports, 0, 1) < 0 || tk_port_read(ports, 0, 2) < 0)
		return false;
	for (u32 i = 0; i < countof(beyond); i++) {
		*detail = beyond[i].offset << 8 | i;
		if (arch_core_call(ports, beyond[i].offset, beyond[i].width, 0, 0, TK_PORT_READ) >= 0 ||
		    arch_core_call(ports, beyond[i].offset, beyond[i].width, 0, 0, TK_PORT_WRITE) >= 0)
			return false;
	}
	for (u32 i = 0; i < hostile_count; i++) {
		*detail = hostile_addresses[i];
		if (tk_irq_bind(line, (volatile u32 *)hostile_addresses[i]) >= 0)
			return false;
	}
	*detail = 2; /* tokens of one type are none of the other */
	return arch_core_call(line, 0, 1, 0, 0, TK_PORT_READ) < 0 && tk_irq_bind(ports, (volatile u32 *)buffer) < 0 && tk_irq_ack(ports) < 0;
}
