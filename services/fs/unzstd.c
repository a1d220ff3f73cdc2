/* The side of libzstd that faces fs: frames of RFC 8878, with windows up to 128 MiB, as Linux takes. */
#include "decompress.h"

#define WINDOW_LOG_MAX 27

static bool zstd_known(const u8 *data, size_t size)
{
	return size >= 9 && data[0] == 0x28 && data[1] == 0xb5 && data[2] == 0x2f && data[3] == 0xfd;
}

#if __has_include("libzstd/lib/zstd.h")
#include "libzstd/lib/zstd.h"
#include "libzstd/lib/zstd_errors.h"

struct unzstd { ZSTD_DCtx *context; bool ended; };

static void *zstd_open(void)
{
	struct unzstd *un = heap_alloc(sizeof(*un));

	if (!un)
		return NULL;
	un->context = ZSTD_createDCtx();
	if (!un->context || ZSTD_isError(ZSTD_DCtx_setParameter(un->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
		(void)ZSTD_freeDCtx(un->context);
		heap_free(un);
		return NULL;
	}
	return un;
}

static long zstd_read(void *state, struct fs_compressed *from, u8 *to, size_t size)
{
	struct unzstd *un = state;
	ZSTD_inBuffer in = { from->data, from->size, from->used };
	ZSTD_outBuffer out = { to, size, 0 };

	while (!un->ended && out.pos < out.size) {
		size_t before = in.pos + out.pos, result = ZSTD_decompressStream(un->context, &out, &in);

		from->used = in.pos;
		if (ZSTD_isError(result)) {
			if (ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation)
				log_line("fs: no memory for the window of a zstd archive");
			return -EINVAL;
		}
		un->ended = result == 0;
		if (!un->ended && in.pos + out.pos == before)
			return -EINVAL;   /* the input ends too early */
	}
	return (long)out.pos;
}

static void zstd_close(void *state)
{
	struct unzstd *un = state;

	(void)ZSTD_freeDCtx(un->context);
	heap_free(un);
}

const struct fs_decompressor fs_unzstd = { "zstd", true, zstd_known, zstd_open, zstd_read, zstd_close };
#else
const struct fs_decompressor fs_unzstd = { .name = "zstd", .known = zstd_known };
#endif
