/* What a program finds when it starts: registers, stack, arguments, environment and auxiliary vector. */
#include "check.h"

#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

extern char **environ;

static Elf64_auxv_t *vector_find(void)
{
	char **at = environ;

	while (*at)
		at++;
	return (Elf64_auxv_t *)(at + 1);
}

static bool vector_has(unsigned long type, unsigned long *value)
{
	for (Elf64_auxv_t *entry = vector_find(); entry->a_type != AT_NULL; entry++)
		if (entry->a_type == type) {
			*value = entry->a_un.a_val;
			return true;
		}
	return false;
}

static void auxiliary_vector_entries(void)
{
	static const unsigned long types[] = {
		AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_BASE, AT_FLAGS, AT_ENTRY, AT_UID, AT_EUID, AT_GID, AT_EGID,
		AT_SECURE, AT_RANDOM, AT_HWCAP, AT_CLKTCK, AT_PLATFORM, AT_EXECFN, AT_SYSINFO_EHDR, AT_HWCAP2,
	};
	unsigned long value;

	for (size_t i = 0; i < COUNT(types); i++)
		if (!vector_has(types[i], &value))
			check_failed(__FILE__, __LINE__, "no entry of type %lu", types[i]);
	CHECK(vector_has(AT_PAGESZ, &value) && value == PAGE);
	CHECK(vector_has(AT_CLKTCK, &value) && value == 100);
	CHECK(vector_has(AT_UID, &value) && value == 0);
	CHECK(vector_has(AT_SECURE, &value) && value == 0);
	CHECK(vector_has(AT_FLAGS, &value) && value == 0);
	/* A static program has no interpreter. */
	CHECK(vector_has(AT_BASE, &value) && value == 0);
}

static void auxiliary_vector_pointers(void)
{
	extern char __executable_start[];
	const Elf64_Phdr *segments;
	unsigned long value = 0;

	CHECK(vector_has(AT_PLATFORM, &value) && strcmp((char *)value, "x86_64") == 0);
	CHECK(vector_has(AT_EXECFN, &value) && strcmp((char *)value, program_path) == 0);
	CHECK(vector_has(AT_PHENT, &value) && value == sizeof(Elf64_Phdr));
	CHECK(vector_has(AT_ENTRY, &value) && value == ((Elf64_Ehdr *)__executable_start)->e_entry);
	REQUIRE(vector_has(AT_PHDR, &value));
	segments = (const Elf64_Phdr *)value;
	CHECK_EQ(value, __executable_start + ((Elf64_Ehdr *)__executable_start)->e_phoff);
	REQUIRE(vector_has(AT_PHNUM, &value));
	CHECK_EQ(value, ((Elf64_Ehdr *)__executable_start)->e_phnum);
	CHECK(segments[0].p_type == PT_PHDR || segments[0].p_type == PT_LOAD);
}

static void hardware_capabilities_are_cpuid(void)
{
	unsigned eax = 1, ebx, ecx = 0, edx;
	unsigned long value = 0;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	CHECK(vector_has(AT_HWCAP, &value) && value == edx);
	/* Bit 1 of the second word says that user code may write its segment bases. */
	REQUIRE(vector_has(AT_HWCAP2, &value));
	if (value & 2) {
		unsigned long base = 1;

		__asm__ volatile("rdfsbase %0" : "=r"(base));
		CHECK_EQ(base, *(unsigned long *)__builtin_thread_pointer());
	}
}

static void random_bytes_differ_each_time(void)
{
	unsigned char *bytes = (unsigned char *)getauxval(AT_RANDOM), other[16];
	int pipes[2];
	pid_t pid;

	REQUIRE(bytes);
	REQUIRE_OK(pipe(pipes));
	pid = fork();
	if (pid == 0) {
		dup2(pipes[1], 1);
		execl(program_path, program_path, "--random", NULL);
		_exit(99);
	}
	CHECK_EQ(read(pipes[0], other, 16), 16);
	CHECK_EXITED(child_wait(pid), 0);
	CHECK(memcmp(bytes, other, 16) != 0);
}

/* Everything stands in this order from low to high addresses: argc, argv, environment, vector, then the strings. */
static void stack_layout(void)
{
	char **arguments = environ - 1;
	Elf64_auxv_t *vector = vector_find();
	uintptr_t count;

	CHECK(*arguments == NULL);
	for (count = 0; (uintptr_t)arguments[-1 - (long)count] != count; count++)
		REQUIRE(count < 1000);
	CHECK_EQ((uintptr_t)&arguments[-1 - (long)count] % 16, 0);
	CHECK((uintptr_t)arguments[-(long)count] > (uintptr_t)vector);
	CHECK(getauxval(AT_RANDOM) > (uintptr_t)vector);
	CHECK((uintptr_t)environ[0] > (uintptr_t)vector);
	/* The name of the file is the last string, before eight bytes of zero. */
	CHECK_EQ(*(uint64_t *)(((getauxval(AT_EXECFN) + PAGE) & -PAGE) - 8), 0);
}

static void standard_descriptors_are_open(void)
{
	for (int i = 0; i < 3; i++)
		CHECK_OK(fcntl(i, F_GETFD));
}

/* A program without libc that ends with a bit for each register that was not as the ABI says. */
static const unsigned char probe_code[] = {
	0x31, 0xff,			/* xor %edi, %edi */
	0x48, 0x85, 0xd2,		/* test %rdx, %rdx: nothing to register with atexit */
	0x74, 0x03,			/* jz +3 */
	0x83, 0xcf, 0x01,		/* or $1, %edi */
	0xf6, 0xc4, 0x00,		/* test $0, %ah: no effect, keeps the lengths even */
	0x40, 0xf6, 0xc4, 0x0f,		/* test $15, %spl: aligned to 16 */
	0x74, 0x03,			/* jz +3 */
	0x83, 0xcf, 0x02,		/* or $2, %edi */
	0x48, 0x85, 0xed,		/* test %rbp, %rbp */
	0x74, 0x03,			/* jz +3 */
	0x83, 0xcf, 0x04,		/* or $4, %edi */
	0x48, 0x83, 0x3c, 0x24, 0x01,	/* cmpq $1, (%rsp): argc */
	0x74, 0x03,			/* je +3 */
	0x83, 0xcf, 0x08,		/* or $8, %edi */
	0x9c,				/* pushfq */
	0x58,				/* pop %rax */
	0xf6, 0xc4, 0x05,		/* test $5, %ah: TF and DF */
	0x74, 0x03,			/* jz +3 */
	0x83, 0xcf, 0x10,		/* or $16, %edi */
	0xb8, 0x3c, 0, 0, 0,		/* mov $60, %eax */
	0x0f, 0x05,			/* syscall: exit */
};

/* Writes a minimal executable of one segment; `change` may spoil its headers. */
static void probe_write(const char *path, void (*change)(Elf64_Ehdr *, Elf64_Phdr *))
{
	struct { Elf64_Ehdr file; Elf64_Phdr segment; unsigned char code[sizeof(probe_code)]; } image = {
		.file = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT }, .e_type = ET_EXEC,
			  .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_phoff = sizeof(Elf64_Ehdr), .e_phnum = 1,
			  .e_ehsize = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr) },
		.segment = { .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x10000000, .p_align = PAGE },
	};
	int file;

	memcpy(image.code, probe_code, sizeof(probe_code));
	image.file.e_entry = 0x10000000 + sizeof(image.file) + sizeof(image.segment);
	image.segment.p_filesz = image.segment.p_memsz = sizeof(image);
	if (change)
		change(&image.file, &image.segment);
	file = file_make(path, &image, sizeof(image));
	fchmod(file, 0755);
	close(file);
}

static void probe_exec(void *argument)
{
	execl(argument, argument, NULL);
	_exit(100 + errno);
}

static void initial_registers(void)
{
	scratch_enter();
	probe_write("probe", NULL);
	CHECK_EXITED(child_run(probe_exec, "./probe"), 0);
}

static void wrong_machine(Elf64_Ehdr *file, Elf64_Phdr *segment)
{
	(void)segment;
	file->e_machine = EM_AARCH64;
}

static void wrong_type(Elf64_Ehdr *file, Elf64_Phdr *segment)
{
	(void)segment;
	file->e_type = ET_REL;
}

static void wrong_entry_size(Elf64_Ehdr *file, Elf64_Phdr *segment)
{
	(void)segment;
	file->e_phentsize = 55;
}

static void no_segments(Elf64_Ehdr *file, Elf64_Phdr *segment)
{
	(void)segment;
	file->e_phnum = 0;
}

static void headers_outside(Elf64_Ehdr *file, Elf64_Phdr *segment)
{
	(void)segment;
	file->e_phoff = 1 << 20;
}

static void missing_interpreter(Elf64_Ehdr *file, Elf64_Phdr *segment)
{
	(void)file;
	segment->p_type = PT_INTERP;
	segment->p_offset = sizeof(*file) + sizeof(*segment);
	segment->p_filesz = 5;
}

static void refused_executables(void)
{
	static const struct {
		void (*change)(Elf64_Ehdr *, Elf64_Phdr *);
		int error;
	} cases[] = {
		{ wrong_machine, ENOEXEC },   { wrong_type, ENOEXEC },	       { wrong_entry_size, ENOEXEC },
		{ no_segments, ENOEXEC },     { headers_outside, ENOEXEC }, { missing_interpreter, ENOEXEC },
	};

	scratch_enter();
	for (size_t i = 0; i < COUNT(cases); i++) {
		probe_write("spoilt", cases[i].change);
		CHECK_EXITED(child_run(probe_exec, "./spoilt"), 100 + cases[i].error);
	}
}

static void kernel_segment(Elf64_Ehdr *file, Elf64_Phdr *segment)
{
	(void)file;
	segment->p_vaddr = 0xffff800000000000;
}

static void segment_past_the_end(Elf64_Ehdr *file, Elf64_Phdr *segment)
{
	(void)file;
	segment->p_offset = 16 * PAGE;
}

static void segment_in_the_kernel_kills(void)
{
	/* The old program is gone by the time the segments are mapped, so there is nobody to tell an error. */
	scratch_enter();
	probe_write("kernel", kernel_segment);
	CHECK_EQ(child_run(probe_exec, "./kernel") & 0x7f, SIGSEGV);
	probe_write("past", segment_past_the_end);
	CHECK(WIFSIGNALED(child_run(probe_exec, "./past")));
}

static const struct test tests[] = {
	TEST(auxiliary_vector_entries), TEST(auxiliary_vector_pointers), TEST(hardware_capabilities_are_cpuid),
	TEST(random_bytes_differ_each_time), TEST(stack_layout), TEST(standard_descriptors_are_open),
	TEST(initial_registers), TEST(refused_executables), TEST(segment_in_the_kernel_kills),
};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--random") == 0)
		return write(1, (void *)getauxval(AT_RANDOM), 16) != 16;
	return tests_run(argc, argv, tests, COUNT(tests));
}
