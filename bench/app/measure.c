/* The application's part of `make bench-ipc`: system call, page faults, the state at start. Static; run as the first process's program. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "../marker.h"

#define PAGE 4096ul
#define FAULTS 16u           /* fewer than are taken before the pool or its log calls for mem: no refill within the row */
#define FAULTS_REFILL 8192u  /* many times what it holds */

static void touch(unsigned char *memory, unsigned pages)
{
	for (unsigned i = 0; i < pages; i++)
		((volatile unsigned char *)memory)[i * PAGE] = 1;
}

static unsigned char *fresh(unsigned pages)
{
	unsigned char *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		_exit(1);
	return memory;
}

static void faults(void)
{
	unsigned char *memory = fresh(FAULTS);

	usleep(50000); /* the pool is full again */
	MARK(ROW_FAULT, 0);
	touch(memory, FAULTS);
	MARK(ROW_FAULT, 1);
	munmap(memory, FAULTS * PAGE);
	memory = fresh(FAULTS_REFILL);
	touch(memory, 512);
	MARK(ROW_FAULT_REFILL, 0);
	touch(memory + 512 * PAGE, FAULTS_REFILL - 512);
	MARK(ROW_FAULT_REFILL, 1);
	munmap(memory, FAULTS_REFILL * PAGE);
}

int main(void)
{
	struct sysinfo info;

	MARK(ROW_BOOT, 2);
	sysinfo(&info);
	printf("memory free_kib %lu\n", info.freeram * info.mem_unit / 1024);
	fflush(stdout);
	MEASURE(ROW_SYSCALL, TIMES, syscall(SYS_getppid));
	faults();
	return 0;
}
