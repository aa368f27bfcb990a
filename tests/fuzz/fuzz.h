/* SPDX-License-Identifier: MIT */
/*
 * What a fuzz program defines. Built with -Dsanitize_fuzzers=true it is run by libFuzzer; otherwise
 * fuzz_main.c runs it on changed copies of the seeds, the same ones for the same number.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Well-formed inputs to start from; ends with NULL. */
extern const char *const fuzz_seeds[];

#endif
