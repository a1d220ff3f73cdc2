/* Poll words: 512 to a page of their own, which is granted read-only to each unit that is told of a word in it. */
#include <runtime_unit.h>
#include <bitmap.h>
#include <list.h>
#include <mem_client.h>

#define WINDOW_SIZE 0x8000000000ul
#define WORDS_IN_PAGE (PAGE_SIZE / sizeof(struct tk_pollword))

struct pollword_page {
	struct list all;
	struct tk_pollword *words;
	u32 used;
	u64 map[BITMAP_WORDS(WORDS_IN_PAGE)];         /* words in use */
	u64 granted[BITMAP_WORDS(TK_DOMAINS_MAX)];    /* domains that hold the page */
};

static struct rt_lock lock = RT_LOCK_INIT; /* guards the pages: their list, maps and grants */
static struct list pages = LIST_INIT(pages); /* those with room stand in front */

static struct pollword_page *page_create(void)
{
	struct pollword_page *page = heap_alloc(sizeof(*page));
	u64 frame;

	if (!page)
		return NULL;
	if (mem_frames_alloc(0, &frame) < 0) {
		heap_free(page);
		return NULL;
	}
	page->words = (struct tk_pollword *)token_of_frame(frame);
	return page;
}

static struct pollword_page *page_of_word(const struct tk_pollword *word)
{
	u64 start = round_down((u64)word, PAGE_SIZE);

	list_each(node, &pages) {
		struct pollword_page *page = container_of(node, struct pollword_page, all);

		if ((u64)page->words == start)
			return page;
	}
	return NULL;
}

/* A word of the first page if that has room; full pages move to the back. Lock held. */
static struct tk_pollword *word_take(void)
{
	if (list_empty(&pages))
		return NULL;
	struct pollword_page *page = container_of(pages.next, struct pollword_page, all);
	size_t index = bitmap_find_clear(page->map, WORDS_IN_PAGE, 0);

	if (index == BITMAP_NONE)
		return NULL;
	bitmap_set(page->map, index);
	if (++page->used == WORDS_IN_PAGE) {
		list_remove(&page->all);
		list_push_back(&pages, &page->all);
	}
	return &page->words[index];
}

struct tk_pollword *pollword_alloc(void)
{
	lock_acquire(&lock);
	struct tk_pollword *word = word_take();

	lock_release(&lock);
	if (!word) {
		struct pollword_page *page = page_create();

		if (!page)
			return NULL;
		lock_acquire(&lock);
		list_push_front(&pages, &page->all);
		word = word_take();
		lock_release(&lock);
	}
	word->level = 0;
	return word; /* the sequence goes on from its last user, so that a late reader sees a change */
}

void pollword_free(struct tk_pollword *word)
{
	if (!word)
		return;
	pollword_event(word, 0);
	lock_acquire(&lock);
	struct pollword_page *page = page_of_word(word);

	rt_assert(page && bitmap_test(page->map, (size_t)(word - page->words)));
	bitmap_clear(page->map, (size_t)(word - page->words));
	page->used--;
	list_remove(&page->all);
	list_push_front(&pages, &page->all);
	lock_release(&lock);
}

static void word_wake(struct tk_pollword *word)
{
	/* Release: who sees the new sequence sees the level. */
	__atomic_fetch_add(&word->sequence, 1, __ATOMIC_RELEASE);
	tk_wake(&word->sequence, ~0u, 0, ~0u);
}

void pollword_set(struct tk_pollword *word, u32 level)
{
	u32 old = __atomic_exchange_n(&word->level, level, __ATOMIC_ACQ_REL); /* of two setters only one sees the rise */

	if (level & ~old)
		word_wake(word);
}

void pollword_event(struct tk_pollword *word, u32 level)
{
	__atomic_store_n(&word->level, level, __ATOMIC_RELEASE); /* before the sequence that tells of it */
	word_wake(word);
}

u64 pollword_handle(struct tk_pollword *word, const struct rt_request *to)
{
	u64 handle = 0;

	if (to->caller >= TK_DOMAINS_MAX)
		return 0;
	lock_acquire(&lock);
	struct pollword_page *page = page_of_word(word);

	rt_assert(page != NULL);
	if (to->caller == rt_boot->domain || bitmap_test(page->granted, to->caller) ||
	    tk_grant((vaddr_t)page->words, to->caller, TK_MODE_READ) >= 0) {
		bitmap_set(page->granted, to->caller);
		handle = (u64)word - rt_boot->window;
	}
	lock_release(&lock);
	return handle;
}

/*
 * A handle comes from another unit, so it may be anything: only a word that the core can read for this unit is taken. It stays
 * readable then, since a page that is revoked shows zeroes.
 */
const struct tk_pollword *pollword_of_handle(u64 handle)
{
	const struct tk_pollword *word = (const struct tk_pollword *)(rt_boot->window + handle);

	if (handle < PAGE_SIZE || handle >= WINDOW_SIZE || handle % sizeof(*word))
		return NULL;
	return tk_wait(&word->sequence, 0, 0, TK_WAIT_NEVER_INTERRUPTED, ~0u) == -EFAULT ? NULL : word;
}

/* All pages are there; which of their words are in use, their owners tell by claiming them. */
bool pollword_recover(void)
{
	const struct list *before = &pages;

	lock = (struct rt_lock)RT_LOCK_INIT;
	for (struct list *node = pages.next; node != &pages; before = node, node = node->next) {
		struct pollword_page *page = container_of(node, struct pollword_page, all);

		if (!heap_claim(page, sizeof(*page), HEAP_RUNTIME) || node->previous != before || (u64)page->words & PAGE_MASK ||
		    !pollword_of_handle((u64)page->words - rt_boot->window))
			return false;
		memset(page->map, 0, sizeof(page->map));
		page->used = 0;
	}
	pages.previous = (struct list *)(uintptr_t)before;
	return true;
}

bool pollword_claim(struct tk_pollword *word)
{
	struct pollword_page *page = page_of_word(word);

	if (!page || (u64)word % sizeof(*word) || bitmap_test(page->map, (size_t)(word - page->words)))
		return false;
	bitmap_set(page->map, (size_t)(word - page->words));
	page->used++;
	return true;
}
