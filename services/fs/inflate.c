/* The side of zlib that faces fs: gzip members (RFC 1952). */
#include "decompress.h"

static bool gzip_known(const u8 *data, size_t size)
{
	return size >= 18 && data[0] == 0x1f && data[1] == 0x8b && data[2] == 8;
}

#if __has_include("zlib/zlib.h")
#define Z_SOLO
#define Z_PREFIX
#include "zlib/zlib.h"

struct inflate { z_stream stream; bool ended; };

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

static void *gzip_open(void)
{
	struct inflate *in = heap_alloc(sizeof(*in));

	if (!in)
		return NULL;
	in->stream.zalloc = library_alloc;
	in->stream.zfree = library_free;
	if (inflateInit2(&in->stream, 15 + 16) != Z_OK) {   /* the largest window, gzip alone */
		heap_free(in);
		return NULL;
	}
	return in;
}

/* One step; the library counts in 32 bits, so it is given at most 1 GiB at once. */
static int inflate_step(struct inflate *in, struct fs_compressed *from)
{
	size_t left = from->size - from->used;
	int result;

	in->stream.next_in = (z_const Bytef *)(uintptr_t)(from->data + from->used);
	in->stream.avail_in = left < 1u << 30 ? (unsigned)left : 1u << 30;
	left = in->stream.avail_in;
	result = inflate(&in->stream, Z_NO_FLUSH);
	from->used += left - in->stream.avail_in;
	return result;
}

static long gzip_read(void *state, struct fs_compressed *from, u8 *to, size_t size)
{
	struct inflate *in = state;

	size = size < 1u << 30 ? size : 1u << 30;
	in->stream.next_out = to;
	in->stream.avail_out = (unsigned)size;
	while (!in->ended && in->stream.avail_out) {
		int result = inflate_step(in, from);

		if (result == Z_STREAM_END)
			in->ended = true;
		else if (result != Z_OK)
			return -EINVAL;   /* also when the input ends too early: there is no progress then */
	}
	return (long)(size - in->stream.avail_out);
}

static void gzip_close(void *state)
{
	struct inflate *in = state;

	(void)inflateEnd(&in->stream);
	heap_free(in);
}

const struct fs_decompressor fs_inflate = { "gzip", true, gzip_known, gzip_open, gzip_read, gzip_close };
#else
const struct fs_decompressor fs_inflate = { .name = "gzip", .known = gzip_known };
#endif
