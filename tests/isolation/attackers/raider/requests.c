/* Requests of the core that must get nothing: bad pointers, tokens, gates, rights. */
#include <arch_call.h>
#include <mem_client.h>
#include "raider.h"
#include "hostile.h"

#define WORDS 5u

static u64 detail_of; /* of the request that got something */

static bool refused(u64 number, u64 result)
{
	if (REFUSED(result))
		return true;
	detail_of = number << 48 | (result & 0xffffffffffff);
	return false;
}

/* Nothing, and nothing copied; any number is a deadline for one's own calls. */
static bool may_do_nothing(u64 number)
{
	return number == TK_COPY_IN || number == TK_COPY_OUT || number == TK_LOG || number == TK_WAKE || number == TK_CALL_DEADLINE;
}

static bool is_request(u64 number)
{
	return number > TK_CALL && number != TK_THREAD_EXIT && number != TK_YIELD;
}

/* Each address as each word of each request; the other words are 0, then 1, then the address too. */
static bool pointer_try(u64 number, u64 address, u32 place, u32 rest)
{
	u64 w[WORDS];

	for (u32 i = 0; i < WORDS; i++)
		w[i] = i == place || rest == 2 ? address : rest;
	u64 result = (u64)arch_core_call(w[0], w[1], w[2], w[3], w[4], number);

	return refused(number, result) || (result == 0 && may_do_nothing(number));
}

static bool pointers(void)
{
	for (u64 number = 0; number < TK_CALL_COUNT; number++)
		for (u32 i = 0; is_request(number) && i < hostile_count; i++)
			for (u32 place = 0; place < WORDS; place++)
				for (u32 rest = 0; rest < 3; rest++)
					if (!pointer_try(number, hostile_addresses[i], place, rest))
						return false;
	return true;
}

static bool numbers(void)
{
	for (u64 number = TK_CALL_COUNT; number < 256; number++)
		if (!refused(number, (u64)arch_core_call(1, 2, 3, 4, 5, number)))
			return false;
	return true;
}

#define GATES_GIVEN 2u /* to `mem` and to the neighbour */

static bool gates(void)
{
	struct tk_message message = { { 0 } };
	u32 open = 0;

	for (u32 gate = 0; gate < TK_GATES_MAX; gate++) {
		long result = tk_call(gate, 0xffff, &message);

		open += result == -ENOSYS;
		for (u32 op = 0; result == -EPERM && op < 64; op++)
			if (tk_call(gate, op, &message) != -EPERM)
				return false;
	}
	detail_of = open;
	return open == GATES_GIVEN;
}

/* ---- Tokens ------------------------------------------------------------------------------------------------------------------------ */

static const u8 token_requests[] = { TK_OBJECT_DESTROY, TK_OBJECT_RENEW, TK_OBJECT_WRITE, TK_GRANT, TK_REVOKE, TK_WATCH, TK_UNWATCH, TK_CLIENT_SET,
	TK_THREAD_START, TK_THREAD_INTERRUPT, TK_THREAD_REGS_GET, TK_THREAD_REGS_SET, TK_PORT_READ, TK_PORT_WRITE, TK_IRQ_BIND, TK_IRQ_ACK,
	TK_DOMAIN_RESTART, TK_PROTECT, TK_QUERY };
static u8 buffer[256];

static bool token_try(u64 token)
{
	for (u32 i = 0; i < countof(token_requests); i++) {
		u64 number = token_requests[i], second = (u64)buffer;

		if (number == TK_GRANT || number == TK_REVOKE || number == TK_THREAD_INTERRUPT)
			second = 1;
		if (number == TK_PORT_READ || number == TK_PORT_WRITE || number == TK_WATCH || number == TK_UNWATCH)
			second = 0;
		if (!refused(number, (u64)arch_core_call(token, second, 1, 1, 1, number)))
			return false;
	}
	return true;
}

/* Its ports and lines: it may withdraw what it owns, from whoever does not have it. */
static bool token_given(u64 token)
{
	for (u32 i = 0; i < rt_boot->token_count; i++)
		if (rt_boot->tokens[i].token == token)
			return true;
	return false;
}

static bool tokens(void)
{
	for (u64 frame = 0; frame < rt_boot->memory_frames; frame += 1 + frame % 13) {
		u64 token = rt_boot->window + frame * PAGE_SIZE;

		if (!token_given(token) && !token_try(token))
			return false;
		if (frame % 8 == 0 && !refused(TK_FRAMES_GIVE, (u64)tk_frames_give((frame_t)frame, 1, 1)))
			return false;
	}
	return true;
}

static bool tokens_odd(void)
{
	static const u64 offsets[] = { 1, 8, 0xfff, 0x1001, 0x100000000000, 0x80000000000, 0x8000000000, (u64)-1, (u64)-0x1000, 1ull << 44,
		1ull << 47, 1ull << 62, 1ull << 63 };

	for (u32 i = 0; i < countof(offsets); i++)
		if (!token_try(rt_boot->window + offsets[i]) || !token_try(rt_boot->window + rt_boot->memory_frames * PAGE_SIZE + offsets[i]))
			return false;
	for (u32 i = 0; i < hostile_count; i++)
		if (!token_try(hostile_addresses[i]))
			return false;
	return true;
}

/* ---- Objects --------------------------------------------------------------------------------------------------------------------------- */

static struct tk_object_create create;
static frame_t own[64]; /* frames that this life of the unit has or had */
static u32 own_count;

static bool frame_is_own(u64 frame)
{
	for (u32 i = 0; i < own_count; i++)
		if (own[i] == frame)
			return true;
	return false;
}

static bool frames_get(u32 count)
{
	create = (struct tk_object_create){ .type = TK_OBJECT_WATCHES, .frame_count = 2 };
	for (u32 i = 0; i < count; i++) {
		u64 frame;

		if (mem_frames_alloc(0, &frame) < 0)
			return false;
		create.frames[i] = (frame_t)frame;
		own[own_count++ % countof(own)] = (frame_t)frame;
	}
	return own_count < countof(own);
}

static bool create_refused(void)
{
	return refused(TK_OBJECT_CREATE, (u64)tk_object_create(&create));
}

static bool stale(void)
{
	static volatile u32 sequence;

	if (!frames_get(2))
		return false;
	long token = tk_object_create(&create);

	if ((REFUSED(token) && token > -4096) || tk_watch((vaddr_t)token, 0, &sequence, 1) || !create_refused())
		return false; /* its frames are an object now: not to be used for another */
	if (tk_object_destroy((vaddr_t)token) || !refused(TK_WATCH, (u64)tk_watch((vaddr_t)token, 0, &sequence, 1)) ||
	    !refused(TK_UNWATCH, (u64)tk_unwatch((vaddr_t)token, 0)) || !refused(TK_OBJECT_DESTROY, (u64)tk_object_destroy((vaddr_t)token)) ||
	    !refused(TK_OBJECT_RENEW, (u64)tk_object_renew((vaddr_t)token, 0)))
		return false;
	(void)tk_wake(&sequence, ~0u, 0, ~0u);
	if (tk_frames_give(create.frames[0], 1, rt_boot->mem_domain) || !token_try((u64)token) || !create_refused())
		return false;
	return true;
}

static bool frames_twice(void)
{
	if (!frames_get(2))
		return false;
	frame_t first = create.frames[0], second = create.frames[1];

	create.frames[1] = first;
	if (!create_refused())
		return false;
	create.frames[1] = FRAME_NONE;
	if (!create_refused())
		return false;
	create.frames[1] = ~0u;
	if (!create_refused())
		return false;
	create.frames[1] = second;
	long token = tk_object_create(&create); /* a refusal left them as they were */

	return !(token < 0 && token > -4096) && tk_object_destroy((vaddr_t)token) == 0;
}

static bool frames_foreign(void)
{
	if (!frames_get(1))
		return false;
	for (u64 frame = 0; frame < rt_boot->memory_frames; frame += 37) {
		if (frame_is_own(frame))
			continue;
		create.frames[1] = (frame_t)frame;
		create.frame_count = 2;
		for (create.type = 0; create.type < TK_OBJECT_TYPES + 2; create.type++)
			if (!create_refused())
				return false;
	}
	for (create.type = 0; create.type < TK_OBJECT_TYPES; create.type++)
		for (create.frame_count = 0; create.frame_count < 40; create.frame_count++)
			if (!create_refused())
				return false;
	create.frame_count = ~0u;
	return create_refused();
}

/* ---- Rights -------------------------------------------------------------------------------------------------------------------------------- */

static bool rights(void)
{
	static const u8 without[] = { TK_RESERVE_FILL, TK_MEMORY_ONLINE, TK_HEAP_MAP, TK_CLIENT_GET, TK_CLIENT_SET, TK_THREAD_START,
		TK_THREAD_INTERRUPT, TK_THREAD_REGS_GET, TK_THREAD_REGS_SET, TK_DOMAIN_RESTART, TK_DOMAIN_END, TK_POWER };

	for (u32 i = 0; i < countof(without); i++) {
		long result = arch_core_call(0, (u64)buffer, 0, 0, 0, without[i]);

		detail_of = (u64)without[i] << 48 | ((u64)result & 0xffff);
		if (result != -EPERM)
			return false;
	}
	if (!frames_get(2))
		return false;
	for (create.type = TK_OBJECT_VSPACE; create.type <= TK_OBJECT_POOL; create.type++)
		if (tk_object_create(&create) != -EPERM)
			return false;
	return true;
}

static bool client(void)
{
	static const u64 addresses[] = { 0x400000, 0x7fff00000000, 0x1000, 0x7ffffffff000, 0x555555554000 };

	for (u32 i = 0; i < countof(addresses); i++) {
		long in = tk_copy_in(buffer, addresses[i], 8), out = tk_copy_out(addresses[i], buffer, 8);
		long wait = tk_wait((const volatile u32 *)addresses[i], 0, 0, TK_WAIT_CLIENT, ~0u);
		long wake = tk_wake((const volatile u32 *)addresses[i], 1, TK_WAIT_CLIENT | TK_WAIT_SHARED, ~0u);

		detail_of = addresses[i];
		if (in > 0 || out > 0 || !REFUSED(wait) || !REFUSED(wake))
			return false;
	}
	return true;
}

static bool leave(void)
{
	detail_of = (u64)arch_core_call(0, 0, 0, 0, 0, TK_THREAD_EXIT);
	return detail_of == (u64)-EPERM;
}

/* ---- What comes back ------------------------------------------------------------------------------------------------------------------------- */

static bool registers_empty(const u64 *after, bool outs)
{
	for (u32 i = 0; i < REGISTERS; i++) {
		if (i == REGISTER_RDI || i == REGISTER_RCX || i == REGISTER_R11)
			continue; /* the result; what SYSRET needs: the unit's own address, its flags; what WRMSR needs: its number */
		if (outs && (i == REGISTER_RSI || i == REGISTER_R12 || i == REGISTER_R10))
			continue; /* the callee's words */
		detail_of = (u64)i << 56 | (after[i] & ~(0xffull << 56));
		if (after[i])
			return false;
	}
	detail_of = after[REGISTER_RCX];
	return after[REGISTER_RCX] < 0xffff880000000000ul ? after[REGISTER_RCX] < 1ul << 47 : after[REGISTER_RCX] < 0xfffffe0000000000ul;
}

static bool registers(void)
{
	static volatile u32 never;
	u64 after[REGISTERS];

	for (u64 number = 0; number < TK_CALL_COUNT; number++) {
		if (!is_request(number))
			continue;
		registers_after(number, rt_boot->window, (u64)buffer, 1, after);
		if (!registers_empty(after, false))
			return false;
	}
	registers_after(TK_WAIT, (u64)&never, 0, clock_monotonic() + 2000000, after); /* another way out of the core; no bits: refused */
	if (!registers_empty(after, false))
		return false;
	registers_after(TK_YIELD, 0, 0, 0, after);
	return registers_empty(after, false);
}

static bool registers_gate(void)
{
	u64 after[REGISTERS];

	for (u64 gate = 0; gate < 64; gate++) {
		registers_after(TK_CALL | gate << 8 | 0xffffull << 16, 1, 2, 3, after);
		if (!registers_empty(after, false))
			return false;
		if ((long)after[REGISTER_RDI] != -ENOSYS)
			continue;
		for (u64 op = 0; op < 4; op++) {
			registers_after(TK_CALL | gate << 8 | op << 16, ~0ull, ~0ull, ~0ull, after);
			if (!registers_empty(after, true))
				return false;
		}
	}
	return true;
}

static bool bases(void)
{
	detail_of = bases_after_call(0x123456789000);
	return detail_of == 0;
}

/* Of the unit's own memory where nothing is mapped: behind its heap, and everything that is not its own. */
static bool word_try(vaddr_t address)
{
	static const u32 flags[] = { 0, TK_WAIT_KILLABLE, TK_WAIT_LOCK, TK_WAIT_NEVER_INTERRUPTED, TK_WAIT_CLIENT, TK_WAIT_CLIENT | TK_WAIT_SHARED };
	const volatile u32 *word = (const volatile u32 *)address;

	detail_of = address;
	for (u32 i = 0; i < countof(flags); i++) {
		const struct tk_requeue from = { word, (const volatile u32 *)buffer, 0, 1, 1, flags[i] | TK_REQUEUE_COMPARE };
		const struct tk_requeue to = { (const volatile u32 *)buffer, word, 1, 1, 1, flags[i] | TK_REQUEUE_COMPARE };

		if (!REFUSED(tk_wait(word, 0, 0, flags[i], ~0u)) || !REFUSED(tk_requeue(&from)) || !REFUSED(tk_requeue(&to)) ||
		    tk_wake(word, 1, flags[i], ~0u) > 0)
			return false;
	}
	return true;
}

static bool words(void)
{
	const u64 holes[] = { 0, 4, 0x1000, rt_boot->heap + rt_boot->heap_limit * PAGE_SIZE - PAGE_SIZE, rt_boot->heap - PAGE_SIZE,
		rt_boot->window + 64 * PAGE_SIZE, rt_boot->clock + PAGE_SIZE };

	for (u32 i = 0; i < countof(holes); i++)
		if (!word_try(holes[i]))
			return false;
	for (u32 i = 0; i < hostile_count; i++)
		if (!word_try(hostile_addresses[i]) || !word_try(hostile_addresses[i] & ~3ull))
			return false;
	return true;
}

static bool devices(void) { return devices_closed(&detail_of); }

static bool log_lines(void)
{
	static const char text[] = "# said\nforged line\r\x1b[2Jforged line\x7f";

	return tk_log(text, sizeof(text) - 1) == 0;
}

static bool watches(void)
{
	static const u32 indices[] = { TK_WATCHES_IN_TABLE, TK_WATCHES_IN_TABLE + 1, 0x7fffffff, 0x80000000, ~0u };
	static volatile u32 sequence;

	if (!frames_get(2))
		return false;
	long token = tk_object_create(&create);

	if (token < 0 && token > -4096)
		return false;
	for (u32 i = 0; i < countof(indices); i++)
		if (!refused(TK_WATCH, (u64)tk_watch((vaddr_t)token, indices[i], &sequence, 7)) ||
		    !refused(TK_UNWATCH, (u64)tk_unwatch((vaddr_t)token, indices[i])))
			return false;
	/* A ready queue scribbled over, and a table that watches itself. */
	if (tk_watch((vaddr_t)token, 0, &sequence, 7) || tk_watch((vaddr_t)token, 1, &((struct tk_watch_page *)token)->tail, 8))
		return false;
	for (u32 i = 0; i < 1000; i++) {
		memset((void *)token, (int)i, PAGE_SIZE);
		(void)tk_wake(&sequence, 1, 0, ~0u);
	}
	return tk_object_destroy((vaddr_t)token) == 0;
}

static bool (*const requests[])(void) = {
#define X(identifier, name) [REQUEST_##identifier] = identifier,
	REQUESTS(X)
#undef X
};

long attack_request(u64 index, u64 *detail)
{
	if (index >= REQUEST_COUNT)
		return -EINVAL;
	detail_of = 0;
	bool good = requests[index]();

	*detail = good ? 0 : detail_of;
	return !good;
}
