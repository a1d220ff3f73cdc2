/* Life and signals of tasks inside the shim: what clone.c, exec.c, exit.c and the signal files share. */
#ifndef ABI_PROCESS_H
#define ABI_PROCESS_H

#include "shim.h"
#include "include/abi_signal.h"
#include <proc_client.h>

/* The program that processes run: fs's file, open (and so unwritable) until the last of them ends or executes another. */
struct shim_program {
	volatile u32 references;
	u64 file;
};
void shim_program_put(struct shim_program *program); /* NULL is fine */

/* What proc and the shim share of a thread. */
static inline struct proc_thread_shared *shim_shared(const struct shim_thread *t)
{
	return (struct proc_thread_shared *)t->page->owner_data;
}

/* exit.c: ends the calling thread; status is a wait status. Drops everything that the thread and, as the last, its process hold. */
noreturn_fn void shim_thread_end(struct shim_thread *t, i32 status);
/* Ends the calling process. */
noreturn_fn void shim_process_end(struct shim_thread *t, i32 status);
/* Drops one use of an address space; the last one ends it. No thread may have it as its client any more. */
void shim_space_put(u64 space, volatile u32 *users);

/* exec.c: the program of process 1, for the calling thread. */
long shim_exec_first(struct shim_thread *t, const char *path, const char *const *arguments, const char *const *environment) must_check;

/* credentials.c: tells fs about the calling process's credentials. */
long shim_credentials_changed(struct shim_thread *t);
/* limits.c: tells mem about the calling process's limits. */
void shim_limits_changed(struct shim_thread *t);

/* signal_action.c: sigaction; action NULL: only asks. */
long shim_action(struct shim_process *process, u32 signal, const struct proc_action *action, struct proc_action *old) must_check;
/* From here to the release proc knows all actions, and they stand still. changed: bits of signals whose action proc may have set. */
void shim_actions_hold(struct shim_process *process);
void shim_actions_release(struct shim_process *process, u64 changed);
void shim_actions_share(struct shim_process *process);  /* with another process, from now on; held */
void shim_actions_forget(struct shim_process *process); /* another program begins with its own; there is one thread */
/* The calls of proc whose result may be a verdict. */
long shim_signal_take(struct shim_thread *t) must_check;
long shim_signal_force(struct shim_thread *t, u32 signal, i32 code, u64 address) must_check;
long shim_signal_kill(struct shim_thread *t, u32 target, i32 id, i32 group, u32 signal) must_check;

/* signal.c */
bool shim_on_altstack(const struct shim_thread *t, u64 stack_pointer);
/* signal_calls.c: active says that the thread runs on the one it has. */
long shim_altstack_set(struct shim_thread *t, const struct linux_stack *stack, bool active) must_check;
/* init.c: the first thing that the first thread does in the shim is to execute its program. */
bool shim_init_enter(struct shim_thread *t);
/* arch: value of the result register. */
long shim_regs_value(const struct tk_regs *regs);
/* arch: makes a handler's frame on the application's stack and sets its registers; regs are those then. -EFAULT: it could not be written. */
long shim_frame_make(struct shim_thread *t, struct tk_regs *regs, const struct proc_delivery *delivery, u64 mask) must_check;
/* arch: the registers with which a system call runs again, or restart_syscall. */
void shim_regs_restart(struct tk_regs *regs, bool by_restart_syscall);
/* arch: the result of the call in the registers. */
void shim_regs_result(struct tk_regs *regs, long result);
/* arch: registers of a new program. */
void shim_regs_program(struct tk_regs *regs, vaddr_t entry, vaddr_t stack_pointer);
/* arch: a cloned child's registers from its maker's. */
void shim_regs_child(struct tk_regs *regs, vaddr_t stack, bool set_tls, u64 tls);
u64 shim_regs_stack(const struct tk_regs *regs);

#endif
