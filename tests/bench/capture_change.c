// SPDX-License-Identifier: MIT
/*
 * From the change of a guest's source to the vblank that shows it: a headless output, and a guest
 * whose picture comes from QEMU's display or from a card of its own, in turns. A round is a line:
 *
 *   change card|display NANOSECONDS
 *
 *   card      since its first picture was complete and its agent rang
 *   display   since the card was gone
 *
 * Changes come at times that are drawn by lot, as the first thing in a turn of the loop.
 *
 *   bench-capture-change ROUNDS SEED
 */
#include <drm_fourcc.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/kvmfr_producer.h"
#include "capture/best_source.h"
#include "capture/kvmfr_source.h"
#include "common/clock.h"
#include "common/log.h"
#include "compositor/compositor.h"
#include "compositor/headless_export.h"

#define WIDTH 1920u
#define HEIGHT 1080u
#define MEMORY_SIZE ((size_t)32 << 20)
#define GUEST 1
#define COLOUR_DISPLAY 0x204060u
#define COLOUR_CARD 0x90b0d0u
#define USEC_PER_MSEC 1000u
#define REST_MIN_USEC (60 * USEC_PER_MSEC)
#define REST_SPREAD_USEC (50 * USEC_PER_MSEC)

struct bench {
	sd_event *event;
	sd_event_source *timer;
	struct compositor *compositor;
	const struct headless_export *screen;
	struct frame_source *best, display;
	int fd;
	struct kvmfr_producer *producer;
	unsigned int rounds, seed;
	bool has_card;
	uint64_t changed_ns; /* 0: seen */
};

__attribute__((noreturn)) static void fail(const char *what, int error)
{
	fprintf(stderr, "bench-capture-change: %s: %s\n", what, strerror(error));
	exit(1);
}

static void check(int r, const char *what)
{
	if (r < 0) {
		fail(what, -r);
	}
}

/* ---- QEMU's display ---- */

static void display_set_watched(struct frame_source *source, bool watched)
{
	(void)source, (void)watched;
}

static void display_destroy(struct frame_source *source)
{
	frame_source_finish(source);
}

static const struct frame_source_ops display_ops = { .set_watched = display_set_watched,
						     .destroy = display_destroy };

static void fill(uint32_t *pixels, uint32_t colour)
{
	for (size_t i = 0; i < (size_t)WIDTH * HEIGHT; i++) {
		pixels[i] = colour;
	}
}

static void add_display(struct bench *bench)
{
	struct frame *frame = frame_create(WIDTH, HEIGHT, DRM_FORMAT_XRGB8888);

	if (!frame) {
		fail("frame", ENOMEM);
	}
	fill(frame_own_pixels(frame), COLOUR_DISPLAY);
	frame_source_init(&bench->display, &display_ops);
	best_source_set(bench->best, SOURCE_VIRTIO, &bench->display);
	frame_source_set_frame(&bench->display, frame);
	frame_source_set_live(&bench->display, true, NULL);
}

/* ---- the card ---- */

static uint64_t now_ms(void)
{
	return clock_now_ns() / NSEC_PER_MSEC;
}

static void draw(struct bench *bench)
{
	const struct kvmfr_picture picture = {
		.format = KVMFR_FORMAT_BGRA, .width = WIDTH, .height = HEIGHT, .pitch = WIDTH * 4
	};
	uint8_t *pixels;

	check(kvmfr_producer_begin(bench->producer, &picture, &pixels), "picture");
	fill((uint32_t *)(void *)pixels, COLOUR_CARD);
	kvmfr_producer_end(bench->producer);
}

/* As when a card comes whose agent rings: the source subscribes at the first ring, and the second
 * one is for the picture. */
static void add_card(struct bench *bench)
{
	struct frame_source *source;

	kvmfr_producer_restart(bench->producer, now_ms());
	check(kvmfr_source_create(bench->event, "bench", bench->fd, MEMORY_SIZE, &source),
	      "source");
	kvmfr_source_set_doorbell(source, true);
	best_source_set(bench->best, SOURCE_CARD, source);
	kvmfr_source_poke(source);
	draw(bench);
	bench->changed_ns = clock_now_ns();
	kvmfr_source_poke(source);
}

static void drop_card(struct bench *bench)
{
	bench->changed_ns = clock_now_ns();
	best_source_set(bench->best, SOURCE_CARD, NULL);
}

/* ---- rounds ---- */

static void schedule(struct bench *bench)
{
	uint64_t rest = REST_MIN_USEC + (uint64_t)rand_r(&bench->seed) % REST_SPREAD_USEC;

	sd_event_source_set_time(bench->timer, clock_now_ns() / NSEC_PER_USEC + rest);
	sd_event_source_set_enabled(bench->timer, SD_EVENT_ONESHOT);
}

static int handle_timer(sd_event_source *timer, uint64_t usec, void *data)
{
	struct bench *bench = data;

	(void)timer, (void)usec;
	if (bench->rounds-- == 0) {
		return sd_event_exit(bench->event, 0);
	}
	bench->has_card = !bench->has_card;
	if (bench->has_card) {
		add_card(bench);
	} else {
		drop_card(bench);
	}
	return 0;
}

/* Nobody writes now: it is this thread that does. */
static uint32_t last_pixel(const struct headless_export *screen)
{
	const uint8_t *end =
		(const uint8_t *)screen + screen->pixels_offset + (size_t)screen->stride * HEIGHT;

	return ((const uint32_t *)(const void *)end)[-1] & 0xffffff;
}

static void handle_presented(void *data, uint64_t vblank_ns, uint64_t sequence)
{
	struct bench *bench = data;

	(void)sequence;
	if (!bench->changed_ns ||
	    last_pixel(bench->screen) != (bench->has_card ? COLOUR_CARD : COLOUR_DISPLAY)) {
		return;
	}
	printf("change %s %" PRIu64 "\n", bench->has_card ? "card" : "display",
	       vblank_ns - bench->changed_ns);
	bench->changed_ns = 0;
	schedule(bench);
}

/* ---- the world ---- */

static void handle_active(void *data, bool active)
{
	(void)data, (void)active;
}

static void handle_outputs_changed(void *data)
{
	(void)data;
}

static void open_memory(struct bench *bench)
{
	static const struct kvmfr_producer_config config = { .version = KVMFR_VERSION_B7,
							     .producer = "bench",
							     .os_name = "bench" };
	void *memory;

	bench->fd = memfd_create("bench", MFD_CLOEXEC);
	if (bench->fd < 0 || ftruncate(bench->fd, (off_t)MEMORY_SIZE) < 0) {
		fail("memory", errno);
	}
	memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, bench->fd, 0);
	if (memory == MAP_FAILED) {
		fail("memory", errno);
	}
	check(kvmfr_producer_create(memory, MEMORY_SIZE, &config, now_ms(), &bench->producer),
	      "producer");
}

static void open_screen(struct bench *bench)
{
	int fd = compositor_export_fd(bench->compositor);
	struct stat st;
	void *memory;

	if (fd < 0 || fstat(fd, &st) < 0) {
		fail("output", fd < 0 ? -fd : errno);
	}
	memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		fail("output", errno);
	}
	bench->screen = memory;
}

static void open_compositor(struct bench *bench)
{
	static const struct compositor_handlers handlers = {
		.active = handle_active,
		.outputs_changed = handle_outputs_changed,
		.presented = handle_presented,
	};
	const struct compositor_options options = { .backend = COMPOSITOR_BACKEND_HEADLESS,
						    .width = WIDTH,
						    .height = HEIGHT };
	const struct scene_guest guest = {
		.name = "bench", .slot = 1, .source = bench->best, .state = "running"
	};

	check(compositor_create(bench->event, &options, &handlers, bench, &bench->compositor),
	      "compositor");
	check(compositor_set_guest(bench->compositor, GUEST, &guest), "guest");
	compositor_show_guest(bench->compositor, GUEST);
	open_screen(bench);
}

int main(int argc, char **argv)
{
	static struct bench bench;

	if (argc != 3 || sscanf(argv[1], "%u", &bench.rounds) != 1 ||
	    sscanf(argv[2], "%u", &bench.seed) != 1) {
		fprintf(stderr, "usage: bench-capture-change ROUNDS SEED\n");
		return 2;
	}
	log_set_level(LOG_LEVEL_WARNING);
	check(sd_event_default(&bench.event), "loop");
	open_memory(&bench);
	check(best_source_create(bench.event, NULL, NULL, &bench.best), "source");
	add_display(&bench);
	open_compositor(&bench);
	check(sd_event_add_time(bench.event, &bench.timer, CLOCK_MONOTONIC, 0, 1, handle_timer,
				&bench),
	      "timer");
	schedule(&bench);
	check(sd_event_loop(bench.event), "loop");
	compositor_remove_guest(bench.compositor, GUEST);
	compositor_destroy(bench.compositor);
	best_source_set(bench.best, SOURCE_CARD, NULL);
	best_source_set(bench.best, SOURCE_VIRTIO, NULL);
	frame_source_destroy(bench.best);
	kvmfr_producer_destroy(bench.producer);
	sd_event_source_unref(bench.timer);
	sd_event_unref(bench.event);
	return 0;
}
