// SPDX-License-Identifier: MIT
/*
 * Reads shared memory as a viewer does, with the consuming end of capture/, and keeps a picture of
 * its own by copying what is said to be damaged and nothing else; so a damage that was not told
 * shows.
 *
 * kvmfr-probe FILE; commands on standard input, a line each:
 *   watch          subscribes, and again whenever that is lost; "watching" once it reads
 *   leave          "left"
 *   hash           "hash SERIAL WxH SHA256 DAMAGED": of the picture as rows of blue, green, red, 0;
 * and
 *                  how many pixels were damaged since the last question
 *   pointer        "pointer X Y VISIBLE WxH SHA256": of the last image
 *   session        "session NUMBER HEARTBEAT"
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "capture/lgmp_client.h"
#include "proto/kvmfr.h"
#include "tools/testcard/sha256.h"

#define LOOK_MS 5

struct probe {
	struct shared_memory memory;
	struct lgmp_client client;
	struct lgmp_subscription frames, pointer;
	bool watch, watching;
	uint8_t *picture; /* rows without ends, 4 bytes a pixel */
	uint32_t width, height, serial;
	uint64_t damaged;
	struct kvmfr_cursor cursor;
	bool visible;
	uint8_t shape[512 * 512 * 4];
};

static uint64_t now_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void copy_box(struct probe *probe, const struct kvmfr_frame_b7 *frame, uint64_t pixels,
		     struct kvmfr_rect box)
{
	if (box.x + box.width > frame->frame_width || box.y + box.height > frame->frame_height) {
		printf("error: damage outside\n");
		return;
	}
	for (uint32_t y = box.y; y < box.y + box.height; y++) {
		const uint8_t *row = shared_bytes(&probe->memory,
						  pixels + (uint64_t)y * frame->pitch + box.x * 4,
						  (uint64_t)box.width * 4);
		uint8_t *to = probe->picture + ((size_t)y * probe->width + box.x) * 4;

		for (uint32_t x = 0; row && x < box.width; x++) {
			memcpy(to + (size_t)x * 4, row + (size_t)x * 4, 3);
		}
	}
	probe->damaged += (uint64_t)box.width * box.height;
}

static void take_frame(struct probe *probe, const struct lgmp_received *message)
{
	struct kvmfr_frame_b7 frame;
	uint64_t word;
	bool whole;

	if (shared_read(&probe->memory, message->offset, &frame, sizeof(frame)) < 0 ||
	    frame.format != KVMFR_FORMAT_BGRA) {
		printf("error: format %u\n", frame.format);
		return;
	}
	word = message->offset + (uint64_t)frame.offset;
	while (shared_load(&probe->memory, word) < frame.pitch * frame.frame_height) {
	}
	whole = frame.damage_count == 0 || frame.frame_width != probe->width ||
		frame.frame_height != probe->height || frame.serial != probe->serial + 1;
	if (frame.frame_width != probe->width || frame.frame_height != probe->height) {
		free(probe->picture);
		probe->picture = calloc(frame.frame_height, (size_t)frame.frame_width * 4);
		probe->width = frame.frame_width;
		probe->height = frame.frame_height;
	}
	probe->serial = frame.serial;
	if (whole) {
		frame.damage_count = 1;
		frame.damage[0] = (struct kvmfr_rect){ 0, 0, frame.frame_width, frame.frame_height };
	}
	for (uint32_t i = 0; i < frame.damage_count && i < KVMFR_DAMAGE_MAX; i++) {
		copy_box(probe, &frame, word + KVMFR_WRITE_POINTER_SIZE, frame.damage[i]);
	}
}

static void take_pointer(struct probe *probe, const struct lgmp_received *message)
{
	shared_read(&probe->memory, message->offset, &probe->cursor, sizeof(probe->cursor));
	probe->visible = message->user_data & KVMFR_CURSOR_VISIBLE;
	if (message->user_data & KVMFR_CURSOR_SHAPE) {
		size_t size = (size_t)probe->cursor.pitch * probe->cursor.height;

		shared_read(&probe->memory, message->offset + sizeof(probe->cursor), probe->shape,
			    size < sizeof(probe->shape) ? size : sizeof(probe->shape));
	}
}

/* Takes all that is there. -errno when the place was lost. */
static int take_all(struct probe *probe, struct lgmp_subscription *place,
		    void (*take)(struct probe *, const struct lgmp_received *))
{
	struct lgmp_received message;
	int r;

	while ((r = lgmp_peek(&probe->client, place, &message)) == 1) {
		take(probe, &message);
		lgmp_acknowledge(&probe->client, place);
	}
	return r;
}

static void leave(struct probe *probe)
{
	lgmp_unsubscribe(&probe->client, &probe->frames);
	lgmp_unsubscribe(&probe->client, &probe->pointer);
	probe->watching = false;
}

static void look(struct probe *probe)
{
	enum lgmp_sight sight = lgmp_client_look(&probe->client, now_usec(), false);

	if (!probe->watch || sight != LGMP_ALIVE) {
		return;
	}
	if (!probe->watching &&
	    lgmp_subscribe(&probe->client, KVMFR_QUEUE_FRAME, &probe->frames) == 0 &&
	    lgmp_subscribe(&probe->client, KVMFR_QUEUE_POINTER, &probe->pointer) == 0) {
		probe->watching = true;
		/* What comes next has no picture before it. */
		probe->serial = UINT32_MAX - 1;
		printf("watching\n");
	}
	if (probe->watching && (take_all(probe, &probe->frames, take_frame) < 0 ||
				take_all(probe, &probe->pointer, take_pointer) < 0)) {
		leave(probe);
	}
}

static void say_hash(const char *what, const uint8_t *bytes, size_t size)
{
	char hex[SHA256_HEX_SIZE];
	struct sha256 hash;

	sha256_init(&hash);
	sha256_add(&hash, bytes, size);
	sha256_end(&hash, hex);
	printf("%s %s", what, hex);
}

static void answer_hash(struct probe *probe)
{
	char what[64];

	snprintf(what, sizeof(what), "hash %u %ux%u", probe->serial, probe->width, probe->height);
	say_hash(what, probe->picture, (size_t)probe->width * probe->height * 4);
	printf(" %llu\n", (unsigned long long)probe->damaged);
	probe->damaged = 0;
}

static void answer_pointer(struct probe *probe)
{
	size_t size = (size_t)probe->cursor.pitch * probe->cursor.height;
	char what[64];

	snprintf(what, sizeof(what), "pointer %d %d %d %ux%u", probe->cursor.x, probe->cursor.y,
		 probe->visible, probe->cursor.width, probe->cursor.height);
	say_hash(what, probe->shape, size < sizeof(probe->shape) ? size : sizeof(probe->shape));
	printf("\n");
}

static void answer(struct probe *probe, const char *command)
{
	struct lgmp_header header;

	if (!strcmp(command, "watch")) {
		probe->watch = true;
	} else if (!strcmp(command, "leave")) {
		probe->watch = false;
		leave(probe);
		printf("left\n");
	} else if (!strcmp(command, "hash")) {
		answer_hash(probe);
	} else if (!strcmp(command, "pointer")) {
		answer_pointer(probe);
	} else if (!strcmp(command, "session")) {
		shared_read(&probe->memory, 0, &header, sizeof(header));
		printf("session %u %llu\n", header.session, (unsigned long long)header.heartbeat);
	}
}

static struct probe probe;

int main(int argc, char **argv)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
	struct stat status;
	char line[64];

	if (fd < 0 || fstat(fd, &status) < 0 ||
	    shared_memory_open(&probe.memory, fd, (size_t)status.st_size) < 0) {
		fprintf(stderr, "%s: %s\n", argc == 2 ? argv[1] : "usage", strerror(errno));
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	lgmp_client_init(&probe.client, &probe.memory, (uint32_t)getpid());
	for (;;) {
		look(&probe);
		if (poll(&input, 1, LOOK_MS) > 0) {
			if (!fgets(line, sizeof(line), stdin)) {
				break;
			}
			line[strcspn(line, "\n")] = '\0';
			answer(&probe, line);
		}
	}
	leave(&probe);
	return 0;
}
