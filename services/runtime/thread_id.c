/* Who runs: the record at the base of the stack. */
#include <runtime_unit.h>

u32 rt_thread_id(void)
{
	return runtime_stack_base_of((u64)__builtin_frame_address(0))->thread;
}
