/* Copies between units, and between a unit and its client's memory. All lengths are bounded by the caller. */
#ifndef CORE_COPY_H
#define CORE_COPY_H

#include <tessera/types.h>

struct domain;
struct thread;

/* The core's address of a byte of a unit's memory, for at most *size bytes (cut to the end of its page): NULL if not mapped so. */
void *copy_unit_address(const struct domain *d, vaddr_t address, u64 *size, bool write);

#define COPY_CLIENT_MAX (64 * 1024ul) /* bytes of one tk_copy_in or tk_copy_out */

/* Both ranges belong to their units (checked by the caller for `from`'s or `to`'s owner); 0 or -EFAULT. */
long copy_unit_to_unit(struct domain *to_domain, vaddr_t to, struct domain *from_domain, vaddr_t from, u64 size) must_check;
long copy_client_in(struct thread *t, vaddr_t to, vaddr_t from, u64 size) must_check;
long copy_client_out(struct thread *t, vaddr_t to, vaddr_t from, u64 size) must_check;

#endif
