/*
 * Debug builds follow the locks that each stack holds: none where user memory is copied or a call returns, and those with a rank in the
 * order of their ranks. A violation is a bug of the service: one line, and its unit ends. The record stands behind the request of the call
 * at the base of the stack, which is zero when the stack is new.
 */
#include <runtime_unit.h>

#define HELD_MAX 12u

struct locks_held {
	u32 count;
	struct { const struct rt_lock *lock; const void *place; } held[HELD_MAX];
};

extern const char __executable_start[];

static struct locks_held *locks_held(void)
{
	return (struct locks_held *)(runtime_request_of((u64)__builtin_frame_address(0)) + 1);
}

/* Where code was loaded is known to nobody else: places are told as the unit's ELF file, or the image's, has them. */
static u64 place_in_image(const void *place) { return (u64)place - (u64)__executable_start; }

static noreturn_fn void violated(const char *what, u64 place, u64 other)
{
	char text[160];

	format_text(text, sizeof(text), "%s; taken at 0x%lx, now at 0x%lx", what, other, place);
	unit_fail("lock", 0, text);
}

void lock_wanted(const struct rt_lock *lock, const void *place)
{
	const struct locks_held *all = locks_held();

	for (u32 i = 0; lock->rank && i < all->count; i++)
		if (all->held[i].lock->rank > lock->rank)
			violated("locks in the wrong order", place_in_image(place), place_in_image(all->held[i].place));
}

void lock_taken(const struct rt_lock *lock, const void *place)
{
	struct locks_held *all = locks_held();

	if (all->count == HELD_MAX)
		violated("more locks than are followed", place_in_image(place), place_in_image(all->held[0].place));
	all->held[all->count].lock = lock;
	all->held[all->count++].place = place;
}

void lock_left(const struct rt_lock *lock)
{
	struct locks_held *all = locks_held();
	u32 i = all->count;

	while (i > 0 && all->held[i - 1].lock != lock)
		i--;
	rt_assert(i > 0); /* lock_release has looked who holds it */
	all->count--;
	for (; i <= all->count; i++)
		all->held[i - 1] = all->held[i];
}

void lock_none(const char *what)
{
	const struct locks_held *all = locks_held();

	if (all->count)
		violated(what, place_in_image(__builtin_return_address(0)), place_in_image(all->held[0].place));
}

void lock_none_at_copy(void)
{
	const struct locks_held *all = locks_held();

	for (u32 i = 0; i < all->count; i++)
		if (all->held[i].lock->rank != RANK_ABI_POSITION)
			violated("user memory is copied with a lock", place_in_image(__builtin_return_address(0)), place_in_image(all->held[i].place));
}
