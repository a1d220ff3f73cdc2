/* The way from an application's system call, exception or interrupt to its handler and back. */
#include "process.h"
#include "timerfd.h"
#include "terminal.h"
#include <abi_server.h>

/* One bit a system call: its absence has been logged. */
static u64 absence_logged[16];

/* What is not served: one line in the log at the first try of each number. */
static __attribute__((noinline)) long syscall_absent(struct shim_thread *t, u32 number)
{
	u32 word = number / 64;
	u64 bit = 1ull << number % 64;
	const char *name = number < syscall_count ? syscall_names[number] : NULL;

	if (name && word < countof(absence_logged) && !(__atomic_fetch_or(&absence_logged[word], bit, __ATOMIC_RELAXED) & bit))
		log_line("abi: %s (%u) is not served: -ENOSYS, asked first by process %d", name, number, t->process->pid);
	return -ENOSYS;
}

/* A thread without a record can't be served and must not run on. */
static __attribute__((noinline)) noreturn_fn void thread_unknown(u32 thread)
{
	log_line("abi: thread %u has no record", thread);
	tk_thread_exit(NULL);
}

long abi_serve_syscall(u32 number, const u64 *args, u32 thread)
{
	struct shim_thread *t = shim_thread_find(thread);
	long result;

	if (unlikely(!t))
		thread_unknown(thread);
	if (likely(number < syscall_count && syscall_table[number]))
		result = syscall_table[number](t, args);
	else
		result = syscall_absent(t, number);
	if (unlikely(t->page->interrupt || (result < 0 && result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK)))
		result = signals_deliver(t, result, true);
	return result;
}

long abi_upcall_syscall(const struct tk_request *request)
{
	return abi_serve_syscall(request->op >> 8, request->args, request->thread);
}

long abi_upcall_exception(const struct tk_request *request)
{
	struct shim_thread *t = shim_thread_find(request->thread);

	if (unlikely(!t))
		thread_unknown(request->thread);
	return signals_act(t, exception_signal(t, request), 0, false);
}

long abi_upcall_interrupt(const struct tk_request *request)
{
	struct shim_thread *t = shim_thread_find(request->thread);

	if (unlikely(!t))
		thread_unknown(request->thread);
	(void)shim_init_enter(t);
	return signals_deliver(t, 0, false);
}

long abi_op_unit_changed(const struct rt_request *rq, u32 unit)
{
	(void)rq;
	(void)unit;
	rt_unit_returned("abi: a unit changed");
	terminals_look();
	return 0;
}

void abi_init(void)
{
	clock_boot();
}

void abi_main(u32 index)
{
	if (index == 0)
		shim_start_init();
	else
		timerfd_serve();
	tk_thread_exit(NULL);
}
