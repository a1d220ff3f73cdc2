/* IC0: the core calls the unit, and the unit calls the core's tk_ functions, by plain calls. */
#include <runtime_unit.h>

void ic0_entry(struct tk_request *request);

void ic0_entry(struct tk_request *request)
{
	*runtime_stack_base_of((u64)__builtin_frame_address(0)) = (struct runtime_stack_base){ request->caller, request->thread };
	unit_dispatch(request);
}
