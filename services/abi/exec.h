/* A program on its way to run: exec_program.c finds and maps it, exec.c gives the process over to it. */
#ifndef ABI_EXEC_H
#define ABI_EXEC_H

#include "exec_stack.h"
#include <fs/fs_types.h>

/* All that is found out about the program before it runs. */
struct exec {
	struct shim_thread *t;
	char *path;                 /* of the program as named, a page; AT_EXECFN */
	char *head, *loader_head;   /* first bytes of the files, a page each */
	struct exec_strings strings;
	u64 file, loader;           /* fs's handles; the program's stays open */
	u64 directory;              /* fs's, for a relative path */
	u32 open_flags;
	bool by_file;               /* fexecve: the directory handle is the program */
	struct fs_stat stat;
	u32 set_ids;                /* 1: set-user-id, 2: set-group-id */
	u64 space;
	vaddr_t space_token;
	volatile u32 *space_users;
	struct shim_program *program;
	struct exec_stack stack;
	struct proc_image loader_image;
	i32 fatal;                  /* it failed where the old program has been given up already: the signal that ends the process */
};

/* Opens exec->path, follows scripts, and fills a new address space with program, loader and an empty stack. */
long exec_program_load(struct exec *exec) must_check;
void exec_program_free(struct exec *exec);

#endif
