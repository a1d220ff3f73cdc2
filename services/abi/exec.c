/* execve and execveat. Everything that can fail is done before the old program is given up; after that a failure kills. */
#include "exec.h"
#include "file.h"
#include "include/abi_fcntl.h"
#include "include/abi_process.h"
#include <fs_client.h>
#include <mem_client.h>
#include <tessera/arch.h>

/* The other threads of the process end; false: this one is being killed itself. */
static bool others_end(struct shim_thread *t)
{
	volatile u32 *event = &shim_shared(t)->event;

	for (;;) {
		u32 seen = __atomic_load_n(event, __ATOMIC_ACQUIRE); /* before proc looks */
		long result = proc_exec_begin();

		if (result == 0)
			return true;
		if (result != -EAGAIN || tk_wait(event, seen, NANOS_NEVER, TK_WAIT_KILLABLE, ~0u) == -EINTR)
			return false;
	}
}

static void name_of_path(char *name, const char *path)
{
	const char *base = strrchr(path, '/');
	size_t length;

	base = base ? base + 1 : path;
	length = strnlen(base, PROC_NAME_SIZE - 1);
	memset(name, 0, PROC_NAME_SIZE);
	memcpy(name, base, length);
}

static void commit_fill(const struct exec *exec, struct proc_exec *commit)
{
	const struct proc_image *program = &exec->stack.program;
	u64 arguments = 0, left = exec_strings_arguments(&exec->strings);

	memset(commit, 0, sizeof(*commit));
	commit->space = exec->space;
	commit->secure_uid_set = exec->set_ids;
	commit->uid = exec->stat.uid;
	commit->gid = exec->stat.gid;
	commit->exe = exec->file;
	commit->arguments_start = exec->stack.strings;
	/* Arguments end where the string behind the last one begins. */
	for (u64 i = 0; i < exec->strings.prefix_size && left; i++, arguments++)
		left -= exec->strings.prefix[i] == 0;
	for (u64 i = exec->strings.skip; i < exec->strings.size && left; i++, arguments++)
		left -= exec->strings.chunks[i / PAGE_SIZE][i % PAGE_SIZE] == 0;
	commit->arguments_end = commit->environment_start = commit->arguments_start + arguments;
	commit->environment_end = exec->stack.name;
	commit->stack_start = exec->stack.pointer;
	commit->code_start = program->code_start;
	commit->code_end = program->code_end;
	commit->data_start = program->data_start;
	commit->data_end = program->data_end;
	name_of_path(commit->name, exec->path);
}

static long zeros_write(const struct proc_image *image)
{
	long error = 0;

	for (u32 i = 0; i < PROC_IMAGE_ZEROS && !error; i++)
		if (image->zero[i].size)
			error = user_fill_zero(image->zero[i].address, image->zero[i].size);
	return error;
}

/* The process leaves its memory and takes the new. */
static long space_switch(struct exec *exec)
{
	struct shim_thread *t = exec->t;
	struct shim_process *process = t->process;
	u64 old = process->space;
	volatile u32 *old_users = process->space_users;
	struct shim_program *old_program = process->program;

	shim_futex_exit(t);
	t->clear_child_tid = t->robust_list = 0;
	if (tk_client_set(exec->space_token) < 0)
		return -EIO;
	process->space = exec->space;
	process->space_token = exec->space_token;
	process->space_users = exec->space_users;
	process->program = exec->program;
	exec->space_users = NULL;
	exec->program = NULL;
	exec->file = 0;
	if (old_users)
		shim_space_put(old, old_users);
	shim_program_put(old_program);
	return 0;
}

/* Fills the new address space and sets the registers. */
static long program_enter(struct exec *exec)
{
	struct shim_thread *t = exec->t;
	struct tk_regs regs;
	long error;

	exec->stack.vdso = shim_vdso_map(t->process);
	exec->stack.loader_base = exec->loader ? exec->loader_image.bias : 0;
	error = proc_credentials_get(0, &exec->stack.credentials);
	if (error >= 0)
		error = zeros_write(&exec->stack.program);
	if (error >= 0)
		error = zeros_write(&exec->loader_image);
	if (error >= 0)
		error = exec_stack_write(&exec->stack, &exec->strings, exec->path);
	shim_regs_program(&regs, exec->loader ? exec->loader_image.entry : exec->stack.program.entry, exec->stack.pointer);
	return error < 0 ? error : tk_thread_regs_set(0, &regs, TK_VECTOR_RESET, 0, 0);
}

/* The process is given over; once the other threads are gone there is no way back, and a failure kills. */
static long exec_commit(struct exec *exec)
{
	struct shim_thread *t = exec->t;
	struct proc_exec *commit = heap_alloc(sizeof(*commit));
	u64 replaced;
	long result, error;

	if (!commit)
		return -ENOMEM;
	if (!others_end(t)) {
		heap_free(commit);
		return -EINTR; /* never seen: the thread ends on its way out */
	}
	t->tid = t->process->pid;
	commit_fill(exec, commit);
	exec->fatal = SIGKILL;
	result = proc_exec_commit(commit, &replaced);
	heap_free(commit);
	error = result < 0 ? result : fd_table_unshare(t);
	if (error < 0)
		return error;
	fd_table_close_on_exec(t);
	shim_actions_forget(t->process);
	error = space_switch(exec);
	if (error < 0)
		return error;
	exec->stack.secure = result & PROC_EXEC_SECURE;
	if (exec->stack.secure)
		t->process->personality &= ~PERSONALITY_ON_EXEC_CLEARED;
	memset(&t->altstack, 0, sizeof(t->altstack));
	t->restart.call = NULL;
	if (result & PROC_EXEC_CREDENTIALS)
		error = shim_credentials_changed(t);
	if (error >= 0)
		error = program_enter(exec);
	if (error >= 0)
		exec->fatal = 0;
	return error;
}

static void exec_free(struct exec *exec)
{
	exec_program_free(exec);
	exec_strings_free(&exec->strings);
	heap_free(exec->program);
	heap_free(exec->path);
	heap_free(exec->head);
	heap_free(exec->loader_head);
	heap_free(exec);
}

/* The path and the strings are there: finds, maps and runs the program. */
static long exec_run(struct exec *exec)
{
	long error = exec_program_load(exec);

	if (error < 0)
		return error;
	exec->program = heap_alloc(sizeof(*exec->program));
	if (!exec->program)
		return -ENOMEM;
	exec->program->references = 1;
	exec->program->file = exec->file;
	return exec_commit(exec);
}

static struct exec *exec_make(struct shim_thread *t)
{
	struct exec *exec = heap_alloc(sizeof(*exec));
	u64 soft, hard;

	if (!exec)
		return NULL;
	exec->t = t;
	exec->path = heap_alloc(PAGE_SIZE);
	exec->head = heap_alloc(PAGE_SIZE);
	if (!exec->path || !exec->head) {
		exec_free(exec);
		return NULL;
	}
	if (proc_limit_get(PROC_LIMIT_STACK, &soft, &hard) < 0)
		soft = 8ul << 20;
	exec->strings.limit = soft / 4 < EXEC_SIZE_MIN ? EXEC_SIZE_MIN : soft / 4 > EXEC_SIZE_MAX ? EXEC_SIZE_MAX : soft / 4;
	return exec;
}

static long strings_take(struct exec *exec, vaddr_t arguments, vaddr_t environment)
{
	long error = exec_strings_take(&exec->strings, arguments, &exec->strings.arguments);

	if (error >= 0 && !exec->strings.arguments) /* a program always has a name */
		error = exec_strings_add(&exec->strings, "", &exec->strings.arguments);
	if (error >= 0)
		error = exec_strings_take(&exec->strings, environment, &exec->strings.environment);
	return error;
}

/* What execveat's descriptor means for the path. */
static long directory_choose(struct exec *exec, i32 fd, u32 flags)
{
	struct shim_thread *t = exec->t;
	struct shim_file *file;
	long close_on_exec;

	if (flags & AT_SYMLINK_NOFOLLOW)
		exec->open_flags |= FS_O_NOFOLLOW;
	if (!exec->path[0] && !(flags & AT_EMPTY_PATH))
		return -ENOENT;
	if (exec->path[0] == '/' || fd == AT_FDCWD)
		return exec->path[0] ? 0 : -EACCES;
	file = file_get(t, fd);
	if (!file)
		return -EBADF;
	exec->directory = file_fs_handle(file);
	file_put(file); /* the descriptor table keeps it; a race with close is fs's -EBADF */
	if (!exec->directory)
		return exec->path[0] ? -ENOTDIR : -EACCES;
	close_on_exec = fd_flags_get(t, fd);
	if (close_on_exec < 0)
		return close_on_exec;
	if (close_on_exec)
		exec->open_flags |= FS_O_CLOEXEC;
	exec->by_file = !exec->path[0];
	if (exec->by_file) /* as Linux names it */
		format_text(exec->path, PAGE_SIZE, "/dev/fd/%d", fd);
	return 0;
}

static long exec_at(struct shim_thread *t, i32 fd, const u64 *a, u32 flags)
{
	struct exec *exec = exec_make(t);
	long error;
	i32 fatal;

	if (!exec)
		return -ENOMEM;
	error = user_copy_string(exec->path, a[0], PAGE_SIZE);
	if (error >= 0)
		error = directory_choose(exec, fd, flags);
	if (error >= 0)
		error = strings_take(exec, a[1], a[2]);
	if (error >= 0)
		error = exec_run(exec);
	fatal = exec->fatal;
	exec_free(exec);
	if (fatal)
		shim_process_end(t, fatal);
	return error;
}

long sys_execve(struct shim_thread *t, const u64 *a)
{
	return exec_at(t, AT_FDCWD, a, 0);
}

long sys_execveat(struct shim_thread *t, const u64 *a)
{
	if ((u32)a[4] & ~(u32)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	return exec_at(t, (i32)a[0], a + 1, (u32)a[4]);
}

long shim_exec_first(struct shim_thread *t, const char *path, const char *const *arguments, const char *const *environment)
{
	struct exec *exec = exec_make(t);
	long error = 0;

	if (!exec)
		return -ENOMEM;
	memcpy(exec->path, path, strnlen(path, PAGE_SIZE - 1));
	for (; *arguments && error >= 0; arguments++)
		error = exec_strings_add(&exec->strings, *arguments, &exec->strings.arguments);
	for (; *environment && error >= 0; environment++)
		error = exec_strings_add(&exec->strings, *environment, &exec->strings.environment);
	if (error >= 0)
		error = exec_run(exec);
	exec_free(exec);
	return error;
}
