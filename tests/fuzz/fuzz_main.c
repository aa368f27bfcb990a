// SPDX-License-Identifier: MIT
/*
 * Runs a fuzz program without libFuzzer: fuzz_NAME [ROUNDS [SEED]]. Each round changes a copy of a
 * seed in a few places: bytes, cuts, doubled parts, parts of another seed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX 4096
#define DEFAULT_ROUNDS 20000

struct input {
	uint8_t bytes[INPUT_MAX];
	size_t size;
};

/* xorshift64: the same numbers everywhere for the same seed. */
static uint64_t random_state;

static size_t random_below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return n ? (size_t)(random_state % n) : 0;
}

static size_t count_seeds(void)
{
	size_t n = 0;

	while (fuzz_seeds[n]) {
		n++;
	}
	return n;
}

static void insert(struct input *input, size_t at, const uint8_t *bytes, size_t size)
{
	if (input->size + size > INPUT_MAX) {
		return;
	}
	memmove(input->bytes + at + size, input->bytes + at, input->size - at);
	memcpy(input->bytes + at, bytes, size);
	input->size += size;
}

static void change(struct input *input)
{
	static const char special[] = "{}[]\":,\n\r\\=#; \t\0\xff" "09-./";
	const char *other = fuzz_seeds[random_below(count_seeds())];
	size_t at = random_below(input->size), from = random_below(strlen(other));
	uint8_t part[256];
	size_t size;

	switch (random_below(5)) {
	case 0:
		input->bytes[at] = (uint8_t)random_below(256);
		break;
	case 1:
		input->bytes[at] = (uint8_t)special[random_below(sizeof(special) - 1)];
		break;
	case 2:
		size = random_below(input->size - at);
		memmove(input->bytes + at, input->bytes + at + size, input->size - at - size);
		input->size -= size;
		break;
	case 3:
		size = random_below(strlen(other) - from);
		insert(input, at, (const uint8_t *)other + from, size);
		break;
	default:
		size = random_below(input->size - at);
		size = size < sizeof(part) ? size : sizeof(part);
		memcpy(part, input->bytes + at, size);
		insert(input, random_below(input->size), part, size);
		break;
	}
}

static void run_round(void)
{
	const char *seed = fuzz_seeds[random_below(count_seeds())];
	struct input input = { .size = strlen(seed) };

	memcpy(input.bytes, seed, input.size);
	for (size_t changes = random_below(8); changes > 0 && input.size > 0; changes--) {
		change(&input);
	}
	LLVMFuzzerTestOneInput(input.bytes, input.size);
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : DEFAULT_ROUNDS;

	random_state = argc > 2 ? strtoull(argv[2], NULL, 10) : 0x2545f4914f6cdd1d;
	printf("%lu rounds, seed %" PRIu64 "\n", rounds, random_state);
	if (random_state == 0) {
		fputs("the seed must not be 0\n", stderr);
		return 2;
	}
	for (unsigned long i = 0; i < rounds; i++) {
		run_round();
	}
	return 0;
}
