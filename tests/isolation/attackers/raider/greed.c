/* Takes all that can be had of something, and ends the unit with it; 1 when it could be had without end. */
#include <mem_client.h>
#include "raider.h"

#define BLOCK_ORDER 6u
#define HEAP_PIECE (1u << 20)

/* A block of frames; 0 when there is none. */
static u32 block_take(u32 order, u64 *first)
{
	return mem_frames_alloc(order, first) == 0 ? 1u << order : 0;
}

static u32 frames_take(u64 wanted)
{
	u64 first;

	return block_take(wanted >= 1u << BLOCK_ORDER ? BLOCK_ORDER : 0, &first);
}

/* A block of watch tables of two frames each. */
static u32 tables_take(void)
{
	struct tk_object_create create = { .type = TK_OBJECT_WATCHES, .frame_count = 2 };
	u64 first;
	u32 count = block_take(BLOCK_ORDER, &first);

	for (u32 i = 0; i < count; i += 2) {
		create.frames[0] = (frame_t)first + i;
		create.frames[1] = (frame_t)first + i + 1;
		long token = tk_object_create(&create);

		if (token < 0 && token > -4096)
			return 0;
	}
	return count;
}

static u32 token_grant_all(void)
{
	u64 first;
	u32 count = block_take(BLOCK_ORDER, &first);

	for (u32 i = 0; i < count; i++)
		for (u32 domain = 1; domain < TK_DOMAINS_MAX; domain++)
			if (tk_grant(token_of_frame(first + i), domain, TK_MODE_WRITE) == -EINVAL && domain != rt_boot->domain)
				break; /* there are no more units */
	return count;
}

static u32 heap_take(void)
{
	u8 *piece = heap_alloc(HEAP_PIECE);

	if (piece)
		piece[0] = piece[HEAP_PIECE - 1] = 1;
	return piece ? HEAP_PIECE / PAGE_SIZE : 0;
}

static u32 piece_take(u32 kind, u64 wanted)
{
	switch (kind) {
	case GREED_tables:
		return tables_take();
	case GREED_tokens:
		return token_grant_all();
	case GREED_heap:
		return heap_take();
	default:
		return frames_take(wanted);
	}
}

long attack_greed(u64 kind, u64 eighths, u64 *detail)
{
	u64 share = rt_boot->memory_frames / GREED_SHARE, wanted = eighths >= 8 ? ~0ull : share * eighths / 8, taken = 0;

	while (taken < wanted) {
		u32 piece = piece_take((u32)kind, wanted - taken);

		taken += piece;
		*detail = taken;
		if (taken > share)
			return 1;
		if (!piece)
			break;
	}
	__builtin_trap();
}
