// SPDX-License-Identifier: MIT
/* The stream of frames; see kvmfr_frames.h. */
#include "capture/kvmfr_frames.h"

#include <errno.h>

/* More boxes than this cost more than what lies between them. */
#define BOXES_MAX 64

void kvmfr_frames_init(struct kvmfr_frames *frames)
{
	*frames = (struct kvmfr_frames){ .all = true };
	pixman_region32_init(&frames->damage);
	pixman_region32_init(&frames->changed);
}

void kvmfr_frames_finish(struct kvmfr_frames *frames)
{
	frame_unlock(frames->frame);
	pixman_region32_fini(&frames->damage);
	pixman_region32_fini(&frames->changed);
}

bool kvmfr_frames_is_current(const struct kvmfr_frames *frames)
{
	return frames->known && !frames->gap && !frames->all && frames->begun_usec == 0 &&
	       !pixman_region32_not_empty((pixman_region32_t *)&frames->damage);
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

static void add_damage(struct kvmfr_frames *frames, const struct kvmfr_picture_header *header)
{
	for (unsigned int i = 0; i < header->damage_count; i++) {
		const pixman_box32_t *box = &header->damage[i];

		if (box->x1 < box->x2 && box->y1 < box->y2) {
			pixman_region32_union_rect(&frames->damage, &frames->damage, box->x1,
						   box->y1, (unsigned int)(box->x2 - box->x1),
						   (unsigned int)(box->y2 - box->y1));
		}
	}
}

/* A guest may send very many small boxes; from some number on their bounds are cheaper. */
static void limit_damage(pixman_region32_t *damage)
{
	pixman_box32_t bounds = *pixman_region32_extents(damage);

	if (pixman_region32_n_rects(damage) > BOXES_MAX) {
		pixman_region32_reset(damage, &bounds);
	}
}

/* How this picture differs from our copy, given how the one before does. */
static void note(struct kvmfr_frames *frames, const struct kvmfr_picture_header *header)
{
	bool again = frames->known && header->serial == frames->noted;
	bool next = frames->known && !frames->gap && header->serial == frames->noted + 1;

	if (!frames->frame || !same_shape(&header->shape, &frames->shape) ||
	    header->shape.format_version != frames->shape.format_version ||
	    (!again && (!next || header->damage_count == 0))) {
		frames->all = true;
	} else if (!again) {
		add_damage(frames, header);
		limit_damage(&frames->damage);
	}
	frames->known = true;
	frames->gap = false;
	frames->noted = header->serial;
}

/* ---- copies ---- */

static void copy_box(struct kvmfr_frames *frames, const struct shared_memory *memory,
		     const struct kvmfr_picture_header *header, const pixman_box32_t *box)
{
	pixman_box32_t shown = kvmfr_picture_copy(memory, header, box, frames->frame);

	pixman_region32_union_rect(&frames->changed, &frames->changed, shown.x1, shown.y1,
				   (unsigned int)(shown.x2 - shown.x1),
				   (unsigned int)(shown.y2 - shown.y1));
}

static void copy_damage(struct kvmfr_frames *frames, const struct shared_memory *memory,
			const struct kvmfr_picture_header *header)
{
	const pixman_box32_t whole = { 0, 0, (int32_t)header->shape.width, (int32_t)header->rows };
	const pixman_box32_t *boxes;
	int count;

	/* Damage of an earlier picture may lie below what this one still has. */
	pixman_region32_intersect_rect(&frames->damage, &frames->damage, 0, 0, header->shape.width,
				       header->rows);
	boxes = pixman_region32_rectangles(&frames->damage, &count);
	if (frames->all) {
		copy_box(frames, memory, header, &whole);
	} else {
		for (int i = 0; i < count; i++) {
			copy_box(frames, memory, header, &boxes[i]);
		}
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

	note(frames, header);
	if (!frames->frame || !same_shape(&header->shape, &frames->shape)) {
		news = replace_frame(frames, header);
		if (news < 0) {
			return news;
		}
	}
	frames->shape = header->shape;
	frames->cut = header->rows < header->shape.height;
	pixman_region32_clear(&frames->changed);
	copy_damage(frames, memory, header);
	pixman_region32_clear(&frames->damage);
	frames->all = false;
	return news == KVMFR_DAMAGED && !pixman_region32_not_empty(&frames->changed)
		       ? KVMFR_REPEATED
		       : news;
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
		bool last = lgmp_is_last(client, &frames->place);

		r = lgmp_peek(client, &frames->place, &message);
		if (r <= 0) {
			*reason = "a queue that makes no sense";
			return r < 0 ? r : KVMFR_NOTHING;
		}
		r = kvmfr_picture_read(client->memory, layout, &message, &header, reason);
		if (r == -ENOTSUP) {
			frames->known = false;
			lgmp_acknowledge(client, &frames->place);
		}
		if (r < 0) {
			return r;
		}
		if (last) {
			return look_at_newest(frames, client, &header, now_usec);
		}
		skip(frames, client, &header);
	}
	return KVMFR_NOTHING;
}
