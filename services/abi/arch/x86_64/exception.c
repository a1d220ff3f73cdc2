/* x86_64: exceptions as the signals and the trap numbers that Linux makes of them. */
#include "../../process.h"
#include <tessera/arch.h>

enum { AT_NOTHING, AT_ADDRESS, AT_INSTRUCTION };
struct exception_rule {
	i32 signal, code;
	u8 address;      /* what si_addr says */
	u8 trap;         /* processor's vector */
};
static const struct exception_rule rules[] = {
	[TK_EXCEPTION_MAPPING] = { SIGSEGV, 1, AT_ADDRESS, 14 },      /* SEGV_MAPERR */
	[TK_EXCEPTION_PROTECTION] = { SIGSEGV, 2, AT_ADDRESS, 14 },   /* SEGV_ACCERR */
	[TK_EXCEPTION_BUS] = { SIGBUS, 2, AT_ADDRESS, 14 },           /* BUS_ADRERR */
	[TK_EXCEPTION_MEMORY] = { SIGKILL, PROC_SI_KERNEL, AT_NOTHING, 14 },
	[TK_EXCEPTION_DIVIDE] = { SIGFPE, 1, AT_INSTRUCTION, 0 },     /* FPE_INTDIV */
	[TK_EXCEPTION_FLOAT] = { SIGFPE, 0, AT_INSTRUCTION, 19 },
	[TK_EXCEPTION_ILLEGAL] = { SIGILL, 2, AT_INSTRUCTION, 6 },    /* ILL_ILLOPN */
	[TK_EXCEPTION_BREAKPOINT] = { SIGTRAP, PROC_SI_KERNEL, AT_NOTHING, 3 },
	[TK_EXCEPTION_DEBUG] = { SIGTRAP, 2, AT_INSTRUCTION, 1 },     /* TRAP_TRACE */
	[TK_EXCEPTION_GENERAL] = { SIGSEGV, PROC_SI_KERNEL, AT_NOTHING, 13 },
	[TK_EXCEPTION_ALIGNMENT] = { SIGBUS, 1, AT_NOTHING, 17 },     /* BUS_ADRALN */
	[TK_EXCEPTION_OVERFLOW] = { SIGSEGV, PROC_SI_KERNEL, AT_NOTHING, 4 },
	[TK_EXCEPTION_BOUND] = { SIGSEGV, PROC_SI_KERNEL, AT_NOTHING, 5 },
};

#define TRAP_X87 16 /* rules name the SIMD trap */

/* si_code of SIGFPE by the exception flags of the status word, in Linux's order (fpu__exception_code). */
static i32 float_code(u64 status)
{
	if (status & 0x01)
		return 7; /* FPE_FLTINV */
	if (status & 0x04)
		return 3; /* FPE_FLTDIV */
	if (status & 0x08)
		return 4; /* FPE_FLTOVF */
	if (status & 0x12)
		return 5; /* FPE_FLTUND */
	return status & 0x20 ? 6 : 0; /* FPE_FLTRES */
}

/* The processor's error code of a page fault: present, write, user, instruction; Linux shows its own half as present. */
static u64 page_error(u64 kind, u64 address, u64 access)
{
	bool present = kind == TK_EXCEPTION_PROTECTION || address >= rt_boot->user_limit;

	return 4 | (present ? 1 : 0) | (access & TK_ACCESS_WRITE ? 2 : 0) | (access & TK_ACCESS_EXECUTE ? 16 : 0);
}

#define MEMORY_WAIT_NANOS 10000000ull

/* Memory is gone: a process ends for it, perhaps this one, and the access is tried again. False: there is none to end. */
static bool memory_awaited(const struct shim_thread *t)
{
	static volatile u32 never_woken;
	long chosen = proc_oom_kill();

	if (chosen >= 0 && chosen != t->process->pid)
		(void)tk_wait(&never_woken, 0, clock_monotonic() + MEMORY_WAIT_NANOS, 0, ~0u);
	return chosen >= 0;
}

long exception_signal(struct shim_thread *t, const struct tk_request *request)
{
	u64 kind = request->args[0];
	const struct exception_rule *rule = &rules[kind < countof(rules) ? kind : TK_EXCEPTION_GENERAL];
	u64 address = rule->address == AT_NOTHING ? 0 : request->args[rule->address == AT_ADDRESS ? 1 : 3];
	i32 code = rule->code;

	/* The first thread has no program yet. */
	if (shim_init_enter(t) || (kind == TK_EXCEPTION_MEMORY && memory_awaited(t)))
		return shim_signal_take(t);
	t->fault.trap = rule->trap;
	t->fault.error = rule->trap == 14 ? page_error(kind, request->args[1], request->args[2]) :
		rule->trap == 13 ? request->args[2] : 0;
	if (rule->trap == 14)
		t->fault.address = request->args[1];
	if (kind == TK_EXCEPTION_FLOAT) {
		code = float_code(request->args[2]);
		t->fault.trap = request->args[2] & TK_FLOAT_SIMD ? rule->trap : TRAP_X87;
	}
	return shim_signal_force(t, (u32)rule->signal, code, address);
}
