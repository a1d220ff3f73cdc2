/* The service of plain.iface. */
#include <plain_server.h>

void plain_init(void)
{
}

long plain_op_use(const struct rt_request *rq)
{
	(void)rq;
	__asm__ volatile("movaps %xmm0, %xmm0");
	return 0;
}
