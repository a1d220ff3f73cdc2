/* The ChaCha20 block function (RFC 8439, section 2.3). */
#ifndef LIB_CHACHA20_H
#define LIB_CHACHA20_H

#include <stdint.h>

#define CHACHA20_BLOCK 64

/* One block of key stream for a key of 8 words, a block counter and a nonce of 3 words. */
void chacha20_block(uint8_t block[CHACHA20_BLOCK], const uint32_t key[8], uint32_t counter, const uint32_t nonce[3]);

#endif
