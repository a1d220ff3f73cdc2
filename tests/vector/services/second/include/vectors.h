/*
 * All of a thread's vector state at once, by XSAVE and XRSTOR: patterns, the clean state, and what comes out of a call that was made with
 * a pattern in the registers. For units and for programs: it includes nothing. SDM volume 1, 13.4: the layout of the area.
 */
#ifndef VECTORS_H
#define VECTORS_H

#define VECTORS_COMMAND 0x7e5700u
/* What an ioctl asks of the terminal service, which looks first whether its state is clean. */
enum vectors_kind { VECTORS_LOOK, VECTORS_SUM, VECTORS_WAIT, VECTORS_NEST, VECTORS_SPIN, VECTORS_FAIL, VECTORS_PLAIN, VECTORS_ORPHAN,
	VECTORS_ORPHANS, VECTORS_THREAD };
/* What was wrong. */
enum { VECTORS_DIRTY = 1, VECTORS_LOST = 2, VECTORS_SECOND_DIRTY = 4, VECTORS_SECOND_LOST = 8, VECTORS_REFUSED = 16 };
#define VECTORS_BAD(result) ((result) >> 32 & 31) /* above it; below: a sum or a count */

#define VECTORS_ORPHANS_COUNTED(begun, ended) ((begun) << 16 | (ended))

#define VECTORS_FEATURES 7ul /* x87, SSE, AVX; the others stay as they are at first */
#define VECTORS_AVX 4ul
struct vectors { unsigned char bytes[1024]; } __attribute__((aligned(64)));
enum { V_CONTROL = 0, V_TAGS = 4, V_MXCSR = 24, V_STACK = 32, V_XMM = 160, V_HEADER = 512, V_YMM = 576, V_END = 832 };

/* Where the area holds a register: the control words and tags, the stack of x87 without its gaps, and the rest. */
static inline unsigned vectors_counts(unsigned at, unsigned long features)
{
	if (at < V_STACK)
		return at < V_TAGS + 1 || (at >= V_MXCSR && at < V_MXCSR + 4);
	if (at < V_XMM)
		return at % 16 < 10;
	return at < V_XMM + 256 || (at >= V_YMM && at < V_END && features & VECTORS_AVX);
}

static inline void vectors_pattern(struct vectors *v, unsigned seed, unsigned long features)
{
	for (unsigned at = 0; at < sizeof(v->bytes); at++)
		v->bytes[at] = at >= V_STACK && vectors_counts(at, features) ? (unsigned char)((seed + at * 7) | 1) : 0;
	*(unsigned short *)(v->bytes + V_CONTROL) = (unsigned short)(0x037f | (seed & 3) << 10); /* rounding */
	v->bytes[V_TAGS] = 0xff;
	*(unsigned *)(v->bytes + V_MXCSR) = 0x9f80 | (seed & 3) << 13; /* rounding; flush to zero */
	*(unsigned long *)(v->bytes + V_HEADER) = features & VECTORS_FEATURES;
}

/* As after a reset, but for the low halves of four registers, in which compiled code may have moved something before the look. */
static inline int vectors_clean(const struct vectors *v, unsigned long features)
{
	if (*(const unsigned short *)(v->bytes + V_CONTROL) != 0x37f || *(const unsigned *)(v->bytes + V_MXCSR) != 0x1f80)
		return 0;
	for (unsigned at = 2; at < V_END; at++)
		if (vectors_counts(at, features) && v->bytes[at] && !(at >= V_MXCSR && at < V_STACK) && !(at >= V_XMM && at < V_XMM + 64))
			return 0;
	return 1;
}

static inline int vectors_same(const struct vectors *a, const struct vectors *b, unsigned long features)
{
	for (unsigned at = 0; at < V_END; at++)
		if (vectors_counts(at, features) && a->bytes[at] != b->bytes[at])
			return 0;
	return 1;
}

/*
 * The functions below are assembly, so that nothing else touches the registers in between. MOVAPS before XSAVE and XRSTOR: QEMU lets
 * those two pass where the vector unit is off, which a processor does not.
 */
#define VECTORS_FUNCTION static __attribute__((naked, noinline, unused))

/* The registers as they are. */
VECTORS_FUNCTION void vectors_read(struct vectors *to, unsigned long features)
{
	__asm__("movaps %xmm0, %xmm0; movl %esi, %eax; xorl %edx, %edx; xsave64 (%rdi); ret");
}

/* They become `from`. */
VECTORS_FUNCTION void vectors_write(const struct vectors *from, unsigned long features)
{
	__asm__("movaps %xmm0, %xmm0; movl %esi, %eax; xorl %edx, %edx; xrstor64 (%rdi); ret");
}

/* `from`, a loop of so many ticks of the time counter, and what the registers are then. */
VECTORS_FUNCTION void vectors_spin(const struct vectors *from, struct vectors *to, unsigned long features, unsigned long ticks)
{
	__asm__("movq %rdx, %r8; movaps %xmm0, %xmm0; movl %r8d, %eax; xorl %edx, %edx; xrstor64 (%rdi)\n"
		"rdtsc; shlq $32, %rdx; orq %rdx, %rax; addq %rax, %rcx\n"
		"1: rdtsc; shlq $32, %rdx; orq %rdx, %rax; cmpq %rcx, %rax; jb 1b\n"
		"movl %r8d, %eax; xorl %edx, %edx; movaps %xmm0, %xmm0; xsave64 (%rsi); ret");
}

/* Of a program: the same around the system call number(a, b, c). Back with the control words that a program has. */
VECTORS_FUNCTION long vectors_system_call(const struct vectors *from, struct vectors *to, unsigned long features, const long call[4])
{
	__asm__("pushq %rbx; pushq %r12; movq %rsi, %rbx; movq %rdx, %r12; movq %rcx, %r8\n"
		"movaps %xmm0, %xmm0; movl %r12d, %eax; xorl %edx, %edx; xrstor64 (%rdi)\n"
		"movq (%r8), %rax; movq 8(%r8), %rdi; movq 16(%r8), %rsi; movq 24(%r8), %rdx; syscall\n"
		"movaps %xmm0, %xmm0; movq %rax, %r8; movl %r12d, %eax; xorl %edx, %edx; xsave64 (%rbx)\n"
		"fninit; pushq $0x1f80; ldmxcsr (%rsp); popq %rax; movq %r8, %rax; popq %r12; popq %rbx; ret");
}

/* Of a unit: the same around a call of the core, its number and six words as <tessera/arch.h> has them. */
VECTORS_FUNCTION long vectors_core_call(const struct vectors *from, struct vectors *to, unsigned long features, unsigned long number,
	const unsigned long words[6])
{
	__asm__("pushq %rbx; pushq %rbp; pushq %r12; pushq %r13; pushq %r14; pushq %r15; pushq %rsi; pushq %rdx\n"
		"movq %rcx, %rbx; movaps %xmm0, %xmm0; movl %edx, %eax; xorl %edx, %edx; xrstor64 (%rdi)\n"
		"movq (%r8), %rdi; movq 8(%r8), %rsi; movq 16(%r8), %r12; movq 24(%r8), %r10; movq 40(%r8), %r9; movq 32(%r8), %r8; syscall\n"
		"movaps %xmm0, %xmm0; popq %rax; popq %rcx; xorl %edx, %edx; xsave64 (%rcx)\n"
		"movq %rdi, %rax; popq %r15; popq %r14; popq %r13; popq %r12; popq %rbp; popq %rbx; ret");
}

/* A sum in floating point and one of integers, which a unit and a program make alike: the compiler keeps both in vector registers. */
#define VECTORS_NUMBERS 256u
static inline __attribute__((always_inline)) unsigned vectors_sum(unsigned seed, void (*pause)(void))
{
	unsigned numbers[VECTORS_NUMBERS], total = 0;
	double part = seed % 1000, whole = 0;

	for (unsigned i = 0; i < VECTORS_NUMBERS; i++)
		numbers[i] = seed * (i + 1);
	for (unsigned round = 0; round < 16; round++) {
		for (unsigned i = 0; i < VECTORS_NUMBERS; i++)
			numbers[i] = numbers[i] * 5 + round;
		part = part * 1.25 + 3;
		whole += part;
		pause();
	}
	for (unsigned i = 0; i < VECTORS_NUMBERS; i++)
		total += numbers[i];
	return total ^ (unsigned)(unsigned long)whole;
}

#endif
