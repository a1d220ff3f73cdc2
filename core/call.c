/* The core's calls: a table of handlers. Each copies its request once, checks, then commits. Arguments are the unit's six words. */
#include <tessera/errno.h>
#include <arch/boot.h>
#include <arch/context.h>
#include "audit.h"
#include "copy.h"
#include "cpu.h"
#include "detach.h"
#include "domain.h"
#include "frame.h"
#include "irq.h"
#include "log.h"
#include "option.h"
#include "sched.h"
#include "thread.h"
#include "token.h"
#include "vspace.h"
#include "wait.h"

typedef long (*call_handler)(struct thread *t, const u64 *a);

/* The handler of a call whose first word points to a request of a type: its copy is `r`. */
#define REQUEST_CALL(name, type, run) \
	static long call_##name(struct thread *t, const u64 *a) \
	{ \
		type r; \
		long error = domain_copy_in(t->domain, &r, a[0], sizeof(r)); \
		return error ? error : run; \
	}

/* ---- Waiting -------------------------------------------------------------------------------------------------------------------------- */

static long call_wait(struct thread *t, const u64 *a)
{
	struct wait_request r = { a[0], (u32)a[1], (u32)a[3], a[2], (u32)a[4] };
	return wait_begin(t, &r);
}
static long call_wake(struct thread *t, const u64 *a) { return wait_wake(t, a[0], (u32)a[1], (u32)a[2], (u32)a[3]); }
REQUEST_CALL(requeue, struct tk_requeue, wait_requeue(t, &r))
static long call_watch(struct thread *t, const u64 *a) { return watch_set(t, a[0], (u32)a[1], a[2], a[3]); }
static long call_unwatch(struct thread *t, const u64 *a) { return watch_clear(t, a[0], (u32)a[1]); }

/* ---- The client ----------------------------------------------------------------------------------------------------------------------------- */

static long call_copy_in(struct thread *t, const u64 *a) { return copy_client_in(t, a[0], a[1], a[2]); }
static long call_copy_out(struct thread *t, const u64 *a) { return copy_client_out(t, a[0], a[1], a[2]); }

static long call_client_set(struct thread *t, const u64 *a)
{
	struct vspace *space = NULL, *old = t->vspace;

	if (!(t->domain->rights & TK_RIGHT_CLIENTS) || t->origin)
		return -EPERM;
	if (a[0] && (space = vspace_reference(t->domain, a[0])) == NULL)
		return -EINVAL;
	/* Commit. */
	t->vspace = space;
	arch_client_load(t);
	vspace_unreference(old);
	return 0;
}

static long call_client_get(struct thread *t, const u64 *a)
{
	(void)a;
	if (!(t->domain->rights & TK_RIGHT_MEMORY))
		return -EPERM;
	return t->vspace ? (long)t->vspace->id : 0;
}

/* ---- Objects and memory ------------------------------------------------------------------------------------------------------------------------ */

REQUEST_CALL(object_create, struct tk_object_create, object_create(t->domain->id, &r))
static long call_object_destroy(struct thread *t, const u64 *a) { return object_destroy(t->domain->id, a[0]); }
static long call_object_renew(struct thread *t, const u64 *a) { return object_renew(t->domain->id, a[0], a[1]); }
#define FIELDS_MAX 8
static long call_object_write(struct thread *t, const u64 *a)
{
	struct tk_field_write writes[FIELDS_MAX];
	if (a[2] > FIELDS_MAX)
		return -EINVAL;
	long error = domain_copy_in(t->domain, writes, a[1], a[2] * sizeof(writes[0]));
	return error ? error : object_write(t->domain->id, a[0], writes, (u32)a[2]);
}
static long call_grant(struct thread *t, const u64 *a) { return token_grant(t->domain->id, a[0], (u32)a[1], (u32)a[2]); }
static long call_revoke(struct thread *t, const u64 *a) { return token_revoke(t->domain->id, a[0], (u32)a[1]); }
static long call_frames_give(struct thread *t, const u64 *a) { return frames_give(t->domain->id, (frame_t)a[0], (u32)a[1], (u32)a[2]); }
static long call_frames_reclaim(struct thread *t, const u64 *a) { return frames_reclaim(t->domain->id, (u32)a[0], (frame_t)a[1]); }
static long call_reserve_fill(struct thread *t, const u64 *a) { return reserve_fill(t->domain->id, a[0], (u32)a[1]); }
static long call_memory_online(struct thread *t, const u64 *a) { return memory_online(t->domain->id, (u32)a[0]); }
static long call_heap_map(struct thread *t, const u64 *a) { return heap_map(t->domain->id, (u32)a[0], a[1], a[2], (u32)a[3]); }

REQUEST_CALL(map, struct tk_map, vspace_map(t->domain->id, &r))
static long call_unmap(struct thread *t, const u64 *a)
{
	struct tk_unmap r;
	long error = domain_copy_in(t->domain, &r, a[0], sizeof(r));
	if (error)
		return error; /* what was not copied in must not go back: it is the core's stack */
	error = vspace_unmap(t->domain->id, &r);
	long copied = domain_copy_out(t->domain, a[0], &r, sizeof(r));
	return copied ? copied : error;
}
static long call_protect(struct thread *t, const u64 *a) { return vspace_protect(t->domain->id, a[0], a[1], a[2], (u32)a[3]); }
REQUEST_CALL(share, struct tk_share, vspace_share(t->domain->id, &r))
REQUEST_CALL(move, struct tk_move, vspace_move(t->domain->id, &r))
static long call_query(struct thread *t, const u64 *a) { return vspace_query(t->domain->id, a[0], a[1]); }

/* ---- Threads ---------------------------------------------------------------------------------------------------------------------------------------- */

typedef long (*thread_call)(struct thread *t, struct thread *target, const u64 *a);

/* Runs an operation on the thread of a token, pinned. */
static long with_thread(struct thread *t, u32 right, thread_call run, const u64 *a)
{
	if (!(t->domain->rights & right))
		return -EPERM;
	struct thread *target = token_pin(t->domain, a[0], TK_OBJECT_THREAD);
	if (target == NULL)
		return -EINVAL;
	long result = run(t, target, a);
	token_unpin(t->domain, a[0]);
	return result;
}

static long run_start(struct thread *t, struct thread *target, const u64 *a) { (void)t; (void)a; return thread_start(target); }
static long run_interrupt(struct thread *t, struct thread *target, const u64 *a) { (void)t; return thread_interrupt(target, (u32)a[1]); }
static long call_thread_start(struct thread *t, const u64 *a) { return with_thread(t, TK_RIGHT_THREADS, run_start, a); }
static long call_thread_interrupt(struct thread *t, const u64 *a)
{
	return with_thread(t, TK_RIGHT_THREADS | TK_RIGHT_CLIENTS, run_interrupt, a);
}

static long call_thread_exit(struct thread *t, const u64 *a)
{
	struct wait_key key = { 0, 0 };
	const u32 one = 1;

	if (t->top != t->activations || activation_kind(t->top->kind) == ACTIVATION_START) /* the boot thread is not a unit's to end */
		return -EPERM;
	if (a[0]) {
		key = wait_key(t, a[0], 0);
		long error = key_error(key);
		if (error == 0)
			error = domain_copy_out(t->domain, a[0], &one, sizeof(one));
		if (error)
			return error;
	}
	t->exit_space = key.space;
	t->exit_address = key.address;
	activation_leave(t);
	thread_exit_current(t);
	return 0;
}

static long run_regs_get(struct thread *t, struct thread *target, const u64 *a)
{
	struct tk_regs regs;
	long error = arch_regs_get(target, &regs);
	return error ? error : domain_copy_out(t->domain, a[1], &regs, sizeof(regs));
}
static long run_regs_set(struct thread *t, struct thread *target, const u64 *a)
{
	struct tk_regs regs;
	long error = domain_copy_in(t->domain, &regs, a[1], sizeof(regs));
	return error ? error : arch_regs_set(target, &regs, (u32)a[2], a[3], a[4]);
}
/* Registers are stable while the thread is not in user mode: in its shim (the caller), not started, or waiting, and kept waiting.
 * Token 0 is the calling thread itself. */
static long with_registers(struct thread *t, thread_call run, const u64 *a)
{
	struct wait_bucket *held = NULL;
	long result = -EBUSY;

	if (!(t->domain->rights & TK_RIGHT_CLIENTS))
		return -EPERM;
	if (a[0] == 0)
		return run(t, t, a);
	struct thread *target = token_pin(t->domain, a[0], TK_OBJECT_THREAD);
	if (target == NULL)
		return -EINVAL;
	if (target == t || target->state == THREAD_NEW || (held = wait_hold(target)) != NULL)
		result = run(t, target, a);
	if (held)
		wait_hold_end(held);
	token_unpin(t->domain, a[0]);
	return result;
}
static long call_thread_regs_get(struct thread *t, const u64 *a) { return with_registers(t, run_regs_get, a); }
static long call_thread_regs_set(struct thread *t, const u64 *a) { return with_registers(t, run_regs_set, a); }
static long call_call_deadline(struct thread *t, const u64 *a) { return detach_deadline(t, a[0]); }
static long call_yield(struct thread *t, const u64 *a) { (void)t, (void)a; sched_yield(); return 0; }

/* ---- System ------------------------------------------------------------------------------------------------------------------------------------------ */

static long call_domain_restart(struct thread *t, const u64 *a)
{
	if (!(t->domain->rights & TK_RIGHT_DOMAINS))
		return -EPERM;
	struct domain *d = token_resolve(t->domain, a[0], TK_OBJECT_DOMAIN);
	return d ? domain_restart(t, d) : -EINVAL;
}
static long call_domain_end(struct thread *t, const u64 *a)
{
	if (!(t->domain->rights & TK_RIGHT_DOMAINS))
		return -EPERM;
	struct domain *d = token_resolve(t->domain, a[0], TK_OBJECT_DOMAIN);
	return d && d->class ? domain_end(d, (u32)a[1]) : -EINVAL;
}
#define LOG_MAX 256
static long call_log(struct thread *t, const u64 *a)
{
	char text[LOG_MAX];
	u64 length = a[1] < LOG_MAX ? a[1] : LOG_MAX;
	long error = domain_copy_in(t->domain, text, a[0], length);
	if (error == 0)
		core_log_text(text, length);
	return error;
}
static long call_power(struct thread *t, const u64 *a)
{
	if (!(t->domain->rights & TK_RIGHT_POWER))
		return -EPERM;
	if (a[0] > TK_POWER_PANIC || a[1] > 255)
		return -EINVAL;
	if (a[0] == TK_POWER_OFF && option_given("audit") && !audit_run())
		arch_power(TK_POWER_OFF, AUDIT_FAILED_STATUS);
	arch_power((u32)a[0], (u32)a[1]);
}

#define HANDLER(number, name) [TK_##number] = call_##name,
static const call_handler handlers[TK_CALL_COUNT] = { TK_CALLS(HANDLER) };

/* From entry code: the result; when the thread parked, cpu.reschedule is set and the result comes with its wake. */
long core_call(struct thread *t, u32 number, const u64 *a);
long core_call(struct thread *t, u32 number, const u64 *a)
{
	if (number >= TK_CALL_COUNT || handlers[number] == NULL)
		return -ENOSYS;
	return handlers[number](t, a);
}

/* The slow end of a call: keeps the result for when the thread runs again. A parked thread's result is its waker's affair. */
void core_call_finish(struct thread *t, long result);
void core_call_finish(struct thread *t, long result)
{
	if (t->parked) {
		t->parked = false;
		return;
	}
	if (t->state != THREAD_RUNNABLE)
		return;
	t->result = (u64)result;
	__builtin_memset(t->outs, 0, sizeof(t->outs));
}

/* ---- On the way out ---------------------------------------------------------------------------------------------------------------------------------- */

void resume_prepare(void);
void resume_prepare(void)
{
	struct cpu *cpu = arch_cpu();

	for (;;) {
		struct thread *t = cpu->current;
		if (cpu->reschedule)
			sched_switch();
		else if (t->domain && t->top->generation != t->top->domain->generation)
			activation_unwind(t);
		else if (t->look_due)
			detach_look_taken(t);
		else if (t->resume == RESUME_RETRY)
			gate_call_slow(t, t->pending_number, t->pending);
		else if (t->resume == RESUME_BOOT)
			start_step(t);
		else
			return;
	}
}

/* The application's frame is complete, but something stands before it: 1 when it may run after all. */
long resume_user_prepare(struct thread *t);
long resume_user_prepare(struct thread *t)
{
	t->domain = NULL;
	t->top = t->activations - 1;
	t->resume = RESUME_USER;
	t->attention &= ~(u32)ATTENTION_RESULT;
	t->arch.syscall = ~0ull;
	if (arch_cpu()->reschedule || arch_cpu()->reschedule_later) {
		arch_cpu()->reschedule = true;
		return 0;
	}
	if (t->page->interrupt == 0)
		return 1;
	struct tk_request request = { .interface = TK_INTERFACE_CORE, .op = TK_UPCALL_INTERRUPT, .thread = t->id };
	if (activation_upcall(t, abi_domain, ACTIVATION_EVENT, &request) == -EAGAIN)
		sched_yield();
	return 0;
}
