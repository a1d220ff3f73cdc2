/* Finds the program to execute (scripts lead to others) and maps it into an address space of its own; the caller's stays as it is. */
#include "exec.h"
#include "include/abi_fcntl.h"
#include "include/abi_process.h"
#include <fs_client.h>
#include <mem_client.h>

#define ELIBBAD 80
#define SCRIPT_DEPTH 5          /* scripts run by scripts */
#define SCRIPT_LINE 256
#define STACK_FIRST (132 * 1024ul)  /* of the stack beside what is on it from the start */
#define ELF_HEADER_SIZE 64
#define ELF_PROGRAM_OFFSET 32   /* e_phoff, and e_phentsize with e_phnum behind */
#define ELF_PROGRAM_SIZES 54
#define ELF_PROGRAM_ENTRY 56

/* The first page of a file; what it is short of stays zero. */
static long file_head_read(u64 file, char *head)
{
	memset(head, 0, PAGE_SIZE);
	return fs_read_bytes(file, head, PAGE_SIZE, 0);
}

/* Opens the program that exec->path names, for execution. */
static long program_open(struct exec *exec, const char *path)
{
	struct fs_open open = { .client = exec->t->process->fs_client, .directory = exec->directory,
				.flags = FS_O_RDONLY | FS_O_EXECUTE | exec->open_flags };
	u64 info, pollword;

	if (exec->by_file)
		return fs_reopen(open.client, exec->directory, FS_O_RDONLY | FS_O_EXECUTE, &exec->file, &info, &pollword);
	return fs_open(&open, path, strlen(path), &exec->file, &info, &pollword);
}

static void handle_close(u64 *file)
{
	if (*file)
		(void)!fs_close(*file);
	*file = 0;
}

static char *blanks_skip(char *text)
{
	while (*text == ' ' || *text == '\t')
		text++;
	return text;
}

/* Takes "#! interpreter argument" apart, in place. */
static long script_parse(char *line, char **interpreter, char **argument)
{
	char *end;

	line[SCRIPT_LINE - 1] = 0;
	end = strchr(line, '\n');
	if (!end) {
		char *name = blanks_skip(line + 2);

		/* A line that is cut off within the interpreter's name would run another program. */
		if (!*name || (strlen(line) == SCRIPT_LINE - 1 && !strchr(name, ' ') && !strchr(name, '\t')))
			return -ENOEXEC;
		end = line + strlen(line);
	}
	while (end > line + 2 && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = 0;
	*interpreter = blanks_skip(line + 2);
	if (!**interpreter)
		return -ENOEXEC;
	end = *interpreter;
	while (*end && *end != ' ' && *end != '\t')
		end++;
	*argument = NULL;
	if (!*end)
		return 0;
	*end = 0;
	end = blanks_skip(end + 1);
	*argument = *end ? end : NULL;
	return 0;
}

/* Follows #! lines to a program that is no script; exec->file and exec->head are the program's. */
static long program_find(struct exec *exec)
{
	char *script = exec->path;
	char line[SCRIPT_LINE];
	char *interpreter, *argument;
	long error = program_open(exec, exec->path);

	for (u32 depth = 0; error >= 0; depth++) {
		error = file_head_read(exec->file, exec->head);
		if (error < 0 || exec->head[0] != '#' || exec->head[1] != '!')
			return error;
		if (depth == SCRIPT_DEPTH)
			return -ELOOP;
		if (exec->by_file && exec->open_flags & FS_O_CLOEXEC)
			return -ENOENT; /* the interpreter could not open it */
		memcpy(line, exec->head, sizeof(line));
		error = script_parse(line, &interpreter, &argument);
		if (error >= 0)
			error = exec_strings_interpret(&exec->strings, interpreter, argument, script);
		if (error < 0)
			return error;
		handle_close(&exec->file);
		exec->by_file = false;
		exec->directory = FS_CWD;
		exec->open_flags = 0;
		script = exec->strings.prefix; /* the interpreter, in case it is a script too */
		error = program_open(exec, script);
	}
	return error;
}

/* head becomes what image_map wants: the ELF header with the program headers behind it; its size. */
static long head_gather(u64 file, char *head)
{
	u64 offset, size;
	u16 sizes[2];
	long got;

	if (memcmp(head, "\177ELF", 4))
		return -ENOEXEC;
	memcpy(&offset, head + ELF_PROGRAM_OFFSET, sizeof(offset));
	memcpy(sizes, head + ELF_PROGRAM_SIZES, sizeof(sizes));
	size = (u64)sizes[1] * ELF_PROGRAM_ENTRY;
	if (sizes[0] != ELF_PROGRAM_ENTRY || !size || size > PAGE_SIZE - ELF_HEADER_SIZE || offset > 1ull << 62)
		return -ENOEXEC;
	if (offset != ELF_HEADER_SIZE) {
		got = fs_read_bytes(file, head + ELF_HEADER_SIZE, size, offset);
		if (got != (long)size)
			return got < 0 ? got : -ENOEXEC;
	}
	return (long)(ELF_HEADER_SIZE + size);
}

/* Checks (without a space) or maps one file of the program. */
static long image_make(const struct exec *exec, u32 request, u64 base, struct proc_image *image)
{
	bool is_loader = image == &exec->loader_image;
	u64 file = is_loader ? exec->loader : exec->file;
	char *head = is_loader ? exec->loader_head : exec->head;
	struct proc_image_map map = { .space = exec->space, .request = request, .base = base };
	long size = head_gather(file, head), error;

	if (size < 0)
		return size;
	if (request != PROC_IMAGE_CHECK) {
		error = fs_object(file, 0, &map.object, &map.file_size);
		if (error < 0)
			return error;
	}
	error = proc_image_map(&map, head, (size_t)size, image);
	if (request != PROC_IMAGE_CHECK)
		(void)!mem_object_release(map.object);
	return error;
}

/* A loader that is no program at all is refused while the old program can still be told: -ELIBBAD. */
static long loader_check(struct exec *exec)
{
	long error;

	exec->loader_head = heap_alloc(PAGE_SIZE);
	error = exec->loader_head ? file_head_read(exec->loader, exec->loader_head) : -ENOMEM;
	if (error >= 0)
		error = image_make(exec, PROC_IMAGE_CHECK, 0, &exec->loader_image);
	return error == -ENOEXEC ? -ELIBBAD : error;
}

/* Opens the loader that the program names (PT_INTERP); its head is left in a page of its own. */
static long loader_open(struct exec *exec, const struct proc_image *image)
{
	struct fs_open open = { .client = exec->t->process->fs_client, .flags = FS_O_RDONLY | FS_O_EXECUTE };
	char *name = heap_alloc(PAGE_SIZE);
	u64 info, pollword;
	long result;

	if (!name)
		return -ENOMEM;
	result = fs_read_bytes(exec->file, name, image->interpreter_size, image->interpreter_offset);
	if (result >= 0 && (result != (long)image->interpreter_size || name[result - 1]))
		result = -ENOEXEC;
	if (result >= 0)
		result = fs_open(&open, name, strlen(name), &exec->loader, &info, &pollword);
	heap_free(name);
	if (result >= 0)
		result = loader_check(exec);
	return result;
}

static long space_make(struct exec *exec, u64 *image_base)
{
	u32 flags = exec->t->process->personality & PERSONALITY_NO_RANDOMIZE ? MEM_LAYOUT_FIXED : 0;
	u64 frame;
	long error;

	exec->space_users = heap_alloc(sizeof(*exec->space_users));
	if (!exec->space_users)
		return -ENOMEM;
	error = mem_space_create(exec->t->process->space, &exec->space, &frame);
	if (error < 0) {
		heap_free((void *)exec->space_users);
		exec->space_users = NULL;
		return error;
	}
	*exec->space_users = 1;
	exec->space_token = token_of_frame(frame);
	return mem_space_layout(exec->space, flags, &exec->stack.top, image_base);
}

static long stack_map(struct exec *exec)
{
	struct mem_map_request map = { .space = exec->space, .prot = TK_PROT_READ | TK_PROT_WRITE };
	u64 address;

	exec_stack_layout(&exec->stack, &exec->strings, exec->path);
	map.address = round_down(exec->stack.pointer - STACK_FIRST, PAGE_SIZE);
	map.size = exec->stack.top - map.address;
	map.flags = MEM_MAP_FIXED | MEM_MAP_GROWSDOWN | MEM_MAP_STACK | MEM_MAP_IGNORE_LIMITS;
	if (exec->stack.program.flags & PROC_IMAGE_STACK_EXEC)
		map.prot |= TK_PROT_EXECUTE;
	return mem_map(&map, &address);
}

/* The new address space with program, loader and an empty stack. */
static long space_fill(struct exec *exec)
{
	struct proc_image *program = &exec->stack.program;
	u32 flags = exec->t->process->personality & PERSONALITY_NO_RANDOMIZE ? MEM_LAYOUT_FIXED : 0;
	u64 image_base;
	long error = image_make(exec, PROC_IMAGE_CHECK, 0, program);

	if (error >= 0 && program->flags & PROC_IMAGE_INTERPRETER)
		error = loader_open(exec, program);
	if (error >= 0)
		error = space_make(exec, &image_base);
	if (error >= 0) {
		bool at_base = program->flags & PROC_IMAGE_DYNAMIC && program->flags & PROC_IMAGE_INTERPRETER;

		error = image_make(exec, PROC_IMAGE_PROGRAM, at_base ? image_base : 0, program);
		if (error >= 0)
			error = mem_break_init(exec->space, program->break_start, flags);
		if (error >= 0)
			error = stack_map(exec);
		if (error >= 0 && exec->loader)
			error = image_make(exec, PROC_IMAGE_LOADER, 0, &exec->loader_image);
		if (error < 0)
			exec->fatal = SIGSEGV; /* as in Linux, where the old program is gone by now */
	}
	if (error == -EINVAL)
		exec->fatal = SIGSEGV; /* headers that can be read, but not followed */
	return error < 0 ? error : 0;
}

/* Does the file set the user or the group, where its mount allows that? */
static long set_ids_find(struct exec *exec)
{
	struct fs_at at = { .client = exec->t->process->fs_client, .directory = exec->file, .flags = FS_AT_OPEN_FILE };
	struct fs_statfs mount;
	long error = fs_stat(exec->file, &exec->stat);

	if (error < 0 || !(exec->stat.mode & (FS_ISUID | FS_ISGID)))
		return error;
	error = fs_statfs(&at, "", 0, &mount);
	if (error < 0 || mount.flags & FS_MS_NOSUID)
		return error;
	exec->set_ids = (exec->stat.mode & FS_ISUID ? 1 : 0) | ((exec->stat.mode & (FS_ISGID | 010)) == (FS_ISGID | 010) ? 2 : 0);
	return 0;
}

long exec_program_load(struct exec *exec)
{
	long error = program_find(exec);

	if (error >= 0)
		error = set_ids_find(exec);
	return error < 0 ? error : space_fill(exec);
}

void exec_program_free(struct exec *exec)
{
	if (exec->space_users)
		shim_space_put(exec->space, exec->space_users);
	exec->space_users = NULL;
	handle_close(&exec->file);
	handle_close(&exec->loader);
}
