// SPDX-License-Identifier: MIT
/* Both ends of shared memory; see kvmfr_world.h. */
#include "tests/unit/kvmfr_world.h"

#include "tests/unit/test.h"

#include <drm_fourcc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log.h"

const struct kvmfr_rect kvmfr_world_box = { 8, 4, 16, 10 };

#define CURSOR_SIZE 16384u

int __wrap_sd_event_now(sd_event *event, clockid_t clock, uint64_t *usec);
int __real_sd_event_now(sd_event *event, clockid_t clock, uint64_t *usec);

static struct kvmfr_world *clock_world;

int __wrap_sd_event_now(sd_event *event, clockid_t clock, uint64_t *usec)
{
	if (!clock_world || clock_world->real_clock) {
		return __real_sd_event_now(event, clock, usec);
	}
	*usec = clock_world->now_ms * 1000;
	return 0;
}

int __wrap_sd_event_source_set_time(sd_event_source *timer, uint64_t usec);
int __real_sd_event_source_set_time(sd_event_source *timer, uint64_t usec);
int __wrap_sd_event_source_set_enabled(sd_event_source *source, int enabled);
int __real_sd_event_source_set_enabled(sd_event_source *source, int enabled);

int __wrap_sd_event_source_set_time(sd_event_source *timer, uint64_t usec)
{
	if (clock_world) {
		clock_world->timer_usec = usec;
	}
	return __real_sd_event_source_set_time(timer, usec);
}

int __wrap_sd_event_source_set_enabled(sd_event_source *source, int enabled)
{
	if (clock_world) {
		clock_world->timer_on = enabled != SD_EVENT_OFF;
	}
	return __real_sd_event_source_set_enabled(source, enabled);
}

void __wrap_log_write(enum log_level level, const char *format, ...);

void __wrap_log_write(enum log_level level, const char *format, ...)
{
	va_list arguments;

	if (!clock_world || level > LOG_LEVEL_INFO) {
		return;
	}
	va_start(arguments, format);
	vsnprintf(clock_world->log, sizeof(clock_world->log), format, arguments);
	va_end(arguments);
	clock_world->logs++;
}

int64_t kvmfr_world_timer(const struct kvmfr_world *world)
{
	return world->timer_on ? (int64_t)(world->timer_usec - world->now_ms * 1000) : -1;
}

/* ---- what the source tells ---- */

static void on_frame(struct frame_source *source, void *data)
{
	((struct kvmfr_world *)data)->frames++;
}

static void on_damage(struct frame_source *source, const pixman_box32_t *box, void *data)
{
	struct kvmfr_world *world = data;

	world->damages++;
	pixman_region32_union_rect(&world->damage, &world->damage, box->x1, box->y1,
				   (unsigned int)(box->x2 - box->x1),
				   (unsigned int)(box->y2 - box->y1));
}

static void on_cursor(struct frame_source *source, void *data)
{
	((struct kvmfr_world *)data)->cursors++;
}

static void on_state(struct frame_source *source, void *data)
{
	((struct kvmfr_world *)data)->states++;
}

static const struct frame_source_observer_ops observer_ops = {
	.frame_changed = on_frame,
	.damaged = on_damage,
	.cursor_changed = on_cursor,
	.state_changed = on_state,
};

/* ---- the world ---- */

static void start_producer(struct kvmfr_world *world)
{
	static const uint8_t uuid[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	const struct kvmfr_producer_config config = {
		.version = world->version,
		.producer = "test 1.0",
		.uuid = uuid,
		.capture = "test",
		.os_name = "Test OS",
		.cursor_size = CURSOR_SIZE,
	};

	assert_int_equal(kvmfr_producer_create(world->memory, WORLD_SIZE, &config, world->now_ms,
					       &world->producer),
			 0);
}

struct kvmfr_world *kvmfr_world_create(uint32_t version)
{
	struct kvmfr_world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	clock_world = world;
	world->now_ms = 1000000;
	world->version = version;
	pixman_region32_init(&world->damage);
	assert_true(sd_event_new(&world->event) >= 0);
	world->fd = memfd_create("kvmfr", MFD_CLOEXEC);
	assert_int_equal(ftruncate(world->fd, WORLD_SIZE), 0);
	world->memory = mmap(NULL, WORLD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, world->fd, 0);
	assert_true(world->memory != MAP_FAILED);
	world->header = (struct lgmp_header *)world->memory;
	start_producer(world);
	assert_int_equal(
		kvmfr_source_create(world->event, "guest", world->fd, WORLD_SIZE, &world->source),
		0);
	world->observer.ops = &observer_ops;
	world->observer.data = world;
	frame_source_observe(world->source, &world->observer);
	frame_source_set_watched(world->source, true);
	return world;
}

void kvmfr_world_destroy(struct kvmfr_world *world)
{
	frame_source_unobserve(&world->observer);
	frame_source_destroy(world->source);
	kvmfr_producer_destroy(world->producer);
	munmap(world->memory, WORLD_SIZE);
	close(world->fd);
	sd_event_unref(world->event);
	pixman_region32_fini(&world->damage);
	clock_world = NULL;
	free(world);
}

int kvmfr_world_set_up_b7(void **fixture)
{
	*fixture = kvmfr_world_create(KVMFR_VERSION_B7);
	return 0;
}

int kvmfr_world_set_up_b6(void **fixture)
{
	*fixture = kvmfr_world_create(KVMFR_VERSION_B6);
	return 0;
}

int kvmfr_world_tear_down(void **fixture)
{
	kvmfr_world_destroy(*fixture);
	return 0;
}

void kvmfr_world_tick_producer(struct kvmfr_world *world, unsigned int ms)
{
	world->now_ms += ms;
	kvmfr_producer_tick(world->producer, world->now_ms);
}

void kvmfr_world_tick_source(struct kvmfr_world *world, unsigned int ms)
{
	world->now_ms += ms;
	kvmfr_source_poke(world->source);
}

void kvmfr_world_tick(struct kvmfr_world *world, unsigned int ms)
{
	kvmfr_world_tick_producer(world, ms);
	kvmfr_source_poke(world->source);
}

void kvmfr_world_settle(struct kvmfr_world *world)
{
	for (int i = 0; i < 5; i++) {
		kvmfr_world_tick(world, 10);
	}
}

/* ---- pictures ---- */

uint32_t kvmfr_world_colour(unsigned int n, uint32_t x, uint32_t y)
{
	/* In steps of 4, so that ten bits lose nothing. */
	return ((x * 4 & 0xff) << 16 | (y * 4 & 0xff) << 8 | (n * 4 & 0xff)) & 0xfcfcfc;
}

static uint32_t encode(enum kvmfr_format format, uint32_t rgb)
{
	uint32_t red = rgb >> 16, green = rgb >> 8 & 0xff, blue = rgb & 0xff;

	switch (format) {
	case KVMFR_FORMAT_RGBA:
		return blue << 16 | green << 8 | red;
	case KVMFR_FORMAT_RGBA10:
		return blue << 22 | green << 12 | red << 2;
	default:
		return rgb;
	}
}

void kvmfr_world_draw(uint8_t *pixels, const struct kvmfr_picture *picture, unsigned int n)
{
	bool packed =
		picture->format == KVMFR_FORMAT_BGR32 || picture->format == KVMFR_FORMAT_RGB24;
	size_t size = packed ? 3 : 4;

	for (uint32_t y = 0; y < picture->height; y++) {
		for (uint32_t x = 0; x < picture->width; x++) {
			uint32_t word = encode(picture->format, kvmfr_world_colour(n, x, y));

			memcpy(pixels + (size_t)y * picture->pitch + x * size, &word, size);
		}
	}
}

struct kvmfr_picture kvmfr_world_picture(enum kvmfr_format format)
{
	return (struct kvmfr_picture){
		.format = format,
		.width = WORLD_WIDTH,
		.height = WORLD_HEIGHT,
		.pitch = format == KVMFR_FORMAT_RGBA16F ? WORLD_WIDTH * 8 : WORLD_WIDTH * 4 + 64,
	};
}

void kvmfr_world_send(struct kvmfr_world *world, unsigned int n, const struct kvmfr_rect *damage)
{
	struct kvmfr_picture picture = kvmfr_world_picture(KVMFR_FORMAT_BGRA);
	uint8_t *pixels;

	picture.damage = damage;
	picture.damage_count = damage ? 1 : 0;
	assert_int_equal(kvmfr_producer_begin(world->producer, &picture, &pixels), 0);
	kvmfr_world_draw(pixels, &picture, n);
	kvmfr_producer_end(world->producer);
}

void kvmfr_world_show(struct kvmfr_world *world, unsigned int n, const struct kvmfr_rect *damage)
{
	kvmfr_world_send(world, n, damage);
	kvmfr_world_tick(world, WORLD_INTERVAL);
}

void kvmfr_world_begin(struct kvmfr_world *world)
{
	kvmfr_world_settle(world);
	kvmfr_world_show(world, 1, NULL);
}

uint32_t kvmfr_world_pixel(const struct kvmfr_world *world, uint32_t x, uint32_t y)
{
	const struct frame *frame = world->source->frame;
	uint32_t word;

	assert_non_null(frame);
	assert_true(x < frame->width && y < frame->height);
	memcpy(&word, frame->pixels + (size_t)y * frame->stride + (size_t)x * 4, 4);
	return frame->fourcc == DRM_FORMAT_XBGR8888 ? encode(KVMFR_FORMAT_RGBA, word & 0xffffff)
						    : word & 0xffffff;
}

void kvmfr_world_expect(const struct kvmfr_world *world, unsigned int n)
{
	assert_non_null(world->source->frame);
	assert_int_equal(world->source->frame->width, WORLD_WIDTH);
	assert_int_equal(world->source->frame->height, WORLD_HEIGHT);
	for (uint32_t y = 0; y < WORLD_HEIGHT; y++) {
		for (uint32_t x = 0; x < WORLD_WIDTH; x++) {
			assert_int_equal(kvmfr_world_pixel(world, x, y),
					 kvmfr_world_colour(n, x, y));
		}
	}
}

struct lgmp_queue *kvmfr_world_queue(struct kvmfr_world *world, uint32_t id)
{
	for (uint32_t i = 0; i < LGMP_QUEUES_MAX; i++) {
		if (world->header->queues[i].id == id) {
			return &world->header->queues[i];
		}
	}
	fail_msg("no queue %u", id);
	return NULL;
}

void kvmfr_world_forget(struct kvmfr_world *world)
{
	world->frames = world->damages = world->cursors = world->states = 0;
	pixman_region32_clear(&world->damage);
}
