/* IC0: the core calls the unit, and the unit calls the core's tk_ functions, by plain calls. */
#include <runtime_unit.h>

void ic0_entry(struct tk_request *request);

void ic0_entry(struct tk_request *request)
{
	*runtime_request_of((u64)__builtin_frame_address(0)) = (struct rt_request){ request->caller, request->thread };
	unit_dispatch(request);
}

long tk_call(u32 gate, u32 op, struct tk_message *message)
{
	return arch_gate_call_direct(message, (u64)TK_CALL | (u64)gate << 8 | (u64)op << 16);
}

/* The core's function does up to a page itself. */
bool client_get(void *to, vaddr_t from, size_t length)
{
	return length <= PAGE_SIZE && tk_copy_in(to, from, length) == (long)length;
}

bool client_put(vaddr_t to, const void *from, size_t length)
{
	return length <= PAGE_SIZE && tk_copy_out(to, from, length) == (long)length;
}
