/* The deadlines of the service's thread: a binary heap whose room is reserved by those who will need it. */
#include "recover.h"

static struct proc_alarm **heap;
static u32 heap_count, heap_capacity, heap_reserved;

long proc_alarms_reserve(u32 more)
{
	if (heap_reserved + more > heap_capacity) {
		u32 capacity = heap_capacity ? heap_capacity * 2 : 64;
		struct proc_alarm **fresh = heap_resize(heap, capacity * sizeof(*heap));

		if (!fresh)
			return -ENOMEM;
		heap = fresh;
		heap_capacity = capacity;
	}
	heap_reserved += more;
	return 0;
}

void proc_alarms_release(u32 fewer)
{
	heap_reserved -= fewer;
}

static void heap_place(u32 index, struct proc_alarm *alarm)
{
	heap[index] = alarm;
	alarm->place = index + 1;
}

static void heap_rise(u32 index, struct proc_alarm *alarm)
{
	while (index && heap[(index - 1) / 2]->deadline > alarm->deadline) {
		heap_place(index, heap[(index - 1) / 2]);
		index = (index - 1) / 2;
	}
	heap_place(index, alarm);
}

static void heap_sink(u32 index, struct proc_alarm *alarm)
{
	for (;;) {
		u32 child = index * 2 + 1;

		if (child >= heap_count)
			break;
		if (child + 1 < heap_count && heap[child + 1]->deadline < heap[child]->deadline)
			child++;
		if (heap[child]->deadline >= alarm->deadline)
			break;
		heap_place(index, heap[child]);
		index = child;
	}
	heap_place(index, alarm);
}

static void heap_take(struct proc_alarm *alarm)
{
	u32 index = alarm->place - 1;
	struct proc_alarm *last = heap[--heap_count];

	alarm->place = 0;
	if (last == alarm)
		return;
	if (index && heap[(index - 1) / 2]->deadline > last->deadline)
		heap_rise(index, last);
	else
		heap_sink(index, last);
}

void proc_alarm_set(struct proc_alarm *alarm, nanos_t deadline)
{
	if (alarm->place)
		heap_take(alarm);
	alarm->deadline = deadline;
	if (deadline == NANOS_NEVER)
		return;
	heap_rise(heap_count++, alarm);
	if (alarm->place == 1)
		proc_service_wake();
}

/* Its room has been reserved by those who have alarms, and all that are armed are entered anew. */
long proc_alarms_recover(u32 needed)
{
	if (needed > heap_capacity || !heap_claim(heap, heap_capacity * sizeof(*heap), PROC_CLAIMED_BYTES))
		return proc_bad("the room for alarms");
	heap_count = 0;
	heap_reserved = needed;
	return 0;
}

void proc_alarm_recover(struct proc_alarm *alarm)
{
	bool armed = alarm->place && alarm->deadline != NANOS_NEVER;

	alarm->place = 0;
	if (armed)
		heap_rise(heap_count++, alarm);
}

nanos_t proc_alarms_run(void)
{
	nanos_t next = NANOS_NEVER;

	lock_acquire(&proc_lock);
	while (heap_count) {
		struct proc_alarm *first = heap[0];

		if (first->deadline > clock_monotonic()) {
			next = first->deadline;
			break;
		}
		heap_take(first);
		first->expire(first);
		lock_release(&proc_lock); /* others wait; and a failure in the next one does not concern this one */
		lock_acquire(&proc_lock);
	}
	lock_release(&proc_lock);
	return next;
}
