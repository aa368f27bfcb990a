/* SPDX-License-Identifier: MIT */
/* The kms back end on made-up cards (fake_kms.h), under a compositor of one colour. */
#ifndef TESTS_UNIT_KMS_BENCH_H
#define TESTS_UNIT_KMS_BENCH_H

#include "compositor/backend.h"
#include "tests/unit/fake_kms.h"
#include "tests/unit/loop.h"

#define WAIT_MS 5000
#define OUTPUTS_MAX 8

/* A compositor of one colour. */
struct bench {
	sd_event *event;
	struct backend *backend;
	struct backend_events events;
	struct output_painter painter;
	struct compositor_options options;
	struct output *outputs[OUTPUTS_MAX]; /* as they came */
	unsigned int count, added, removed, presented;
	uint32_t color;
	int active;                      /* as told last; -1: never */
	char released[16], regained[16]; /* slots, as told last */
	int released_error, regained_error;
};

int bench_setup(void **state);
int bench_teardown(void **state);
int try_start(struct bench *b);
/* Runs until there are so many outputs, and each shows its picture. */
void wait_outputs(struct bench *b, unsigned int count);
/* Runs until nothing is left to do, which it has to be soon. */
void settle(struct bench *b);
void start(struct bench *b, unsigned int count);
bool is_lit(unsigned int card);
bool is_regained(void *data);
/* Gives the card away and runs until that is told; how it ended. */
int release(struct bench *b, unsigned int card);
void ask_back(struct bench *b, unsigned int card);
int await_back(struct bench *b, unsigned int card);
int regain(struct bench *b, unsigned int card);
bool uses(struct bench *b, unsigned int card, bool *only);
void leave(struct bench *b);
void come_back(struct bench *b);

#endif
