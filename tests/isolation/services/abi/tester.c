/* Runs the tests and powers off: status 0 when all passed. */
#include "abi_server.h"
#include <tap.h>
#include "helpers.h"

u32 tap_failures;

static const struct tap_test *const suites[] = { gate_tests, thread_tests, rule_tests, attack_tests };

void abi_init(void)
{
}

static u32 tests_count(void)
{
	u32 count = 0;

	for (u32 s = 0; s < countof(suites); s++) {
		for (const struct tap_test *test = suites[s]; test->name; test++)
			count++;
	}
	return count;
}

static void tests_run(void)
{
	u32 number = 0, failed = 0;

	log_line("1..%u", tests_count());
	for (u32 s = 0; s < countof(suites); s++) {
		for (const struct tap_test *test = suites[s]; test->name; test++) {
			tap_failures = 0;
			test->run();
			log_line("%sok %u - %s", tap_failures ? "not " : "", ++number, test->name);
			failed += tap_failures != 0;
		}
	}
	log_line("=== EXIT isolation %u", failed != 0);
	tk_power(TK_POWER_OFF, failed != 0);
}

void abi_main(u32 index)
{
	if (index == 0) {
		log_line("=== RUN isolation");
		tests_run();
	}
	helper_run();
}

long abi_upcall_syscall(const struct tk_request *request)
{
	(void)request;
	return -ENOSYS;
}

long abi_serve_syscall(u32 number, const u64 *args, u32 thread)
{
	(void)number, (void)args, (void)thread;
	return -ENOSYS;
}

long abi_upcall_exception(const struct tk_request *request)
{
	(void)request;
	program_run(); /* there is nothing where a program begins */
}

long abi_upcall_interrupt(const struct tk_request *request)
{
	(void)request;
	return 0;
}
