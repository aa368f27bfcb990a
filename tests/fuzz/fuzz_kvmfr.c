// SPDX-License-Identifier: MIT
/*
 * A guest's shared memory under a reader: an honest producer, and beside it somebody who writes any
 * value to any place at any time, between two accesses of the reader too. The input is a list of
 * commands of five characters each; see run_command().
 *
 * The memory lies between pages that nobody may touch. What the reader may write is checked at each
 * write, and a look that takes too many accesses has no end. After whatever came, an honest session
 * must be shown as it is.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "agent/kvmfr_producer.h"
#include "capture/kvmfr_source.h"
#include "capture/shared_memory.h"
#include "common/log.h"
#include "proto/lgmp.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_kvmfr_access.h"

#define SIZE 98304u
#define CURSORS 6272u /* where the producer has laid things out; checked below */
#define SHAPE_SIZE 1024u
#define FRAMES 12288u
#define FRAME_SIZE 4096u
#define PAGE 4096u
#define NOWHERE (64ull << 30) /* further than four 32-bit numbers reach, on both sides */
#define WIDTH 16u
#define HEIGHT 12u
#define ACCESSES_MAX 200000
#define SPOTS_MAX 1024
#define PLANS_MAX 16

const char *const fuzz_seeds[] = {
	/* Frames, whole and damaged, half-written and skipped. */
	"t1___t1___t1___f1000t1___f1100t1___f1200f1100t1___",
	"t1___t1___t1___f2000t1___f2101t1___e____t1___f1002lz___lz___t1___",
	"v____t1___t1___t1___f3010t1___f3110t1___f5020t1___f6030t1___",
	/* The pointer, in all its shapes. */
	"t1___t1___t1___c0511t1___c1811c2311c3__1c3__0t1___t1___t1___",
	/* Coming and going. */
	"t1___t1___f1000w____b1___w____t1___t1___f1100t1___r____t1___t1___t1___f1000t1___",
	"t1___x0___lz___lz___r____t1___t1___t1___f1000t1___lz___lz___lz___t1___",
	"t1___t1___D____f1000l0___l0___D____t1___",
	/* Other releases, and what they leave at the end. */
	"x0___p@:>_p@;D<l1___R\"___l1___x0___p@8>_p@9D:l1___",
	"p01D4l1___t1___t1___p9;DEp02@_l1___p04@_l1___",
	/* Somebody writes beside it. */
	"t1___t1___t1___f1000p0040l1___t1___p0951l1___",
	"t1___t1___t1___f1000p:970t1___r____t1___t1___t1___f1000p2;70t1___f1100p:<80t1___",
	"t1___t1___t1___c0511p=:70t1___r____t1___t1___t1___c1511d=;71t1___c2711d>970t1___",
	"t1___t1___t1___f1000d1233t1___d2345d2456t1___f1000d3344t1___",
	"t1___t1___t1___c0511d6735t1___c1811d6777t1___f1100B____t1___",
	"t1___p0160l1___p0162l1___p0150l1___t1___t1___",
	/* One more or less: widths, heights, rows, rings. */
	"t1___t1___t1___f1000p;0A_t1___f1000p<<@_t1___f1000p;1@_t1___r____t1___t1___t1___f1000t1___",
	"t1___t1___t1___f1000p;1A_t1___f1000p<=A_t1___f1000p:?@_t1___r____t1___p09@_t1___p0=@_t1___",
	/* And all the time: sizes, places and counts of pictures and pointers, rings, locks. */
	"t1___t1___t1___f1000d:97At1___f1100d:;7Ct1___f2000d:<8Et1___f1200d:=5Gt1___f1100d:>@It1___",
	"t1___t1___t1___f1000d;54At1___f1100d;6@Ct1___f2000d;79Et1___f1200d<5<Gt1___f1100d<67It1___",
	"t1___t1___t1___c0511d>:BBt1___r____t1___t1___c0811d?7BDt1___r____t1___t1___c1511d@4BFt1___",
	"t1___t1___t1___c2711d>;7Ht1___r____t1___t1___c0511d>?BJt1___r____t1___t1___c1511d@5BDt1___",
	"t1___t1___t1___f1000d0>6At1___f1100d0?7Ct1___c0511d9:9Et1___d::7Gt1___r____d0<6At1___t1___",
	NULL,
};

/* A word that is written in the middle of the next look, once or to and fro until its end. */
struct plan {
	unsigned int access;
	uint32_t offset, value, old;
	bool flips;
};

static struct {
	uint8_t *memory;
	struct shm_map map;
	sd_event *event;
	uint64_t now_ms;
	struct kvmfr_producer *producer;
	uint32_t version, starts;
	struct frame_source *source;
	struct frame_source_observer observer;
	unsigned int accesses;
	struct plan plans[PLANS_MAX];
	unsigned int n_plans;
	uint32_t spots[SPOTS_MAX];
	unsigned int n_spots;
} stage;

/* ---- what the reader does, and what is done between ---- */

int __wrap_sd_event_now(sd_event *event, clockid_t clock, uint64_t *usec);
ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned int flags);
int __wrap_shm_map_create_writable(int fd, size_t length, struct shm_map **out);
void __wrap_shm_map_unlock(struct shm_map *map);

int __wrap_sd_event_now(sd_event *event, clockid_t clock, uint64_t *usec)
{
	*usec = stage.now_ms * 1000;
	return 0;
}

ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned int flags)
{
	memset(buffer, 0x5a, size);
	return (ssize_t)size;
}

int __wrap_shm_map_create_writable(int fd, size_t length, struct shm_map **out)
{
	stage.map = (struct shm_map){ .locks = 1, .address = stage.memory, .length = length };
	*out = &stage.map;
	return 0;
}

void __wrap_shm_map_unlock(struct shm_map *map)
{
}

static void write_word(uint32_t offset, uint32_t value)
{
	memcpy(stage.memory + offset % (SIZE - 3), &value, sizeof(value));
}

static void note_access(void)
{
	if (++stage.accesses > ACCESSES_MAX) {
		abort();
	}
	for (unsigned int i = 0; i < stage.n_plans; i++) {
		const struct plan *plan = &stage.plans[i];
		unsigned int since = stage.accesses - plan->access;

		if (since == 0 || (plan->flips && stage.accesses > plan->access)) {
			write_word(plan->offset,
				   since * 0x9e3779b9u >> 31 ? plan->old : plan->value);
		}
	}
}

/* What a reader may change: places, locks, and what says which messages are left. */
static void check_write(uint64_t offset)
{
	uint64_t field =
		(offset - offsetof(struct lgmp_header, queues)) % sizeof(struct lgmp_queue);
	bool in_queue = offset >= offsetof(struct lgmp_header, queues) &&
			offset < offsetof(struct lgmp_header, user_data_size);

	if (!in_queue || field == offsetof(struct lgmp_queue, id) ||
	    field == offsetof(struct lgmp_queue, slots) ||
	    field == offsetof(struct lgmp_queue, max_time) ||
	    field == offsetof(struct lgmp_queue, position) ||
	    field == offsetof(struct lgmp_queue, messages) ||
	    field >= offsetof(struct lgmp_queue, client_free)) {
		abort();
	}
}

void fuzz_kvmfr_reads(void)
{
	note_access();
}

void fuzz_kvmfr_writes(uint64_t offset)
{
	note_access();
	check_write(offset);
}

/* ---- what the source says ---- */

static void check_frame(struct frame_source *source, void *data)
{
	const struct frame *frame = source->frame;

	if (!frame || frame->kind != FRAME_SHM || frame->width < 1 || frame->height < 1 ||
	    frame->width > FRAME_SIDE_MAX || frame->height > FRAME_SIDE_MAX ||
	    frame->stride != frame->width * 4 || frame_format_bytes(frame->fourcc) != 4) {
		abort();
	}
	/* For AddressSanitizer. */
	(void)*(volatile const uint8_t *)(frame->pixels + (size_t)frame->stride * frame->height -
					  1);
}

static void check_cursor(struct frame_source *source, void *data)
{
	const struct cursor_image *image = source->cursor.image;

	if (image &&
	    (image->width < 1 || image->height < 1 || image->width > 512 || image->height > 512 ||
	     image->hot_x < 0 || image->hot_y < 0 || image->hot_x >= (int32_t)image->width ||
	     image->hot_y >= (int32_t)image->height)) {
		abort();
	}
}

static void check_state(struct frame_source *source, void *data)
{
	if (source->live == (source->reason != NULL) || (source->live && !source->frame)) {
		abort();
	}
}

static const struct frame_source_observer_ops observer_ops = {
	.frame_changed = check_frame,
	.cursor_changed = check_cursor,
	.state_changed = check_state,
};

static void look(void)
{
	stage.accesses = 0;
	kvmfr_source_poke(stage.source);
	stage.n_plans = 0;
}

/* ---- the places that matter ---- */

static void add_spots(uint32_t offset, unsigned int words)
{
	while (words-- > 0 && stage.n_spots < SPOTS_MAX) {
		stage.spots[stage.n_spots++] = offset;
		offset += 4;
	}
}

static void add_queue_spots(const struct lgmp_queue *queue)
{
	uint32_t start = (uint32_t)((const uint8_t *)queue - stage.memory);

	add_spots(start, 8);
	add_spots(start + offsetof(struct lgmp_queue, client_id), 2);
	add_spots(start + offsetof(struct lgmp_queue, lock), 14);
	add_spots(queue->messages, queue->slots * 4);
}

static void find_spots(void)
{
	const struct lgmp_header *header = (const struct lgmp_header *)stage.memory;

	stage.n_spots = 0;
	add_spots(0, 8);
	add_queue_spots(&header->queues[0]);
	add_queue_spots(&header->queues[1]);
	add_spots(offsetof(struct lgmp_header, user_data_size), 1 + 12 + 4);
	for (uint32_t i = 0; i < KVMFR_QUEUE_FRAME_LENGTH; i++) {
		uint32_t start = FRAMES + i * (PAGE + FRAME_SIZE);

		add_spots(start, 24);
		add_spots(start + offsetof(struct kvmfr_frame_b6, flags), 3);
		add_spots(start + PAGE - KVMFR_WRITE_POINTER_SIZE, 1);
	}
	for (uint32_t i = 0; i < 3; i++) {
		add_spots(CURSORS + i * 32, 6);
		add_spots(CURSORS + KVMFR_QUEUE_POINTER_LENGTH * 32 + i * (SHAPE_SIZE + 32), 7);
	}
	add_spots(LGMP_MAGIC_OFFSET_10, 2);
	add_spots(LGMP_MAGIC_OFFSET_12, 2);
}

/* So that the spots are what they are taken for. */
static void check_layout(unsigned int index, uint32_t start, uint32_t stride)
{
	const struct lgmp_header *header = (const struct lgmp_header *)stage.memory;
	const struct lgmp_queue *queue = &header->queues[index];
	const struct lgmp_message *slots = (void *)(stage.memory + queue->messages);
	uint32_t newest = (queue->position + queue->slots - 1) % queue->slots;

	if ((slots[newest].offset - start) % stride != 0) {
		abort();
	}
}

/* ---- commands ---- */

static void start_producer(uint32_t version)
{
	const struct kvmfr_producer_config config = {
		.version = version,
		.seed = ++stage.starts,
		.producer = "fuzz",
		.uuid = (const uint8_t *)"0123456789abcdef",
		.os_name = "fuzz",
		.cursor_size = SHAPE_SIZE,
		.frame_size = FRAME_SIZE,
	};

	kvmfr_producer_destroy(stage.producer);
	stage.version = version;
	if (kvmfr_producer_create(stage.memory, SIZE, &config, stage.now_ms, &stage.producer) < 0) {
		abort();
	}
	find_spots();
}

static void send_frame(uint8_t format, uint8_t damage, uint8_t rotation, uint8_t done)
{
	static const struct kvmfr_rect boxes[3] = { { 2, 3, 4, 5 },
						    { 5, 1, 1, 9 },
						    { 14, 0, 9, 99 } };
	struct kvmfr_picture picture = {
		.format = format % 8,
		.width = WIDTH,
		.height = HEIGHT,
		.pitch = format % 8 == KVMFR_FORMAT_RGBA16F ? WIDTH * 8 : WIDTH * 4,
		.rotation = rotation % 5,
		.damage = boxes,
		.damage_count = damage % 4,
	};
	uint8_t *pixels;

	if (kvmfr_producer_begin(stage.producer, &picture, &pixels) < 0) {
		return;
	}
	for (uint32_t i = 0; i < picture.pitch * HEIGHT; i++) {
		pixels[i] = (uint8_t)(i * 7 + format);
	}
	if (done % 3 == 0) {
		kvmfr_producer_end(stage.producer);
	} else {
		kvmfr_producer_advance(stage.producer, done % 3 == 1 ? picture.pitch * 5 : 0);
	}
}

static void send_cursor(uint8_t type, uint8_t side, uint8_t hot, uint8_t visible)
{
	static const uint8_t pixels[SHAPE_SIZE] = { 1,    2,    3, 0, 0xff, 0xff,
						    0xff, 0xff, 0, 0, 0,    0xff };
	struct kvmfr_shape shape = { .type = type % 4, .hot_x = (int8_t)hot, .pixels = pixels };

	shape.width = side % 16 + 1;
	shape.height = shape.type == KVMFR_CURSOR_MONOCHROME ? 16 : shape.width;
	shape.pitch = shape.type == KVMFR_CURSOR_MONOCHROME ? 2 : 64;
	kvmfr_producer_point(stage.producer, (int16_t)(hot * 3), -5, visible & 1,
			     shape.type == 3 ? NULL : &shape);
}

static uint32_t some_value(uint32_t offset, uint8_t kind, uint8_t operand)
{
	static const uint32_t values[] = { 0,          1,          2,          3,
					   0x7fffffff, 0x80000000, UINT32_MAX, UINT32_MAX - 3,
					   SIZE,       SIZE - 4,   SIZE - 16,  16384,
					   513,        65,         LGMP_MAGIC, 0x00010001 };
	uint32_t old;

	memcpy(&old, stage.memory + offset % (SIZE - 3), sizeof(old));
	switch (kind % 24) {
	case 16:
		return old + 1;
	case 17:
		return old - 1;
	case 18:
		return old ^ 1u << operand % 32;
	case 19:
		return old * 2;
	case 20:
		return operand;
	case 21:
		return operand * 0x01010101u;
	case 22:
		return old + operand * 64u;
	case 23:
		return (uint32_t)operand << operand % 25;
	default:
		return values[kind % 24];
	}
}

/* 'p' is now and 'd' later. Later ones come with an access of the next look, early rather. */
static void plan_word(const uint8_t c[5], uint32_t offset, uint32_t value)
{
	struct plan *plan = &stage.plans[stage.n_plans];

	if (c[0] == 'p' || c[0] % 2 == 1 || stage.n_plans == PLANS_MAX) {
		write_word(offset, value);
		return;
	}
	*plan = (struct plan){ .access = 1u + c[4] % 32u, .offset = offset, .value = value };
	memcpy(&plan->old, stage.memory + offset % (SIZE - 3), sizeof(plan->old));
	plan->flips = c[4] & 0x40;
	stage.n_plans++;
}

static void run_word_command(const uint8_t c[5])
{
	uint32_t spot = (uint32_t)(uint8_t)(c[1] - '0') * 16 + (uint8_t)(c[2] - '0');
	uint32_t offset = stage.spots[spot % stage.n_spots];

	plan_word(c, offset, some_value(offset, (uint8_t)(c[3] - '0'), (uint8_t)(c[4] - '0')));
}

static void toggle_watched(void)
{
	stage.accesses = 0;
	frame_source_set_watched(stage.source, !stage.source->watched);
	sd_event_run(stage.event, 0);
}

static void run_command(const uint8_t c[5])
{
	uint64_t ms = (uint64_t)(uint8_t)(c[1] - '0') * 10;

	switch (c[0]) {
	case 'f': /* a frame: format, damage, rotation, how much of it */
		send_frame((uint8_t)(c[1] - '0'), (uint8_t)(c[2] - '0'), (uint8_t)(c[3] - '0'),
			   (uint8_t)(c[4] - '0'));
		break;
	case 'e': /* the rest of it */
		kvmfr_producer_end(stage.producer);
		break;
	case 'c': /* the pointer: kind, size, hot spot, visible */
		send_cursor((uint8_t)(c[1] - '0'), (uint8_t)(c[2] - '0'), (uint8_t)(c[3] - '0'),
			    (uint8_t)(c[4] - '0'));
		break;
	case 't': /* time passes for both, */
	case 'b': /* for the producer */
		stage.now_ms += ms;
		kvmfr_producer_tick(stage.producer, stage.now_ms);
		if (c[0] == 't') {
			look();
		}
		break;
	case 'l': /* or for the reader */
		stage.now_ms += ms;
		look();
		break;
	case 'w':
		toggle_watched();
		break;
	case 'D': /* somebody rings, or not any more */
		kvmfr_source_set_doorbell(stage.source, c[1] & 1);
		break;
	case 'r':
		kvmfr_producer_restart(stage.producer, stage.now_ms);
		break;
	case 'v': /* the other release */
		start_producer(stage.version == KVMFR_VERSION_B7 ? KVMFR_VERSION_B6
								 : KVMFR_VERSION_B7);
		break;
	case 'x':
		memset(stage.memory, c[1] - '0', SIZE);
		break;
	case 'R': /* what later releases leave at the end */
		memcpy(stage.memory + SIZE - KVMFR_RECOVERY_SIZE, KVMFR_RECOVERY_MAGIC, 8);
		write_word(SIZE - KVMFR_RECOVERY_SIZE + KVMFR_RECOVERY_KVMFR_VERSION,
			   (uint8_t)c[1]);
		break;
	case 'B': /* truncated; the guard has put zeros there */
		memset(stage.memory + SIZE / 2, 0, SIZE / 2);
		stage.map.broken = true;
		break;
	default: /* a word is written now, or in the middle of the next look */
		run_word_command(c);
		break;
	}
}

/* ---- an honest session after all that ---- */

static void check_picture(void)
{
	const struct frame *frame = stage.source->frame;

	if (!stage.source->live || frame->width != WIDTH || frame->height != HEIGHT) {
		abort();
	}
	for (uint32_t i = 0; i < WIDTH * 4 * HEIGHT; i++) {
		if (frame->pixels[i] != (uint8_t)(i * 7 + KVMFR_FORMAT_BGRA)) {
			abort();
		}
	}
}

static void mend(void)
{
	stage.n_plans = 0;
	if (!stage.source->watched) {
		toggle_watched();
	}
	kvmfr_source_set_doorbell(stage.source, false);
	start_producer(stage.version);
	for (int i = 0; i < 3; i++) {
		run_command((const uint8_t *)"t1___");
	}
	send_cursor(KVMFR_CURSOR_COLOUR, 0, 0, 1);
	send_frame(KVMFR_FORMAT_BGRA, 0, 0, 0);
	if (!stage.map.broken) {
		check_layout(0, FRAMES, PAGE + FRAME_SIZE);
		check_layout(1, CURSORS + KVMFR_QUEUE_POINTER_LENGTH * 32, SHAPE_SIZE + 32);
	}
	run_command((const uint8_t *)"t1___");
	if (!stage.map.broken) {
		check_picture();
	} else if (stage.source->live) {
		abort();
	}
}

static void set_up(void)
{
	uint8_t *zone = mmap(NULL, 2 * NOWHERE, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (zone == MAP_FAILED || sd_event_new(&stage.event) < 0) {
		abort();
	}
	stage.memory = zone + NOWHERE;
	if (mprotect(stage.memory, SIZE, PROT_READ | PROT_WRITE) < 0) {
		abort();
	}
	log_set_level(LOG_LEVEL_ERROR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!stage.event) {
		set_up();
	}
	memset(stage.memory, 0, SIZE);
	stage.now_ms = 100000;
	stage.starts = 0;
	stage.n_plans = 0;
	start_producer(KVMFR_VERSION_B7);
	if (kvmfr_source_create(stage.event, "fuzz", -1, SIZE, &stage.source) < 0) {
		abort();
	}
	stage.observer = (struct frame_source_observer){ .ops = &observer_ops };
	frame_source_observe(stage.source, &stage.observer);
	toggle_watched();
	for (size_t i = 0; i + 5 <= size; i += 5) {
		run_command(data + i);
	}
	mend();
	frame_source_unobserve(&stage.observer);
	stage.accesses = 0;
	frame_source_destroy(stage.source);
	return 0;
}
