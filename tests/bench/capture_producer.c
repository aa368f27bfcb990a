// SPDX-License-Identifier: MIT
/*
 * Pictures of 1920x1080 into shared memory, at each vblank of a 60 Hz screen, for whoever reads
 * them. Where somebody is slow there is no room at times, and a picture is left out for all.
 *
 *   bench-capture-producer FILE
 *
 * An "f" on standard input: all of each picture changes from now on, as at first; a "b": 64x64
 * pixels do. After each picture a line "sent N", until standard input ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/kvmfr_producer.h"
#include "common/clock.h"
#include "tests/bench/vblank.h"

#define WIDTH 1920u
#define HEIGHT 1080u
#define BOX 64u
#define REFRESH_MHZ 60000

struct program {
	struct kvmfr_producer *producer;
	bool full;
	unsigned int sent;
	uint32_t *pixels; /* as the picture is */
};

__attribute__((noreturn)) static void fail(const char *what, int error)
{
	fprintf(stderr, "bench-capture-producer: %s: %s\n", what, strerror(error));
	exit(1);
}

static uint64_t now_ms(void)
{
	return clock_now_ns() / NSEC_PER_MSEC;
}

static void open_memory(struct program *program, const char *path)
{
	const struct kvmfr_producer_config config = { .version = KVMFR_VERSION_B7,
						      .seed = (uint32_t)clock_now_ns(),
						      .producer = "bench",
						      .os_name = "bench" };
	int fd = open(path, O_RDWR | O_CLOEXEC), r;
	struct stat st;
	void *memory;

	if (fd < 0 || fstat(fd, &st) < 0) {
		fail(path, errno);
	}
	memory = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	program->pixels = calloc(HEIGHT, WIDTH * sizeof(*program->pixels));
	if (memory == MAP_FAILED || !program->pixels) {
		fail(path, ENOMEM);
	}
	close(fd);
	r = kvmfr_producer_create(memory, (size_t)st.st_size, &config, now_ms(),
				  &program->producer);
	if (r < 0) {
		fail("producer", -r);
	}
}

static void draw(struct program *program, const struct kvmfr_rect *rect)
{
	uint32_t colour = program->sent * 0x030507 & 0xffffff;

	for (uint32_t y = rect->y; y < rect->y + rect->height; y++) {
		for (uint32_t x = rect->x; x < rect->x + rect->width; x++) {
			program->pixels[(size_t)y * WIDTH + x] = colour + x;
		}
	}
}

static void send_picture(struct program *program)
{
	const struct kvmfr_rect box = { 0, 0, BOX, BOX }, all = { 0, 0, WIDTH, HEIGHT };
	bool whole = program->full || program->sent == 0;
	struct kvmfr_picture picture = { .format = KVMFR_FORMAT_BGRA,
					 .width = WIDTH,
					 .height = HEIGHT,
					 .pitch = WIDTH * 4,
					 .damage = &box,
					 .damage_count = whole ? 0 : 1 };
	const struct kvmfr_rect *rect = whole ? &all : &box;
	uint8_t *pixels;

	if (kvmfr_producer_begin(program->producer, &picture, &pixels) < 0) {
		return;
	}
	draw(program, rect);
	/* A buffer that was not drawn in for a while lacks more than the box. */
	memcpy(pixels, program->pixels, (size_t)WIDTH * HEIGHT * 4);
	kvmfr_producer_end(program->producer);
	printf("sent %u\n", ++program->sent);
	fflush(stdout);
}

/* False when nobody wants more. */
static bool take_orders(struct program *program)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char order;

	while (poll(&in, 1, 0) > 0) {
		if (read(STDIN_FILENO, &order, 1) <= 0) {
			return false;
		}
		program->full = order == 'f' || (program->full && order != 'b');
	}
	return true;
}

int main(int argc, char **argv)
{
	uint64_t interval = vblank_interval_ns(REFRESH_MHZ), tick;
	struct program program = { .full = true };

	if (argc != 2) {
		fprintf(stderr, "usage: bench-capture-producer FILE\n");
		return 2;
	}
	open_memory(&program, argv[1]);
	for (tick = clock_now_ns(); take_orders(&program);
	     tick = vblank_after(clock_now_ns(), interval)) {
		sleep_until(tick);
		kvmfr_producer_tick(program.producer, now_ms());
		if (kvmfr_producer_has_newcomer(program.producer)) {
			kvmfr_producer_repeat(program.producer);
		}
		send_picture(&program);
	}
	return 0;
}
