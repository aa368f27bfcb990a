// SPDX-License-Identifier: MIT
/*
 * One picture after the other through shared memory: a producer at one end, the frame source of the
 * seat at the other, in one process, so that nothing but the source's own work is counted. Run
 * under callgrind, which is told to count one of these functions alone:
 *
 *   consumer_look   the source looks, copies and tells its observer
 *   consumer_copy   the same damage, copied by memcpy(), row by row where it is not whole rows
 *
 *   bench-capture-consumer rung|timed PICTURES WIDTH HEIGHT
 *
 * rung: somebody says when there is a picture, as baton-agent does; timed: the source looks in each
 * refresh interval. Width and height are the damage's; the screen is 1920x1080.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/kvmfr_producer.h"
#include "capture/kvmfr_source.h"

#define SCREEN_WIDTH 1920u
#define SCREEN_HEIGHT 1080u
#define PITCH (SCREEN_WIDTH * 4)
#define MEMORY_SIZE ((size_t)32 << 20)
#define WARM_UP 4 /* pictures; the first is a whole one */

struct bench {
	sd_event *event;
	uint8_t *memory;
	struct kvmfr_producer *producer;
	struct frame_source *source;
	struct frame_source_observer observer;
	struct kvmfr_rect damage;
	uint64_t told; /* pixels */
	uint8_t *target;
	uint64_t now_ms;
};

__attribute__((noreturn)) static void fail(const char *what, int error)
{
	fprintf(stderr, "bench-capture-consumer: %s: %s\n", what, strerror(error));
	exit(1);
}

static void on_damage(struct frame_source *source, const pixman_box32_t *box, void *data)
{
	struct bench *bench = data;

	(void)source;
	bench->told += (uint64_t)(box->x2 - box->x1) * (uint64_t)(box->y2 - box->y1);
}

static const struct frame_source_observer_ops observer_ops = { .damaged = on_damage };

static void open_bench(struct bench *bench)
{
	static const struct kvmfr_producer_config config = { .version = KVMFR_VERSION_B7,
							     .producer = "bench",
							     .os_name = "bench" };
	int fd = memfd_create("bench", MFD_CLOEXEC), r;

	if (fd < 0 || ftruncate(fd, (off_t)MEMORY_SIZE) < 0) {
		fail("memory", errno);
	}
	bench->memory =
		mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	bench->target = calloc(SCREEN_HEIGHT, PITCH);
	if (bench->memory == MAP_FAILED || !bench->target || sd_event_new(&bench->event) < 0) {
		fail("memory", ENOMEM);
	}
	bench->now_ms = 1;
	r = kvmfr_producer_create(bench->memory, MEMORY_SIZE, &config, bench->now_ms,
				  &bench->producer);
	r = r < 0 ? r : kvmfr_source_create(bench->event, "bench", fd, MEMORY_SIZE, &bench->source);
	if (r < 0) {
		fail("source", -r);
	}
	close(fd);
	bench->observer = (struct frame_source_observer){ .ops = &observer_ops, .data = bench };
	frame_source_observe(bench->source, &bench->observer);
	frame_source_set_watched(bench->source, true);
}

/* Counted from outside: neither may be inlined. */
__attribute__((noinline)) int consumer_look(sd_event_source *source, void *data);
__attribute__((noinline)) void consumer_copy(struct bench *bench, const uint8_t *from);

int consumer_look(sd_event_source *source, void *data)
{
	struct bench *bench = data;

	(void)source;
	kvmfr_source_poke(bench->source);
	return 0;
}

void consumer_copy(struct bench *bench, const uint8_t *from)
{
	size_t at = (size_t)bench->damage.y * PITCH + (size_t)bench->damage.x * 4;
	size_t size = (size_t)bench->damage.width * 4;

	if (bench->damage.width == SCREEN_WIDTH) {
		memcpy(bench->target + at, from + at, size * bench->damage.height);
		return;
	}
	for (uint32_t y = 0; y < bench->damage.height; y++, at += PITCH) {
		memcpy(bench->target + at, from + at, size);
	}
}

static void tick(struct bench *bench)
{
	bench->now_ms += 10;
	kvmfr_producer_tick(bench->producer, bench->now_ms);
}

/* As all that the seat does, from its loop. */
static void look(struct bench *bench)
{
	sd_event_source *turn = NULL;
	int r = sd_event_add_defer(bench->event, &turn, consumer_look, bench);

	r = r < 0 ? r : sd_event_run(bench->event, 0);
	if (r < 0) {
		fail("loop", -r);
	}
	sd_event_source_unref(turn);
}

static void send_picture(struct bench *bench, bool whole)
{
	const struct kvmfr_picture picture = { .format = KVMFR_FORMAT_BGRA,
					       .width = SCREEN_WIDTH,
					       .height = SCREEN_HEIGHT,
					       .pitch = PITCH,
					       .damage = &bench->damage,
					       .damage_count = whole ? 0 : 1 };
	uint64_t expected = (uint64_t)bench->damage.width * bench->damage.height;
	uint8_t *pixels;
	int r;

	tick(bench);
	r = kvmfr_producer_begin(bench->producer, &picture, &pixels);
	if (r < 0) {
		fail("picture", -r);
	}
	kvmfr_producer_end(bench->producer);
	bench->told = 0;
	if (whole) {
		kvmfr_source_poke(bench->source);
		return;
	}
	look(bench);
	if (bench->told != expected) {
		fail("the source did not tell of the damage", EPROTO);
	}
	consumer_copy(bench, pixels);
}

int main(int argc, char **argv)
{
	struct bench bench = { 0 };
	unsigned int pictures, width, height;

	if (argc != 5 || sscanf(argv[2], "%u", &pictures) != 1 ||
	    sscanf(argv[3], "%u", &width) != 1 || sscanf(argv[4], "%u", &height) != 1 ||
	    width == 0 || width > SCREEN_WIDTH || height == 0 || height > SCREEN_HEIGHT) {
		fprintf(stderr, "usage: bench-capture-consumer rung|timed PICTURES WIDTH HEIGHT\n");
		return 2;
	}
	bench.damage = (struct kvmfr_rect){ (SCREEN_WIDTH - width) / 2,
					    (SCREEN_HEIGHT - height) / 2, width, height };
	open_bench(&bench);
	kvmfr_source_set_doorbell(bench.source, strcmp(argv[1], "rung") == 0);
	for (int i = 0; i < WARM_UP; i++) {
		tick(&bench);
		kvmfr_source_poke(bench.source);
	}
	send_picture(&bench, true);
	for (unsigned int i = 0; i < pictures; i++) {
		send_picture(&bench, false);
	}
	frame_source_unobserve(&bench.observer);
	frame_source_destroy(bench.source);
	kvmfr_producer_destroy(bench.producer);
	sd_event_unref(bench.event);
	free(bench.target);
	return 0;
}
