/*
 * Goes every way in and out of the core again and again, and looks whether what comes back is right, while NMIs come: process 1 and a child,
 * until there is input on the terminal. Ends with one line: how many rounds, how many mistakes.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static unsigned mistakes;

static void expect(int good, const char *what)
{
	if (!good && mistakes++ < 10)
		dprintf(1, "# wrong: %s\n", what);
}

/* Registers that a system call keeps, with others of its arguments; the vector unit, too. */
static void registers_of_call(uint64_t seed)
{
	uint64_t result = SYS_getppid, b = seed, c = seed + 1, d = seed + 2, e = seed + 3, f = seed + 4, g = seed + 5;
	uint64_t vector[2] = { seed, ~seed }, after[2];
	register uint64_t r8 __asm__("r8") = seed + 6;
	register uint64_t r9 __asm__("r9") = seed + 7;
	register uint64_t r10 __asm__("r10") = seed + 8;
	register uint64_t r12 __asm__("r12") = f;
	register uint64_t r13 __asm__("r13") = g;

	__asm__ volatile("movdqu %10, %%xmm7; syscall; movdqu %%xmm7, %9"
			 : "+a"(result), "+b"(b), "+D"(c), "+S"(d), "+d"(e), "+r"(r8), "+r"(r9), "+r"(r10), "+r"(r12), "=m"(after)
			 : "m"(vector), "r"(r13) : "rcx", "r11", "xmm7", "memory");
	expect(result == (uint64_t)getppid(), "the result of getppid");
	expect(b == seed && c == seed + 1 && d == seed + 2 && e == seed + 3 && r12 == f && r13 == g, "registers after a system call");
	expect(r8 == seed + 6 && r9 == seed + 7 && r10 == seed + 8, "argument registers after a system call");
	expect(!memcmp(vector, after, sizeof(after)), "a vector register after a system call");
}

/* Registers of a program that makes no call: what interrupts it must not show. */
static void registers_of_loop(uint64_t seed)
{
	uint64_t a = seed, c = 3000, d = ~seed, flags;
	register uint64_t r11 __asm__("r11") = seed ^ 5;

	__asm__ volatile("movq %0, %%r15; movq %0, %%r14; stc; 1: leaq -1(%1), %1; cmpq %%r15, %%r14; jne 2f; jrcxz 2f; jmp 1b; 2: pushfq; popq %4"
			 : "+a"(a), "+c"(c), "+d"(d), "+r"(r11), "=r"(flags) : : "r14", "r15", "cc", "memory");
	expect(a == seed && c == 0 && d == ~seed && r11 == (seed ^ 5) && flags & 0x40, "registers of a loop");
}

static void file_round(int file, uint64_t seed)
{
	uint64_t out[32], in[32] = { 0 };

	for (unsigned i = 0; i < 32; i++)
		out[i] = seed * (i + 1);
	expect(pwrite(file, out, sizeof(out), (off_t)(seed % 4096)) == sizeof(out), "pwrite");
	expect(pread(file, in, sizeof(in), (off_t)(seed % 4096)) == sizeof(in) && !memcmp(in, out, sizeof(in)), "what pread reads");
	expect(lseek(file, 1, SEEK_END) > 0, "lseek");
}

static void memory_round(uint64_t seed)
{
	size_t size = 4 * 4096;
	uint64_t *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED) {
		expect(0, "mmap");
		return;
	}
	for (unsigned i = 0; i < 4; i++)
		pages[512 * i] = seed + i;
	for (unsigned i = 0; i < 4; i++)
		expect(pages[512 * i] == seed + i && pages[512 * i + 1] == 0, "pages of mmap");
	expect(munmap(pages, size) == 0, "munmap");
}

static void round_do(int file, uint64_t seed)
{
	const struct timespec moment = { 0, 200000 };

	registers_of_call(seed);
	registers_of_loop(seed);
	file_round(file, seed);
	memory_round(seed);
	if (seed % 8 == 0)
		expect(nanosleep(&moment, NULL) == 0, "nanosleep");
}

/* Answers each number that comes with its negation. */
static int child(int in, int out, int file)
{
	uint64_t number;

	while (read(in, &number, sizeof(number)) == sizeof(number)) {
		round_do(file, number + 1000);
		number = ~number;
		expect(write(out, &number, sizeof(number)) == sizeof(number), "write to a pipe");
	}
	return mistakes != 0;
}

int main(void)
{
	int to[2], from[2], status = 0, file = open("/file", O_RDWR | O_CREAT, 0600), other = open("/other", O_RDWR | O_CREAT, 0600);
	struct pollfd terminal = { .fd = 0, .events = POLLIN };
	uint64_t seed = 0, answer;

	if (pipe(to) || pipe(from) || file < 0 || other < 0)
		return 1;
	pid_t pid = fork();
	if (pid == 0) {
		close(to[1]);
		exit(child(to[0], from[1], other));
	}
	close(to[0]);
	dprintf(1, "worker: ready\n");
	while (poll(&terminal, 1, 0) == 0) {
		seed++;
		expect(write(to[1], &seed, sizeof(seed)) == sizeof(seed), "write to a pipe");
		round_do(file, seed);
		expect(read(from[0], &answer, sizeof(answer)) == sizeof(answer) && answer == ~seed, "the child's answer");
		if (seed % 64 == 0) {
			pid_t short_lived = fork();
			if (short_lived == 0)
				_exit(7);
			expect(waitpid(short_lived, &status, 0) == short_lived && WIFEXITED(status) && WEXITSTATUS(status) == 7, "a child's status");
		}
	}
	close(to[1]);
	expect(waitpid(pid, &status, 0) == pid && status == 0, "the other process");
	dprintf(1, "worker: %llu rounds, %u mistakes\n", (unsigned long long)seed, mistakes);
	return mistakes != 0;
}
