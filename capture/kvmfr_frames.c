// SPDX-License-Identifier: MIT
/* The stream of frames; see kvmfr_frames.h. */
#include "capture/kvmfr_frames.h"

#include <errno.h>

void kvmfr_frames_init(struct kvmfr_frames *frames)
{
	*frames = (struct kvmfr_frames){ .all = true };
	pixman_region32_init(&frames->damage);
}

void kvmfr_frames_finish(struct kvmfr_frames *frames)
{
	frame_unlock(frames->frame);
	pixman_region32_fini(&frames->damage);
}

static bool is_empty(const pixman_region32_t *region)
{
	return !pixman_region32_not_empty((pixman_region32_t *)region);
}

bool kvmfr_frames_is_current(const struct kvmfr_frames *frames)
{
	return frames->known && !frames->gap && !frames->all && frames->begun_usec == 0 &&
	       is_empty(&frames->damage);
}

void kvmfr_frames_leave(struct kvmfr_frames *frames)
{
	frames->place = (struct lgmp_subscription){ 0 };
	frames->gap = true;
	frames->begun_usec = 0;
}

void kvmfr_frames_forget(struct kvmfr_frames *frames)
{
	kvmfr_frames_leave(frames);
	frames->known = false;
	frames->all = true;
}

static bool same_shape(const struct kvmfr_picture_shape *a, const struct kvmfr_picture_shape *b)
{
	return a->format == b->format && a->width == b->width && a->height == b->height &&
	       a->rotation == b->rotation;
}

/* ---- damage ---- */

/* A union with nothing is a copy, which takes far less. */
static void add_box(pixman_region32_t *damage, const pixman_box32_t *box)
{
	if (box->x1 >= box->x2 || box->y1 >= box->y2) {
		return;
	}
	if (is_empty(damage)) {
		pixman_region32_reset(damage, (pixman_box32_t *)box);
		return;
	}
	pixman_region32_union_rect(damage, damage, box->x1, box->y1,
				   (unsigned int)(box->x2 - box->x1),
				   (unsigned int)(box->y2 - box->y1));
}

static void add_damage(struct kvmfr_frames *frames, const struct kvmfr_picture_header *header)
{
	for (unsigned int i = 0; i < header->damage_count; i++) {
		add_box(&frames->damage, &header->damage[i]);
	}
}

/* A guest may send very many small boxes; from some number on their bounds are cheaper. */
static void limit_damage(pixman_region32_t *damage)
{
	pixman_box32_t bounds = *pixman_region32_extents(damage);

	if (pixman_region32_n_rects(damage) > KVMFR_BOXES_MAX) {
		pixman_region32_reset(damage, &bounds);
	}
}

/* How this picture differs from our copy, given how the one before does. Whether our copy has its
 * shape. */
static bool note(struct kvmfr_frames *frames, const struct kvmfr_picture_header *header)
{
	bool again = frames->known && header->serial == frames->noted;
	bool next = frames->known && !frames->gap && header->serial == frames->noted + 1;
	bool fits = frames->frame && same_shape(&header->shape, &frames->shape);

	if (!fits || header->shape.format_version != frames->shape.format_version ||
	    (!again && (!next || header->damage_count == 0))) {
		frames->all = true;
	} else if (!again) {
		add_damage(frames, header);
		limit_damage(&frames->damage);
	}
	frames->known = true;
	frames->gap = false;
	frames->noted = header->serial;
	return fits;
}

/* ---- copies ---- */

static void copy_box(struct kvmfr_frames *frames, const struct shared_memory *memory,
		     const struct kvmfr_picture_header *header, const pixman_box32_t *box)
{
	frames->changed[frames->changed_count++] =
		kvmfr_picture_copy(memory, header, box, frames->frame);
}

/* Damage of an earlier picture may lie below what this one still has. */
static void cut_damage(pixman_region32_t *damage, const struct kvmfr_picture_header *header)
{
	if (pixman_region32_extents(damage)->y2 > (int32_t)header->rows) {
		pixman_region32_intersect_rect(damage, damage, 0, 0, header->shape.width,
					       header->rows);
	}
}

static void copy_damage(struct kvmfr_frames *frames, const struct shared_memory *memory,
			const struct kvmfr_picture_header *header)
{
	const pixman_box32_t whole = { 0, 0, (int32_t)header->shape.width, (int32_t)header->rows };
	const pixman_box32_t *boxes;
	int count;

	frames->changed_count = 0;
	if (frames->all) {
		copy_box(frames, memory, header, &whole);
		return;
	}
	cut_damage(&frames->damage, header);
	boxes = pixman_region32_rectangles(&frames->damage, &count);
	for (int i = 0; i < count; i++) {
		copy_box(frames, memory, header, &boxes[i]);
	}
}

static int replace_frame(struct kvmfr_frames *frames, const struct kvmfr_picture_header *header)
{
	struct frame *frame = kvmfr_frame_create(&header->shape);

	if (!frame) {
		return -ENOMEM;
	}
	frame_unlock(frames->frame);
	frames->frame = frame;
	return KVMFR_REPLACED;
}

static int take_picture(struct kvmfr_frames *frames, const struct shared_memory *memory,
			const struct kvmfr_picture_header *header)
{
	int news = KVMFR_DAMAGED;

	if (!note(frames, header)) {
		news = replace_frame(frames, header);
		if (news < 0) {
			return news;
		}
	}
	frames->shape = header->shape;
	frames->cut = header->rows < header->shape.height;
	copy_damage(frames, memory, header);
	pixman_region32_clear(&frames->damage);
	frames->all = false;
	return news == KVMFR_DAMAGED && frames->changed_count == 0 ? KVMFR_REPEATED : news;
}

/* ---- messages ---- */

static int look_at_newest(struct kvmfr_frames *frames, const struct lgmp_client *client,
			  const struct kvmfr_picture_header *header, uint64_t now_usec)
{
	int r;

	if (!kvmfr_picture_is_complete(client->memory, header)) {
		if (frames->begun_usec == 0) {
			frames->begun_usec = now_usec;
		}
		if (now_usec - frames->begun_usec < KVMFR_PATIENCE_USEC) {
			return KVMFR_UNREADY;
		}
		/* What it changed is not known, so its successor counts as a whole picture. */
		frames->known = false;
		r = -ETIME;
	} else {
		r = take_picture(frames, client->memory, header);
	}
	frames->begun_usec = 0;
	lgmp_acknowledge(client, &frames->place);
	return r;
}

/* A picture that a newer one has overtaken: only its damage counts. */
static void skip(struct kvmfr_frames *frames, const struct lgmp_client *client,
		 const struct kvmfr_picture_header *header)
{
	note(frames, header);
	frames->begun_usec = 0;
	lgmp_acknowledge(client, &frames->place);
}

int kvmfr_frames_look(struct kvmfr_frames *frames, const struct lgmp_client *client,
		      const struct kvmfr_frame_layout *layout, uint64_t now_usec,
		      const char **reason)
{
	struct kvmfr_picture_header header;
	struct lgmp_received message;
	int r;

	for (uint32_t i = 0; i < frames->place.slots; i++) {
		r = lgmp_peek(client, &frames->place, &message);
		if (r <= 0) {
			*reason = "a queue that makes no sense";
			return r < 0 ? r : KVMFR_NOTHING;
		}
		r = kvmfr_picture_read(client->memory, layout, &message, &header, reason);
		if (r == -ENOTSUP) {
			frames->known = false;
			frames->begun_usec = 0;
			lgmp_acknowledge(client, &frames->place);
		}
		if (r < 0) {
			return r;
		}
		if (message.last) {
			return look_at_newest(frames, client, &header, now_usec);
		}
		skip(frames, client, &header);
	}
	return KVMFR_NOTHING;
}
