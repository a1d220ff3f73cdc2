/* Recovery: System V semaphores. */
#include "recover.h"
#include "semaphore.h"

static long undos_recover(struct semaphore_set *set)
{
	const size_t size = sizeof(struct semaphore_undo) + set->is.count * sizeof(i32);

	if (!proc_list_claim(&set->undos, offsetof(struct semaphore_undo, link), size, PROC_CLAIMED_SEMAPHORES))
		return proc_bad("what the end of a process takes back");
	list_each(node, &set->undos) {
		const struct semaphore_undo *undo = container_of(node, struct semaphore_undo, link);

		if (!proc_process_known(undo->process) || undo->process->zombie)
			return proc_bad("whose semaphores are taken back");
		for (u32 i = 0; i < set->is.count; i++)
			if (undo->adjust[i] < -PROC_SEMAPHORE_VALUE_MAX - 1 || undo->adjust[i] > PROC_SEMAPHORE_VALUE_MAX)
				return proc_bad("how far a semaphore is taken back");
	}
	return 0;
}

static long set_recover(struct semaphore_set *set, u32 place)
{
	if (!heap_claim(set, sizeof(*set), PROC_CLAIMED_SEMAPHORES) || set->is.count > PROC_SEMAPHORES_MAX ||
	    heap_size(set) < sizeof(*set) + set->is.count * sizeof(set->semaphores[0]) || set->is.id < 0 ||
	    (u32)set->is.id % SEMAPHORE_PLACES != place || !pollword_claim(set->word))
		return proc_bad("a set of semaphores");
	for (u32 i = 0; i < set->is.count; i++)
		if (set->semaphores[i].value < 0 || set->semaphores[i].value > PROC_SEMAPHORE_VALUE_MAX)
			return proc_bad("the value of a semaphore");
	if (!proc_list_claim(&set->waiters, offsetof(struct semaphore_waiter, link), sizeof(struct semaphore_waiter), PROC_CLAIMED_SEMAPHORES))
		return proc_bad("who waits for a semaphore");
	list_each(node, &set->waiters) {
		const struct semaphore_waiter *waiter = container_of(node, struct semaphore_waiter, link);

		if (!proc_bools_valid(&waiter->zero, &waiter->zero))
			return proc_bad("what is waited for at a semaphore");
	}
	return undos_recover(set);
}

long proc_semaphores_recover(void)
{
	proc_semaphore_lock = (struct rt_lock)RT_LOCK_INIT;
	proc_semaphore_spares_drop();
	if (proc_semaphore_places > PROC_SEMAPHORE_SETS || (proc_semaphore_places && !heap_claim(proc_semaphore_sets,
	    proc_semaphore_places * sizeof(*proc_semaphore_sets), PROC_CLAIMED_SEMAPHORES)))
		return proc_bad("the sets of semaphores");
	if (!proc_semaphore_places)
		proc_semaphore_sets = NULL;
	proc_semaphore_count = proc_semaphore_lowest = 0;
	for (u32 place = 0; place < proc_semaphore_places; place++) {
		if (!proc_semaphore_sets[place])
			continue;
		if (set_recover(proc_semaphore_sets[place], place))
			return -EIO;
		proc_semaphore_count++;
		pollword_event(proc_semaphore_sets[place]->word, 0); /* whoever waits tries again */
	}
	return 0;
}
