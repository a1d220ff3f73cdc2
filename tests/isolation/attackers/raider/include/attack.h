/* The attacks of the hostile unit, by number and name: what the raider can do and what the referee has it do. */
#ifndef ATTACK_H
#define ATTACK_H

#include <tessera/types.h>

enum attack {
	ATTACK_READ,         /* reads the address `first` */
	ATTACK_WRITE,        /* writes it */
	ATTACK_EXECUTE,      /* jumps there with hostile registers */
	ATTACK_INSTRUCTION,  /* runs instruction number `first` of INSTRUCTIONS */
	ATTACK_STATE,        /* enters the core in state number `first` of STATES, and comes back */
	ATTACK_REQUEST,      /* requests number `first` of REQUESTS */
	ATTACK_RACE,         /* race number `first` of RACES, for `second` ms; nmi_frames: with the entry text at `second` */
	ATTACK_FLAGS,        /* tries to change the flags that are not its own */
	ATTACK_ENTRY,        /* looks at the registers with which a call finds the unit */
	ATTACK_GREED,        /* takes number `first` of GREEDS, `second` eighths of what it may have, and fails */
	ATTACK_STACK,        /* the miser keeps its only stack: number `first` of STACKS */
	ATTACK_USURP,        /* the usurper's attack number `first`, with the seed `second` */
};

#define CORE_CODE "$0x8"
#define PREPARE_KEYS "movl $0x6e1, %%ecx; xorl %%eax, %%eax; xorl %%edx, %%edx; "
/* Each must end the unit. X(identifier, name, code) */
#define INSTRUCTIONS(X) \
	X(wrmsr_keys, "wrmsr of the protection keys", PREPARE_KEYS "wrmsr") \
	X(wrmsr_entry, "wrmsr of the system call entry", "movl $0xc0000082, %%ecx; wrmsr") \
	X(wrmsr_features, "wrmsr of EFER", "movl $0xc0000080, %%ecx; wrmsr") \
	X(wrmsr_base, "wrmsr of the kernel's GS base", "movl $0xc0000102, %%ecx; wrmsr") \
	X(rdmsr, "rdmsr", "movl $0xc0000082, %%ecx; rdmsr") \
	X(cr0_write, "mov to cr0", "movl $0x33, %%eax; movq %%rax, %%cr0") \
	X(cr0_read, "mov from cr0", "movq %%cr0, %%rax") \
	X(cr2_write, "mov to cr2", "movq %%rax, %%cr2") \
	X(cr3_write, "mov to cr3", "movl $0x1000, %%eax; movq %%rax, %%cr3") \
	X(cr3_read, "mov from cr3", "movq %%cr3, %%rax") \
	X(cr4_write, "mov to cr4", "movl $0x20, %%eax; movq %%rax, %%cr4") \
	X(cr8_write, "mov to cr8", "xorl %%eax, %%eax; movq %%rax, %%cr8") \
	X(dr7_write, "mov to dr7", "movl $0x403, %%eax; movq %%rax, %%dr7") \
	X(dr0_read, "mov from dr0", "movq %%dr0, %%rax") \
	X(clts, "clts", "clts") \
	X(lmsw, "lmsw", "lmsw %%ax") \
	X(xsetbv, "xsetbv", "xorl %%ecx, %%ecx; movl $1, %%eax; xorl %%edx, %%edx; xsetbv") \
	X(cli, "cli", "cli") \
	X(sti, "sti", "sti") \
	X(hlt, "hlt", "hlt") \
	X(in, "in", "movl $0x71, %%edx; inb %%dx, %%al") \
	X(out, "out", "movl $0xf4, %%edx; outb %%al, %%dx") \
	X(ins, "ins", "movl $0x71, %%edx; movq %%rsp, %%rdi; insb") \
	X(outs, "outs", "movl $0xf4, %%edx; movq %%rsp, %%rsi; outsb") \
	X(swapgs, "swapgs", "swapgs") \
	X(invlpg, "invlpg", "invlpg (%%rsp)") \
	X(wbinvd, "wbinvd", "wbinvd") \
	X(invd, "invd", "invd") \
	X(lgdt, "lgdt", "lgdt (%%rsp)") \
	X(lidt, "lidt", "lidt (%%rsp)") \
	X(lldt, "lldt", "xorl %%eax, %%eax; lldt %%ax") \
	X(ltr, "ltr", "movl $0x40, %%eax; ltr %%ax") \
	X(sgdt, "sgdt", "sgdt -64(%%rsp)") \
	X(sidt, "sidt", "sidt -64(%%rsp)") \
	X(str, "str", "str %%ax") \
	X(smsw, "smsw", "smsw %%eax") \
	X(sysret, "sysretq", "sysretq") \
	X(sysexit, "sysexit", "sysexit") \
	X(sysenter, "sysenter", "sysenter") \
	X(rsm, "rsm", "rsm") \
	X(stac, "stac", "stac") \
	X(monitor, "monitor", "movq %%rsp, %%rax; xorl %%ecx, %%ecx; monitor") \
	X(vmcall, "vmcall", "vmcall") \
	X(vmmcall, "vmmcall", "vmmcall") \
	X(vmrun, "vmrun", "movl $0x1000, %%eax; vmrun %%rax") \
	X(rdpmc, "rdpmc", "xorl %%ecx, %%ecx; rdpmc") \
	X(wrpkru, "wrpkru", "xorl %%ecx, %%ecx; xorl %%eax, %%eax; xorl %%edx, %%edx; wrpkru") \
	X(vector, "the vector unit", "fninit; .byte 0x0f, 0x28, 0xc1") \
	X(xrstor, "xrstor of a made up state", "xorl %%eax, %%eax; decl %%eax; movl %%eax, %%edx; andq $-64, %%rsp; xrstor64 (%%rsp)") \
	X(int2, "int 2, the NMI gate", "int $2") \
	X(int8, "int 8, the double fault gate", "int $8") \
	X(int13, "int 13", "int $13") \
	X(int14, "int 14", "int $14") \
	X(int32, "int 32", "int $32") \
	X(int128, "int 128", "int $128") \
	X(int240, "int 240", "int $240") \
	X(int255, "int 255", "int $255") \
	X(int3, "int3", "int3") \
	X(int1, "int1", ".byte 0xf1") \
	X(iret_core, "iretq to the core's selectors", \
		"movq %%rsp, %%rcx; pushq $0x10; pushq %%rcx; pushq $0x3202; pushq " CORE_CODE "; leaq 1f(%%rip), %%rcx; pushq %%rcx; iretq; 1: nop") \
	X(iret_core_stack, "iretq with the core's stack selector", \
		"movq %%rsp, %%rcx; movl %%cs, %%eax; pushq $0x10; pushq %%rcx; pushq $0x202; pushq %%rax; leaq 1f(%%rip), %%rcx; pushq %%rcx; iretq; 1: nop") \
	X(iret_user, "iretq to user mode", \
		"movq %%rsp, %%rcx; pushq $0x2b; pushq %%rcx; pushq $0x202; pushq $0x33; leaq 1f(%%rip), %%rcx; pushq %%rcx; iretq; 1: ud2") \
	X(iret_nowhere, "iretq to an address that is not canonical", \
		"movq %%rsp, %%rcx; movl %%ss, %%eax; pushq %%rax; pushq %%rcx; pushq $0x202; movl %%cs, %%eax; pushq %%rax; " \
		"movabsq $0x7770000000000000, %%rax; pushq %%rax; iretq") \
	X(lret_core, "far return to the core's code", "pushq " CORE_CODE "; leaq 1f(%%rip), %%rcx; pushq %%rcx; lretq; 1: nop") \
	X(ljmp_core, "far jump to the core's code", \
		"leaq 1f(%%rip), %%rcx; pushq " CORE_CODE "; pushq %%rcx; .byte 0x48, 0xff, 0x2c, 0x24; 1: nop") \
	X(lcall_core, "far call of the core's code", \
		"leaq 1f(%%rip), %%rcx; pushq " CORE_CODE "; pushq %%rcx; .byte 0x48, 0xff, 0x1c, 0x24; 1: nop") \
	X(ljmp_tss, "far jump to the task state", "pushq $0x40; pushq %%rcx; .byte 0x48, 0xff, 0x2c, 0x24") \
	X(ss_core, "the core's stack selector", "movl $0x10, %%eax; movl %%eax, %%ss") \
	X(step, "single steps", "pushfq; orl $0x100, (%%rsp); popfq; nop; nop; nop") \
	X(nested, "iretq with the nested-task flag", "pushfq; orl $0x4000, (%%rsp); popfq; movq %%rsp, %%rcx; movl %%ss, %%eax; pushq %%rax; " \
		"pushq %%rcx; pushq $0x202; movl %%cs, %%eax; pushq %%rax; leaq 1f(%%rip), %%rcx; pushq %%rcx; iretq; 1: nop") \
	X(stack_null, "a fault with no stack", "xorl %%esp, %%esp; pushq %%rax") \
	X(stack_core, "a fault with a stack in the core", "movabsq $0xfffffe0000007000, %%rsp; pushq %%rax") \
	X(stack_nowhere, "a fault with a stack that is not canonical", "movabsq $0x7770000000000000, %%rsp; pushq %%rax") \
	X(stack_overrun, "a stack that runs over its end", "1: pushq %%rax; jmp 1b") \
	X(text_write, "a write to its own code", "leaq 0(%%rip), %%rax; movb $0x90, (%%rax)") \
	X(stack_execute, "code on its own stack", "pushq $0xc3; callq *%%rsp") \
	X(shadow_trap, "int3 in the shadow of mov ss", "movl %%ss, %%eax; movl %%eax, %%ss; int3") \
	X(fault_all, "a fault with hostile stack, bases and flags", "pushfq; orl $0x244ed5, (%%rsp); popfq; movabsq $0xfffffe0000000000, %%rax; " \
		"wrgsbase %%rax; wrfsbase %%rax; movabsq $0xffffffff80000000, %%rsp; ud2")

enum instruction {
#define X(identifier, name, code) INSTRUCTION_##identifier,
	INSTRUCTIONS(X)
#undef X
	INSTRUCTION_COUNT
};

/* Hostile state before a call of the core: what is set must not reach it. X(identifier, name, code before, code after) */
#define STATES(X) \
	X(stack_null, "SYSCALL with no stack", "xorl %%esp, %%esp", "") \
	X(stack_core, "SYSCALL with a stack in the core", "movabsq $0xfffffe0000007ff0, %%rsp", "") \
	X(stack_nowhere, "SYSCALL with a stack that is not canonical", "movabsq $0x7770000000000000, %%rsp", "") \
	X(flags, "SYSCALL with all flags", "pushfq; orl $0x244ed5, (%%rsp); popfq", "cld") \
	X(step, "SYSCALL with the trap flag", "pushfq; orl $0x100, (%%rsp); popfq", "") \
	X(step_shadow, "SYSCALL with the trap flag in the shadow of mov ss", \
		"movl %%ss, %%ecx; pushfq; orl $0x100, (%%rsp); movq %%rsp, %%r9; popfq; movl %%ecx, %%ss", "") \
	X(bases, "SYSCALL with segment bases in the core", \
		"movabsq $0xfffffe0000000000, %%rcx; wrgsbase %%rcx; wrfsbase %%rcx", "") \
	X(selectors, "SYSCALL with strange selectors", \
		"movl %%ss, %%ecx; movl %%ecx, %%ds; movl %%ecx, %%es; movl %%ecx, %%fs; movl %%ecx, %%gs", "")

enum state {
#define X(identifier, name, before, after) STATE_##identifier,
	STATES(X)
#undef X
	STATE_COUNT
};

/* Requests that must get nothing. X(identifier, name) */
#define REQUESTS(X) \
	X(pointers, "bad pointers in every request") \
	X(numbers, "requests that do not exist") \
	X(gates, "gates that were not given") \
	X(tokens, "tokens of every frame in every request") \
	X(tokens_odd, "tokens beside their page and outside the window") \
	X(stale, "a token of an object that ended") \
	X(frames_twice, "an object from one frame named twice") \
	X(frames_foreign, "objects from frames of others") \
	X(rights, "requests without the right for them") \
	X(client, "the client's memory without a declared range") \
	X(leave, "the end of a thread in the middle of a call") \
	X(registers, "registers after a call of the core") \
	X(registers_gate, "registers after a call of a gate") \
	X(bases, "segment bases after a call") \
	X(words, "words to wait for that are not there") \
	X(devices, "ports and interrupt words beyond what was given") \
	X(log_lines, "control characters in the log") \
	X(watches, "watches beyond their table")

enum request {
#define X(identifier, name) REQUEST_##identifier,
	REQUESTS(X)
#undef X
	REQUEST_COUNT
};

/* All of something, again in each life. X(identifier, name) */
#define GREEDS(X) \
	X(frames, "all frames that a unit can get") \
	X(tables, "watch tables until there is no more memory") \
	X(tokens, "frames granted to every unit until there are no more") \
	X(heap, "a heap without end") \
	X(growing, "a unit that fails again and again, each time with more memory")

enum greed {
#define X(identifier, name) GREED_##identifier,
	GREEDS(X)
#undef X
	GREED_COUNT
};
#define GREED_SHARE 4u /* a unit may have this part of memory */

/* A unit's only stack, while others wait for it. X(identifier, name) */
#define STACKS(X) \
	X(held, "the only stack of a unit is held") \
	X(lost, "the holder of a unit's only stack fails")

enum stack {
#define X(identifier, name) STACK_##identifier,
	STACKS(X)
#undef X
	STACK_COUNT
};

/* With a second thread of the unit. X(identifier, name) */
#define RACES(X) \
	X(rights, "another processor raises rights in the entry frame") \
	X(nowhere, "another processor has the entry frame lead nowhere") \
	X(frames, "another processor rewrites the entry frame") \
	X(nmi_frames, "another processor forges the frame of an NMI") \
	X(saved, "registers of a preempted unit") \
	X(resumed, "the core's text after a preemption") \
	X(request, "a request rewritten while the core reads it") \
	X(reply, "a reply of a thread that nobody called") \
	X(loop, "a thread that never ends") \
	X(flood, "calls of gates without end, good and bad") \
	X(frames_freed, "frames freed by another thread while they change hands") \
	X(wait_begins, "a wait that begins while its unit fails")

enum race {
#define X(identifier, name) RACE_##identifier,
	RACES(X)
#undef X
	RACE_COUNT
};

#endif
