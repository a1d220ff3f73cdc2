/* Signals on the way back to the program: handlers' frames, restarts, stops, the end; and the exceptions that become signals. */
#include "process.h"
#include <tessera/arch.h>

/* Linux's rules for a call that a signal has interrupted: true to run it again. restart: SA_RESTART; handled: a handler runs. */
static bool call_restarts(long result, bool handled, bool restart)
{
	switch (result) {
	case -ERESTARTNOINTR:
		return true;
	case -ERESTARTSYS:
		return !handled || restart;
	case -ERESTARTNOHAND:
	case -ERESTART_RESTARTBLOCK:
		return !handled;
	default:
		return false;
	}
}

/* The interrupted call's result goes to the registers, or they are set to run it again. */
static void call_finish(struct tk_regs *regs, long result, bool handled, bool restart)
{
	if (call_restarts(result, handled, restart))
		shim_regs_restart(regs, result == -ERESTART_RESTARTBLOCK);
	else if (result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK)
		shim_regs_result(regs, -EINTR);
	else
		shim_regs_result(regs, result);
}

static void stop_wait(struct shim_thread *t, u32 value)
{
	volatile u32 *stopped = &shim_shared(t)->stopped;

	/* A kill ends the wait; what came meanwhile is asked for next. */
	while (__atomic_load_n(stopped, __ATOMIC_ACQUIRE) == value)
		if (tk_wait(stopped, value, NANOS_NEVER, TK_WAIT_KILLABLE, ~0u) == -EINTR)
			return;
}

/* The handler's frame could not be made: SIGSEGV, by its default action if that was the signal itself. The next verdict. */
static long frame_fail(struct shim_thread *t, u32 signal)
{
	const struct proc_action initial = { .handler = PROC_HANDLER_DEFAULT };
	struct proc_action old;

	if (signal == SIGSEGV)
		(void)!shim_action(t->process, SIGSEGV, &initial, &old);
	return shim_signal_force(t, SIGSEGV, PROC_SI_KERNEL, 0);
}

/* The verdict on what comes of it: none when its frame stands. */
static long handler_run(struct shim_thread *t, struct tk_regs *regs, const struct proc_delivery *delivery)
{
	u64 mask = t->saved_mask_valid ? t->saved_mask : delivery->old_mask;

	if (shim_frame_make(t, regs, delivery, mask) < 0)
		return frame_fail(t, (u32)delivery->info.signal);
	t->saved_mask_valid = false;
	return PROC_VERDICT_NONE;
}

static void mask_restore(struct shim_thread *t)
{
	u64 old;

	if (!t->saved_mask_valid)
		return;
	t->saved_mask_valid = false;
	(void)!proc_signal_mask(PROC_MASK_SET, t->saved_mask, &old);
}

/* noinline: a system call without a signal does not pay for the registers that a call of a gate takes. */
__attribute__((noinline)) long signals_deliver(struct shim_thread *t, long result, bool in_call)
{
	return signals_act(t, shim_signal_take(t), result, in_call);
}

long signals_act(struct shim_thread *t, long verdict, long result, bool in_call)
{
	const struct proc_delivery *delivery = &shim_shared(t)->delivery;
	struct tk_regs regs;
	bool changed = false, handled = false; /* registers, and not set yet; set */

	if (tk_thread_regs_get(0, &regs) < 0)
		shim_thread_end(t, SIGKILL);
	if (in_call && regs.orig_rax == ~0ull)
		in_call = false; /* sigreturn: what it restored stands */
	for (;;) {
		if (verdict < 0)
			shim_thread_end(t, SIGKILL);
		if (verdict == PROC_VERDICT_EXIT)
			shim_thread_end(t, delivery->status);
		if (verdict == PROC_VERDICT_STOP) {
			stop_wait(t, delivery->stop_value);
		} else if (verdict == PROC_VERDICT_NONE) {
			if (!t->saved_mask_valid)
				break;
			mask_restore(t); /* it may let another signal through */
		} else {
			if (in_call)
				call_finish(&regs, result, true, delivery->action.flags & PROC_SA_RESTART);
			changed |= in_call;
			in_call = false;
			verdict = handler_run(t, &regs, delivery);
			if (verdict != PROC_VERDICT_NONE)
				continue;
			changed = false;
			handled = true;
			if (!t->page->interrupt) /* proc has set the word anew: nothing is left for now */
				break;
		}
		verdict = shim_signal_take(t);
	}
	if (in_call && result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK) {
		call_finish(&regs, result, false, false);
		changed = true;
	}
	if (changed && tk_thread_regs_set(0, &regs, TK_VECTOR_KEEP, 0, 0) < 0)
		shim_process_end(t, SIGSEGV);
	return changed || handled ? shim_regs_value(&regs) : result;
}

bool shim_on_altstack(const struct shim_thread *t, u64 stack_pointer)
{
	return stack_pointer > t->altstack.base && stack_pointer - t->altstack.base <= t->altstack.size &&
	       !(t->altstack.flags & SS_AUTODISARM);
}
