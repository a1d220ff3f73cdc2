/* Tokens that an operation uses: pinned between check and commit, so that their objects are neither destroyed nor changed. */
#include "token.h"

frame_t token_held(const struct domain *domain, vaddr_t token)
{
	u64 place = token_place(domain, token);

	return place < frame_count && domain_holds(domain, place) ? (frame_t)place : FRAME_NONE;
}

void *token_pin(const struct domain *domain, vaddr_t token, u32 type)
{
	frame_t frame = token_held(domain, token);
	void *object = NULL;

	if (frame == FRAME_NONE)
		return NULL;
	struct frame_record *record = frame_record(frame);
	spin_lock(frame_lock(frame));
	if (record->types == frame_object_types(type) && !(record->flags & FRAME_CLAIMED)) {
		frame_pin(frame);
		object = record->object;
	}
	spin_unlock(frame_lock(frame));
	return object;
}

void *token_pin_own(const struct domain *domain, vaddr_t token, u32 type)
{
	void *object = token_pin(domain, token, type);

	if (object == NULL || frame_record(token_frame(domain, token))->owner == domain->id)
		return object;
	token_unpin(domain, token);
	return NULL;
}

void token_unpin(const struct domain *domain, vaddr_t token) { frame_unpin(token_frame(domain, token)); }
