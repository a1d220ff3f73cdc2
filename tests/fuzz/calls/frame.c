/* Signals of a round: faults of our own accesses, interruptions by the supervisor, and returns with a frame that was changed. */
#include "fuzz.h"
#include "constants.h"

#include <string.h>
#include <ucontext.h>
#include <unistd.h>

static void fault_handle(int number)
{
	if (!self)
		_exit(80);
	siglongjmp(self->fault, number);
}

void interruption_handle(int number)
{
	(void)number;
}

__asm__(".text\n.globl frame_restore\nframe_restore:\n\tmov $15, %eax\n\tsyscall\n");

void handlers_install(void)
{
	struct sigaction action = { .sa_handler = fault_handle, .sa_flags = SA_NODEFER };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	action = (struct sigaction){ .sa_handler = interruption_handle };
	for (int number = 1; number <= SIGRTMAX; number++) {
		if (number != SIGSEGV && number != SIGBUS && number != SIGTERM && number != SIGFPE && number != SIGILL && number != SIGTRAP)
			sigaction(number, &action, NULL);
	}
}

/* Registers, selectors, flags, mask, stack and the vector state's address: whatever of it comes back must be harmless to the kernel. */
static void frame_change(int number, siginfo_t *info, void *context)
{
	ucontext_t *frame = context;
	struct thread *t = self;

	(void)number, (void)info;
	for (unsigned count = 1 + random_below(t, 3); count; count--) {
		uint64_t value = random_below(t, 2) ? random_next(t) >> random_below(t, 64) : PLAY + random_below(t, 4 * PAGE);

		switch (random_below(t, 6)) {
		case 0: case 1:
			frame->uc_mcontext.gregs[random_below(t, NGREG)] = (greg_t)value;
			break;
		case 2:
			frame->uc_mcontext.fpregs = (fpregset_t)value;
			break;
		case 3:
			memcpy((char *)frame->uc_mcontext.fpregs + random_below(t, 832 - 8), &value, 8);
			break;
		case 4:
			frame->uc_flags = value;
			break;
		default:
			memcpy((char *)frame + random_below(t, sizeof(*frame) - 8), &value, 8);
		}
	}
}

_Noreturn void frame_return(struct thread *t)
{
	struct sigaction action = { .sa_sigaction = frame_change, .sa_flags = SA_SIGINFO };

	self = t;
	for (int number = 1; number <= SIGRTMAX; number++)
		signal(number, SIG_DFL);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	_exit(0);
}
