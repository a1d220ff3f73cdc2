/* Copies between memories of different owners. The current thread's root decides what can be reached directly; the rest by a walk. */
#include "copy.h"
#include "domain.h"
#include "thread.h"
#include "vspace.h"
#include "frame.h"
#include "cpu.h"
#include <arch/page.h>
#include <tessera/errno.h>

/* The core's address of a byte of a unit's memory, for at most *size bytes (to the end of its page): NULL if not mapped. */
void *copy_unit_address(const struct domain *d, vaddr_t address, u64 *size, bool write)
{
	u64 offset = address & PAGE_MASK;
	bool large = false;

	if (*size > PAGE_SIZE - offset)
		*size = PAGE_SIZE - offset;
	arch_entry_t *entry = arch_page_walk(d->root, address, false, &large);
	if (entry == NULL || !arch_entry_present(*entry))
		return NULL;
	if (write && !arch_entry_writable(*entry))
		return NULL;
	frame_t frame = arch_entry_frame(*entry);
	if (large)
		frame += (frame_t)(address >> PAGE_SHIFT & 511);
	return (char *)frame_address(frame) + offset;
}

long copy_unit_to_unit(struct domain *to_domain, vaddr_t to, struct domain *from_domain, vaddr_t from, u64 size)
{
	if (to_domain->root == from_domain->root) /* IC0 and IC1: both in the kernel's half, which every root has */
		return arch_copy(to, from, size) ? -EFAULT : 0;
	while (size) {
		u64 part = size;
		void *source = copy_unit_address(from_domain, from, &part, false);
		void *target = copy_unit_address(to_domain, to, &part, true);
		if (source == NULL || target == NULL)
			return -EFAULT;
		__builtin_memcpy(target, source, part);
		size -= part;
		from += part;
		to += part;
	}
	return 0;
}

bool domain_owns_range(const struct domain *d, vaddr_t address, u64 size)
{
	if (address + size < address)
		return false;
	if (d->class == 0)
		return address >= ARCH_KERNEL_HALF;
	if (d->class == 2)
		return address + size <= ARCH_USER_LIMIT;
	return address >= d->private && address + size <= d->private + d->private_size;
}

/* The caller's memory is mapped in the root now loaded (entry code has seen to it), so these copy directly, with faults caught. */
long domain_copy_in(const struct domain *d, void *to, vaddr_t from, size_t size)
{
	if (!domain_owns_range(d, from, size))
		return -EFAULT;
	return arch_copy((vaddr_t)to, from, size) ? -EFAULT : 0;
}

long domain_copy_out(const struct domain *d, vaddr_t to, const void *from, size_t size)
{
	if (!domain_owns_range(d, to, size))
		return -EFAULT;
	return arch_copy(to, (vaddr_t)from, size) ? -EFAULT : 0;
}

/* ---- The client -------------------------------------------------------------------------------------------------------------------- */

/* IC0 and IC1 run over their client's address space: a direct copy, in which a missing page is served on the way. A fault that was
 * served twice without progress is the unit's own side: the copy ends there. */
static u64 client_copy_direct(struct thread *t, vaddr_t to, vaddr_t from, u64 size, u32 access)
{
	u64 done = 0, stuck = 0;

	for (;;) {
		u64 part = size - done - arch_copy(to + done, from + done, size - done);
		done += part;
		stuck = part ? 0 : stuck + 1;
		if (done == size || stuck > 2)
			return done;
		if (vspace_fault(t->vspace, (access == TK_ACCESS_WRITE ? to : from) + done, access) != FAULT_SERVED)
			return done;
	}
}

/* An IC2 unit has another address space: the client's page is looked up, one at a time. */
static u64 client_copy_walk(struct thread *t, vaddr_t to, vaddr_t from, u64 size, u32 access)
{
	u64 done = 0;

	while (done < size) {
		vaddr_t client = (access == TK_ACCESS_WRITE ? to : from) + done;
		u64 part = PAGE_SIZE - (client & PAGE_MASK);
		frame_t frame;
		if (part > size - done)
			part = size - done;
		char *page = vspace_pin(t->vspace, client & ~PAGE_MASK, access, &frame);
		if (page == NULL)
			return done;
		page += client & PAGE_MASK;
		size_t left = access == TK_ACCESS_WRITE ? arch_copy((vaddr_t)page, from + done, part) : arch_copy(to + done, (vaddr_t)page, part);
		frame_unpin(frame);
		done += part - left;
		if (left)
			return done;
	}
	return done;
}

static long client_copy(struct thread *t, vaddr_t to, vaddr_t from, u64 size, u32 access)
{
	vaddr_t client = access == TK_ACCESS_WRITE ? to : from, own = access == TK_ACCESS_WRITE ? from : to;

	if (size > COPY_CLIENT_MAX)
		size = COPY_CLIENT_MAX;
	if (t->vspace == NULL || client + size < client || client + size > ARCH_USER_LIMIT)
		return 0;
	if (!(t->domain->rights & TK_RIGHT_CLIENTS) && t->domain->class != 0 && !activation_holds_range(t->top, client, size, access))
		return -EPERM;
	if (!domain_owns_range(t->domain, own, size))
		return -EFAULT;
	if (t->domain->class != 2)
		return (long)client_copy_direct(t, to, from, size, access);
	return (long)client_copy_walk(t, to, from, size, access);
}

long copy_client_in(struct thread *t, vaddr_t to, vaddr_t from, u64 size) { return client_copy(t, to, from, size, TK_ACCESS_READ); }
long copy_client_out(struct thread *t, vaddr_t to, vaddr_t from, u64 size) { return client_copy(t, to, from, size, TK_ACCESS_WRITE); }
