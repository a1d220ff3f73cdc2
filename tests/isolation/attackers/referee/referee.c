/*
 * Runs the raid: each step by a call of the raider's gate, then looks whether the raider is back, the neighbour has its secret and the
 * witness, a program that starts others and checks files and pipes, goes on. TAP goes to the core's log; the machine ends with it.
 */
#include <mem_client.h>
#include <miser_client.h>
#include <neighbour_client.h>
#include <proc_client.h>
#include <raider_client.h>
#include <usurper_client.h>
#include "referee_server.h"
#include "referee.h"
#include "../usurper/include/usurpation.h"

#define PATIENCE 20000000000ull /* ns: of a loaded host */
#define LOOK 2000000ull
#define ROUNDS 2u                /* programs that the witness starts after an attack */

enum help { HELP_NONE, HELP_SPIN, HELP_WAIT, HELP_HOLD, HELP_HOLD_FAILS, HELP_ATTACK };
/* What thread 1 does meanwhile: has the neighbour run, waits inside the raider, holds the miser's stack, or has the usurper attack. */
static volatile u32 help;
static volatile u32 usurper_attacks, usurper_idle, usurper_won; /* idle: an attack before has ruined what it needs */
static volatile u32 helper_calls, helper_returns;
#define WAIT_ROUNDS 20u
#define RANDOM_PAUSE 20000000ull /* ns */
#define RANDOM_LEAST 20u         /* attacks */
#define USURPER_LIVES 8u         /* that are ended since they can do nothing: what each has had in use stays so */
#define GREED_LIVES 2u           /* before the last one; of the raider that takes more each time: */
#define GREED_GROWS 4u
#define HOLD_MILLISECONDS 1000u
#define HOLD_LOOKS 5u            /* until somebody else calls */
#define HOLD_TRIES 10u           /* the other thread may be done before this one runs */

void referee_init(void)
{
}

static void pause_short(void)
{
	static volatile u32 never;

	(void)tk_wait(&never, 0, clock_monotonic() + LOOK, 0, ~0u);
}

static u64 programs_started(void)
{
	struct proc_system system;

	return proc_system_info(&system) < 0 ? 0 : system.forks;
}

/* Waits until the witness has gone through its checks again. */
static bool witness_goes_on(u32 rounds)
{
	nanos_t deadline = clock_monotonic() + PATIENCE;
	u64 before = programs_started();

	while (programs_started() < before + rounds) {
		if (clock_monotonic() > deadline)
			return false;
		pause_short();
	}
	return true;
}

/* The number of calls of the raider's present life, 0 if it does not come back. */
static u64 raider_life_wait(void)
{
	nanos_t deadline = clock_monotonic() + PATIENCE;
	u64 calls = 0;

	while (clock_monotonic() < deadline) {
		long result = raider_life(&calls);

		if (result == 0)
			return calls;
		if (result != -EAGAIN && result != -EIO)
			log_line("# raider.life: %ld", result);
		pause_short();
	}
	return 0;
}

/* What is wrong with how it ended, or NULL. */
static const char *outcome_judge(const struct step *step, long result, u64 life)
{
	bool died = result == -EIO;

	if (!life)
		return "the raider does not come back";
	if (step->kind == ATTACK_USURP)
		return result == 0 || (died && step->outcome == EITHER) ? NULL : "the usurper got something";
	if (died && life != 1)
		return "the raider came back with its old memory";
	if (!died && life == 1)
		return "the raider answered, and then died";
	switch (step->outcome) {
	case DIES:
		return died ? NULL : "the raider lives";
	case NOTHING:
		return result == 0 ? NULL : died ? "the raider died" : "it got something";
	case EITHER:
		return died || result == 0 || (step->kind == ATTACK_READ && result == 1) ? NULL : "it got something";
	case WORKS:
		return result == 1 ? NULL : "it does not work";
	}
	return "no such outcome";
}

/* The unit ends while another caller's thread goes in and out of a wait inside it: that caller must be told each time. */
static bool helper_comes_back(void)
{
	u64 detail;

	for (u32 round = 1; round <= WAIT_ROUNDS; round++) {
		nanos_t deadline = clock_monotonic() + PATIENCE;

		help = HELP_WAIT;
		while (helper_calls == helper_returns && help == HELP_WAIT)
			pause_short();
		(void)raider_attack(ATTACK_RACE, RACE_wait_begins, 1 + round * 37, &detail);
		while (helper_calls != helper_returns) {
			if (clock_monotonic() > deadline)
				return false;
			pause_short();
		}
		if (!raider_life_wait())
			return false;
	}
	return true;
}

/* The other thread holds the miser's stack: this one waits for it until it is free or its unit has failed, and is told which. */
static long stack_wait(bool fails, u64 *detail)
{
	nanos_t deadline = clock_monotonic() + PATIENCE;
	u32 before = helper_returns;

	help = fails ? HELP_HOLD_FAILS : HELP_HOLD;
	while (helper_calls == before)
		pause_short();
	for (u32 i = 0; i < HOLD_LOOKS; i++)
		pause_short();
	if (helper_returns != before)
		return -EBUSY;
	long result = miser_nothing();

	*detail = (u64)result;
	if (fails ? result != -EAGAIN && result != -EIO : result)
		return 1;
	while (helper_returns == before || miser_nothing())
		if (clock_monotonic() > deadline)
			return 2;
	return 0;
}

static u64 frames_free(void)
{
	struct mem_information information;

	return mem_information(&information) < 0 ? 0 : information.free;
}

/* The raider's lives before the last: what they had must be there again, or they would have used it up. */
static const char *greed_lives(const struct step *step)
{
	u64 detail, share = rt_boot->memory_frames / GREED_SHARE, before = 0;
	bool grows = step->first == GREED_growing;

	for (u64 life = 1; life <= (grows ? GREED_GROWS : GREED_LIVES); life++) {
		if (raider_attack(ATTACK_GREED, step->first, grows ? 2 * life : step->second, &detail) != -EIO)
			return "the raider got too much";
		if (!raider_life_wait() || !witness_goes_on(1))
			return "not all go on";
		u64 now = frames_free();

		if (life == 1) /* its heap stays its own */
			before = now;
		if (now + share / 4 < before)
			return "memory is gone";
	}
	return NULL;
}

/* What former lives of the usurper had and was in use is still its own: each life is told before it attacks, so that it counts no gain
 * twice. */
static bool usurper_inherits(void)
{
	static u8 now[PAGE_SIZE], former[PAGE_SIZE];
	static bool told;
	u64 life;

	if (usurper_life(&life) < 0)
		return false;
	if (life == 1)
		told = false;
	if (!told && usurper_frames(now, sizeof(now)) >= 0 && usurper_inherit(former, sizeof(former)) >= 0) {
		told = true;
		for (u32 i = 0; i < sizeof(former); i++)
			former[i] |= now[i];
	}
	return told;
}

static long attack_start(const struct step *step, u64 *detail)
{
	if (step->kind == ATTACK_STACK) {
		long result = -EBUSY;

		for (u32 i = 0; i < HOLD_TRIES && result == -EBUSY; i++)
			result = stack_wait(step->first == STACK_lost, detail);
		return result;
	}
	if (step->kind == ATTACK_USURP)
		return !usurper_inherits() ? -ENOMEM : usurper_attack((u32)step->first, step->second, detail);
	if (step->kind == ATTACK_ENTRY) {
		long result = raider_entered(detail);

		return result ? result : *detail != 0;
	}
	return raider_attack(step->kind, step->first, step->second, detail);
}

static bool step_run(u32 number, const struct step *step)
{
	u64 life, detail = 0;

	log_line("# attack %u: %s", number, step->name);
	(void)raider_life(&life);
	help = step->kind == ATTACK_RACE && step->first == RACE_saved ? HELP_SPIN : HELP_NONE;
	const char *trouble = step->kind == ATTACK_GREED ? greed_lives(step) : NULL;

	if (step->kind == ATTACK_RACE && step->first == RACE_wait_begins && !helper_comes_back())
		trouble = "the caller that waited inside did not come back";
	long result = attack_start(step, &detail);
	help = HELP_NONE;
	life = raider_life_wait();
	trouble = trouble ? trouble : outcome_judge(step, result, life);
	if (!trouble && neighbour_intact())
		trouble = "the neighbour's memory changed";
	if (!trouble && !witness_goes_on(ROUNDS))
		trouble = "the witness stopped";
	if (trouble)
		log_line("# %s: result %ld, detail 0x%lx, life %lu", trouble, result, detail, life);
	log_line("%s %u - %s", trouble ? "not ok" : "ok", number, step->name);
	return !trouble;
}

/* FNV-1a of 32 bits, by which the harness names an attack on the command line. */
static u32 name_hash(const char *name)
{
	u32 hash = 0x811c9dc5;

	for (; *name; name++)
		hash = (hash ^ (u8)*name) * 0x01000193;
	return hash;
}

/* Whether the attack is among those that were asked for: all, if none was. */
static bool step_wanted(const struct step *step)
{
	u32 hash = name_hash(step->name);
	bool found;

	for (u32 i = 0;; i++) {
		u64 wanted = argument_number("only", i, &found);

		if (!found)
			return i == 0;
		if (wanted == hash)
			return true;
	}
}

/* ---- At random moments -------------------------------------------------------------------------------------------------------------- */

static u64 random_state[2]; /* of each thread */

static u64 random_below(u32 thread, u64 limit)
{
	u64 *state = &random_state[thread];

	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state % limit;
}

static void pause_random(u32 thread, nanos_t most)
{
	static volatile u32 never;

	(void)tk_wait(&never, 0, clock_monotonic() + random_below(thread, most), 0, ~0u);
}

/* Steps that need no second thread of the referee's, nor all memory, and mean the same while the usurper grants its own to everyone. */
static bool step_alone(const struct step *step)
{
	if (step->kind == ATTACK_RACE)
		return step->first != RACE_wait_begins && step->first != RACE_saved;
	return step->kind != ATTACK_USURP && step->kind != ATTACK_STACK && step->kind != ATTACK_GREED;
}

/* One attack of the raider; NULL, or what is wrong. Requests need a life that has nothing yet, and races are the end of theirs, as their
 * threads go on. */
static const char *attack_random(const struct step *step)
{
	u64 detail = 0;

	if (step->kind == ATTACK_REQUEST && (raider_attack(ATTACK_WRITE, 0, 0, &detail) != -EIO || !raider_life_wait()))
		return "the raider does not end";
	long result = attack_start(step, &detail);

	if (step->kind == ATTACK_RACE)
		(void)raider_attack(ATTACK_WRITE, 0, 0, &detail);
	if (!raider_life_wait())
		return "the raider does not come back";
	if (neighbour_intact())
		return "the neighbour's memory changed";
	if (step->outcome == DIES && result != -EIO)
		return "the raider lives";
	return result > 0 && step->outcome != WORKS && !(step->outcome == EITHER && step->kind == ATTACK_READ) ? "it got something" : NULL;
}

/* The raider by this thread and the usurper by the other, each when it likes, for some time; then the machine ends. */
static noreturn_fn void raid_random(u64 seed, u64 milliseconds)
{
	const char *trouble = NULL;
	nanos_t end;
	struct step step;
	u32 steps = 0, done = 0;

	log_line("=== RUN raid");
	log_line("1..1");
	plan_prepare();
	while (plan_step(steps, &step))
		steps++;
	random_state[0] = seed * 0x9e3779b97f4a7c15ull | 1;
	random_state[1] = ~random_state[0] | 1;
	end = clock_monotonic() + milliseconds * 1000000ull;
	help = HELP_ATTACK;
	while (!trouble && (clock_monotonic() < end || done < RANDOM_LEAST)) {
		(void)plan_step((u32)random_below(0, steps), &step);
		if (!step_alone(&step) || !step_wanted(&step))
			continue;
		log_line("# attack %u: %s", ++done, step.name);
		pause_random(0, RANDOM_PAUSE);
		trouble = attack_random(&step);
		if (!trouble && done % RANDOM_LEAST == 0 && !witness_goes_on(ROUNDS))
			trouble = "the witness stopped";
	}
	help = HELP_NONE;
	trouble = trouble ? trouble : usurper_won ? "the usurper got something" : !witness_goes_on(ROUNDS) ? "the witness stopped" : NULL;
	log_line("# %u attacks beside %u of the usurper's (%u could do nothing), seed %lu: %s", done, usurper_attacks, usurper_idle, seed,
		 trouble ? trouble : "nothing");
	log_line("%sok 1 - attacks at random moments beside a second attacker", trouble ? "not " : "");
	log_line("=== EXIT raid %u", trouble != NULL);
	for (;;)
		(void)tk_power(TK_POWER_OFF, trouble != NULL);
}

static void usurper_attack_random(void)
{
	u64 detail = 0;
	u32 which = (u32)random_below(1, USURPATION_COUNT);

	if (which == USURPATION_declared) /* by way of the raider, which dies meanwhile */
		return;
	pause_random(1, RANDOM_PAUSE);
	if (!usurper_inherits())
		return;
	long result = usurper_attack(which, random_below(1, ~0ull), &detail);

	usurper_attacks += result >= 0;
	if (result < 0 && usurper_idle++ < USURPER_LIVES)
		(void)usurper_attack(USURPATION_COUNT, 0, &detail);
	if (result > 0) {
		log_line("# the usurper's attack %u got 0x%lx", which, detail);
		usurper_won++;
	}
}

static noreturn_fn void raid(void)
{
	struct step step;
	u32 steps = 0, planned = 0, failed = 0;

	log_line("=== RUN raid");
	plan_prepare();
	bool found;
	u64 limit = argument_number("steps", 0, &found);

	while ((!limit || steps < limit) && plan_step(steps, &step)) {
		steps++;
		planned += step_wanted(&step);
	}
	log_line("1..%u", planned);
	if (!witness_goes_on(1))
		log_line("# the witness did not start");
	for (u32 i = 0; i < steps; i++) {
		(void)plan_step(i, &step);
		if (step_wanted(&step))
			failed += !step_run(i + 1, &step);
	}
	log_line("=== EXIT raid %u", failed != 0);
	for (;;)
		(void)tk_power(TK_POWER_OFF, failed != 0);
}

/* The neighbour runs with its secret in the registers while the raider looks for it. */
static noreturn_fn void helper(void)
{
	for (;;) {
		if (help == HELP_ATTACK)
			usurper_attack_random();
		if (help == HELP_HOLD || help == HELP_HOLD_FAILS) {
			bool fails = help == HELP_HOLD_FAILS;

			help = HELP_NONE;
			helper_calls++;
			(void)!miser_hold(HOLD_MILLISECONDS, fails);
			helper_returns++;
		}
		if (help == HELP_SPIN)
			(void)neighbour_spin(20);
		if (help == HELP_WAIT) {
			u64 detail;

			help = HELP_NONE;
			helper_calls++;
			(void)raider_attack(ATTACK_RACE, RACE_wait_begins, 0, &detail);
			helper_returns++;
		}
		pause_short();
	}
}

void referee_main(u32 index)
{
	bool found;
	u64 seed = argument_number("random", 0, &found), milliseconds = argument_number("random", 1, &found);

	if (index)
		helper();
	if (found)
		raid_random(seed, milliseconds);
	raid();
}
