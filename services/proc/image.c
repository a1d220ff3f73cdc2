/* Maps a program into an address space of mem. */
#include "proc.h"
#include "elf.h"
#include "mem_client.h"

/* Where a position-independent program goes: room for all of it, found by mem or at the base asked for. */
static long bias_choose(const struct elf_program *program, const struct proc_image_map *request, u64 *bias)
{
	u64 low = round_down(program->low, program->alignment), slack = program->alignment - PAGE_SIZE, found;
	u64 size = program->high - low;
	struct mem_map_request map = {
		.space = request->space, .address = round_up(request->base, program->alignment), .size = size + slack,
		.flags = MEM_MAP_NORESERVE | MEM_MAP_IGNORE_LIMITS,
	};
	long error;

	*bias = 0;
	if (!program->dynamic)
		return 0;
	if (request->base)
		map.flags |= MEM_MAP_FIXED_NOREPLACE;
	error = mem_map(&map, &found);
	if (error < 0)
		return error;
	*bias = round_up(found, program->alignment) - low;
	return mem_unmap(request->space, found, size + slack);
}

static long file_part_map(const struct elf_segment *segment, const struct proc_image_map *request, u64 bias)
{
	u64 lead = segment->address & PAGE_MASK, ignored;
	struct mem_map_request map = {
		.space = request->space, .address = bias + segment->address - lead, .size = segment->file_size + lead,
		.object = request->object, .offset = segment->offset - lead, .prot = segment->prot,
		.flags = MEM_MAP_FIXED | MEM_MAP_IGNORE_LIMITS,
	};

	return segment->file_size ? mem_map(&map, &ignored) : 0;
}

static long zero_part_map(const struct elf_segment *segment, const struct proc_image_map *request, struct proc_image *image, u32 *zeros)
{
	u64 file_end = image->bias + segment->address + segment->file_size, end = image->bias + segment->address + segment->size;
	u64 start = segment->file_size ? round_up(file_end, PAGE_SIZE) : round_down(file_end, PAGE_SIZE), ignored;
	struct mem_map_request map = {
		.space = request->space, .address = start, .prot = segment->prot, .flags = MEM_MAP_FIXED | MEM_MAP_IGNORE_LIMITS,
	};

	if (end == file_end)
		return 0;
	if (segment->file_size && start != file_end && segment->prot & TK_PROT_WRITE) {
		if (*zeros == PROC_IMAGE_ZEROS)
			return -ENOEXEC;
		image->zero[*zeros].address = file_end;
		image->zero[(*zeros)++].size = start - file_end;
	}
	if (start >= end)
		return 0;
	map.size = round_up(end, PAGE_SIZE) - start;
	return mem_map(&map, &ignored);
}

static long program_map(const struct elf_program *program, const struct proc_image_map *request, struct proc_image *image)
{
	u32 zeros = 0;
	long error = 0;

	for (u32 i = 0; i < program->segment_count && error >= 0; i++) {
		error = file_part_map(&program->segments[i], request, image->bias);
		if (error >= 0)
			error = zero_part_map(&program->segments[i], request, image, &zeros);
	}
	return error;
}

static void image_move(struct proc_image *image, u64 bias)
{
	image->bias = bias;
	image->entry += bias;
	if (image->headers)
		image->headers += bias;
	image->start += bias;
	image->end += bias;
	image->code_start += bias;
	image->code_end += bias;
	image->data_start += bias;
	image->data_end += bias;
	image->break_start += bias;
}

long proc_op_image_map(const struct rt_request *rq, const struct proc_image_map *given, const void *head, size_t head_size,
		       struct proc_image *image)
{
	const struct proc_image_map request = *given;
	struct elf_program *program;
	long error;
	u64 bias;

	if (!proc_caller_is_shim(rq))
		return -EPERM;
	if (request.request > PROC_IMAGE_CHECK || request.base & PAGE_MASK || request.base >= rt_boot->user_limit)
		return -EINVAL;
	program = heap_alloc(sizeof(*program));
	if (!program)
		return -ENOMEM;
	error = elf_read(head, head_size, rt_boot->user_limit, program);
	if (error >= 0) {
		*image = program->image;
		if (request.request != PROC_IMAGE_CHECK) {
			error = bias_choose(program, &request, &bias);
			if (error >= 0) {
				image_move(image, bias);
				error = program_map(program, &request, image);
			}
		}
	}
	heap_free(program);
	return error < 0 ? error : 0;
}
