// SPDX-License-Identifier: MIT
/* Pictures out of shared memory; see kvmfr_picture.h. */
#include "capture/kvmfr_picture.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <string.h>

/* ---- formats ---- */

static uint32_t pack(uint32_t red, uint32_t green, uint32_t blue)
{
	return 0xff000000u | red << 16 | green << 8 | blue;
}

static void convert_words(const uint8_t *from, uint32_t *to, uint32_t pixels)
{
	memcpy(to, from, (size_t)pixels * sizeof(*to));
}

static void convert_ten_bits(const uint8_t *from, uint32_t *to, uint32_t pixels)
{
	uint32_t word;

	for (uint32_t i = 0; i < pixels; i++) {
		memcpy(&word, from + (size_t)i * sizeof(word), sizeof(word));
		to[i] = pack(word >> 2 & 0xff, word >> 12 & 0xff, word >> 22 & 0xff);
	}
}

static void convert_bytes(const uint8_t *from, uint32_t *to, uint32_t pixels)
{
	for (uint32_t i = 0; i < pixels; i++, from += 3) {
		to[i] = pack(from[2], from[1], from[0]);
	}
}

/* What becomes of each format; those without a conversion cannot be shown. */
static const struct format {
	uint32_t bytes;  /* of a pixel */
	uint32_t fourcc; /* after the conversion */
	void (*convert)(const uint8_t *from, uint32_t *to, uint32_t pixels);
} formats[] = {
	[KVMFR_FORMAT_BGRA] = { 4, DRM_FORMAT_XRGB8888, convert_words },
	[KVMFR_FORMAT_RGBA] = { 4, DRM_FORMAT_XBGR8888, convert_words },
	[KVMFR_FORMAT_RGBA10] = { 4, DRM_FORMAT_XRGB8888, convert_ten_bits },
	[KVMFR_FORMAT_RGBA16F] = { 8, 0, NULL },
	[KVMFR_FORMAT_BGR32] = { 3, DRM_FORMAT_XRGB8888, convert_bytes },
	[KVMFR_FORMAT_RGB24] = { 3, DRM_FORMAT_XRGB8888, convert_bytes },
};

/* ---- headers ---- */

/* All fields but the last stand in front of the damage. */
#define HEAD_SIZE offsetof(struct kvmfr_frame_b7, damage)

static uint32_t field(const uint8_t *head, uint16_t offset)
{
	uint32_t value;

	memcpy(&value, head + offset, sizeof(value));
	return value;
}

static bool is_side(uint32_t value)
{
	return value >= 1 && value <= FRAME_SIDE_MAX;
}

static const char *read_shape(const struct kvmfr_frame_layout *layout, const uint8_t *head,
			      struct kvmfr_picture_shape *shape)
{
	*shape = (struct kvmfr_picture_shape){
		.format = field(head, layout->format),
		.width = field(head, layout->frame_width),
		.height = field(head, layout->frame_height),
		.rotation = field(head, layout->rotation),
		.format_version = field(head, layout->format_version),
		.screen_width = field(head, layout->screen_width),
		.screen_height = field(head, layout->screen_height),
	};
	if (shape->format == 0 || shape->format > layout->format_max) {
		return "an unknown format";
	}
	if (!is_side(shape->width) || !is_side(shape->height) || !is_side(shape->screen_width) ||
	    !is_side(shape->screen_height)) {
		return "an impossible size";
	}
	return shape->rotation > KVMFR_ROTATION_270 ? "an unknown rotation" : NULL;
}

/* Where the pixels are. Four 32-bit numbers are added at most: nothing wraps. */
static const char *read_place(const struct shared_memory *memory,
			      const struct kvmfr_frame_layout *layout, const uint8_t *head,
			      uint32_t start, struct kvmfr_picture_header *header)
{
	const struct kvmfr_picture_shape *shape = &header->shape;
	uint32_t data_height = field(head, layout->data_height);
	uint64_t size;

	header->pitch = field(head, layout->pitch);
	header->rows = data_height < shape->height ? data_height : shape->height;
	header->write_pointer = (uint64_t)start + field(head, layout->offset);
	header->pixels = header->write_pointer + KVMFR_WRITE_POINTER_SIZE;
	size = (uint64_t)header->pitch * header->rows;
	if (header->rows == 0 || header->pitch < shape->width * formats[shape->format].bytes) {
		return "rows that are too short";
	}
	if (header->write_pointer % sizeof(uint32_t) != 0 || size > UINT32_MAX ||
	    !shared_has(memory, header->write_pointer, KVMFR_WRITE_POINTER_SIZE + size)) {
		return "pixels outside the memory";
	}
	/* Else a few bytes of lies would cost us a gigabyte. */
	return (uint64_t)shape->width * shape->height > memory->size ? "an impossible size" : NULL;
}

static int32_t clip(uint64_t value, uint32_t side)
{
	return (int32_t)(value < side ? value : side);
}

/* shared: the header where the guest may change it; head: the copy of its first part. */
static const char *read_damage(const struct kvmfr_frame_layout *layout, const uint8_t *head,
			       const uint8_t *shared, struct kvmfr_picture_header *header)
{
	uint32_t count = field(head, layout->damage_count);
	uint32_t width = header->shape.width, height = header->rows;

	if (count > KVMFR_DAMAGE_MAX) {
		return "too many damage rectangles";
	}
	for (uint32_t i = 0; i < count; i++) {
		struct kvmfr_rect rect;

		shared_copy(&rect, shared + layout->damage + i * sizeof(rect), sizeof(rect));
		header->damage[i] =
			(pixman_box32_t){ clip(rect.x, width), clip(rect.y, height),
					  clip((uint64_t)rect.x + rect.width, width),
					  clip((uint64_t)rect.y + rect.height, height) };
	}
	header->damage_count = count;
	return NULL;
}

static bool is_shown(const struct kvmfr_picture_header *header)
{
	return formats[header->shape.format].convert &&
	       !(header->flags & (KVMFR_FRAME_HDR | KVMFR_FRAME_HDR_PQ));
}

int kvmfr_picture_read(const struct shared_memory *memory, const struct kvmfr_frame_layout *layout,
		       const struct lgmp_received *message, struct kvmfr_picture_header *header,
		       const char **reason)
{
	const uint8_t *shared = shared_bytes(memory, message->offset, layout->size);
	uint8_t head[HEAD_SIZE];

	if (message->size < layout->size || !shared) {
		*reason = "a message that is too short";
		return -EBADMSG;
	}
	shared_copy(head, shared, sizeof(head));
	shared_copy(&header->flags, shared + layout->flags, sizeof(header->flags));
	header->serial = field(head, layout->serial);
	*reason = read_shape(layout, head, &header->shape);
	if (!*reason && !is_shown(header)) {
		*reason = "the guest's picture is HDR: switch HDR off in the guest";
		return -ENOTSUP;
	}
	*reason = *reason ? *reason : read_place(memory, layout, head, message->offset, header);
	*reason = *reason ? *reason : read_damage(layout, head, shared, header);
	return *reason ? -EBADMSG : 0;
}

bool kvmfr_picture_is_complete(const struct shared_memory *memory,
			       const struct kvmfr_picture_header *header)
{
	return shared_load(memory, header->write_pointer) >= header->pitch * header->rows;
}

/* ---- frames of our own ---- */

static bool is_upright(const struct kvmfr_picture_shape *shape)
{
	return shape->rotation == KVMFR_ROTATION_0 || shape->rotation == KVMFR_ROTATION_180;
}

struct frame *kvmfr_frame_create(const struct kvmfr_picture_shape *shape)
{
	return frame_create(is_upright(shape) ? shape->width : shape->height,
			    is_upright(shape) ? shape->height : shape->width,
			    formats[shape->format].fourcc);
}

/* ---- copies ---- */

/* Where a stored pixel goes: the first one to start, one to the right and one down by steps. */
struct course {
	ptrdiff_t start, right, down; /* pixels */
};

/* A turned screen's picture is stored as if it were not; it is turned clockwise to be shown. */
static struct course find_course(const struct kvmfr_picture_shape *shape)
{
	ptrdiff_t width = shape->width, height = shape->height;

	switch (shape->rotation) {
	case KVMFR_ROTATION_90:
		return (struct course){ height - 1, height, -1 };
	case KVMFR_ROTATION_180:
		return (struct course){ width * height - 1, -1, -width };
	case KVMFR_ROTATION_270:
		return (struct course){ (width - 1) * height, -height, 1 };
	default:
		return (struct course){ 0, 1, width };
	}
}

static void scatter(const uint32_t *from, uint32_t *to, ptrdiff_t step, uint32_t pixels)
{
	for (uint32_t i = 0; i < pixels; i++) {
		to[(ptrdiff_t)i * step] = from[i];
	}
}

static void copy_row(const struct format *format, const uint8_t *from, uint32_t *to, ptrdiff_t step,
		     uint32_t pixels)
{
	uint32_t row[256];

	if (step == 1) {
		format->convert(from, to, pixels);
		return;
	}
	for (uint32_t done = 0; done < pixels;) {
		uint32_t n = pixels - done < 256 ? pixels - done : 256;

		format->convert(from + (size_t)done * format->bytes, row, n);
		scatter(row, to + (ptrdiff_t)done * step, step, n);
		done += n;
	}
}

static pixman_box32_t turn_box(const struct kvmfr_picture_shape *shape, const pixman_box32_t *box)
{
	int32_t width = (int32_t)shape->width, height = (int32_t)shape->height;

	switch (shape->rotation) {
	case KVMFR_ROTATION_90:
		return (pixman_box32_t){ height - box->y2, box->x1, height - box->y1, box->x2 };
	case KVMFR_ROTATION_180:
		return (pixman_box32_t){ width - box->x2, height - box->y2, width - box->x1,
					 height - box->y1 };
	case KVMFR_ROTATION_270:
		return (pixman_box32_t){ box->y1, width - box->x2, box->y2, width - box->x1 };
	default:
		return *box;
	}
}

/* Rows of words that are shown as they are stored, which is what most guests send. In bytes. */
struct plain_rows {
	const uint8_t *from;
	uint8_t *to;
	size_t pitch, stride, size;
	uint32_t count;
};

/*
 * Damage is of tiles mostly, and a row of one is so short that memcpy() needs more instructions for
 * finding out how to copy it than for copying it: 39 for 256 bytes. This needs 28. Longer rows are
 * better off with memcpy().
 */
#define TILE_ROW 256u
#define TILE_ROWS_MAX 4u

#if defined(__x86_64__)
/* A register; anywhere in memory. */
typedef uint64_t block __attribute__((vector_size(32), aligned(1), may_alias));

__attribute__((target("avx2"))) static void copy_tile_row(const block *from, block *to)
{
	block a = from[0], b = from[1], c = from[2], d = from[3];
	block e = from[4], f = from[5], g = from[6], h = from[7];

	to[0] = a, to[1] = b, to[2] = c, to[3] = d;
	to[4] = e, to[5] = f, to[6] = g, to[7] = h;
}

__attribute__((target("avx2"))) static void copy_tiles(struct plain_rows rows)
{
	for (; rows.count > 0; rows.count--, rows.from += rows.pitch, rows.to += rows.stride) {
		size_t at = 0;

		do {
			copy_tile_row((const block *)(rows.from + at), (block *)(rows.to + at));
			at += TILE_ROW;
		} while (at < rows.size);
	}
}

static bool are_tiles(const struct plain_rows *rows)
{
	return rows->size % TILE_ROW == 0 && rows->size / TILE_ROW <= TILE_ROWS_MAX &&
	       __builtin_cpu_supports("avx2");
}
#else
static bool are_tiles(const struct plain_rows *rows)
{
	(void)rows;
	return false;
}

static void copy_tiles(struct plain_rows rows)
{
	(void)rows;
}
#endif

static void copy_plain(struct plain_rows rows)
{
	/* Those that follow each other here and there are one long one. */
	if (rows.size == rows.pitch && rows.size == rows.stride) {
		rows.size *= rows.count;
		rows.count = 1;
	}
	if (are_tiles(&rows)) {
		copy_tiles(rows);
		return;
	}
	for (; rows.count > 0; rows.count--, rows.from += rows.pitch, rows.to += rows.stride) {
		memcpy(rows.to, rows.from, rows.size);
	}
}

static bool is_plain(const struct kvmfr_picture_shape *shape)
{
	return shape->rotation == KVMFR_ROTATION_0 &&
	       formats[shape->format].convert == convert_words;
}

static struct plain_rows find_rows(const struct kvmfr_picture_header *header, const uint8_t *from,
				   const pixman_box32_t *box, uint32_t *data)
{
	size_t width = header->shape.width;

	return (struct plain_rows){
		.from = from,
		.to = (uint8_t *)(data + (size_t)box->y1 * width + box->x1),
		.pitch = header->pitch,
		.stride = width * sizeof(*data),
		.size = (size_t)(box->x2 - box->x1) * sizeof(*data),
		.count = (uint32_t)(box->y2 - box->y1),
	};
}

static void copy_rows(const struct kvmfr_picture_header *header, const uint8_t *from,
		      const pixman_box32_t *box, uint32_t *data)
{
	const struct format *format = &formats[header->shape.format];
	struct course course = find_course(&header->shape);
	uint32_t pixels = (uint32_t)(box->x2 - box->x1), rows = (uint32_t)(box->y2 - box->y1);
	uint32_t *to = data + course.start + box->x1 * course.right + box->y1 * course.down;

	for (uint32_t y = 0; y < rows; y++) {
		copy_row(format, from + (size_t)y * header->pitch, to + y * course.down,
			 course.right, pixels);
	}
}

pixman_box32_t kvmfr_picture_copy(const struct shared_memory *memory,
				  const struct kvmfr_picture_header *header,
				  const pixman_box32_t *box, struct frame *frame)
{
	uint32_t bytes = formats[header->shape.format].bytes;
	uint64_t first = (uint64_t)box->y1 * header->pitch + (uint64_t)box->x1 * bytes;
	uint64_t end = (uint64_t)(box->y2 - 1) * header->pitch + (uint64_t)box->x2 * bytes;
	const uint8_t *from = shared_bytes(memory, header->pixels + first, end - first);

	if (from && is_plain(&header->shape)) {
		copy_plain(find_rows(header, from, box, frame_own_pixels(frame)));
		return *box;
	}
	if (from) {
		copy_rows(header, from, box, frame_own_pixels(frame));
	}
	return turn_box(&header->shape, box);
}
