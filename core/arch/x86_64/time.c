/*
 * The time counter (TSC) and the one-shot timer of each local interrupt controller. Rates come from CPUID where it tells them, else from
 * the ACPI timer or the 8254, in a few milliseconds.
 */
#include <arch/time.h>
#include <arch/vectors.h>
#include "acpi.h"
#include "apic.h"
#include "features.h"
#include "log.h"
#include "processor.h"
#include "startup.h"

#define NANOS_PER_SECOND 1000000000ull
#define PM_TIMER_HERTZ 3579545ull
#define PIT_HERTZ 1193182ull
#define PIT_CHANNEL 0x40
#define PIT_COMMAND 0x43
#define PIT_COUNT_DOWN 0x30          /* channel 0, both bytes, mode 0 */
#define TRIES 1000000
#define SAMPLES 8
#define MEASURES_PER_SECOND 250      /* one takes 4 ms */
#define FRACTION_BITS 28
#define COUNTER_HERTZ_GUESS 1000000000ull
#define TIMER_DIVIDE_16 3
#define DEADLINE_FAR (3600 * NANOS_PER_SECOND)
#define DELTA_MAX 0xfffffff0u

u64 arch_counter_base, arch_counter_hertz;
u32 arch_counter_multiplier, arch_counter_shift;

static u64 timer_hertz;              /* of the local timer behind its divider; 0: it compares with the time counter */
static u64 timer_per_nano, counter_per_nano; /* ticks per ns, 28 fraction bits */

/* A clock of known rate that counts up. */
struct reference { u32 (*read)(void); u32 mask; u64 hertz; };
struct sample { u64 counter; u32 timer, ticks; };

static u32 pm_timer_read(void) { return port_read32(acpi.timer_port); }

static u32 pit_read(void)
{
	port_write8(PIT_COMMAND, 0); /* latches the count of channel 0, which goes down */
	u32 low = port_read8(PIT_CHANNEL);
	return 0xffff - (low | (u32)port_read8(PIT_CHANNEL) << 8);
}

/* All clocks at one moment: the quickest of some tries, because the host may take the processor away in any of them. */
static struct sample sample_take(const struct reference *r)
{
	struct sample best = { 0 };
	u64 shortest = ~0ull;

	for (u32 i = 0; i < SAMPLES; i++) {
		u64 before = arch_counter();
		u32 ticks = r->read() & r->mask, timer = apic_read(APIC_TIMER_NOW);
		u64 took = arch_counter() - before;
		if (took < shortest) {
			shortest = took;
			best = (struct sample){ before + took / 2, timer, ticks };
		}
	}
	return best;
}

static bool measure_by(const struct reference *r)
{
	const u32 wanted = (u32)(r->hertz / MEASURES_PER_SECOND);
	struct sample a = sample_take(r);

	for (u32 i = 0; i < TRIES; i++) {
		if (((r->read() - a.ticks) & r->mask) < wanted)
			continue;
		struct sample b = sample_take(r);
		u32 passed = (b.ticks - a.ticks) & r->mask;
		if (passed == 0)
			return false;
		arch_counter_hertz = (b.counter - a.counter) * r->hertz / passed;
		timer_hertz = (u64)(a.timer - b.timer) * r->hertz / passed;
		return arch_counter_hertz && timer_hertz;
	}
	return false;
}

static bool measure_by_pm_timer(void)
{
	return acpi.timer_port && measure_by(&(struct reference){ pm_timer_read, 0xffffff, PM_TIMER_HERTZ });
}

static bool measure_by_pit(void)
{
	port_write8(PIT_COMMAND, PIT_COUNT_DOWN);
	port_write8(PIT_CHANNEL, 0xff);
	port_write8(PIT_CHANNEL, 0xff);
	return measure_by(&(struct reference){ pit_read, 0xffff, PIT_HERTZ });
}

/* The counter's rate as the processor or the hypervisor states it; 0 if neither does. */
static u64 counter_hertz_stated(void)
{
	if (cpuid_read(0, 0).eax >= 0x15) {
		struct cpuid r = cpuid_read(0x15, 0);
		if (r.eax && r.ebx && r.ecx)
			return (u64)r.ecx * r.ebx / r.eax;
	}
	if (features.hypervisor) {
		u32 leaves = cpuid_read(0x40000000, 0).eax;
		if (leaves >= 0x40000010 && leaves < 0x40010000)
			return cpuid_read(0x40000010, 0).eax * 1000ull;
	}
	return 0;
}

static void scale_set(void)
{
	arch_counter_shift = 31;
	while (arch_counter_shift && (NANOS_PER_SECOND << arch_counter_shift) / arch_counter_hertz > 0xffffffffull)
		arch_counter_shift--;
	arch_counter_multiplier = (u32)((NANOS_PER_SECOND << arch_counter_shift) / arch_counter_hertz);
	arch_counter_base = start_counter;
}

void arch_time_init(void)
{
	u64 stated = counter_hertz_stated();

	apic_write(APIC_TIMER_DIVIDE, TIMER_DIVIDE_16);
	apic_write(APIC_TIMER_START, ~0u);
	if (!stated || !features.deadline_timer)
		if (!measure_by_pm_timer() && !measure_by_pit()) {
			core_log("time: no timer to measure the counter with; 1 GHz is assumed");
			arch_counter_hertz = timer_hertz = COUNTER_HERTZ_GUESS;
		}
	apic_write(APIC_TIMER_START, 0);
	if (stated)
		arch_counter_hertz = stated;
	if (features.deadline_timer)
		timer_hertz = 0;
	timer_per_nano = (timer_hertz << FRACTION_BITS) / NANOS_PER_SECOND;
	counter_per_nano = (arch_counter_hertz << FRACTION_BITS) / NANOS_PER_SECOND;
	scale_set();
	core_log("time: counter %lu kHz%s, timer %lu kHz", arch_counter_hertz / 1000, stated ? " (stated)" : "", timer_hertz / 1000);
}

void arch_timer_init(void)
{
	arch_timer_fired();
	if (!timer_hertz) {
		apic_write(APIC_TIMER, APIC_TIMER_DEADLINE | ARCH_VECTOR_TIMER);
		__asm__ volatile("mfence" : : : "memory"); /* the mode is set before the first deadline (Intel SDM 11.5.4.1) */
		return;
	}
	apic_write(APIC_TIMER_DIVIDE, TIMER_DIVIDE_16);
	apic_write(APIC_TIMER, ARCH_VECTOR_TIMER);
}

void arch_timer_fired(void) { arch_cpu()->arch.timer = NANOS_NEVER; }

/* The timer interrupt comes early when the counter can't count so far: the timer queue then sets it again. */
static __attribute__((noinline)) void timer_start(nanos_t deadline)
{
	if (!timer_hertz) {
		const nanos_t far = arch_nanos() + DEADLINE_FAR; /* anyone may name a deadline whose counter value does not fit 64 bits */
		deadline = deadline < far ? deadline : far;
		msr_write(MSR_TSC_DEADLINE, arch_counter_base + (u64)((unsigned __int128)deadline * counter_per_nano >> FRACTION_BITS) + 1);
		return;
	}
	nanos_t now = arch_nanos();
	u64 ticks = deadline > now ? (u64)((unsigned __int128)(deadline - now) * timer_per_nano >> FRACTION_BITS) + 1 : 1;
	apic_write(APIC_TIMER_START, ticks > DELTA_MAX ? DELTA_MAX : (u32)ticks);
}

void arch_timer_set(nanos_t deadline)
{
	struct arch_cpu *cpu = &arch_cpu()->arch;

	if (deadline >= cpu->timer)
		return;
	cpu->timer = deadline;
	timer_start(deadline);
}
