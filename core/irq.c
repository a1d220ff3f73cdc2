/* See irq.h. An interrupt adds one to the bound word and wakes it; the line stays masked until its unit acknowledges. */
#include "irq.h"
#include "copy.h"
#include "domain.h"
#include "frame.h"
#include "thread.h"
#include "token.h"
#include <arch/irq.h>
#include <tessera/errno.h>

struct irq_object irq_objects[IRQ_LINES];
struct ports_object ports_objects[PORTS_MAX];

static long port_check(struct thread *t, const u64 *a, u16 *port)
{
	struct ports_object *ports = token_resolve(t->domain, a[0], TK_OBJECT_PORTS);
	u64 offset = a[1], width = a[2];

	if (ports == NULL)
		return -EPERM;
	if ((width != 1 && width != 2 && width != 4) || offset >= ports->count || offset + width > ports->count)
		return -EINVAL;
	*port = (u16)(ports->first + offset);
	return 0;
}

long call_port_read(struct thread *t, const u64 *a)
{
	u16 port;
	long error = port_check(t, a, &port);
	return error ? error : (long)arch_port_read(port, (u32)a[2]);
}

long call_port_write(struct thread *t, const u64 *a)
{
	u16 port;
	long error = port_check(t, a, &port);
	if (error)
		return error;
	arch_port_write(port, (u32)a[2], (u32)a[3]);
	return 0;
}

/* The word must lie in the unit's private area: its image and heap are never unmapped while it runs. */
long call_irq_bind(struct thread *t, const u64 *a)
{
	struct irq_object *irq = token_resolve(t->domain, a[0], TK_OBJECT_IRQ);
	struct wait_key key = wait_key(t, a[1], 0);
	u64 size = sizeof(u32);

	if (irq == NULL)
		return -EPERM;
	if (key_error(key))
		return key_error(key);
	if (a[1] - t->domain->window < frame_count << PAGE_SHIFT)
		return -EINVAL;
	volatile u32 *word = copy_unit_address(t->domain, a[1], &size, true);
	if (word == NULL)
		return -EFAULT;
	/* Commit. */
	spin_lock(&irq->lock);
	irq->word = word;
	irq->key = key;
	spin_unlock(&irq->lock);
	arch_irq_unmask(irq->line);
	return 0;
}

long call_irq_ack(struct thread *t, const u64 *a)
{
	struct irq_object *irq = token_resolve(t->domain, a[0], TK_OBJECT_IRQ);

	if (irq == NULL)
		return -EPERM;
	arch_irq_unmask(irq->line);
	return 0;
}

void irq_arrived(u32 line)
{
	struct irq_object *irq = &irq_objects[line];

	spin_lock(&irq->lock);
	volatile u32 *word = irq->word;
	struct wait_key key = irq->key;
	if (word)
		__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
	spin_unlock(&irq->lock);
	if (word)
		wait_wake_key(key, ~0u, ~0u);
}
