/* Not part of these tests. */
#include "proc_server.h"

void proc_init(void)
{
}
