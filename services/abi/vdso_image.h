/* The vDSO image, generated from vdso/. */
#ifndef ABI_VDSO_IMAGE_H
#define ABI_VDSO_IMAGE_H

#include <tessera/types.h>

extern const u32 vdso_image_size;
extern const u8 vdso_image[];

#endif
