/* The end of a thread and of a process, in the order of Linux's do_exit: robust futexes, descriptors, memory, then the parent hears. */
#include "process.h"
#include <mem_client.h>
#include <fs_client.h>
#include <tty_client.h>

static volatile u32 *exit_word; /* proc's: told when a thread has left */

static volatile u32 *exit_word_get(void)
{
	u64 frame;

	/* All who come first find the same word: relaxed is enough. */
	if (!exit_word && proc_exit_page(&frame) >= 0)
		__atomic_store_n(&exit_word, (volatile u32 *)token_of_frame(frame), __ATOMIC_RELAXED);
	return exit_word;
}

void shim_space_put(u64 space, volatile u32 *users)
{
	/* Whatever the last but one did with the space is over: acquire and release. */
	if (__atomic_sub_fetch(users, 1, __ATOMIC_ACQ_REL))
		return;
	heap_free((void *)users);
	long result = mem_space_destroy(space);
	if (result < 0 && result != -EINTR) /* a killed thread left the call, which an orphan finishes */
		log_line("abi: an address space does not end (%ld)", result);
}

void shim_program_put(struct shim_program *program)
{
	if (!program || __atomic_sub_fetch(&program->references, 1, __ATOMIC_ACQ_REL)) /* as above */
		return;
	if (program->file)
		(void)!fs_close(program->file);
	heap_free(program);
}

/* What the last thread of a process gives back. */
static void process_leave(struct shim_process *process)
{
	struct shim_fd_table *files = shim_process_files_set(process, NULL);

	if (files)
		fd_table_put(files);
	if (process->fs_client)
		(void)!fs_client_release(process->fs_client);
	process->fs_client = 0;
	shim_program_put(process->program);
	process->program = NULL;
	if (process->space_users)
		shim_space_put(process->space, process->space_users);
	process->space_users = NULL;
}

/* The machine ends with the first process; the launcher gets what a shell would show. */
static void machine_end(i32 status)
{
	u32 shown = status & 0x7f ? 128 + (u32)(status & 0x7f) : (u32)status >> 8 & 0xff;

	log_line("abi: process 1 has ended with status %u", shown);
	(void)tk_power(TK_POWER_OFF, shown);
}

/* Takes the thread off its process's count: true for the last one. */
static bool thread_leave(struct shim_process *process)
{
	bool last;

	lock_acquire(&process->lock);
	last = --process->running == 0;
	lock_release(&process->lock);
	return last;
}

/* proc hears of the end, and with it the parent. A call that was left in proc is made again: it says that the task has ended, or ends it. */
static void task_end(const struct shim_process *process, i32 status, const struct mem_space_info *memory)
{
	u64 peak = memory->resident_peak * (PAGE_SIZE / 1024);
	i32 pid = process->pid;
	long result;

	do
		result = proc_task_exit(status, memory->faults_minor, memory->faults_major, peak);
	while (result == -EINTR || result == -EAGAIN || result == -EIO);
	if (result > 0 && result & 2)
		(void)!tty_session_end(pid);
}

void shim_thread_end(struct shim_thread *t, i32 status)
{
	struct shim_process *process = t->process;
	bool first = process->pid == 1, told = false;
	struct mem_space_info memory = { 0 };

	t->exiting = true;
	shim_futex_exit(t);
	if (tk_client_set(0) < 0)
		log_line("abi: thread %d keeps its memory", t->tid);
	if (thread_leave(process)) {
		/* Only what nobody else uses is counted with the process. */
		if (*process->space_users == 1 && mem_space_info(process->space, &memory) < 0)
			memset(&memory, 0, sizeof(memory));
		/* Who was killed in a service that does not answer may meet it again in what follows: its parent does not wait for that. */
		if (t->page->left_calls && !first) {
			task_end(process, status, &memory);
			told = true;
		}
		process_leave(process);
		if (first) {
			long group = proc_group_exit(status); /* an earlier status wins */

			machine_end(group < 0 ? status : (i32)group);
		}
	}
	if (!told)
		task_end(process, status, &memory);
	shim_thread_destroy(t);
	tk_thread_exit(exit_word_get());
}

void shim_process_end(struct shim_thread *t, i32 status)
{
	(void)!proc_group_exit(status);
	shim_thread_end(t, status);
}

long sys_exit(struct shim_thread *t, const u64 *a)
{
	shim_thread_end(t, (i32)(a[0] & 0xff) << 8);
}

long sys_exit_group(struct shim_thread *t, const u64 *a)
{
	shim_process_end(t, (i32)(a[0] & 0xff) << 8);
}
