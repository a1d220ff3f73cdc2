/* Calls of a unit that keeps its state and was not there, or failed meanwhile: they wait until it is back. */
#include <runtime_unit.h>

#define NAP 5000000ull /* ns, if nobody tells of its return */

static volatile u64 calls_waited, calls_again, calls_lost; /* statistics */

static volatile u32 returns; /* of units, as far as they were told */

static void nap(void)
{
	(void)!tk_wait(&returns, returns, clock_monotonic() + NAP, TK_WAIT_NEVER_INTERRUPTED, ~0u);
}

static void count_return(void)
{
	__atomic_fetch_add(&returns, 1, __ATOMIC_RELEASE); /* the unit runs before it is told */
	(void)!tk_wake(&returns, ~0u, 0, ~0u);
}

static void count(volatile u64 *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* Asks what became of the call: true if it is to be sent again, since it has changed nothing. */
static bool answer_missing(long *result, struct tk_message *message, const struct rt_answer_ask *ask)
{
	do {
		nap();
		*result = ask->ask(message, ask);
	} while (rt_unanswered(*result));
	return *result == -ESRCH;
}

bool rt_call_again(long *result, struct tk_message *message, const struct rt_answer_ask *ask, bool again, u32 *deaths)
{
	bool fatal = *result == -TK_EFATAL, lost = !again && !ask;

	if (*result == -TK_ECLOSED) {
		count(&calls_waited);
		nap();
		return true;
	}
	if (again && ask)
		again = answer_missing(result, message, ask);
	else if (!again)
		*result = -EIO;
	if (again && fatal && ++*deaths == RT_DEATHS_MAX) {
		*result = -EIO;
		again = false;
		lost = true;
	}
	count(lost ? &calls_lost : &calls_again);
	return again;
}

void rt_unit_returned(const char *what)
{
	count_return();
	log_line("%s: %llu calls waited for it, %llu went on, %llu failed", what, (unsigned long long)calls_waited,
		(unsigned long long)calls_again, (unsigned long long)calls_lost);
}
