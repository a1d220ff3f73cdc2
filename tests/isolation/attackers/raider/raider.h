/* The parts of the raider. An attack answers 0 when it got nothing, 1 when it got what it must not; *detail says what. */
#ifndef RAIDER_H
#define RAIDER_H

#include <runtime.h>
#include "attack.h"

long attack_instruction(u64 index);
long attack_state(u64 index, u64 *detail);
long attack_flags(u64 *detail);
long attack_execute(u64 address);
long attack_request(u64 index, u64 *detail);
long attack_race(u64 index, u64 milliseconds, u64 *detail);
long attack_greed(u64 kind, u64 eighths, u64 *detail);
bool devices_closed(u64 *detail);    /* beyond the ports and the line that the profile gives it */

/* The words of a call of the core, with all of its registers afterwards but rsp. */
enum { REGISTER_RAX, REGISTER_RBX, REGISTER_RCX, REGISTER_RDX, REGISTER_RSI, REGISTER_RDI, REGISTER_RBP, REGISTER_R8, REGISTER_R9,
	REGISTER_R10, REGISTER_R11, REGISTER_R12, REGISTER_R13, REGISTER_R14, REGISTER_R15, REGISTERS };
void registers_after(u64 number, u64 first, u64 second, u64 third, u64 after[REGISTERS]);
u32 privilege(void);                 /* of the code that asks */

/* One round of rewriting every entry frame of this unit (selectors and the right to ports; where it leads; all of it), and of looking for
 * `secret` where the core keeps registers. */
enum rewriting { REWRITE_RIGHTS, REWRITE_NOWHERE, REWRITE_ALL };
void frames_rewrite(enum rewriting kind);
void nmi_frames_forge(u64 entry_text); /* one round of frames as if an NMI had interrupted the core near this address of its entry text */
bool registers_seen(u64 secret, u64 *where);
void secret_hold(u64 secret);        /* some time with it in the registers that a way back treats apart */
bool flags_own(void);                /* interrupts on, no right to ports, no nested task */
u64 bases_after_call(u64 base);      /* sets both segment bases so, calls the core: what they are then */

/* An accomplice: a thread of the unit's own that runs `job` once. */
void accomplice_run(u32 index, void (*job)(void));
void accomplice_stop(void);
bool accomplice_stopped(void);
void accomplice_reply(void);         /* a reply that nobody waits for */

#define REFUSED(result) ((long)(result) < 0)

#endif
