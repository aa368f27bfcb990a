/* SPDX-License-Identifier: MIT */
/* Comes before capture/shared_memory.h: between the accesses of a reader to shared memory others
 * write. */
#ifndef TESTS_FUZZ_KVMFR_ACCESS_H
#define TESTS_FUZZ_KVMFR_ACCESS_H

#include <stdint.h>

void fuzz_kvmfr_reads(void);
void fuzz_kvmfr_writes(uint64_t offset);

#define SHARED_MEMORY_READS() fuzz_kvmfr_reads()
#define SHARED_MEMORY_WRITES(offset) fuzz_kvmfr_writes(offset)

#endif
