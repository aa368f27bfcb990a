/* SPDX-License-Identifier: MIT */
/*
 * Which of a guest's pictures is shown: the most capable one that is alive. A function of what the
 * sources are known to be and of the choice before; it has no clock, no timer and no source.
 *
 * The rules:
 * - A source is usable when it has a picture and is live, or was within SOURCE_GRACE_USEC.
 * - The shown one stays while it is usable and nothing better may rise.
 * - A better one rises with its first picture since it came; its earlier ones are of another time.
 * - When the shown one is gone or stops to be usable, the best usable one is shown at once, with
 *   whatever picture it has.
 * - One that failed while it was there rises only after it has been usable for a while, longer each
 *   time, with a new picture or the one that it had; one that was gone in between is new.
 * - When none is usable the shown one stays, as old as it is, unless it is gone: then the best one
 *   that is there and has any picture.
 */
#ifndef CAPTURE_SOURCE_CHOICE_H
#define CAPTURE_SOURCE_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * In the order of what they can do. EMULATED and VIRTIO are the same display of QEMU's, before and
 * after a driver in the guest has started it (display_mode.h); it has the place of VIRTIO here.
 */
enum source_kind { SOURCE_NONE, SOURCE_EMULATED, SOURCE_VIRTIO, SOURCE_CARD, SOURCE_KINDS };

extern const char *const source_kind_names[SOURCE_KINDS];

/*
 * SOURCE_GONE   it cannot be: the card is not in the guest, the guest was reset, its agent ended.
 *               Left by SOURCE_SILENT or SOURCE_LIVE: then it has come.
 * SOURCE_SILENT it may be, but does not answer
 * SOURCE_LIVE   it answers; its picture is of now, whenever it last changed
 */
enum source_health { SOURCE_GONE, SOURCE_SILENT, SOURCE_LIVE };

struct source_facts {
	enum source_health health;
	uint64_t frame_usec; /* when its last complete picture came; 0: it has none */
};

struct source_past {
	bool came, usable;     /* as of the last update */
	bool live;             /* as of the last update */
	uint64_t live_usec;    /* until when it was, as far as was seen; 0: never since it came */
	uint64_t came_usec;    /* it was gone until then */
	uint64_t usable_usec;  /* usable without a break since then */
	uint64_t failed_usec;  /* when it last failed while it was shown; 0: never since it came */
	unsigned int failures; /* how often; forgiven after SOURCE_TRUST_USEC */
};

/* Zeroed at first. */
struct source_choice {
	enum source_kind shown;
	struct source_past past[SOURCE_KINDS];
};

/*
 * To be called whenever a fact changes, and when the time that it returns has come (UINT64_MAX: it
 * is needed no more). Times are in microseconds of one clock, never 0. facts[SOURCE_NONE] is not
 * looked at.
 */
uint64_t source_choice_update(struct source_choice *choice,
			      const struct source_facts facts[static SOURCE_KINDS],
			      uint64_t now_usec);

#define SOURCE_GRACE_USEC (300 * 1000ull) /* a producer's restart in place takes less */
#define SOURCE_HOLD_USEC (1000 * 1000ull) /* after the first failure; doubled with each */
#define SOURCE_HOLD_MAX_USEC (8 * 1000 * 1000ull)
#define SOURCE_TRUST_USEC (30 * 1000 * 1000ull) /* without a failure */

#endif
