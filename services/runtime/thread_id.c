/* Who runs: the stack, and the record at its base. */
#include <runtime_unit.h>

u32 rt_stack_number(void)
{
	return (u32)((u64)__builtin_frame_address(0) / TK_STACK_STRIDE) & 0x3fffffffu;
}

u32 rt_thread_id(void)
{
	return runtime_request_of((u64)__builtin_frame_address(0))->thread;
}
