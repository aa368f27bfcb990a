// SPDX-License-Identifier: MIT
/* From the card's screen to shared memory; see relay.h. */
#include "agent/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/flips.h"
#include "agent/kvmfr_producer.h"
#include "agent/pixels.h"
#include "agent/tiles.h"
#include "common/log.h"
#include "proto/agent.h"

#define CURSOR_SIZE_MAX 512u /* pixels each way; no card has a larger plane */
#define CURSOR_LOOKS 16      /* at most, until an image that seems to stay is read again */

struct relay {
	const struct card_ops *ops;
	void *card;
	struct kvmfr_producer *producer;
	bool awake;
	struct card_screen screen;
	struct flips flips;
	const struct pixel_format *format; /* of the last picture; NULL: none */
	struct tiles *tiles;               /* for pictures of this size, or NULL */
	uint32_t width, height;
	bool unwritten;            /* they hold changes that nobody was told of */
	bool waited;               /* since the last look, for who reads the last picture */
	struct card_cursor cursor; /* as it was told */
	struct kvmfr_shape told;   /* its image; pixels are in shape */
	unsigned int cursor_looks; /* since its image was read; 0: it must be */
	uint8_t *shape, *scratch;  /* CURSOR_SIZE_MAX squared, 4 bytes each */
	int complaint;             /* -errno that was told already */
	struct relay_counts counts;
};

int relay_create(const struct card_ops *ops, void *card, struct kvmfr_producer *producer,
		 struct relay **out)
{
	_cleanup_(relay_destroy_ptr) struct relay *relay = calloc(1, sizeof(*relay));

	if (!relay) {
		return -ENOMEM;
	}
	relay->ops = ops;
	relay->card = card;
	relay->producer = producer;
	relay->shape = malloc((size_t)CURSOR_SIZE_MAX * CURSOR_SIZE_MAX * 4);
	relay->scratch = malloc((size_t)CURSOR_SIZE_MAX * CURSOR_SIZE_MAX * 4);
	if (!relay->shape || !relay->scratch) {
		return -ENOMEM;
	}
	*out = take_ptr(relay);
	return 0;
}

void relay_destroy(struct relay *relay)
{
	if (relay) {
		relay_sleep(relay);
		tiles_destroy(relay->tiles);
		free(relay->shape);
		free(relay->scratch);
		free(relay);
	}
}

int relay_wake(struct relay *relay)
{
	int r = relay->awake ? 0 : relay->ops->wake(relay->card);

	relay->awake = r == 0;
	return r;
}

void relay_sleep(struct relay *relay)
{
	if (relay->awake) {
		relay->ops->sleep(relay->card);
	}
	relay->awake = false;
	/* Identities are those of memory that is kept, which ends here. */
	relay->flips = (struct flips){ 0 };
	relay->cursor_looks = 0;
	relay->screen = (struct card_screen){ 0 };
}

bool relay_is_awake(const struct relay *relay)
{
	return relay->awake;
}

const struct card_screen *relay_screen(const struct relay *relay)
{
	return &relay->screen;
}

const struct relay_counts *relay_counts(const struct relay *relay)
{
	return &relay->counts;
}

uint32_t relay_serial(const struct relay *relay)
{
	return (uint32_t)relay->counts.pictures;
}

/* ---- the picture ---- */

/* Says each kind of trouble once in a row; the next look tries again. */
static int complain(struct relay *relay, int error, const char *what)
{
	if (relay->complaint != error) {
		log_error("%s", what);
		relay->complaint = error;
	}
	return error;
}

/* Whether the screen lies inside the buffer, in a format that is known. */
static int check_buffer(struct relay *relay, const struct card_buffer *buffer)
{
	const struct card_screen *screen = &relay->screen;

	if (!pixel_format_find(buffer->format)) {
		return complain(relay, -EOPNOTSUPP,
				"the screen has a pixel format that is not known here; "
				"let the guest's desktop use one of 24, 30 or 32 bits");
	}
	/* Between two modes it may not. */
	if (screen->x > buffer->width || screen->width > buffer->width - screen->x ||
	    screen->y > buffer->height || screen->height > buffer->height - screen->y) {
		return -EAGAIN;
	}
	return 0;
}

/* Tiles of the screen's size, and the format; everything counts as changed when these differ. */
static int prepare_tiles(struct relay *relay, const struct pixel_format *format)
{
	const struct card_screen *screen = &relay->screen;
	int r = 0;

	if (relay->format == format && relay->width == screen->width &&
	    relay->height == screen->height) {
		return 0;
	}
	tiles_destroy(relay->tiles);
	relay->tiles = NULL;
	relay->format = NULL;
	r = tiles_create(screen->width, screen->height, format->written_bytes, &relay->tiles);
	if (r == 0) {
		relay->format = format;
		relay->width = screen->width;
		relay->height = screen->height;
	}
	return r;
}

/* 1: something has changed, 0: nothing, or -errno. */
static int read_buffer(struct relay *relay, const struct card_buffer *buffer)
{
	const struct card_screen *screen = &relay->screen;
	const uint8_t *from = buffer->pixels + (size_t)screen->y * buffer->pitch +
			      (size_t)screen->x * relay->format->bytes;
	int r = relay->ops->read_begin(relay->card, buffer);

	if (r < 0) {
		flips_miss(&relay->flips);
		return r;
	}
	r = tiles_read(relay->tiles, from, buffer->pitch, relay->format);
	relay->ops->read_end(relay->card, buffer);
	relay->counts.reads++;
	relay->counts.bytes_read += (uint64_t)screen->width * screen->height * relay->format->bytes;
	return r;
}

/* Of a screen that is too large for the memory, as many rows as fit. */
static struct kvmfr_picture describe(const struct relay *relay)
{
	const struct card_screen *screen = &relay->screen;
	uint32_t pitch = tiles_pitch(relay->tiles);
	uint32_t rows = kvmfr_producer_frame_size(relay->producer) / pitch;

	return (struct kvmfr_picture){
		.format = relay->format->written,
		.width = screen->width,
		.height = rows < screen->height ? rows : screen->height,
		.screen_width = screen->width,
		.screen_height = screen->height,
		.pitch = pitch,
		.flags = rows < screen->height ? KVMFR_FRAME_TRUNCATED : 0,
	};
}

/*
 * While somebody reads the last picture the next one can only go into the other buffer, which lacks
 * all that has changed since it was drawn. That is no loss when nearly all of it has changed
 * anyway, as in a film. Else the reader, who has little to read, gets the time until the next look.
 */
static bool is_to_wait(struct relay *relay, uint32_t height)
{
	size_t changed = tiles_changed(relay->tiles, height);
	size_t lacking = tiles_lacking(relay->tiles, kvmfr_producer_next(relay->producer), height);

	relay->waited = !relay->waited && kvmfr_producer_is_read(relay->producer) &&
			lacking > changed + changed / 10;
	return relay->waited;
}

static int write_picture(struct relay *relay, uint32_t *rung)
{
	struct kvmfr_rect damage[KVMFR_DAMAGE_MAX];
	struct kvmfr_picture picture = describe(relay);
	uint8_t *pixels;
	int r;

	if (picture.height == 0) {
		return complain(relay, -EMSGSIZE,
				"the shared memory is too small for a picture of this screen; "
				"give the guest a larger one");
	}
	if (is_to_wait(relay, picture.height)) {
		return 0;
	}
	picture.damage = damage;
	picture.damage_count = tiles_damage(relay->tiles, damage);
	r = kvmfr_producer_begin(relay->producer, &picture, &pixels);
	if (r < 0) {
		return r; /* what was read is kept, and written at the next look */
	}
	relay->counts.bytes_changed += tiles_changed(relay->tiles, picture.height);
	relay->counts.bytes_written += tiles_write(relay->tiles, pixels, picture.height);
	/* Shared memory is mapped so that writes are gathered: they go out before what tells of
	 * them. */
	__sync_synchronize();
	kvmfr_producer_end(relay->producer);
	relay->counts.pictures++;
	relay->unwritten = false;
	relay->complaint = 0;
	*rung |= AGENT_RING_FRAME;
	return 0;
}

static int look_at_picture(struct relay *relay, bool paced, uint32_t *rung)
{
	const struct card_buffer *buffer;
	int r;

	if (!kvmfr_producer_has_room(relay->producer)) {
		flips_miss(&relay->flips);
		return 0;
	}
	r = relay->ops->buffer(relay->card, relay->screen.buffer, &buffer);
	r = r < 0 ? r : check_buffer(relay, buffer);
	if (r < 0) {
		return r;
	}
	if (flips_show(&relay->flips, buffer->identity, paced) || !relay->format) {
		r = prepare_tiles(relay, pixel_format_find(buffer->format));
		r = r < 0 ? r : read_buffer(relay, buffer);
		if (r < 0) {
			return r;
		}
		relay->unwritten = r == 1;
	}
	return relay->unwritten ? write_picture(relay, rung) : 0;
}

/* ---- the pointer ---- */

/* Copies the image of the pointer, without the rows' ends, to scratch. */
static int read_shape(struct relay *relay, const struct card_buffer *buffer,
		      struct kvmfr_shape *shape)
{
	const struct pixel_format *format = pixel_format_find(buffer->format);

	if (!format || format->written != KVMFR_FORMAT_BGRA || format->bytes != 4 ||
	    buffer->width > CURSOR_SIZE_MAX || buffer->height > CURSOR_SIZE_MAX) {
		return -EOPNOTSUPP;
	}
	if (relay->ops->read_begin(relay->card, buffer) < 0) {
		return -EOPNOTSUPP;
	}
	for (uint32_t y = 0; y < buffer->height; y++) {
		format->row(relay->scratch + (size_t)y * buffer->width * 4,
			    buffer->pixels + (size_t)y * buffer->pitch, buffer->width);
	}
	relay->ops->read_end(relay->card, buffer);
	*shape = (struct kvmfr_shape){
		.type = KVMFR_CURSOR_COLOUR,
		.width = buffer->width,
		.height = buffer->height,
		.pitch = buffer->width * 4,
		.hot_x = (int8_t)relay->screen.cursor.hot_x,
		.hot_y = (int8_t)relay->screen.cursor.hot_y,
	};
	return 0;
}

static bool same_shape(const struct relay *relay, const struct kvmfr_shape *shape)
{
	return shape->width == relay->told.width && shape->height == relay->told.height &&
	       shape->hot_x == relay->told.hot_x && shape->hot_y == relay->told.hot_y &&
	       memcmp(relay->scratch, relay->shape, (size_t)shape->pitch * shape->height) == 0;
}

/* Programs draw into the image that is shown; they do that when the pointer moves, mostly. */
static bool shape_is_due(struct relay *relay)
{
	const struct card_cursor *cursor = &relay->screen.cursor;

	if (cursor->buffer != relay->cursor.buffer || cursor->x != relay->cursor.x ||
	    cursor->y != relay->cursor.y || relay->cursor_looks == 0) {
		return true;
	}
	return ++relay->cursor_looks > CURSOR_LOOKS;
}

/* The pointer's image if it is another one than was told, else NULL. */
static const struct kvmfr_shape *find_shape(struct relay *relay)
{
	const struct card_buffer *buffer;
	struct kvmfr_shape shape;
	uint8_t *pixels = relay->scratch;
	bool first = relay->cursor_looks == 0;

	if (!relay->screen.cursor.buffer || !shape_is_due(relay) ||
	    relay->ops->buffer(relay->card, relay->screen.cursor.buffer, &buffer) < 0 ||
	    read_shape(relay, buffer, &shape) < 0) {
		return NULL;
	}
	relay->cursor_looks = 1;
	if (!first && same_shape(relay, &shape)) {
		return NULL;
	}
	relay->scratch = relay->shape;
	relay->shape = pixels;
	relay->told = shape;
	relay->told.pixels = pixels;
	return &relay->told;
}

static bool cursor_stays(const struct card_cursor *a, const struct card_cursor *b)
{
	return a->x == b->x && a->y == b->y && (a->buffer != 0) == (b->buffer != 0);
}

static void look_at_pointer(struct relay *relay, uint32_t *rung)
{
	const struct card_cursor *cursor = &relay->screen.cursor;
	const struct kvmfr_shape *shape = find_shape(relay);

	if (!shape && cursor_stays(cursor, &relay->cursor)) {
		relay->cursor.buffer = cursor->buffer;
		return;
	}
	if (kvmfr_producer_point(relay->producer, (int16_t)cursor->x, (int16_t)cursor->y,
				 cursor->buffer != 0, shape) < 0) {
		relay->cursor_looks = 0;
		return;
	}
	relay->cursor = *cursor;
	relay->counts.pointers++;
	*rung |= AGENT_RING_CURSOR;
}

/* ---- looking ---- */

static void forget(struct relay *relay)
{
	if (relay->tiles) {
		tiles_forget(relay->tiles);
	}
	relay->flips = (struct flips){ 0 };
	relay->cursor_looks = 0;
	relay->cursor = (struct card_cursor){ .x = INT32_MIN };
}

static int look_at_screen(struct relay *relay)
{
	struct card_screen screen = { 0 };
	int r = relay->ops->screen(relay->card, &screen);

	if (r < 0) {
		return r;
	}
	if (screen.width != relay->screen.width || screen.height != relay->screen.height) {
		relay->flips = (struct flips){ 0 };
	}
	relay->screen = screen;
	relay->counts.looks++;
	return 0;
}

/* Somebody who has just come wants what is there, also if it does not change. */
static void welcome(struct relay *relay, uint32_t *rung)
{
	if (!(*rung & AGENT_RING_FRAME) && kvmfr_producer_repeat(relay->producer) == 0) {
		*rung |= AGENT_RING_FRAME;
	}
	if (!(*rung & AGENT_RING_CURSOR) && kvmfr_producer_repeat_pointer(relay->producer) == 0) {
		*rung |= AGENT_RING_CURSOR;
	}
}

int relay_look(struct relay *relay, uint64_t now, bool paced, uint32_t *rung)
{
	bool newcomer;
	int r;

	*rung = 0;
	if (kvmfr_producer_tick(relay->producer, now) == 1) {
		forget(relay);
	}
	if (!relay->awake || !kvmfr_producer_is_watched(relay->producer)) {
		return 0;
	}
	newcomer = kvmfr_producer_has_newcomer(relay->producer);
	r = look_at_screen(relay);
	if (r < 0) {
		return r;
	}
	if (relay->screen.crtc && look_at_picture(relay, paced, rung) == -ENODEV) {
		return -ENODEV;
	}
	look_at_pointer(relay, rung);
	if (newcomer) {
		welcome(relay, rung);
	}
	__sync_synchronize();
	return 0;
}
