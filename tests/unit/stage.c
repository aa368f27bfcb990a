// SPDX-License-Identifier: MIT
/* Screens, guests and a compositor for tests; see stage.h. */
#include "tests/unit/test.h"

#include "tests/unit/stage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compositor/render/renderer.h"
#include "tests/unit/test_frames.h"

/* ---- an output in memory ---- */

static struct screen *screen_of(struct output *output)
{
	return container_of(output, struct screen, output);
}

static int screen_begin(struct output *output, struct render_target *target,
			pixman_region32_t *damage)
{
	struct screen *screen = screen_of(output);

	*target = (struct render_target){ screen->pixels, output->width, output->height,
					  output->width * 4 };
	return 0;
}

static int screen_commit(struct output *output, const pixman_region32_t *damage)
{
	struct screen *screen = screen_of(output);

	screen->commits++;
	pixman_region32_copy(&screen->drawn, (pixman_region32_t *)damage);
	output_presented(output, clock_now_ns());
	return 0;
}

static int screen_set_cursor(struct output *output, struct cursor_image *image, int32_t x,
			     int32_t y)
{
	struct screen *screen = screen_of(output);

	if (!screen->has_plane) {
		return -ENOTSUP;
	}
	screen->plane = image;
	screen->plane_x = x;
	screen->plane_y = y;
	return 0;
}

static const struct output_ops screen_ops = {
	.begin = screen_begin,
	.commit = screen_commit,
	.set_cursor = screen_set_cursor,
};

/* ---- the back end: it has the screens that the test gives it ---- */

struct stage_backend fake;

static void fake_destroy(struct backend *backend)
{
}

static void fake_release_card(struct backend *backend, const char *slot)
{
	fake.events->card_released(slot, -EBUSY, fake.events->data);
}

static void fake_regain_card(struct backend *backend, const char *slot)
{
	fake.events->card_regained(slot, -EPERM, fake.events->data);
}

static bool fake_uses_card(struct backend *backend, const char *slot, bool *only)
{
	return *only = strcmp(slot, "0000:01:00") == 0;
}

static const struct backend_ops fake_ops = {
	.release_card = fake_release_card,
	.regain_card = fake_regain_card,
	.uses_card = fake_uses_card,
	.destroy = fake_destroy,
};

static int fake_create(sd_event *event, const struct compositor_options *options,
		       const struct backend_events *events, struct backend **out)
{
	fake.base.ops = &fake_ops;
	fake.event = event;
	fake.events = events;
	*out = &fake.base;
	return 0;
}

void screen_add(struct screen *screen, uint32_t width, uint32_t height)
{
	screen_add_ranked(screen, width, height, 1);
}

void screen_add_ranked(struct screen *screen, uint32_t width, uint32_t height, unsigned int rank)
{
	memset(screen, 0, sizeof(*screen));
	pixman_region32_init(&screen->drawn);
	assert_int_equal(
		output_init(&screen->output, fake.event, &screen_ops, fake.events->painter), 0);
	screen->output.width = width;
	screen->output.height = height;
	screen->output.rank = rank;
	screen->output.refresh_mhz = 1000000; /* 1 ms: tests need not wait for it */
	screen->pixels = calloc((size_t)width * height, 4);
	assert_non_null(screen->pixels);
	fake.events->output_added(&screen->output, fake.events->data);
	output_enable(&screen->output);
}

void screen_remove(struct screen *screen)
{
	fake.events->output_removed(&screen->output, fake.events->data);
	output_finish(&screen->output);
	pixman_region32_fini(&screen->drawn);
	free(screen->pixels);
}

/* ---- sources ---- */

static void source_set_watched(struct frame_source *base, bool watched)
{
	struct source *source = container_of(base, struct source, base);

	source->watches += watched;
	source->unwatches += !watched;
}

static void source_request_size(struct frame_source *base, uint32_t width, uint32_t height)
{
	struct source *source = container_of(base, struct source, base);

	source->asked++;
	source->asked_width = width;
	source->asked_height = height;
}

static const struct frame_source_ops source_ops = {
	.set_watched = source_set_watched,
	.request_size = source_request_size,
};

/* ---- the stage ---- */

struct stage stage;

static void handle_outputs_changed(void *data)
{
	stage.outputs_changed++;
}

static void handle_active(void *data, bool active)
{
	stage.actives += active ? 1 : -1;
}

static void handle_card(void *data, const char *slot, int error)
{
	stage.card_slot = slot;
	stage.card_error = error;
}

static const struct compositor_handlers handlers = {
	.card_released = handle_card,
	.card_regained = handle_card,
	.outputs_changed = handle_outputs_changed,
	.active = handle_active,
};

struct frame *new_frame(uint32_t width, uint32_t height)
{
	return test_frame_plain(width, height, &stage.random);
}

void set_guest(uint32_t id, const char *reason)
{
	static const char *const names[] = { "one", "two", "three" };

	compositor_set_guest(stage.compositor, id,
			     &(struct scene_guest){ .name = names[id - 1],
						    .slot = id,
						    .source = &stage.sources[id - 1].base,
						    .state = reason ? "hung" : "running",
						    .reason = reason });
}

/* Runs everything that is due or comes within that time of each other. */
static void settle_for(uint64_t usec)
{
	uint64_t deadline = clock_now_ns() + 20 * NSEC_PER_SEC;

	while (sd_event_run(stage.event, usec) > 0) {
		assert_true(clock_now_ns() < deadline);
	}
}

/* On a screen of 1000 Hz that is all drawing. */
void settle(void)
{
	settle_for(30000);
}

/* Thumbnails take turns with rests between them. */
void settle_previews(void)
{
	settle_for(600000);
}

int stage_set_up(void **state)
{
	const struct compositor_options options = { .backend = COMPOSITOR_BACKEND_HEADLESS };

	memset(&stage, 0, sizeof(stage));
	stage.random = 4711;
	sd_event_new(&stage.event);
	assert_int_equal(compositor_create_on(stage.event, fake_create, &options, &handlers, NULL,
					      &stage.compositor),
			 0);
	screen_add(&stage.screen, WIDTH, HEIGHT);
	for (uint32_t i = 0; i < GUESTS; i++) {
		frame_source_init(&stage.sources[i].base, &source_ops);
		stage.sources[i].base.live = true;
		frame_source_set_frame(&stage.sources[i].base, new_frame(WIDTH, HEIGHT));
		set_guest(i + 1, NULL);
	}
	compositor_show_guest(stage.compositor, 1);
	settle();
	return 0;
}

int stage_tear_down(void **state)
{
	for (uint32_t i = 0; i < GUESTS; i++) {
		compositor_remove_guest(stage.compositor, i + 1);
		frame_source_finish(&stage.sources[i].base);
	}
	screen_remove(&stage.screen);
	compositor_destroy(stage.compositor);
	sd_event_unref(stage.event);
	return 0;
}

struct frame_source *source(uint32_t id)
{
	return &stage.sources[id - 1].base;
}

bool screen_shows(const struct frame *frame)
{
	for (uint32_t i = 0; i < WIDTH * HEIGHT; i++) {
		uint32_t rgb = test_frame_rgb(frame, (int32_t)(i % WIDTH), (int32_t)(i / WIDTH));

		if ((stage.screen.pixels[i] & 0xffffff) != rgb) {
			return false;
		}
	}
	return true;
}

void assert_drawn(int32_t x1, int32_t y1, int32_t x2, int32_t y2)
{
	const pixman_box32_t *box = pixman_region32_extents(&stage.screen.drawn);

	assert_int_equal(box->x1, x1);
	assert_int_equal(box->y1, y1);
	assert_int_equal(box->x2, x2);
	assert_int_equal(box->y2, y2);
}

void assert_idle(void)
{
	int commits = stage.screen.commits;

	assert_int_equal(stage.screen.output.state, OUTPUT_IDLE);
	assert_int_equal(sd_event_run(stage.event, 200000), 0);
	assert_int_equal(stage.screen.commits, commits);
}

uint32_t screen_pixel(int32_t x, int32_t y)
{
	return stage.screen.pixels[y * WIDTH + x] & 0xffffff;
}
