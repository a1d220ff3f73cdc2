/*
 * Marks in the instruction stream for bench/plugin/count.c: a seven-byte no-operation whose displacement is 0x7e550000 | row << 4 | kind.
 * kind 0: the row begins, 1: it ends, 2: a point (counts since power-on). ROW_COMPARE is that of bench/rows, whose kinds are in row.h.
 */
#ifndef BENCH_MARKER_H
#define BENCH_MARKER_H

enum bench_row {
	ROW_LOOP, ROW_IC0_EMPTY, ROW_IC1_EMPTY, ROW_IC2_EMPTY, ROW_IC2_WORDS4, ROW_IC2_BYTES4096, ROW_PINGPONG, ROW_RESOLVE,
	ROW_GRANT_REVOKE, ROW_WRITE, ROW_FAULT, ROW_FAULT_REFILL, ROW_SYSCALL, ROW_BOOT, ROW_COMPARE,
};
#define MARK(row, kind) __asm__ volatile(".byte 0x0f, 0x1f, 0x80; .long %c0" : : "i"(0x7e550000 | (row) << 4 | (kind)) : "memory")

/* Runs `what` `times` times between two marks; the first rounds warm up. */
#define MEASURE(row, times, what) do { \
	for (unsigned round_ = 0; round_ < 16; round_++) { what; } \
	MARK(row, 0); \
	for (unsigned round_ = 0; round_ < (times); round_++) { __asm__ volatile("" : "+r"(round_)); what; } \
	MARK(row, 1); \
} while (0)
#define TIMES 256

#endif
