/* Units fail by a script; each wait of the supervisor runs the script's next step. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <abi_client.h>
#include <mem_client.h>
#include <super_server.h>

#define UNITS 4
enum { SHIM, TERMINAL, DEVICE, OWN };

static struct tk_domain_page pages[UNITS] __attribute__((aligned(4096)));
static struct tk_watch_page table __attribute__((aligned(4096)));
static struct tk_boot_info boot;
const struct tk_boot_info *rt_boot = &boot;
static const volatile u32 *watched[TK_WATCHES_IN_TABLE];
static nanos_t now;
static u32 restarts, told, resets, delays, stops, ended, given_back, failing_starts, leaving, test_number, failed;
static jmp_buf done;
static const char *script;   /* a letter each wait: t the terminal fails, d the device, s the shim, + ten seconds pass, . the end */

void log_line(const char *format, ...) { (void)format; }
nanos_t clock_monotonic(void) { return now; }
long mem_frames_alloc(u32 order, u64 *frame) { (void)order; *frame = 7; return 0; }
long mem_unit_ended(u32 domain)
{
	given_back += domain == pages[OWN].id;
	for (u32 i = 0; i < UNITS; i++)
		if (pages[i].id == domain && (pages[i].state == TK_DOMAIN_FAILED || pages[i].state == TK_DOMAIN_STOPPED))
			ended++;
	return 0;
}
long tk_object_create(const struct tk_object_create *request) { return request->type == TK_OBJECT_WATCHES ? (long)&table : -EINVAL; }
long tk_watch(vaddr_t token, u32 index, const volatile u32 *word, u64 cookie)
{
	watched[index] = word;
	return token == (vaddr_t)&table && cookie == index ? 0 : -EINVAL;
}
long tk_domain_restart(vaddr_t domain)
{
	struct tk_domain_page *page = (struct tk_domain_page *)domain;

	if (page->state != TK_DOMAIN_FAILED)
		return -EBUSY;
	if (leaving) {
		leaving--;
		return -EAGAIN;
	}
	restarts++;
	if (failing_starts) {
		failing_starts--;
		return -EIO;
	}
	page->state = TK_DOMAIN_RUNNING;
	return 0;
}
long tk_domain_end(vaddr_t domain, u32 state)
{
	struct tk_domain_page *page = (struct tk_domain_page *)domain;

	if (page->state != TK_DOMAIN_FAILED || state != TK_DOMAIN_STOPPED)
		return -EBUSY;
	page->state = state;
	stops++;
	return 0;
}
long abi_unit_changed(u32 unit) { told += unit == pages[TERMINAL].id; return 0; }
long tk_power(u32 how, u32 status)
{
	resets += how == TK_POWER_RESET && status == 0;
	longjmp(done, 1);
}
long tk_yield(void) { return 0; }
void tk_thread_exit(volatile u32 *word) { (void)word; abort(); }

static void unit_fail_now(u32 unit)
{
	if (pages[unit].state != TK_DOMAIN_RUNNING)
		return;
	pages[unit].state = TK_DOMAIN_FAILED;
	for (u32 i = 0; i < TK_WATCHES_IN_TABLE; i++) {
		if (watched[i] != &pages[unit].state || table.queued[i])
			continue;
		table.queued[i] = 1;
		table.ready[table.tail++ % TK_READY_ENTRIES] = i;
	}
}

long tk_wait(const volatile u32 *word, u32 expected, nanos_t deadline, u32 flags, u32 bitset)
{
	(void)flags, (void)bitset;
	if (*word != expected)
		return -EAGAIN;
	if (deadline != NANOS_NEVER) { /* a restart is put off */
		delays++;
		now = deadline;
		return -ETIMEDOUT;
	}
	switch (*script++) {
	case 't':
		unit_fail_now(TERMINAL);
		break;
	case 's':
		unit_fail_now(SHIM);
		break;
	case 'd':
		unit_fail_now(DEVICE);
		break;
	case '+':
		now += 10 * 1000000000ull;
		break;
	default:
		longjmp(done, 1);
	}
	return 0;
}

static void check(bool good, const char *name)
{
	printf("%sok %u - %s\n", good ? "" : "not ", ++test_number, name);
	failed += !good;
}

static void run(const char *steps)
{
	restarts = told = resets = delays = stops = ended = given_back = 0;
	script = steps;
	if (setjmp(done) == 0)
		super_main(0);
}

int main(void)
{
	pages[SHIM] = (struct tk_domain_page){ .state = TK_DOMAIN_RUNNING, .id = 1, .name = "abi", .recovery = TK_RECOVERY_ESSENTIAL };
	pages[TERMINAL] = (struct tk_domain_page){ .state = TK_DOMAIN_RUNNING, .id = 2, .name = "tty", .recovery = TK_RECOVERY_STATELESS,
		.restart_limit = 5, .restart_window = 30000, .when_exhausted = TK_EXHAUSTED_STAY_DOWN };
	pages[DEVICE] = pages[TERMINAL];
	pages[DEVICE].id = 4;
	pages[DEVICE].restart_limit = 2;
	pages[DEVICE].when_exhausted = TK_EXHAUSTED_REBOOT;
	pages[OWN] = (struct tk_domain_page){ .state = TK_DOMAIN_RUNNING, .id = 3, .name = "super" };
	boot.domain = 3;
	for (u32 i = 0; i < UNITS; i++)
		boot.tokens[boot.token_count++] = (struct tk_boot_token){ TK_OBJECT_DOMAIN, pages[i].id, (vaddr_t)&pages[i] };
	super_init();
	run("t.");
	check(restarts == 1 && told == 1 && resets == 0, "a unit that failed is restarted, and the shim is told");
	run("t+++++++.");
	check(restarts == 1, "nothing is restarted that has not failed");
	run("++++t+t+t+t+t+t+t+t.");
	check(restarts == 8 && stops == 0, "failures now and then are all answered");
	run("++++tt.");
	check(restarts == 2 && delays == 0, "the first failures are answered at once");
	run("++++ttttt.");
	check(restarts == 5 && delays == 3, "more of them are put off");
	check(ended == 5, "what the unit had is taken back before it starts again");
	failing_starts = 2;
	run("++++t.");
	check(restarts == 3 && told == 1 && stops == 0, "a unit that fails while it starts is started again");
	leaving = 3;
	run("++++t.");
	check(restarts == 1 && delays == 3 && ended == 1, "while threads leave it waits, and what the unit had is taken back once");
	run("++++tttttttt.");
	check(restarts == 5 && stops == 1 && told == 6 && pages[TERMINAL].state == TK_DOMAIN_STOPPED, "a unit that fails again and again stays down");
	check(ended == 6, "and when it stays down");
	run("dddd.");
	check(restarts == 2 && resets == 1 && stops == 0, "or the machine is reset, if the profile wants it");
	pages[DEVICE].state = TK_DOMAIN_RUNNING;
	run("s.");
	check(restarts == 0 && resets == 1, "an essential unit takes the machine along");
	check(given_back == 0, "at the first start there is nothing to give back");
	pages[OWN].generation = pages[TERMINAL].generation = 2;
	run(".");
	check(given_back == 1 && told == 1, "after its own failure it gives back what it had, and tells of what it may have restarted");
	printf("1..%u\n", test_number);
	return failed != 0;
}
