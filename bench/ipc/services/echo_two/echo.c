/* The callee of the IPC measurements: it does as little as an operation can. */
#include <runtime.h>
#include <echo_two_server.h>

#define ECHO(operation) echo_two_op_##operation
void echo_two_init(void);
void echo_two_init(void) {}
#include "../echo.h"
