/* What the parts of the model of the core share (core.h is for its users). */
#ifndef TEST_CORE_MODEL_H
#define TEST_CORE_MODEL_H

#include "core.h"

#define PAGES (1u << 16) /* entries of the page tables' hash map */
#define SPACES 4096u

struct record { u8 owner; bool object, table, private_part; u32 maps; u64 granted; };
struct entry { u32 space; u64 page; frame_t frame; u8 prot; bool cow, copy, used; };
struct space { vaddr_t token; frame_t frames[3]; struct tk_region_table *table; vaddr_t pool; u64 resident; u32 users; bool alive; };

extern struct record records[FRAMES];
extern struct space spaces[SPACES];
extern struct entry entries[PAGES];
extern vaddr_t pool_token;
extern u64 locks_held;

void broken(const char *what);
#define MUST(condition) ((condition) ? (void)0 : broken(#condition))

bool frame_free_of_use(frame_t frame);
bool stops_early(void);
bool table_take(void);
struct space *space_find(vaddr_t token);
u8 effective(u32 prot, bool cow);
struct entry *entry_mapped(u32 space, u64 page);
void entry_set(struct space *space, u64 page, frame_t frame, u32 prot, bool cow, bool copy);
frame_t entry_clear(struct space *space, struct entry *e);

#endif
