/* SPDX-License-Identifier: MIT */
/*
 * The stream of frames of one producer: skips to the newest, waits for half-written ones without
 * waiting, and keeps one copy of the picture up to date, damage by damage.
 */
#ifndef CAPTURE_KVMFR_FRAMES_H
#define CAPTURE_KVMFR_FRAMES_H

#include "capture/kvmfr_picture.h"

/* More boxes than this cost more than what lies between them. */
#define KVMFR_BOXES_MAX 64

struct kvmfr_frames {
	struct lgmp_subscription place;
	struct frame *frame;              /* our copy; NULL before the first picture */
	struct kvmfr_picture_shape shape; /* of the copy */
	bool cut;                         /* the memory is too small for all of it */
	bool known;                       /* noted is a serial of this session, */
	bool gap;                         /* but we have not been reading all the time since */
	uint32_t noted;                   /* of the last picture that we know the damage of */
	bool all;                         /* everything differs from our copy, */
	pixman_region32_t damage;         /* or this does, as it is stored */
	/* What the last look changed in our copy, as it is shown; they do not overlap. */
	pixman_box32_t changed[KVMFR_BOXES_MAX];
	unsigned int changed_count;
	uint64_t begun_usec; /* the newest picture is half-written since then; 0: it is not */
};

/*
 * KVMFR_NOTHING  nothing new
 * KVMFR_UNREADY  the newest picture is still being written: look again soon
 * KVMFR_REPEATED the picture is the one that we have
 * KVMFR_DAMAGED  parts of frames->frame changed: frames->changed
 * KVMFR_REPLACED frames->frame is another one
 */
enum kvmfr_news { KVMFR_NOTHING, KVMFR_UNREADY, KVMFR_REPEATED, KVMFR_DAMAGED, KVMFR_REPLACED };

void kvmfr_frames_init(struct kvmfr_frames *frames);
void kvmfr_frames_finish(struct kvmfr_frames *frames);

/* Whether our copy is the last picture that the producer has sent. */
bool kvmfr_frames_is_current(const struct kvmfr_frames *frames);

/* The place in the queue is lost or given back. */
void kvmfr_frames_leave(struct kvmfr_frames *frames);

/* Another session: our copy stays, but nothing is known of how new pictures differ from it. */
void kvmfr_frames_forget(struct kvmfr_frames *frames);

/*
 * Reads what is there. Returns an enum kvmfr_news; or as lgmp_peek() and kvmfr_picture_read(),
 * -ETIME when the newest picture was given up half-written, -ENOMEM. *reason is set for -EBADMSG
 * and -ENOTSUP.
 */
int kvmfr_frames_look(struct kvmfr_frames *frames, const struct lgmp_client *client,
		      const struct kvmfr_frame_layout *layout, uint64_t now_usec,
		      const char **reason);

/* A picture is given up in time to keep the place in the queue. */
#define KVMFR_PATIENCE_USEC (LGMP_MAX_TIME_MS * 1000ull * 3 / 4)

#endif
