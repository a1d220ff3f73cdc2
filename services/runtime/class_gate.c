/* IC1 and IC2: the core's calls, by the instruction that arch/ wraps; results and errors are the core's. */
#include <runtime_unit.h>

#define CALL(number, a, b, c, d, e) arch_core_call((u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), number)

u64 __stack_chk_guard;
noreturn_fn void __stack_chk_fail(void);

/* Called once by the entry, before any function that has a guard of its own on the stack. */
__attribute__((no_stack_protector)) void runtime_guard_set(const struct tk_boot_info *boot)
{
	u64 guard;

	memcpy(&guard, boot->seed + sizeof(boot->seed) - sizeof(guard), sizeof(guard));
	__stack_chk_guard = guard & ~0xfful;
}

void __stack_chk_fail(void)
{
	unit_fail("stack", 0, "a function wrote behind its stack frame");
}

int arch_client_copy(u64 to, u64 from, size_t length);

/* Whether a range lies in the client's half, where class IC1 may reach it as long as keys, not roots, keep units apart. */
static bool client_reachable(vaddr_t client, size_t length)
{
	return rt_boot->client_mapped && length <= rt_boot->user_limit && client <= rt_boot->user_limit - length;
}

bool client_get(void *to, vaddr_t from, size_t length)
{
	if (likely(client_reachable(from, length)))
		return arch_client_copy((u64)to, from, length) == 0;
	return length <= PAGE_SIZE && tk_copy_in(to, from, length) == (long)length;
}

bool client_put(vaddr_t to, const void *from, size_t length)
{
	if (likely(client_reachable(to, length)))
		return arch_client_copy(to, (u64)from, length) == 0;
	return length <= PAGE_SIZE && tk_copy_out(to, from, length) == (long)length;
}

long tk_call(u32 gate, u32 op, struct tk_message *message)
{
	return arch_gate_call(message, (u64)TK_CALL | (u64)gate << 8 | (u64)op << 16);
}

long tk_wait(const volatile u32 *word, u32 expected, nanos_t deadline, u32 flags, u32 bitset)
{
	return CALL(TK_WAIT, word, expected, deadline, flags, bitset);
}

long tk_wake(const volatile u32 *word, u32 count, u32 flags, u32 bitset)
{
	return CALL(TK_WAKE, word, count, flags, bitset, 0);
}

long tk_requeue(const struct tk_requeue *request)
{
	return CALL(TK_REQUEUE, request, 0, 0, 0, 0);
}

long tk_watch(vaddr_t table, u32 index, const volatile u32 *sequence, u64 cookie)
{
	return CALL(TK_WATCH, table, index, sequence, cookie, 0);
}

long tk_unwatch(vaddr_t table, u32 index)
{
	return CALL(TK_UNWATCH, table, index, 0, 0, 0);
}

long tk_copy_in(void *to, vaddr_t from, size_t length)
{
	return CALL(TK_COPY_IN, to, from, length, 0, 0);
}

long tk_copy_out(vaddr_t to, const void *from, size_t length)
{
	return CALL(TK_COPY_OUT, to, from, length, 0, 0);
}

long tk_client_set(vaddr_t vspace)
{
	return CALL(TK_CLIENT_SET, vspace, 0, 0, 0, 0);
}

long tk_client_get(void)
{
	return CALL(TK_CLIENT_GET, 0, 0, 0, 0, 0);
}

long tk_object_create(const struct tk_object_create *request)
{
	return CALL(TK_OBJECT_CREATE, request, 0, 0, 0, 0);
}

long tk_object_destroy(vaddr_t token)
{
	return CALL(TK_OBJECT_DESTROY, token, 0, 0, 0, 0);
}

long tk_object_write(vaddr_t token, const struct tk_field_write *writes, u32 count)
{
	return CALL(TK_OBJECT_WRITE, token, writes, count, 0, 0);
}

long tk_grant(vaddr_t token, u32 domain, u32 mode)
{
	return CALL(TK_GRANT, token, domain, mode, 0, 0);
}

long tk_revoke(vaddr_t token, u32 domain)
{
	return CALL(TK_REVOKE, token, domain, 0, 0, 0);
}

long tk_frames_give(frame_t first, u32 count, u32 domain)
{
	return CALL(TK_FRAMES_GIVE, first, count, domain, 0, 0);
}

long tk_frames_reclaim(u32 domain, frame_t frame)
{
	return CALL(TK_FRAMES_RECLAIM, domain, frame, 0, 0, 0);
}

long tk_call_deadline(nanos_t when)
{
	return CALL(TK_CALL_DEADLINE, when, 0, 0, 0, 0);
}

long tk_reserve_fill(const frame_t *frames, u32 count)
{
	return CALL(TK_RESERVE_FILL, frames, count, 0, 0, 0);
}

long tk_memory_online(u32 section)
{
	return CALL(TK_MEMORY_ONLINE, section, 0, 0, 0, 0);
}

long tk_heap_map(u32 domain, u64 page, const frame_t *frames, u32 count)
{
	return CALL(TK_HEAP_MAP, domain, page, frames, count, 0);
}

long tk_map(const struct tk_map *request)
{
	return CALL(TK_MAP, request, 0, 0, 0, 0);
}

long tk_unmap(struct tk_unmap *request)
{
	return CALL(TK_UNMAP, request, 0, 0, 0, 0);
}

long tk_protect(vaddr_t vspace, vaddr_t address, u64 pages, u32 prot)
{
	return CALL(TK_PROTECT, vspace, address, pages, prot, 0);
}

long tk_share(const struct tk_share *request)
{
	return CALL(TK_SHARE, request, 0, 0, 0, 0);
}

long tk_move(const struct tk_move *request)
{
	return CALL(TK_MOVE, request, 0, 0, 0, 0);
}

long tk_query(vaddr_t vspace, vaddr_t address)
{
	return CALL(TK_QUERY, vspace, address, 0, 0, 0);
}

long tk_thread_start(vaddr_t thread)
{
	return CALL(TK_THREAD_START, thread, 0, 0, 0, 0);
}

void tk_thread_exit(volatile u32 *word)
{
	CALL(TK_THREAD_EXIT, word, 0, 0, 0, 0);
	__builtin_trap();
}

long tk_thread_interrupt(vaddr_t thread, u32 bits)
{
	return CALL(TK_THREAD_INTERRUPT, thread, bits, 0, 0, 0);
}

long tk_thread_regs_get(vaddr_t thread, struct tk_regs *regs)
{
	return CALL(TK_THREAD_REGS_GET, thread, regs, 0, 0, 0);
}

long tk_thread_regs_set(vaddr_t thread, const struct tk_regs *regs, enum tk_vector vector, vaddr_t client, u64 features)
{
	return CALL(TK_THREAD_REGS_SET, thread, regs, vector, client, features);
}

long tk_yield(void)
{
	return CALL(TK_YIELD, 0, 0, 0, 0, 0);
}

long tk_port_read(vaddr_t ports, u32 offset, u32 width)
{
	return CALL(TK_PORT_READ, ports, offset, width, 0, 0);
}

long tk_port_write(vaddr_t ports, u32 offset, u32 width, u32 value)
{
	return CALL(TK_PORT_WRITE, ports, offset, width, value, 0);
}

long tk_irq_bind(vaddr_t irq, volatile u32 *word)
{
	return CALL(TK_IRQ_BIND, irq, word, 0, 0, 0);
}

long tk_irq_ack(vaddr_t irq)
{
	return CALL(TK_IRQ_ACK, irq, 0, 0, 0, 0);
}

long tk_domain_restart(vaddr_t domain)
{
	return CALL(TK_DOMAIN_RESTART, domain, 0, 0, 0, 0);
}

long tk_object_renew(vaddr_t token, u64 argument)
{
	return CALL(TK_OBJECT_RENEW, token, argument, 0, 0, 0);
}

long tk_domain_end(vaddr_t domain, u32 state)
{
	return CALL(TK_DOMAIN_END, domain, state, 0, 0, 0);
}

long tk_log(const char *text, size_t length)
{
	return CALL(TK_LOG, text, length, 0, 0, 0);
}

long tk_power(u32 how, u32 status)
{
	return CALL(TK_POWER, how, status, 0, 0, 0);
}
