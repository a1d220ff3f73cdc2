/* Maps a program into an address space of mem. */
#include "recover.h"
#include "elf.h"
#include "mem_client.h"

/* A program that is being mapped; with what was mapped of it taken back, the call can be made again. */
struct image_work {
	struct list link;
	u64 space, start, size;  /* size 0: no part of it was mapped where nothing was before */
	struct elf_program program;
};
static struct rt_lock works_lock = RT_LOCK_INIT; /* guards the list */
static struct list works = LIST_INIT(works);

/* Where a position-independent program goes: room for all of it, found by mem or at the base asked for. */
static long bias_choose(struct image_work *work, const struct proc_image_map *request, u64 *bias)
{
	const struct elf_program *program = &work->program;
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
	work->space = request->space;
	work->start = found;
	work->size = size + slack;
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

static long image_place(struct image_work *work, const struct proc_image_map *request, struct proc_image *image)
{
	u64 bias;
	long error = bias_choose(work, request, &bias);

	if (error < 0)
		return error;
	image_move(image, bias);
	return program_map(&work->program, request, image);
}

long proc_op_image_map(const struct rt_request *rq, const struct proc_image_map *given, const void *head, size_t head_size,
		       struct proc_image *image)
{
	const struct proc_image_map request = *given;
	struct image_work *work;
	long error;

	if (!proc_caller_is_shim(rq))
		return -EPERM;
	if (request.request > PROC_IMAGE_CHECK || request.base & PAGE_MASK || request.base >= rt_boot->user_limit)
		return -EINVAL;
	work = heap_alloc(sizeof(*work));
	if (!work)
		return -ENOMEM;
	lock_acquire(&works_lock);
	list_push_back(&works, &work->link);
	lock_release(&works_lock);
	error = elf_read(head, head_size, rt_boot->user_limit, &work->program);
	if (error >= 0) {
		*image = work->program.image;
		if (request.request != PROC_IMAGE_CHECK)
			error = image_place(work, &request, image);
	}
	error = error < 0 ? error : 0;
	lock_acquire(&works_lock);
	list_remove(&work->link);
	if (!error)
		stable_commit_all(&(struct stable_result){ .kept_size = sizeof(*image) }, image);
	lock_release(&works_lock);
	heap_free(work);
	return error;
}

/* What was mapped of programs whose calls were cut off goes, and they are mapped again. */
long proc_images_recover(void)
{
	works_lock = (struct rt_lock)RT_LOCK_INIT;
	if (!proc_list_claim(&works, offsetof(struct image_work, link), sizeof(struct image_work), PROC_CLAIMED_BYTES))
		return proc_bad("the programs that are being mapped");
	list_each_safe(node, &works) {
		struct image_work *work = container_of(node, struct image_work, link);

		if (work->size)
			(void)!mem_unmap(work->space, work->start, work->size); /* whatever can't be is not there */
		list_remove(node);
		heap_reclaim(work, HEAP_UNCLAIMED);
	}
	return 0;
}
