/* The fast paths of core/arch/x86_64/entry.S as C: see entry.c. */
#ifndef TEST_ENTRY_H
#define TEST_ENTRY_H

#include "thread.h"

/* Where entry code goes on. */
enum entry_way { ENTER_UNIT, RETURN_TO_UNIT, ARCH_RESUME };

enum entry_way entry_gate_call(struct thread *t, u32 number, const u64 *words);
/* RETURN_TO_UNIT: the caller goes on with the result. */
enum entry_way entry_unit_reply(struct thread *t, u64 result);

#endif
