/* The operations of echo_zero, echo_one and echo_two: included with ECHO() naming the service. */

long ECHO(empty)(const struct rt_request *rq)
{
	(void)rq;
	return 0;
}

long ECHO(words4)(const struct rt_request *rq, u64 a, u64 b, u64 c, u64 d, u64 *sum)
{
	(void)rq;
	*sum = a + b + c + d;
	return 0;
}

long ECHO(bytes4096)(const struct rt_request *rq, const void *data, size_t data_size)
{
	(void)rq;
	return data_size ? ((const u8 *)data)[data_size - 1] : 0;
}
