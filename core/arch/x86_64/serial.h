/* The UART which the core writes to until a unit does. */
#ifndef X86_64_SERIAL_H
#define X86_64_SERIAL_H

#include <tessera/types.h>

#define SERIAL_FIRST 0x3f8
#define SERIAL_COUNT 8

static inline bool serial_has_port(u16 port) { return (u32)port - SERIAL_FIRST < SERIAL_COUNT; }

#endif
