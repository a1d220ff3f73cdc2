/*
 * A set of words of which any may change: the core puts the notice of each change into ready queues, and the wait is on one word.
 * The user of a set serialises its calls. A notice may come for nothing, so whoever is noticed looks again.
 */
#ifndef ABI_WATCH_H
#define ABI_WATCH_H

#include "shim.h"

struct watch_node;
struct watch_place { struct watch_node *node; u32 index; }; /* node NULL: not in a set */

struct watch_set *watch_set_create(void) must_check;
/* Starts to watch a word; its notices carry the cookie (not NULL). -ENOMEM. A word whose owner is gone is not watched, and tells nothing. */
long watch_set_add(struct watch_set *set, const volatile u32 *word, void *cookie, struct watch_place *place) must_check;
void watch_set_remove(struct watch_set *set, struct watch_place *place);
/* The word to wait on: read it before watch_set_take. */
const volatile u32 *watch_set_word(const struct watch_set *set);
/* Takes all notices there are. */
void watch_set_take(struct watch_set *set, void (*notice)(void *cookie, void *context), void *context);

#endif
