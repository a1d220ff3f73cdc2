/* The parts of the usurper. */
#ifndef USURPER_H
#define USURPER_H

#include <runtime.h>
#include "usurpation.h"

#define FRAMES 224u
#define APPLICATION_CODE 0x400000ul
#define APPLICATION_DATA 0x10000000ul
#define APPLICATION_PAGES 64u
#define RESULT_ERROR(result) ((result) < 0 && (result) > -4096)

/* What it owns: frames from mem, an address space with a pool, a thread in it that touches page after page. */
struct estate {
	frame_t frames[FRAMES];
	u32 frame_count, used;
	vaddr_t space, pool, thread;
};
extern struct estate estate;

u64 random_next(void);
frame_t frame_next(void);                 /* one of its own that is not in use; FRAME_NONE: none left */
bool frame_own(u64 frame);
bool estate_make(void);                   /* once in a life; false when something could not be had */
bool mappings_own(u64 *detail);           /* the application has nothing but its frames */
long usurp_scribble(bool table, bool pool, u64 *detail);
long usurp_random(u64 *detail);
long usurp_registers(u64 *detail);
long usurp_vector(u64 *detail);
void usurp_vector_in_upcall(void);        /* its other half, on the application's thread */
long usurp_registers_race(u64 *detail);
long usurp_client_limits(u64 *detail);
long usurp_declared(u64 *detail);
extern volatile bool accomplice_works;    /* the second thread sets registers meanwhile */
void registers_set_often(void);
/* arch/: code that touches APPLICATION_PAGES pages from APPLICATION_DATA on for ever, its registers. */
extern const u8 application_code[];
extern const u32 application_code_size;
struct tk_regs;
void application_registers(struct tk_regs *regs);
u32 hostile_registers(u32 index, struct tk_regs *regs); /* number of variants; fills one */
bool registers_safe(const struct tk_regs *regs);
bool vector_state_hostile(u32 index, u8 *state, u32 size); /* false behind the last */

#endif
