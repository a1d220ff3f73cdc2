/* Units whose state ends with them: nothing to note, nothing to take back. */
#include <runtime_unit.h>

void unnoted_copy(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void unnoted_zero(void *to, size_t size) { memset(to, 0, size); }
void stable_section_begin(void) {}
void stable_section_end(void) {}
bool stable_free_later(void *p) { (void)p; return false; }
void stable_made(u64 handle) { (void)handle; }
void stable_call_begin(u32 operation) { (void)operation; }
void stable_call_end(void) {}
void stable_commit(long result, u64 out) { (void)result, (void)out; }
void stable_commit_all(const struct stable_result *is, const void *kept) { (void)is, (void)kept; }
void stable_commit_made(const struct stable_result *is, const void *kept) { (void)is, (void)kept; }
long stable_answer(const struct rt_request *rq, const struct stable_question *question, u64 outs[3], void *kept, size_t size)
{
	(void)rq, (void)question, (void)outs, (void)kept, (void)size;
	return -ESRCH;
}
bool stable_unanswered(u32 *at, u64 *handle) { (void)at, (void)handle; return false; }
bool stable_start(const struct tk_boot_info *boot) { (void)boot; return false; }
void stable_ready(void) {}
bool rt_recovers(void) { return false; }
bool stable_frames_free(frame_t first, u32 order) { (void)first, (void)order; return false; }
const void *stable_logs(void) { return NULL; }
size_t stable_logs_size(void) { return 0; }
