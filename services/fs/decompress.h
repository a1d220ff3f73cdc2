/*
 * Decompression of initial archives, piece by piece from memory to memory: gzip (zlib) and zstd, compiled from Debian's sources at
 * build time. The data is not trusted; what a decompressor takes of memory is bounded by its format's largest window.
 */
#ifndef FS_DECOMPRESS_H
#define FS_DECOMPRESS_H

#include "fs.h"

/* Compressed bytes, and how many of them were used. */
struct fs_compressed {
	const u8 *data;
	size_t size, used;
};

struct fs_decompressor {
	const char *name;
	bool present;                                  /* built with its library? */
	bool (*known)(const u8 *data, size_t size);    /* does a member of this format begin here? */
	void *(*open)(void);                           /* NULL: no memory */
	long (*read)(void *state, struct fs_compressed *from, u8 *to, size_t size); /* bytes; 0: the member's end; -EINVAL */
	void (*close)(void *state);
};

extern const struct fs_decompressor fs_inflate, fs_unzstd;
/* The format of the member that begins here, NULL: none that is known. */
const struct fs_decompressor *fs_decompressor_of(const u8 *data, size_t size);

#endif
