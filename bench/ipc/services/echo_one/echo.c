/* The callee of the IPC measurements: it does as little as an operation can. */
#include <runtime.h>
#include <echo_one_server.h>

#define ECHO(operation) echo_one_op_##operation
void echo_one_init(void);
void echo_one_init(void) {}
#include "../echo.h"
