/* SPDX-License-Identifier: MIT */
/* The kms back end on the cards of fake_kms.h, under a compositor of one colour. */
#ifndef TESTS_UNIT_KMS_BENCH_H
#define TESTS_UNIT_KMS_BENCH_H

#include "compositor/backend.h"

#define WAIT_MS 5000
#define OUTPUTS_MAX 8

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
	int threads;                     /* that there are while nobody is at work */
	char released[16], regained[16]; /* slots, as told last */
	int released_error, regained_error;
};

/* For cmocka: the state is the bench. */
int bench_setup(void **state);
int bench_teardown(void **state);

int try_start(struct bench *b);
/* Starts; then there are so many outputs, and each shows its picture. */
void start(struct bench *b, unsigned int count);
/* Runs until there are so many, and each shows its picture. */
void wait_outputs(struct bench *b, unsigned int count);
/* Runs until nothing is left to do and nobody is at work, which has to be soon. */
void settle(struct bench *b);
/* Pictures go on: so many. */
void show_pictures(struct bench *b, struct output *output, unsigned int count);
int count_threads(void);

bool is_lit(unsigned int card);
bool uses(struct bench *b, unsigned int card, bool *only);

/* Gives the card away and runs until that is told; how it ended. */
int release(struct bench *b, unsigned int card);
/* Asks for it back, and runs until that is told. */
void ask_back(struct bench *b, unsigned int card);
int await_back(struct bench *b, unsigned int card);
int regain(struct bench *b, unsigned int card);
bool is_released(void *data); /* told since it was asked for last; data is the bench */
bool is_regained(void *data);

/* Another terminal is in front, and ours again. */
void leave(struct bench *b);
void come_back(struct bench *b);

#endif
