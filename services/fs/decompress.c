/* The formats of compression that an initial archive may have. */
#include "decompress.h"

static const struct fs_decompressor *const formats[] = { &fs_inflate, &fs_unzstd };

const struct fs_decompressor *fs_decompressor_of(const u8 *data, size_t size)
{
	for (u32 i = 0; i < countof(formats); i++)
		if (formats[i]->known(data, size))
			return formats[i];
	return NULL;
}
