/* A supervisor without patience or limits, unlike services/super: the victim dies many times in a second. */
#include "super_server.h"

void super_init(void)
{
}

static struct tk_domain_page *victim_find(void)
{
	for (u32 i = 0; i < rt_boot->token_count; i++) {
		struct tk_domain_page *page = (struct tk_domain_page *)rt_boot->tokens[i].token;

		if (rt_boot->tokens[i].type == TK_OBJECT_DOMAIN && !strcmp(page->name, "victim"))
			return page;
	}
	return NULL;
}

/* What the core refuses to who may restart and end units. */
static bool rules_hold(vaddr_t running)
{
	bool hold = tk_domain_restart(running) == -EBUSY && tk_domain_end(running, TK_DOMAIN_STOPPED) == -EBUSY && tk_domain_end(running, 7) == -EBUSY;

	hold = hold && tk_domain_restart(rt_boot->window) == -EINVAL && tk_domain_end(rt_boot->window, TK_DOMAIN_FAILED) == -EINVAL;
	for (u32 i = 0; i < rt_boot->token_count; i++) {
		const struct tk_domain_page *page = (struct tk_domain_page *)rt_boot->tokens[i].token;

		if (rt_boot->tokens[i].type == TK_OBJECT_DOMAIN && page->class == 0)
			hold = hold && tk_domain_restart((vaddr_t)page) == -EINVAL && tk_domain_end((vaddr_t)page, TK_DOMAIN_FAILED) == -EINVAL;
	}
	return hold;
}

void super_main(u32 index)
{
	struct tk_domain_page *page = victim_find();

	(void)index;
	rt_assert(page != NULL);
	rt_assert(page->state != TK_DOMAIN_RUNNING || rules_hold((vaddr_t)page)); /* it does not restart the victim, which the tests tell */
	for (;;) {
		u32 state = page->state;

		if (state == TK_DOMAIN_FAILED) {
			log_line("# victim: vector %u code 0x%x address 0x%lx", page->fault_vector, page->fault_code, page->fault_address);
			long result;

			while ((result = tk_domain_restart((vaddr_t)page)) == -EAGAIN) /* somebody is still on the way out */
				(void)tk_wait(&page->state, state, clock_monotonic() + 1000000, 0, ~0u);
			if (result < 0)
				log_line("# restart: %ld", result);
		}
		(void)tk_wait(&page->state, state, clock_monotonic() + 1000000000, 0, ~0u);
	}
}
