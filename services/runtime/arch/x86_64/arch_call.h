/* How a unit of class IC1 or IC2 enters the core on x86_64 (register convention: <tessera/arch.h>). */
#ifndef ARCH_CALL_H
#define ARCH_CALL_H

#include <tessera/types.h>
#include <tessera/call.h>

/* A call of the core with at most five arguments; the result. */
long arch_core_call(u64 a, u64 b, u64 c, u64 d, u64 e, u64 number);
/* A call of a gate: head is TK_CALL | gate << 8 | op << 16; the first three words of the message become the reply's. */
long arch_gate_call(struct tk_message *message, u64 head);

#endif
