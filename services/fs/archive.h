/*
 * Unpacking of initial archives: concatenated "newc" cpio archives, plain or compressed by gzip or zstd, as Linux's initramfs. The bytes are
 * not trusted: every length is checked against what is left, and a bad archive ends the unpacking at that point.
 */
#ifndef FS_ARCHIVE_H
#define FS_ARCHIVE_H

#include "fs.h"

struct fs_archive_links;
struct fs_archive {
	const struct rt_request *rq;
	u64 client;
	struct fs_archive_links *links;   /* hard links of the current archive */
	u64 entries, errors;
};
/* 0, or -EINVAL where the bytes stop being an archive; entries that can't be made are counted and left out. */
long fs_archive_unpack(struct fs_archive *archive, const u8 *data, size_t size) must_check;

#endif
