/* getrusage and times. */
#include "usage.h"
#include "include/abi_process.h"

static struct linux_timeval timeval_of(u64 nanos)
{
	return (struct linux_timeval){ (i64)(nanos / NANOS_IN_SECOND), (i64)(nanos % NANOS_IN_SECOND / NANOS_IN_MICRO) };
}

long shim_usage_put(vaddr_t to, const struct proc_usage *usage)
{
	struct linux_rusage shown = {
		.utime = timeval_of(usage->user_nanos), .stime = timeval_of(usage->system_nanos), .maxrss = (i64)usage->resident_peak,
		.minflt = (i64)usage->faults_minor, .majflt = (i64)usage->faults_major, .inblock = (i64)usage->blocks_in,
		.oublock = (i64)usage->blocks_out, .nvcsw = (i64)usage->switches_voluntary, .nivcsw = (i64)usage->switches_forced,
	};

	return user_copy_out(to, &shown, sizeof(shown));
}

long sys_getrusage(struct shim_thread *t, const u64 *a)
{
	struct proc_usage usage;
	long error = proc_usage((i32)a[0], &usage);

	(void)t;
	return error < 0 ? error : shim_usage_put(a[1], &usage);
}

static i64 ticks_of(u64 nanos)
{
	return (i64)(nanos / (NANOS_IN_SECOND / CLOCK_TICKS));
}

long sys_times(struct shim_thread *t, const u64 *a)
{
	struct proc_usage own, children;
	long error = 0;

	(void)t;
	if (a[0]) {
		error = proc_usage(0, &own);
		if (error >= 0)
			error = proc_usage(-1, &children);
		if (error >= 0) {
			struct linux_tms shown = { ticks_of(own.user_nanos), ticks_of(own.system_nanos), ticks_of(children.user_nanos),
						   ticks_of(children.system_nanos) };

			error = user_copy_out(a[0], &shown, sizeof(shown));
		}
	}
	return error < 0 ? error : ticks_of(clock_monotonic());
}
