/*
 * The profiler's QEMU plugin: what its parts share. One processor; nothing here is locked.
 * Files: profile.c sees blocks of instructions run and accounts them, stack.c follows calls, guest.c reads the guest's memory, and
 * output.c keeps the sums and writes them.
 */
#ifndef PROFILE_H
#define PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* How a block of instructions ends. */
enum ending { ENDS_OTHERWISE, ENDS_CALL, ENDS_RETURN, ENDS_SYSCALL, ENDS_TO_UNIT_OR_USER };

/* A block of instructions as QEMU translated it. */
struct block {
	uint64_t start, end;
	uint32_t code;       /* number of its record in the output: start and first bytes */
	enum ending ending;
	bool stub;           /* of an interrupt or exception */
};

#define FRAMES_MAX 160
struct frame {
	uint64_t return_to;  /* 0: an interrupt or exception in `from` */
	const struct block *from;
	uint32_t node_below; /* the node of the caller */
};

/* What is known of one thread of the core. */
struct context {
	uint64_t thread;     /* the core's address of it */
	uint64_t root;       /* of the address space whose program's name is known */
	uint32_t program;
	uint32_t node;       /* where it is in the tree of calls */
	uint32_t depth, user_depth; /* frames; of them, those of the program */
	struct frame frames[FRAMES_MAX];
};

/* stack.c */
struct context *context_of(uint64_t thread);
/* The thread went from block `a` to block `b`. True when it came back to its program at a place that no call of it returns to. */
bool stack_follow(struct context *context, const struct block *a, const struct block *b, bool a_in_program, bool b_in_program);
void stack_restart(struct context *context, uint32_t program);

/* guest.c */
bool guest_open(const char *path, uint64_t size);
bool guest_word(uint64_t physical, uint64_t *word);
/* The name that the program was executed by, from the end of its stack; false when there is none. */
bool guest_program_name(uint64_t root, char *name, size_t size);

/* output.c */
uint32_t code_number(uint64_t start, const uint8_t *bytes, size_t size);
uint32_t program_number(const char *name);
const char *program_name(uint32_t program);
uint32_t node_root(uint32_t program);
uint32_t node_child(uint32_t node, uint32_t code);
void account(uint32_t node, uint32_t code, uint64_t instructions, bool called);
void output_write(FILE *out);

#endif
