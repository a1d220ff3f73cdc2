/*
 * Follows calls and returns without the guest's registers: a call pushes the address behind it, and whoever comes to an address that
 * waits on the stack has returned to it, with all frames above gone. What leaves in another way (a reply of a unit, a switch of
 * threads inside the core) is set right by the next return below it.
 */
#include "profile.h"
#include <stdlib.h>

#define CONTEXTS_MAX 8192
#define NEAR 4096

static struct context contexts[CONTEXTS_MAX];
static uint32_t context_count;

/* Newest first: a few threads run by turns. */
struct context *context_of(uint64_t thread)
{
	static struct context *last;

	if (last && last->thread == thread)
		return last;
	for (uint32_t i = context_count; i-- > 0;)
		if (contexts[i].thread == thread)
			return last = &contexts[i];
	if (context_count == CONTEXTS_MAX) {
		fprintf(stderr, "tessera profile: too many threads\n");
		exit(1);
	}
	last = &contexts[context_count++];
	last->thread = thread;
	stack_restart(last, 0);
	return last;
}

void stack_restart(struct context *context, uint32_t program)
{
	context->program = program;
	context->depth = context->user_depth = 0;
	context->node = node_root(program);
}

static void push(struct context *context, const struct block *from, uint64_t return_to)
{
	if (context->depth == FRAMES_MAX)
		return;
	context->frames[context->depth++] = (struct frame){ return_to, from, context->node };
	context->node = node_child(context->node, from->code);
}

static void cut(struct context *context, uint32_t depth)
{
	if (depth < context->depth)
		context->node = context->frames[depth].node_below;
	context->depth = depth < context->depth ? depth : context->depth;
}

static bool returned(struct context *context, uint64_t address)
{
	for (uint32_t i = context->depth; i-- > 0;)
		if (context->frames[i].return_to == address) {
			cut(context, i);
			return true;
		}
	return false;
}

/* The end of an interrupt goes back to the block it came in, or to one close by that was about to run. */
static bool resumed(struct context *context, uint64_t address)
{
	for (uint32_t i = context->depth; i-- > 0;) {
		const struct frame *frame = &context->frames[i];

		if (frame->return_to == 0 && address - frame->from->start + NEAR < 2 * NEAR) {
			cut(context, i);
			return true;
		}
	}
	return false;
}

bool stack_follow(struct context *context, const struct block *a, const struct block *b, bool a_in_program, bool b_in_program)
{
	bool found = true;

	if (a_in_program && !b_in_program)
		context->user_depth = context->depth;
	if (b->stub)
		push(context, a, 0);
	else if (a->ending == ENDS_CALL || a->ending == ENDS_SYSCALL)
		push(context, a, a->end);
	else if (a->ending == ENDS_RETURN)
		returned(context, b->start);
	else if (a->ending == ENDS_TO_UNIT_OR_USER)
		found = returned(context, b->start) || resumed(context, b->start);
	if (!b_in_program || a_in_program)
		return false;
	if (context->depth > context->user_depth)
		cut(context, context->user_depth);
	return !found;
}
