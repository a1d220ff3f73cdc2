/* Decompression of gzip data (zlib, compiled from Debian's sources at build time), piece by piece from memory to memory. */
#ifndef FS_INFLATE_H
#define FS_INFLATE_H

#include "fs.h"

struct fs_inflate;
bool fs_inflate_known(const u8 *data, size_t size);                     /* does a gzip member begin here? */
bool fs_inflate_present(void);                                          /* built with zlib? */
struct fs_inflate *fs_inflate_open(const u8 *data, size_t size) must_check; /* NULL: no memory, or built without zlib */
long fs_inflate_read(struct fs_inflate *inflate, u8 *to, size_t size) must_check; /* bytes; 0: the member's end; -EINVAL: bad data */
size_t fs_inflate_consumed(const struct fs_inflate *inflate);           /* bytes of data used so far */
void fs_inflate_close(struct fs_inflate *inflate);

#endif
