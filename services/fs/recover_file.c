/* Recovery: clients, open files, pipes. */
#include "recover.h"

#define PIPE_SIZE_MAX (256u * PAGE_SIZE)

static long directories_recover(struct fs_directories *directories)
{
	if (heap_kind(directories) != FS_CLAIMED_DIRECTORIES) {
		if (!heap_claim(directories, sizeof(*directories), FS_CLAIMED_DIRECTORIES))
			return fs_bad("the directories of a client");
		directories->references = 0;
		if (fs_recover_place(directories->root) || fs_recover_place(directories->working))
			return -EIO;
	}
	directories->references++;
	return 0;
}

static long identity_recover(struct fs_identity *who)
{
	if (heap_kind(who) != FS_CLAIMED_IDENTITY) {
		if (!heap_claim(who, sizeof(*who), FS_CLAIMED_IDENTITY) || who->group_count > FS_GROUPS_MAX ||
		    heap_size(who) < sizeof(*who) + who->group_count * sizeof(u32))
			return fs_bad("the credentials of a client");
		who->references = 0;
	}
	who->references++;
	return 0;
}

long fs_recover_client(struct fs_client *client, u64 handle)
{
	if (!heap_claim(client, sizeof(*client), FS_CLAIMED_CLIENT) || client->handle != handle)
		return fs_bad("a client");
	client->lock = (struct rt_lock)RT_LOCK_INIT;
	client->descriptors = NULL;   /* whoever had told them tells them again */
	return directories_recover(client->directories) || identity_recover(client->identity) ? -EIO : 0;
}

/* ---- Open files ---------------------------------------------------------------------------------------------------------------- */

static bool text_recover(struct fs_text *text)
{
	if (!fs_is_bool(&text->failed))
		return false;
	if (!text->data) {
		*text = (struct fs_text){ .failed = text->failed };
		return true;
	}
	return text->length <= text->capacity && heap_claim(text->data, text->capacity, FS_CLAIMED_BYTES);
}

static void pipe_end_recover(struct fs_file *file, struct fs_pipe_state *pipe)
{
	u32 access = file->flags & FS_O_ACCMODE;

	file->ops = &fs_pipe_ops;
	file->word = access == FS_O_WRONLY ? pipe->write_word : pipe->read_word;
	pipe->readers += access != FS_O_WRONLY;
	pipe->writers += access != FS_O_RDONLY;
}

/* What its kind and its inode imply. */
static long kind_recover(struct fs_file *file)
{
	struct fs_inode *inode = file->inode;

	file->word = NULL;
	file->ops = file->kind == FS_KIND_PATH ? NULL : file->kind == FS_KIND_DEVICE ? &fs_memory_device_ops : inode->ops->file;
	if (file->kind != FS_KIND_STREAM)
		return file->kind == FS_KIND_DEVICE && fs_inode_type(inode) != FS_IFCHR ? fs_bad("an open device") : 0;
	if (fs_inode_type(inode) != FS_IFIFO || inode->super->type->fixed || !inode->pipe)
		return fs_bad("an open pipe");
	pipe_end_recover(file, inode->pipe);
	return 0;
}

long fs_recover_file(struct fs_file *file, u64 handle, u32 owner)
{
	if (!heap_claim(file, sizeof(*file), FS_CLAIMED_FILE) || file->handle != handle || file->owner != owner || file->kind > FS_KIND_PATH ||
	    !fs_is_bool(&file->keeps_privileges) || !fs_is_bool(&file->counted))
		return fs_bad("an open file");
	file->lock = (struct rt_lock)RT_LOCK_INIT;
	(void)fs_gate_recover(&file->reading);
	if (fs_recover_inode(file->inode) || (file->place.name && fs_recover_place(file->place)) ||
	    (file->cursor && fs_recover_name(file->cursor)) || kind_recover(file))
		return -EIO;
	if (!text_recover(&file->text) || (!file->place.name && (fs_is_directory(file->inode) || file->place.mount)))
		return fs_bad("the place of an open file");
	if (file->counted)
		file->inode->writers += file->flags & FS_O_EXECUTE ? -1 : 1;
	fs_file_mount_count(file, 1);
	return 0;
}

/* ---- Pipes --------------------------------------------------------------------------------------------------------------------- */

static bool size_valid(u32 size)
{
	return size >= PAGE_SIZE && size <= PIPE_SIZE_MAX && (size & (size - 1)) == 0;
}

static bool ring_recover(const struct fs_pipe_state *pipe)
{
	if (!size_valid(pipe->capacity) || pipe->tail < pipe->head)
		return false;
	if (!pipe->ring)
		return pipe->ring_size == 0 && pipe->head == pipe->tail;
	return size_valid(pipe->ring_size) && pipe->ring_size <= pipe->capacity && heap_claim(pipe->ring, pipe->ring_size, FS_CLAIMED_BYTES) &&
	       (pipe->head == pipe->tail || pipe->tail - round_down(pipe->head, PAGE_SIZE) <= pipe->ring_size);
}

long fs_recover_pipe(struct fs_pipe_state *pipe)
{
	if (!heap_claim(pipe, sizeof(*pipe), FS_CLAIMED_PIPE) || !ring_recover(pipe) || !pollword_claim(pipe->read_word) ||
	    !pollword_claim(pipe->write_word))
		return fs_bad("a pipe");
	pipe->lock = (struct rt_lock)RT_LOCK_INIT;
	(void)fs_gate_recover(&pipe->reading);
	(void)fs_gate_recover(&pipe->writing);
	pipe->readers = pipe->writers = 0;   /* counted with the open files */
	return 0;
}

void fs_pipes_recovered(void)
{
	struct fs_pipe_state *pipe;

	for (pipe = heap_next(NULL, FS_CLAIMED_PIPE); pipe; pipe = heap_next(pipe, FS_CLAIMED_PIPE)) {
		if (!pipe->readers && !pipe->writers)
			pipe->head = pipe->tail;   /* as when the last end was closed */
		fs_pipe_levels(pipe);
		/* Whoever was to be woken may not have been. */
		pollword_event(pipe->read_word, pipe->read_word->level);
		pollword_event(pipe->write_word, pipe->write_word->level);
	}
}
