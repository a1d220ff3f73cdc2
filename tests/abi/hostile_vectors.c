/* A hostile program's vector state in signal frames: what the processor refuses, memory that ends or goes away under it. */
#include "check.h"

#include <pthread.h>
#include <setjmp.h>
#include <ucontext.h>

#define MXCSR 24
#define NOTE 464         /* of software: magic, whole size, features, size */
#define NOTE_WHOLE (NOTE + 4)
#define NOTE_FEATURES (NOTE + 8)
#define NOTE_SIZE (NOTE + 16)
#define LEGACY_SIZE 512
#define HEADER 512       /* features that are not initial, compacted format, reserved */
#define HEADER_SIZE 64
#define MAGIC2 0x46505845u
#define VALUE 0x123456789abcdefUL

static unsigned char *area; /* of the frame, in the handler */
static uint32_t area_size;
static void (*area_edit)(ucontext_t *);

static void edit_area(int number, siginfo_t *info, void *context)
{
	ucontext_t *frame = context;

	(void)number;
	(void)info;
	area = (unsigned char *)frame->uc_mcontext.fpregs;
	memcpy(&area_size, area + NOTE_WHOLE, sizeof(area_size));
	area_edit(frame);
}

/* Takes a signal whose handler edits the state: what xmm5 holds then. */
static uint64_t vector_after(void (*edit)(ucontext_t *))
{
	const unsigned control = 0x1f80;
	uint64_t value = VALUE;

	area_edit = edit;
	signal_set_info(SIGUSR1, edit_area, 0);
	__asm__ volatile("movq %0, %%xmm5; syscall; movq %%xmm5, %0; fninit; ldmxcsr %1" : "+r"(value)
			 : "m"(control), "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1) : "rcx", "r11", "xmm5", "memory");
	return value;
}

static void word_or(uint32_t offset, uint64_t bits)
{
	uint64_t word;

	memcpy(&word, area + offset, sizeof(word));
	word |= bits;
	memcpy(area + offset, &word, sizeof(word));
}

static void legacy_only(void)
{
	memset(area + area_size - 4, 0, 4);
}

static void feature_reserved(ucontext_t *frame) { (void)frame; word_or(HEADER, 1UL << 62); }
static void compacted(ucontext_t *frame) { (void)frame; word_or(HEADER + 8, 1UL << 63); }
static void header_reserved(ucontext_t *frame) { (void)frame; word_or(HEADER + 16, 1); }
static void mxcsr_reserved(ucontext_t *frame) { (void)frame; word_or(MXCSR, 0x80000000); }
static void misaligned(ucontext_t *frame) { frame->uc_mcontext.fpregs = (void *)(area + 8); }

static void legacy_mxcsr_reserved(ucontext_t *frame)
{
	mxcsr_reserved(frame);
	legacy_only();
}

static void vector_run(void *edit)
{
	_exit(vector_after((void (*)(ucontext_t *))edit) == VALUE ? 60 : 61);
}

/* The legacy area alone reaches into a page that is not there. */
static void legacy_beyond_the_page(ucontext_t *frame)
{
	unsigned char *at = page_end(256);

	memcpy(at, area, 256);
	frame->uc_mcontext.fpregs = (void *)at;
}

/* The second magic number is out of reach. */
static void magic_beyond_the_page(ucontext_t *frame)
{
	unsigned char *at = page_end(LEGACY_SIZE);

	memcpy(at, area, LEGACY_SIZE);
	frame->uc_mcontext.fpregs = (void *)at;
}

/* All that the notes speak of is there; what the features need is not. */
static void size_too_small(ucontext_t *frame)
{
	const uint32_t size = LEGACY_SIZE + HEADER_SIZE, magic = MAGIC2;
	unsigned char *at = page_end(size + 64);

	memcpy(at, area, size);
	memcpy(at + NOTE_SIZE, &size, sizeof(size));
	memcpy(at + size, &magic, sizeof(magic));
	frame->uc_mcontext.fpregs = (void *)at;
}

static void states_that_end_the_program(void)
{
	static void (*const edits[])(ucontext_t *) = {
		mxcsr_reserved, legacy_mxcsr_reserved, feature_reserved, compacted, header_reserved, misaligned,
		legacy_beyond_the_page, magic_beyond_the_page, size_too_small,
	};
	enum { LENIENT = 2 }; /* of the first ones */

	SKIP_UNLESS(__builtin_cpu_supports("avx"), "no extended state");
	for (size_t i = 0; i < COUNT(edits); i++) {
		int status = child_run(vector_run, edits[i]);

		/* QEMU 7.2 lets every MXCSR through. */
		if ((status & 0x7f) != SIGSEGV && (i >= LENIENT || status != 60 << 8))
			check_failed(__FILE__, __LINE__, "edit %zu: wait status 0x%x", i, status);
	}
}

static void feature_dropped(ucontext_t *frame)
{
	const uint64_t none = 0;

	(void)frame;
	memcpy(area + HEADER, &none, sizeof(none));
}

static void feature_not_asked_for(ucontext_t *frame)
{
	const uint64_t none = 0;

	(void)frame;
	memcpy(area + NOTE_FEATURES, &none, sizeof(none));
}

/* Components that the header or the notes leave out are initial. */
static void components_left_out(void)
{
	SKIP_UNLESS(__builtin_cpu_supports("avx"), "no extended state");
	CHECK_EQ(vector_after(feature_dropped), 0);
	CHECK_EQ(vector_after(feature_not_asked_for), 0);
}

static void legacy_at_the_end(ucontext_t *frame)
{
	unsigned char *at = page_end(LEGACY_SIZE);

	memcpy(at, area, LEGACY_SIZE);
	memset(at + NOTE, 0, 4); /* so there is no more to it */
	frame->uc_mcontext.fpregs = (void *)at;
}

static void whole_at_the_end(ucontext_t *frame)
{
	unsigned char *at = (unsigned char *)((uintptr_t)page_end(area_size) & ~63UL);

	memcpy(at, area, area_size);
	frame->uc_mcontext.fpregs = (void *)at;
}

static void whole_read_only(ucontext_t *frame)
{
	unsigned char *at = pages_new(1);

	memcpy(at, area, area_size);
	mprotect(at, PAGE, PROT_READ);
	frame->uc_mcontext.fpregs = (void *)at;
}

static void states_elsewhere_are_loaded(void)
{
	CHECK_EQ(vector_after(legacy_at_the_end), VALUE);
	CHECK_EQ(vector_after(whole_at_the_end), VALUE);
	CHECK_EQ(vector_after(whole_read_only), VALUE);
}

static volatile uint64_t nested_value;

static void handler_looks(int number, siginfo_t *info, void *context)
{
	const ucontext_t *frame = context;

	(void)number;
	(void)info;
	memcpy((void *)&nested_value, frame->uc_mcontext.fpregs->_xmm[5].element, sizeof(nested_value));
}

static void take_another(ucontext_t *frame)
{
	long result = SYS_tkill;

	(void)frame;
	__asm__ volatile("syscall" : "+a"(result) : "D"(gettid()), "S"(SIGUSR2) : "rcx", "r11", "memory");
}

/* A handler starts with the initial state, and that is what the frame of the next one shows. */
static void frames_in_handlers_hold_the_initial_state(void)
{
	nested_value = 1;
	signal_set_info(SIGUSR2, handler_looks, 0);
	CHECK_EQ(vector_after(take_another), VALUE);
	CHECK_EQ(nested_value, 0);
}

static void nothing(ucontext_t *frame)
{
	(void)frame;
}

static void frame_in_a_child(void *stack)
{
	stack_t alternate = { .ss_sp = stack, .ss_size = 8 * PAGE };

	REQUIRE_OK(sigaltstack(&alternate, NULL));
	area_edit = nothing;
	signal_set_info(SIGUSR1, edit_area, SA_ONSTACK);
	uint64_t value = VALUE;
	__asm__ volatile("movq %0, %%xmm5; syscall; movq %%xmm5, %0" : "+r"(value)
			 : "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1) : "rcx", "r11", "xmm5", "memory");
	_exit(value == VALUE ? 44 : 45);
}

/* A stack that is shared with the parent until it is written, one that nobody has touched, and one that can't be written. */
static void frames_on_pages_that_are_not_there_yet(void)
{
	unsigned char *stack = pages_new(8);

	CHECK_EXITED(child_run(frame_in_a_child, stack), 44);
	memset(stack, 0x55, 8 * PAGE);
	CHECK_EXITED(child_run(frame_in_a_child, stack), 44);
	for (size_t i = 0; i < 8 * PAGE; i++)
		if (stack[i] != 0x55) {
			check_failed(__FILE__, __LINE__, "byte %zu of the parent's is 0x%x", i, stack[i]);
			break;
		}
	REQUIRE_OK(mprotect(stack, 8 * PAGE, PROT_READ));
	CHECK_KILLED(child_run(frame_in_a_child, stack), SIGSEGV);
}

/* ---- Memory that another thread takes away ------------------------------------------------------------------------------------- */

#define RACE_TIME (300 * MILLISECOND)

static unsigned char *race_page;
static volatile bool race_over;
static sigjmp_buf race_back;

static void *race_unmap(void *argument)
{
	(void)argument;
	while (!race_over) {
		munmap(race_page, PAGE);
		sched_yield();
		mmap(race_page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		for (volatile int i = 0; i < 2000; i++)
			;
	}
	return NULL;
}

static void move_to_race_page(ucontext_t *frame)
{
	memcpy(race_page, area, area_size);
	frame->uc_mcontext.fpregs = (void *)race_page;
}

static void race_faulted(int number)
{
	(void)number;
	siglongjmp(race_back, 1);
}

static void race_run(void *argument)
{
	stack_t stack = { .ss_sp = pages_new(8), .ss_size = 8 * PAGE };
	int64_t end = time_now() + RACE_TIME;
	pthread_t thread;

	(void)argument;
	race_page = pages_new(1);
	REQUIRE_OK(sigaltstack(&stack, NULL));
	signal_set(SIGSEGV, race_faulted, SA_ONSTACK);
	REQUIRE(pthread_create(&thread, NULL, race_unmap, NULL) == 0);
	while (time_now() < end)
		if (sigsetjmp(race_back, 1) == 0) {
			uint64_t value = vector_after(move_to_race_page);

			/* The page was there, or a new one, of zeroes. */
			REQUIRE(value == VALUE || value == 0);
		}
	race_over = true;
	pthread_join(thread, NULL);
	_exit(44);
}

static void state_goes_away_while_it_is_loaded(void)
{
	CHECK_EXITED(child_run(race_run, NULL), 44);
}

TESTS(TEST(states_that_end_the_program), TEST(components_left_out), TEST(states_elsewhere_are_loaded),
      TEST(frames_in_handlers_hold_the_initial_state), TEST(frames_on_pages_that_are_not_there_yet),
      TEST(state_goes_away_while_it_is_loaded))
