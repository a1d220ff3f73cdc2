/* The callee of the IPC measurements: it does as little as an operation can. */
#include <runtime.h>
#include <echo_zero_server.h>

#define ECHO(operation) echo_zero_op_##operation
void echo_zero_init(void);
void echo_zero_init(void) {}
#include "../echo.h"
