/* IC0 is linked with the core, so this service can also time token_resolve, which the core inlines into its calls. */
#include <runtime.h>
#include <mem_client.h>
#include <echo_zero_client.h>
#include <echo_one_client.h>
#include "../../../marker.h"
#include "../../../../core/token.h"

void measure_zero_init(void);
void measure_zero_main(u32 index);
void measure_zero_init(void) {}

/* As the core's calls have it: inlined, with nothing known of what memory holds. The caller keeps both arguments, without copies of them. */
static inline __attribute__((always_inline)) void resolve(const struct domain *d, vaddr_t token)
{
	__asm__ volatile("" : : "r"(d), "r"(token) : "memory");
	void *object = token_resolve(d, token, TK_OBJECT_THREAD);
	__asm__ volatile("" : : "r"(object));
}

static frame_t frame_new(void)
{
	u64 frame = 0;
	if (mem_frames_alloc(0, &frame) < 0)
		unit_fail(__FILE__, __LINE__, "no frame");
	return (frame_t)frame;
}

static void tokens_measure(void)
{
	const struct domain *self = &domains[rt_boot->domain];
	struct tk_object_create create = { .type = TK_OBJECT_THREAD, .frame_count = 2, .frames = { frame_new(), frame_new() } };
	struct tk_field_write weight = { .field = TK_FIELD_THREAD_POLICY, .value = TK_POLICY_FAIR | 1024 << 8 };
	vaddr_t page = token_of_frame(frame_new());
	long token = tk_object_create(&create);

	if (token >= 0 && (u64)token < PAGE_SIZE)
		unit_fail(__FILE__, __LINE__, "no thread object");
	MEASURE(ROW_RESOLVE, TIMES, resolve(self, (vaddr_t)token));
	MEASURE(ROW_WRITE, TIMES, rt_assert(tk_object_write((vaddr_t)token, &weight, 1) == 0));
	MEASURE(ROW_GRANT_REVOKE, TIMES, {
		rt_assert(tk_grant(page, rt_boot->super_domain, TK_MODE_READ) == 0);
		rt_assert(tk_revoke(page, rt_boot->super_domain) == 0);
	});
}

void measure_zero_main(u32 index)
{
	static volatile u32 never;

	(void)index;
	MEASURE(ROW_LOOP, TIMES, (void)0);
	MEASURE(ROW_IC0_EMPTY, TIMES, rt_assert(echo_zero_empty() == 0));
	MEASURE(ROW_IC1_EMPTY, TIMES, rt_assert(echo_one_empty() == 0));
	tokens_measure();
	for (;;)
		(void)tk_wait(&never, 0, NANOS_NEVER, 0, ~0u);
}
