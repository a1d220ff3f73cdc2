/* What the parts of the runtime and the generated glue of a unit share; services include <runtime.h> alone. */
#ifndef RUNTIME_UNIT_H
#define RUNTIME_UNIT_H

#include <runtime.h>
#include <arch_call.h>
#include <stable.h>

/* The core's first entry into a unit: interface TK_INTERFACE_CORE, this operation, args[0] the address of the boot page. */
#define RUNTIME_OP_START (~0u)

/* Who makes the call that runs on the stack which an address lies on: written at each entry, at the lowest address of the stack,
 * which is the top TK_STACK_SIZE bytes of its stride. */
static inline struct rt_request *runtime_request_of(u64 address)
{
	return (struct rt_request *)(round_down(address, TK_STACK_STRIDE) + TK_STACK_STRIDE - TK_STACK_SIZE);
}

/* What debug builds look at (lock_debug.c); in others these do nothing. place: of the caller's code. */
void lock_wanted(const struct rt_lock *lock, const void *place);
void lock_taken(const struct rt_lock *lock, const void *place);
void lock_left(const struct rt_lock *lock);
void lock_none(const char *what); /* no lock is held where this is called */
void lock_none_at_copy(void);     /* none but a file's position */

/* Generated: the gates that this unit may call, ended by one without a name. */
struct runtime_gate {
	const char *interface;
	u32 gate;
};
extern const struct runtime_gate unit_gates[];

/* Generated: unpacks and checks the words of one operation and runs it; its number is first op of the interface in the unit + op. */
typedef long unit_serve(const struct rt_request *rq, const u64 *args, u64 *outs);
/* In classes IC1 and IC2 an operation is entered with its words as arguments, and leaves by the reply. */
typedef noreturn_fn void unit_enter(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f);
#define UNIT_ENTER(name, number) \
	static noreturn_fn void name##_enter(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) \
	{ \
		const u64 args[TK_ARGS_MAX] = { a, b, c, d, e, f }; \
		u64 outs[TK_OUTS_MAX] = { 0 }; \
		stable_call_begin(number); \
		long result = name(runtime_request_of(arch_stack_address()), args, outs); \
		lock_none("a call returns with a lock"); \
		stable_call_end(); \
		arch_reply(result, outs); \
	}
extern unit_enter *const unit_entries[];
/* A copy between the unit and its client by whatever is quickest in its class; false: it is to be done by tk_copy_*, step by step. */
bool client_get(void *to, vaddr_t from, size_t length);
bool client_put(vaddr_t to, const void *from, size_t length);
/* A call that a unit which keeps its state did not answer: true to send it again. ask: what became of it; NULL: `again` says it all.
 * deaths: how often its unit died of it so far; RT_DEATHS_MAX times, and it is -EIO. */
#define rt_unanswered(result) unlikely((u64)((result) + TK_EFATAL) <= TK_EFATAL - TK_ECLOSED)
struct rt_answer_ask {
	long (*ask)(struct tk_message *message, const struct rt_answer_ask *about);
	u64 since;    /* when the call was sent */
	u32 operation;
	void *kept;   /* its struct_out, NULL: none */
	size_t size;
};
/* The next call of a unit with `call_deadline_ms` has so long. */
static inline void rt_deadline_begin(u64 milliseconds) { (void)!tk_call_deadline(clock_monotonic() + milliseconds * 1000000); }
static inline void rt_deadline_end(void) { (void)!tk_call_deadline(NANOS_NEVER); }
bool rt_call_again(long *result, struct tk_message *message, const struct rt_answer_ask *ask, bool again, u32 *deaths);
void unit_dispatch(struct tk_request *request);       /* generated: runs a request of the core; in class IC0 any */
void runtime_start(const struct tk_boot_info *boot);  /* before the services' own init functions */
void runtime_guard_set(const struct tk_boot_info *boot);
void heap_start(void);
bool heap_held(void);                                 /* the calling thread is in the midst of it */
void random_start(void);
long rt_start_result(void);                           /* 0, or what rt_start_fail made of it */

/* What stands in memory that was kept may be anything: false, with a line that says why, if it can't be used. */
bool heap_recover(void);
bool pollword_recover(void);
void random_recover(void);
bool stable_frames_free(frame_t first, u32 order); /* gives frames of mem_frames_alloc back */
const void *stable_logs(void);
size_t stable_logs_size(void);

#endif
