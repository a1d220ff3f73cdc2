/* x86_64: the frame that a signal handler finds on its stack (Linux's struct rt_sigframe). */
#ifndef ABI_FRAME_H
#define ABI_FRAME_H

#include "../../process.h"

struct signal_registers { /* struct sigcontext */
	u64 r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
	u16 cs, gs, fs, ss;
	u64 error, trap, old_mask, fault_address;
	u64 vector;     /* address of the vector state, 0 none */
	u64 reserved[8];
};
struct signal_context { /* struct ucontext */
	u64 flags, link;
	struct linux_stack stack;
	struct signal_registers registers;
	u64 mask;
};
struct signal_frame {
	u64 return_address;
	struct signal_context context;
	u8 info[SIGINFO_SIZE];
};
_Static_assert(sizeof(struct signal_registers) == 256, "ABI");
_Static_assert(sizeof(struct signal_context) == 304, "ABI");
_Static_assert(sizeof(struct signal_frame) == 440, "ABI");
_Static_assert(offsetof(struct signal_frame, info) == 312, "ABI");

#define CONTEXT_VECTOR 1ull         /* UC_FP_XSTATE */
#define CONTEXT_STACK_SEGMENT 2ull  /* UC_SIGCONTEXT_SS */
#define CONTEXT_STRICT_STACK 4ull   /* UC_STRICT_RESTORE_SS */

/* In the 48 bytes of the legacy area that are software's: struct _fpx_sw_bytes. */
struct vector_note {
	u32 magic, whole_size;
	u64 features;
	u32 state_size;
	u32 reserved[7];
};
_Static_assert(sizeof(struct vector_note) == 48, "ABI");
#define VECTOR_NOTE_OFFSET 464
#define VECTOR_LEGACY_SIZE 512
#define VECTOR_HEADER_SIZE 64
#define FRAME_MAGIC_FIRST 0x46505853u
#define FRAME_MAGIC_LAST 0x46505845u
#define FRAME_MAGIC_SIZE 4ul

#endif
