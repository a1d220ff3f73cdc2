/* The side of zlib that faces fs. */
#include "inflate.h"

bool fs_inflate_known(const u8 *data, size_t size)
{
	return size >= 18 && data[0] == 0x1f && data[1] == 0x8b && data[2] == 8;
}

#if __has_include("zlib/zlib.h")
#define Z_SOLO
#define Z_PREFIX
#include "zlib/zlib.h"

bool fs_inflate_present(void)
{
	return true;
}

struct fs_inflate { z_stream stream; const u8 *data; size_t size, given; bool ended; };

static void *library_alloc(void *context, unsigned count, unsigned size)
{
	(void)context;
	return heap_alloc((size_t)count * size);
}

static void library_free(void *context, void *memory)
{
	(void)context;
	heap_free(memory);
}

struct fs_inflate *fs_inflate_open(const u8 *data, size_t size)
{
	struct fs_inflate *in = heap_alloc(sizeof(*in));

	if (!in)
		return NULL;
	in->stream.zalloc = library_alloc;
	in->stream.zfree = library_free;
	in->data = data;
	in->size = size;
	if (inflateInit2(&in->stream, 15 + 16) != Z_OK) {   /* the largest window, gzip alone */
		heap_free(in);
		return NULL;
	}
	return in;
}

/* The library counts in 32 bits: more input is given when it has used what it had. */
static void input_give(struct fs_inflate *in)
{
	size_t left = in->size - in->given;

	if (in->stream.avail_in)
		return;
	left = left < 1u << 30 ? left : 1u << 30;
	in->stream.next_in = (z_const Bytef *)(uintptr_t)(in->data + in->given);
	in->stream.avail_in = (unsigned)left;
	in->given += left;
}

long fs_inflate_read(struct fs_inflate *in, u8 *to, size_t size)
{
	size = size < 1u << 30 ? size : 1u << 30;
	in->stream.next_out = to;
	in->stream.avail_out = (unsigned)size;
	while (!in->ended && in->stream.avail_out) {
		int result;

		input_give(in);
		result = inflate(&in->stream, Z_NO_FLUSH);
		if (result == Z_STREAM_END)
			in->ended = true;
		else if (result != Z_OK)
			return -EINVAL;   /* also when the input ends too early: there is no progress then */
	}
	return (long)(size - in->stream.avail_out);
}

size_t fs_inflate_consumed(const struct fs_inflate *in)
{
	return in->given - in->stream.avail_in;
}

void fs_inflate_close(struct fs_inflate *in)
{
	(void)inflateEnd(&in->stream);
	heap_free(in);
}

#else

bool fs_inflate_present(void)
{
	return false;
}

struct fs_inflate *fs_inflate_open(const u8 *data, size_t size)
{
	(void)data;
	(void)size;
	log_line("fs: built without zlib: compressed initial archives are not served");
	return NULL;
}

long fs_inflate_read(struct fs_inflate *inflate, u8 *to, size_t size)
{
	(void)inflate, (void)to, (void)size;
	return -ENOSYS;
}

size_t fs_inflate_consumed(const struct fs_inflate *inflate)
{
	(void)inflate;
	return 0;
}

void fs_inflate_close(struct fs_inflate *inflate)
{
	(void)inflate;
}

#endif
