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

void super_main(u32 index)
{
	struct tk_domain_page *page = victim_find();

	(void)index;
	rt_assert(page != NULL);
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
