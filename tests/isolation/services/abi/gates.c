/* What crosses a gate arrives as it was sent, in every class; what must not cross is refused. */
#include <target_client.h>
#include <victim_client.h>
#include <tap.h>

static u8 *sent, *received;

static void words_cross(void)
{
	u64 x, y, z;

	CHECK(target_scalars(~0u, 1ul << 63, -5, -(1l << 40), 0x123456789abcdef0, &x, &y, &z) == 0xffffffff);
	CHECK(x == (1ul << 63) + 0xffffffff && y == (u64)(-5 - (1l << 40)) && z == 0x123456789abcdef0);
	CHECK(target_six(1, 2, 3, 4, 5, 6, &x) == 0 && x == 0x060504030201);
	CHECK(target_nothing() == 0);
}

static void bytes_cross(void)
{
	static const u32 lengths[] = { 1, 2, 15, 16, 17, 255, 4095, 4096 };

	sent = heap_alloc(4096 + 64);
	received = heap_alloc(4096 + 64);
	CHECK(sent && received);
	random_bytes(sent, 4096);
	for (u32 i = 0; i < countof(lengths); i++) {
		u32 length = lengths[i];
		bool same = true;

		memset(received, 0xee, 4096 + 64);
		CHECK(target_reverse(sent, length, received + 7, length) == (long)length);
		for (u32 k = 0; k < length; k++)
			same = same && received[7 + k] == sent[length - 1 - k];
		CHECK(same && received[6] == 0xee && received[7 + length] == 0xee);
	}
	CHECK(target_reverse(sent, 100, received, 10) == 10 && target_reverse(sent, 10, received, 100) == 10);
	CHECK(target_reverse(sent, 4097, received, 10) == -EINVAL);
}

static void structs_cross(void)
{
	struct target_pair given = { .a = 1, .b = ~0ul, .rest = "forty-one bytes are neither 8 nor 16" }, result;

	CHECK(target_exchange(&given, &result) == 0 && result.a == ~0ul && result.b == 1 && result.rest[40] == 'f' && result.rest[39] == 'o');
}

static void results_are_bounded(void)
{
	u8 text[128];

	memset(text, 0, sizeof(text));
	CHECK(target_boast(32, text, 64) == 32 && text[31] == 'x');
	CHECK(target_boast(-EACCES, text, 64) == -EACCES);
	CHECK(text[64] == 0 && text[127] == 0);
	CHECK(target_boast(1000, text, 16) == 1000 && text[64] == 0);
}

static void badge_is_the_cores(void)
{
	u64 caller, thread;

	CHECK(target_who(&caller, &thread) == 0 && caller == rt_boot->domain && thread == rt_thread_id());
}

/* The gate calls themselves, with what no generated client would say. */
static void gates_are_checked(void)
{
	struct tk_message message = { { 0 } };

	CHECK(tk_call(TK_GATES_MAX - 1, 0, &message) == -EPERM);
	for (u32 gate = 0; gate < TK_GATES_MAX; gate++) {
		long result = tk_call(gate, 0xffff, &message);

		CHECK(result == -EPERM || result == -ENOSYS);
	}
}

static void pollwords_are_granted(void)
{
	u64 handle;
	const struct tk_pollword *word;

	CHECK(target_pollword(&handle) == 0);
	word = pollword_of_handle(handle);
	u32 sequence = word->sequence;

	CHECK(target_pollword_set(0) == 0 && target_pollword_set(3) == 0);
	CHECK(word->level == 3 && word->sequence == sequence + 1);
	CHECK(tk_wait(&word->sequence, sequence, NANOS_NEVER, 0, ~0u) == -EAGAIN);
	CHECK(tk_wait(&word->sequence, sequence + 1, clock_monotonic() + 1000000, 0, ~0u) == -ETIMEDOUT);
	CHECK(target_pollword_set(0) == 0);
	CHECK(!pollword_of_handle(0) && !pollword_of_handle(handle + 1) && !pollword_of_handle(handle + (1ul << 36)));
	CHECK(!pollword_of_handle(~7ul) && !pollword_of_handle(1ul << 47) && !pollword_of_handle(0x123456000));
}

const struct tap_test gate_tests[] = {
	{ "words cross", words_cross },
	{ "bytes cross", bytes_cross },
	{ "structs cross", structs_cross },
	{ "results are bounded", results_are_bounded },
	{ "the badge is the core's", badge_is_the_cores },
	{ "gates are checked", gates_are_checked },
	{ "poll words are granted", pollwords_are_granted },
	{ NULL, NULL },
};
