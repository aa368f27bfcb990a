// SPDX-License-Identifier: MIT
/* A kms back end on made-up cards; see kms_bench.h. */
#include "tests/unit/test.h"

#include "tests/unit/kms_bench.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_kms.h"
#include "tests/unit/loop.h"

static void collect(struct output *output, pixman_region32_t *damage, void *data)
{
	pixman_region32_union_rect(damage, damage, 0, 0, output->width, output->height);
}

static int draw(struct output *output, const struct render_target *target,
		const pixman_region32_t *damage, void *data)
{
	const struct bench *b = data;

	for (uint32_t y = 0; y < target->height; y++) {
		uint32_t *row = (uint32_t *)((uint8_t *)target->pixels + y * target->stride);

		for (uint32_t x = 0; x < target->width; x++) {
			row[x] = b->color;
		}
	}
	return 0;
}

static void presented(struct output *output, uint64_t vblank_ns, void *data)
{
	((struct bench *)data)->presented++;
}

static void output_added(struct output *output, void *data)
{
	struct bench *b = data;

	assert_true(b->count < OUTPUTS_MAX);
	b->outputs[b->count++] = output;
	b->added++;
}

static void output_removed(struct output *output, void *data)
{
	struct bench *b = data;
	unsigned int i = 0;

	while (i < b->count && b->outputs[i] != output) {
		i++;
	}
	assert_true(i < b->count);
	b->count--;
	memmove(&b->outputs[i], &b->outputs[i + 1], (b->count - i) * sizeof(b->outputs[0]));
	b->removed++;
}

static void active(bool active, void *data)
{
	((struct bench *)data)->active = active;
}

static void card_released(const char *slot, int error, void *data)
{
	struct bench *b = data;

	snprintf(b->released, sizeof(b->released), "%s", slot);
	b->released_error = error;
}

static void card_regained(const char *slot, int error, void *data)
{
	struct bench *b = data;

	assert_string_equal(b->regained, ""); /* once for each time that it was asked for */
	snprintf(b->regained, sizeof(b->regained), "%s", slot);
	b->regained_error = error;
}

int count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir)) {
		count++;
	}
	closedir(dir);
	return count;
}

int bench_setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	fake_kms_reset();
	assert_int_equal(sd_event_new(&b->event), 0);
	b->painter = (struct output_painter){ collect, draw, presented, b };
	b->events = (struct backend_events){
		.output_added = output_added,
		.output_removed = output_removed,
		.active = active,
		.card_released = card_released,
		.card_regained = card_regained,
		.painter = &b->painter,
		.data = b,
	};
	b->options = (struct compositor_options){
		.backend = COMPOSITOR_BACKEND_KMS,
		.renderer = "pixman",
	};
	b->color = 0x123456;
	b->active = -1;
	b->threads = count_threads();
	*state = b;
	return 0;
}

int bench_teardown(void **state)
{
	struct bench *b = *state;

	if (b->backend) {
		b->backend->ops->destroy(b->backend);
	}
	assert_int_equal(b->count, 0);
	sd_event_unref(b->event);
	fake_kms_finish();
	free(b);
	return 0;
}

int try_start(struct bench *b)
{
	return kms_backend_create(b->event, &b->options, &b->events, &b->backend);
}

static bool all_are_shown(void *data)
{
	const struct bench *b = data;

	for (unsigned int i = 0; i < b->count; i++) {
		if (b->outputs[i]->state != OUTPUT_IDLE || b->outputs[i]->sequence == 0) {
			return false;
		}
	}
	return true;
}

struct count_is {
	struct bench *b;
	unsigned int count;
};

static bool are_shown(void *data)
{
	const struct count_is *is = data;

	return is->b->count == is->count && all_are_shown(is->b);
}

/* Runs until there are so many outputs, and each shows its picture. */
void wait_outputs(struct bench *b, unsigned int count)
{
	struct count_is is = { b, count };

	assert_true(loop_until(b->event, are_shown, &is, WAIT_MS));
}

/* Runs until nothing is left to do and nobody is at work, which has to be soon. */
void settle(struct bench *b)
{
	uint64_t deadline = clock_now_ns() + WAIT_MS * NSEC_PER_MSEC;
	bool busy;

	do {
		assert_true(clock_now_ns() < deadline);
		busy = count_threads() > b->threads;
		busy = sd_event_run(b->event, busy ? 1000 : 0) > 0 || busy;
	} while (busy);
}

void start(struct bench *b, unsigned int count)
{
	assert_int_equal(try_start(b), 0);
	wait_outputs(b, count);
}

bool is_lit(unsigned int card)
{
	const struct fake_commit *last = fake_card_last(card);

	return fake_card_is_open(card) && last && last->active &&
	       fake_kms_pixel(last->fb, 319, 199) == 0x123456;
}

bool is_released(void *data)
{
	return ((struct bench *)data)->released[0];
}

bool is_regained(void *data)
{
	return ((struct bench *)data)->regained[0];
}

/* Gives the card away and runs until that is told; how it ended. */
int release(struct bench *b, unsigned int card)
{
	b->released[0] = '\0';
	b->backend->ops->release_card(b->backend, fake_card_slot(card));
	assert_true(loop_until(b->event, is_released, b, WAIT_MS));
	assert_string_equal(b->released, fake_card_slot(card));
	return b->released_error;
}

void ask_back(struct bench *b, unsigned int card)
{
	b->regained[0] = '\0';
	b->backend->ops->regain_card(b->backend, fake_card_slot(card));
}

int await_back(struct bench *b, unsigned int card)
{
	assert_true(loop_until(b->event, is_regained, b, WAIT_MS));
	assert_string_equal(b->regained, fake_card_slot(card));
	return b->regained_error;
}

int regain(struct bench *b, unsigned int card)
{
	ask_back(b, card);
	return await_back(b, card);
}

bool uses(struct bench *b, unsigned int card, bool *only)
{
	return b->backend->ops->uses_card(b->backend, fake_card_slot(card), only);
}

static bool is_away(void *data)
{
	return ((struct bench *)data)->active == 0;
}

static bool is_back(void *data)
{
	return ((struct bench *)data)->active == 1;
}

void leave(struct bench *b)
{
	fake_seat_disable();
	assert_true(loop_until(b->event, is_away, b, WAIT_MS));
}

void come_back(struct bench *b)
{
	fake_seat_enable();
	assert_true(loop_until(b->event, is_back, b, WAIT_MS));
}

/* Pictures go on: so many. */
void show_pictures(struct bench *b, struct output *output, unsigned int count)
{
	uint64_t deadline = clock_now_ns() + WAIT_MS * NSEC_PER_MSEC, shown = output->sequence;

	while (output->sequence < shown + count) {
		assert_true(clock_now_ns() < deadline);
		output_schedule(output);
		assert_true(sd_event_run(b->event, 1000) >= 0);
	}
}
