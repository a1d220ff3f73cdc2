/* Device access of units: interrupt lines bound to words, port ranges. Objects are static, made at boot from the manifest. */
#ifndef CORE_IRQ_H
#define CORE_IRQ_H

#include <tessera/types.h>
#include "spinlock.h"
#include "wait.h"

struct thread;

struct irq_object { u32 line; struct spinlock lock; volatile u32 *word; struct wait_key key; };
struct ports_object { u16 first, count; };
#define IRQ_LINES 24
extern struct irq_object irq_objects[IRQ_LINES];
#define PORTS_MAX 16
extern struct ports_object ports_objects[PORTS_MAX];

/* Handlers of the core's calls. */
long call_port_read(struct thread *t, const u64 *a);
long call_port_write(struct thread *t, const u64 *a);
long call_irq_bind(struct thread *t, const u64 *a);
long call_irq_ack(struct thread *t, const u64 *a);

#endif
