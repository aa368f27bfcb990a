// SPDX-License-Identifier: MIT
/* Frames and pointer over LGMP; see kvmfr_producer.h. */
#include "agent/kvmfr_producer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/lgmp_producer.h"

#define PAGE 4096u /* frames begin on one, so that a dma-buf can be made of them */
#define SHAPES 3   /* one is read, one waits, one is drawn */
#define USER_DATA_MAX 512
#define MIB (1024u * 1024u)

struct kvmfr_producer {
	struct lgmp_producer lgmp;
	struct lgmp_ring *frames, *pointer;
	const struct kvmfr_frame_layout *layout;
	uint8_t user_data[USER_DATA_MAX];
	uint32_t frame_size;                             /* bytes for pixels in each buffer */
	uint32_t frame_offset[KVMFR_QUEUE_FRAME_LENGTH]; /* of the header; pixels a page on */
	unsigned int drawn;                              /* the buffer of the last picture */
	uint32_t serial;                                 /* pictures so far; 0: none */
	bool torn; /* its header is that of a picture that could not be sent */
	uint32_t picture_size;
	struct kvmfr_picture last;
	uint32_t format_version;
	uint32_t cursor_size;
	uint32_t move_offset[KVMFR_QUEUE_POINTER_LENGTH], shape_offset[SHAPES];
	unsigned int moves, shapes; /* so far */
	struct kvmfr_cursor cursor; /* the last one */
	bool cursor_visible;
	uint64_t stuck_since; /* locks; 0: they are not */
};

static const struct kvmfr_frame_layout layout_b6 = KVMFR_FRAME_LAYOUT_B6;
static const struct kvmfr_frame_layout layout_b7 = KVMFR_FRAME_LAYOUT_B7;

static uint8_t *at(const struct kvmfr_producer *producer, uint32_t offset)
{
	return producer->lgmp.memory + offset;
}

/* ---- laying out ---- */

static uint32_t append(uint8_t *data, uint32_t used, const void *bytes, size_t size)
{
	size = size > USER_DATA_MAX - used ? USER_DATA_MAX - used : size;
	memcpy(data + used, bytes, size);
	return used + (uint32_t)size;
}

static uint32_t append_record(uint8_t *data, uint32_t used, uint8_t type, const void *bytes,
			      size_t size, const char *text)
{
	size_t length = text ? strnlen(text, 63) : 0;
	struct kvmfr_record record = { .type = type, .size = (uint32_t)(size + length + 1) };

	used = append(data, used, &record, sizeof(record));
	used = append(data, used, bytes, size);
	used = append(data, used, text ? text : "", length);
	return append(data, used, "", 1);
}

/* Longer than the field is legal there: no terminator then. */
static void copy_text(char *to, size_t size, const char *text)
{
	memcpy(to, text, strnlen(text, size));
}

static uint32_t write_user_data(uint8_t data[static USER_DATA_MAX],
				const struct kvmfr_producer_config *config)
{
	struct kvmfr_header header = { .version = config->version,
				       .features = KVMFR_FEATURE_SET_CURSOR };
	struct kvmfr_record_vm vm = { .cpus = 1, .cores = 1, .sockets = 1 };
	struct kvmfr_record_os os = { .os = (uint8_t)config->os };
	uint32_t used;

	memcpy(header.magic, KVMFR_MAGIC, sizeof(header.magic));
	copy_text(header.producer, sizeof(header.producer), config->producer);
	used = append(data, 0, &header, sizeof(header));
	if (config->uuid) {
		memcpy(vm.uuid, config->uuid, sizeof(vm.uuid));
		copy_text(vm.capture, sizeof(vm.capture), config->capture ? config->capture : "");
		used = append_record(data, used, KVMFR_RECORD_VM, &vm, sizeof(vm), "");
	}
	if (config->os_name) {
		used = append_record(data, used, KVMFR_RECORD_OS, &os, sizeof(os), config->os_name);
	}
	return used;
}

static int add_queues(struct kvmfr_producer *producer)
{
	int r = lgmp_producer_add_queue(&producer->lgmp, KVMFR_QUEUE_FRAME,
					KVMFR_QUEUE_FRAME_LENGTH, LGMP_MAX_TIME_MS,
					&producer->frames);

	return r < 0 ? r
		     : lgmp_producer_add_queue(&producer->lgmp, KVMFR_QUEUE_POINTER,
					       KVMFR_QUEUE_POINTER_LENGTH, LGMP_MAX_TIME_MS,
					       &producer->pointer);
}

static int add_cursors(struct kvmfr_producer *producer)
{
	uint32_t size = (uint32_t)sizeof(struct kvmfr_cursor);
	int r = 0;

	for (int i = 0; i < KVMFR_QUEUE_POINTER_LENGTH && r == 0; i++) {
		r = lgmp_producer_alloc(&producer->lgmp, size, 16, &producer->move_offset[i]);
	}
	for (int i = 0; i < SHAPES && r == 0; i++) {
		r = lgmp_producer_alloc(&producer->lgmp, size + producer->cursor_size, 16,
					&producer->shape_offset[i]);
	}
	return r;
}

static int add_frames(struct kvmfr_producer *producer, uint32_t wanted)
{
	uint32_t left = producer->lgmp.size - producer->lgmp.used;
	uint32_t pages = left / PAGE;
	int r = 0;

	/* Each needs a page for its header, and the first may begin in the middle of one. */
	if (pages < 2 * KVMFR_QUEUE_FRAME_LENGTH + 1) {
		return -ENOSPC;
	}
	producer->frame_size =
		wanted ? wanted : ((pages - 1) / KVMFR_QUEUE_FRAME_LENGTH - 1) * PAGE;
	for (int i = 0; i < KVMFR_QUEUE_FRAME_LENGTH && r == 0; i++) {
		r = producer->frame_size > producer->lgmp.size - PAGE
			    ? -ENOSPC
			    : lgmp_producer_alloc(&producer->lgmp, PAGE + producer->frame_size,
						  PAGE, &producer->frame_offset[i]);
	}
	return r;
}

uint64_t kvmfr_producer_memory_size(uint64_t frame_size)
{
	uint64_t needed = KVMFR_QUEUE_FRAME_LENGTH * frame_size + 10 * MIB, size = MIB;

	while (size < needed) {
		size *= 2;
	}
	return size;
}

static int lay_out(struct kvmfr_producer *producer, void *memory, size_t size,
		   const struct kvmfr_producer_config *config)
{
	uint32_t version = config->version == KVMFR_VERSION_B7   ? LGMP_VERSION_B7
			   : config->version == KVMFR_VERSION_B6 ? LGMP_VERSION_B6
								 : 0;
	int r = lgmp_producer_init(&producer->lgmp, memory, size, version, producer->user_data,
				   write_user_data(producer->user_data, config));

	r = r < 0 ? r : add_queues(producer);
	r = r < 0 ? r : add_cursors(producer);
	return r < 0 ? r : add_frames(producer, config->frame_size);
}

int kvmfr_producer_create(void *memory, size_t size, const struct kvmfr_producer_config *config,
			  uint64_t now, struct kvmfr_producer **out)
{
	struct kvmfr_producer *producer = calloc(1, sizeof(*producer));
	int r;

	if (!producer) {
		return -ENOMEM;
	}
	producer->layout = config->version == KVMFR_VERSION_B6 ? &layout_b6 : &layout_b7;
	producer->cursor_size = config->cursor_size ? config->cursor_size : MIB;
	r = lay_out(producer, memory, size, config);
	if (r < 0) {
		free(producer);
		return r;
	}
	producer->lgmp.session = config->seed;
	kvmfr_producer_restart(producer, now);
	*out = producer;
	return 0;
}

void kvmfr_producer_destroy(struct kvmfr_producer *producer)
{
	free(producer);
}

void kvmfr_producer_restart(struct kvmfr_producer *producer, uint64_t now)
{
	producer->serial = 0;
	producer->moves = producer->shapes = 0;
	producer->stuck_since = 0;
	lgmp_producer_start(&producer->lgmp, now);
}

int kvmfr_producer_tick(struct kvmfr_producer *producer, uint64_t now)
{
	int r = lgmp_producer_tick(&producer->lgmp, now);

	if (r != -EBUSY) {
		producer->stuck_since = 0;
	} else if (producer->stuck_since == 0) {
		producer->stuck_since = now;
	}
	if (r == -ESTALE ||
	    (producer->stuck_since && now - producer->stuck_since > LGMP_MAX_TIME_MS)) {
		kvmfr_producer_restart(producer, now);
		return 1;
	}
	return 0;
}

bool kvmfr_producer_is_watched(const struct kvmfr_producer *producer)
{
	return lgmp_ring_subscribers(&producer->lgmp, producer->frames) ||
	       lgmp_ring_subscribers(&producer->lgmp, producer->pointer);
}

bool kvmfr_producer_has_newcomer(struct kvmfr_producer *producer)
{
	uint32_t frames = lgmp_ring_newcomers(&producer->lgmp, producer->frames);

	return lgmp_ring_newcomers(&producer->lgmp, producer->pointer) + frames > 0;
}

bool kvmfr_producer_has_room(const struct kvmfr_producer *producer)
{
	return lgmp_ring_pending(&producer->lgmp, producer->frames) < KVMFR_QUEUE_FRAME_LENGTH;
}

bool kvmfr_producer_is_read(const struct kvmfr_producer *producer)
{
	/* Who is behind by more than one reads that one, too. */
	return lgmp_ring_pending(&producer->lgmp, producer->frames) > 0;
}

static unsigned int next_buffer(const struct kvmfr_producer *producer)
{
	return kvmfr_producer_is_read(producer) ? (producer->drawn + 1) % KVMFR_QUEUE_FRAME_LENGTH
						: producer->drawn;
}

const uint8_t *kvmfr_producer_next(const struct kvmfr_producer *producer)
{
	return at(producer, producer->frame_offset[next_buffer(producer)] + PAGE);
}

uint32_t kvmfr_producer_frame_size(const struct kvmfr_producer *producer)
{
	return producer->frame_size;
}

/* ---- frames ---- */

static void put(uint8_t *header, uint16_t offset, uint32_t value)
{
	memcpy(header + offset, &value, sizeof(value));
}

static uint32_t picture_units(const struct kvmfr_picture *picture)
{
	switch (picture->format) {
	case KVMFR_FORMAT_BGR32:
		return (picture->width * 3 + 3) / 4;
	default:
		return picture->width;
	}
}

static uint32_t unit_bytes(enum kvmfr_format format)
{
	switch (format) {
	case KVMFR_FORMAT_RGBA16F:
		return 8;
	case KVMFR_FORMAT_RGB24:
		return 3;
	default:
		return 4;
	}
}

static void put_damage(const struct kvmfr_frame_layout *layout, uint8_t *header,
		       const struct kvmfr_picture *picture)
{
	unsigned int n = picture->damage_count > KVMFR_DAMAGE_MAX ? 0 : picture->damage_count;

	put(header, layout->damage_count, n);
	if (n > 0) {
		memcpy(header + layout->damage, picture->damage, n * sizeof(*picture->damage));
	}
}

static void put_header(struct kvmfr_producer *producer, uint8_t *header,
		       const struct kvmfr_picture *picture)
{
	const struct kvmfr_frame_layout *layout = producer->layout;

	put(header, layout->format_version, producer->format_version);
	put(header, layout->serial, producer->serial);
	put(header, layout->format, picture->format);
	put(header, layout->screen_width,
	    picture->screen_width ? picture->screen_width : picture->width);
	put(header, layout->screen_height,
	    picture->screen_height ? picture->screen_height : picture->height);
	put(header, layout->data_width, picture_units(picture));
	put(header, layout->data_height, picture->height);
	put(header, layout->frame_width, picture->width);
	put(header, layout->frame_height, picture->height);
	put(header, layout->rotation, picture->rotation);
	put(header, layout->stride, picture->pitch / unit_bytes(picture->format));
	put(header, layout->pitch, picture->pitch);
	put(header, layout->offset, PAGE - KVMFR_WRITE_POINTER_SIZE);
	put(header, layout->flags, picture->flags);
	put_damage(layout, header, picture);
}

static void set_write_pointer(struct kvmfr_producer *producer, uint32_t bytes)
{
	uint32_t *pointer = (uint32_t *)at(producer, producer->frame_offset[producer->drawn] +
							     PAGE - KVMFR_WRITE_POINTER_SIZE);

	__atomic_store_n(pointer, bytes, __ATOMIC_RELEASE);
}

static bool same_format(const struct kvmfr_picture *a, const struct kvmfr_picture *b)
{
	return a->format == b->format && a->width == b->width && a->height == b->height &&
	       a->screen_width == b->screen_width && a->screen_height == b->screen_height &&
	       a->pitch == b->pitch && a->rotation == b->rotation;
}

static int send_frame(struct kvmfr_producer *producer, unsigned int buffer)
{
	return lgmp_ring_send(&producer->lgmp, producer->frames, 0, producer->frame_offset[buffer],
			      PAGE + producer->frame_size);
}

int kvmfr_producer_begin(struct kvmfr_producer *producer, const struct kvmfr_picture *picture,
			 uint8_t **pixels)
{
	unsigned int buffer = next_buffer(producer);
	uint64_t size = (uint64_t)picture->pitch * picture->height;
	unsigned int before = producer->drawn;
	int r;

	if (size > producer->frame_size) {
		return -EMSGSIZE;
	}
	if (!kvmfr_producer_has_room(producer)) {
		return -ENOBUFS;
	}
	if (!same_format(picture, &producer->last)) {
		producer->format_version++;
	}
	put_header(producer, at(producer, producer->frame_offset[buffer]), picture);
	producer->drawn = buffer;
	set_write_pointer(producer, 0);
	r = send_frame(producer, buffer);
	if (r < 0) {
		producer->drawn = before;
		producer->torn |= buffer == before;
		return r;
	}
	producer->torn = false;
	producer->serial++;
	producer->last = *picture;
	producer->last.damage = NULL;
	producer->picture_size = (uint32_t)size;
	*pixels = at(producer, producer->frame_offset[buffer] + PAGE);
	return 0;
}

void kvmfr_producer_advance(struct kvmfr_producer *producer, uint32_t bytes)
{
	set_write_pointer(producer, bytes);
}

void kvmfr_producer_end(struct kvmfr_producer *producer)
{
	set_write_pointer(producer, producer->picture_size);
}

int kvmfr_producer_repeat(struct kvmfr_producer *producer)
{
	if (producer->serial == 0 || producer->torn) {
		return -ENODATA;
	}
	return send_frame(producer, producer->drawn);
}

/* ---- pointer ---- */

static uint32_t draw_shape(struct kvmfr_producer *producer, const struct kvmfr_shape *shape)
{
	uint32_t offset = producer->shape_offset[producer->shapes++ % SHAPES];

	producer->cursor.type = shape->type;
	producer->cursor.width = shape->width;
	producer->cursor.height = shape->height;
	producer->cursor.pitch = shape->pitch;
	producer->cursor.hot_x = shape->hot_x;
	producer->cursor.hot_y = shape->hot_y;
	memcpy(at(producer, offset + sizeof(struct kvmfr_cursor)), shape->pixels,
	       (size_t)shape->pitch * shape->height);
	return offset;
}

static int send_cursor(struct kvmfr_producer *producer, uint32_t offset, uint32_t size,
		       uint32_t flags)
{
	memcpy(at(producer, offset), &producer->cursor, sizeof(producer->cursor));
	flags |= KVMFR_CURSOR_POSITION | (producer->cursor_visible ? KVMFR_CURSOR_VISIBLE : 0);
	return lgmp_ring_send(&producer->lgmp, producer->pointer, flags, offset, size);
}

int kvmfr_producer_point(struct kvmfr_producer *producer, int16_t x, int16_t y, bool visible,
			 const struct kvmfr_shape *shape)
{
	uint32_t size = (uint32_t)sizeof(struct kvmfr_cursor);

	if (shape && (uint64_t)shape->pitch * shape->height > producer->cursor_size) {
		return -EMSGSIZE;
	}
	producer->cursor.x = x;
	producer->cursor.y = y;
	producer->cursor_visible = visible;
	if (shape) {
		return send_cursor(producer, draw_shape(producer, shape),
				   size + producer->cursor_size, KVMFR_CURSOR_SHAPE);
	}
	return send_cursor(producer,
			   producer->move_offset[producer->moves++ % KVMFR_QUEUE_POINTER_LENGTH],
			   size, 0);
}

int kvmfr_producer_repeat_pointer(struct kvmfr_producer *producer)
{
	if (producer->shapes == 0) {
		return kvmfr_producer_point(producer, producer->cursor.x, producer->cursor.y,
					    producer->cursor_visible, NULL);
	}
	return send_cursor(producer, producer->shape_offset[(producer->shapes - 1) % SHAPES],
			   (uint32_t)sizeof(struct kvmfr_cursor) + producer->cursor_size,
			   KVMFR_CURSOR_SHAPE);
}

bool kvmfr_producer_take_request(struct kvmfr_producer *producer, int32_t *x, int32_t *y)
{
	uint8_t payload[LGMP_CLIENT_MESSAGE_SIZE];
	struct kvmfr_request_set_cursor request;
	int size = lgmp_ring_receive(&producer->lgmp, producer->pointer, payload);

	memcpy(&request, payload, sizeof(request));
	if (size < (int)sizeof(request) || request.type != KVMFR_REQUEST_SET_CURSOR) {
		return false;
	}
	*x = request.x;
	*y = request.y;
	return true;
}
