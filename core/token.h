/*
 * Tokens: an object is named by the address of its page in the caller's window. token_resolve is arithmetic and one look at the
 * record's holder bit. The caller pins what it resolves until it has committed (pins forbid destruction and change of type).
 */
#ifndef CORE_TOKEN_H
#define CORE_TOKEN_H

#include <tessera/types.h>
#include "frame.h"
#include "domain.h"

/* The frame of a token, as a number: not below frame_count when it is no address of the window, or none of a page's start. */
static inline u64 token_place(const struct domain *domain, vaddr_t token)
{
	u64 offset = token - domain->window;
	return offset >> PAGE_SHIFT | offset << (64 - PAGE_SHIFT);
}
/* The private part of an object of that type which `domain` holds, or NULL. Not pinned. */
static inline void *token_resolve(const struct domain *domain, vaddr_t token, u32 type)
{
	u64 place = token_place(domain, token);
	if (unlikely(place >= frame_count || !domain_holds(domain, place)))
		return NULL;
	const struct frame_record *record = frame_record(0) + place;
	return likely(record->types == frame_object_types(type)) ? record->object : NULL;
}
/* Pins the object's exported frame: NULL if it is gone or not held. token_unpin releases it. */
void *token_pin(const struct domain *domain, vaddr_t token, u32 type);
/* Only if the domain owns it, too. */
void *token_pin_own(const struct domain *domain, vaddr_t token, u32 type);
void token_unpin(const struct domain *domain, vaddr_t token);
static inline frame_t token_frame(const struct domain *domain, vaddr_t token) { return (frame_t)((token - domain->window) >> PAGE_SHIFT); }

/* The frame of an address in the window if the domain holds it, else FRAME_NONE. */
frame_t token_held(const struct domain *domain, vaddr_t token);

/* ---- object.c -------------------------------------------------------------------------------------------------------------------- */
/* Checks and converts the frames of a request (core's copy): private frames are cleared and FRAME_PRIVATE, then the create function of
 * the type fills them (thread_create, vspace_create, ...: 0 or an error, which undoes all). The result is the token. */
long object_create(u32 caller, const struct tk_object_create *request) must_check;
long object_destroy(u32 caller, vaddr_t token);
long object_renew(u32 caller, vaddr_t token, u64 argument); /* as tk_object_renew */
long object_write(u32 caller, vaddr_t token, const struct tk_field_write *writes, u32 count);
/* Boot: an object of static memory; maps nothing. */
void object_adopt(frame_t exported, void *private_part, u32 type, u32 owner);

/* ---- grant.c ------------------------------------------------------------------------------------------------------------------------ */
long token_grant(u32 caller, vaddr_t token, u32 domain, u32 mode);
long token_revoke(u32 caller, vaddr_t token, u32 domain);
long frames_give(u32 caller, frame_t first, u32 count, u32 domain);
long frames_reclaim(u32 caller, u32 domain, frame_t frame);
/* Takes a pinned frame from every holder but its owner. */
void token_revoke_all(frame_t frame, u32 owner);
/* tk_heap_map: frames is the caller's address. */
long heap_map(u32 caller, u32 domain, u64 page, vaddr_t frames, u32 count);

/* ---- window.c: token windows; all take the domain's lock -------------------------------------------------------------------------------- */
/* Maps a frame into a domain's window and sets its holder bit; 0 or -ENOMEM. Boot and grant. */
long window_map(struct domain *domain, frame_t frame, bool writable);
/* Takes it out: the dead page is mapped instead and all processors have flushed on return. */
void window_unmap(struct domain *domain, frame_t frame);
/* The same for a claimed frame without the flush; true: a processor may have used it, so a flush is due. */
bool window_replace_dead(struct domain *domain, frame_t frame);
/* In every holder but the owner, with one flush. */
void window_unmap_all(frame_t frame, u32 owner);
bool window_writable(struct domain *domain, frame_t frame);
/* Makes the tables for frames of a window, so that removing or mapping them can't fail: 0 or -ENOMEM. */
long window_prepare(struct domain *domain, const frame_t *frames, u32 count);
/* Claims frames of their owner and prepares its window: 0, -EPERM or -ENOMEM. */
long window_claim(struct domain *owner, const frame_t *frames, u32 count) must_check;
/* Takes claimed frames out of their owner's window, leaving nothing mapped; all processors have flushed on return. */
void window_remove(struct domain *domain, const frame_t *frames, u32 count);
/* Boot and new sections: large pages where aligned; tables come from the reserve, its floor included. */
void window_map_range(struct domain *domain, frame_t first, u64 count);

#endif
