/* A supervisor without patience or limits, unlike services/super: the raider dies many times in a second. */
#include <mem_client.h>
#include "super_server.h"

#define LOOK 50000000ull /* ns between looks: the units have no common word to wait for */

void super_init(void)
{
}

static void unit_look(const struct tk_boot_token *token)
{
	const struct tk_domain_page *page = (const struct tk_domain_page *)token->token;

	if (token->type != TK_OBJECT_DOMAIN || page->state != TK_DOMAIN_FAILED)
		return;
	(void)!mem_unit_ended(page->id);
	long result;

	while ((result = tk_domain_restart(token->token)) == -EAGAIN) /* somebody is still on the way out */
		(void)tk_wait(&page->state, TK_DOMAIN_FAILED, clock_monotonic() + 1000000, 0, ~0u);
	if (result < 0)
		log_line("# super: %s could not be restarted (%ld)", page->name, result);
}

/* The raider fails most: its word is what the supervisor sleeps on. */
static const struct tk_domain_page *raider_find(void)
{
	for (u32 i = 0; i < rt_boot->token_count; i++) {
		const struct tk_domain_page *page = (const struct tk_domain_page *)rt_boot->tokens[i].token;

		if (rt_boot->tokens[i].type == TK_OBJECT_DOMAIN && !strcmp(page->name, "raider"))
			return page;
	}
	return NULL;
}

void super_main(u32 index)
{
	const struct tk_domain_page *raider = raider_find();

	(void)index;
	rt_assert(raider != NULL);
	for (;;) {
		u32 state = raider->state;

		for (u32 i = 0; i < rt_boot->token_count; i++)
			unit_look(&rt_boot->tokens[i]);
		(void)tk_wait(&raider->state, state == TK_DOMAIN_FAILED ? TK_DOMAIN_RUNNING : state, clock_monotonic() + LOOK, 0, ~0u);
	}
}
