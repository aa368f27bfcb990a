/* SPDX-License-Identifier: MIT */
/* SHA-256 (FIPS 180-4), so that the guest can name its picture without any library. */
#ifndef TESTCARD_SHA256_H
#define TESTCARD_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_HEX_SIZE = 65 };

struct sha256 {
	uint32_t state[8];
	uint8_t block[64];
	size_t filled;  /* bytes waiting in block */
	uint64_t total; /* bytes hashed so far */
};

void sha256_init(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t size);

/* Ends the hash and writes 64 hexadecimal digits and a NUL. */
void sha256_end(struct sha256 *hash, char hex[SHA256_HEX_SIZE]);

#endif
