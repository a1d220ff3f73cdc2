/* Not part of these tests. */
#include "fs_server.h"

void fs_init(void)
{
}
