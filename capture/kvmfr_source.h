/* SPDX-License-Identifier: MIT */
/*
 * A guest's picture over Looking Glass's shared memory (proto/lgmp.h, proto/kvmfr.h): what a guest
 * draws with a card of its own. The guest writes the memory at any time and is not believed; the
 * worst that it can do is to have no picture here, with a reason.
 *
 * The memory has no bell: while the source is watched it looks once in each interval. Where
 * something else rings (an agent in the guest that we have a line to), it looks when it is poked
 * and has no timer. Unwatched it has none either, and the producer is told that nobody reads.
 */
#ifndef CAPTURE_KVMFR_SOURCE_H
#define CAPTURE_KVMFR_SOURCE_H

#include <systemd/sd-event.h>

#include "capture/frame_source.h"

/*
 * A source over the first `size` bytes of the file, which is a file of a tmpfs or /dev/kvmfrN and
 * may be closed afterwards. The name of the guest is for the log, and is copied. Returns 0; -ERANGE
 * when the memory is smaller than that or than any producer needs, -EINVAL when the file may make a
 * reader wait, or -errno.
 */
int kvmfr_source_create(sd_event *event, const char *guest, int fd, size_t size,
			struct frame_source **out);

/* How often to look while watched: the refresh interval of the output that shows the source. */
void kvmfr_source_set_interval(struct frame_source *source, uint64_t usec);

/*
 * Whether somebody pokes for each picture, and knows that the producer runs: no heartbeat is waited
 * for then. It is looked at once a second while watched, since a program that hangs neither pokes
 * nor ends.
 */
void kvmfr_source_set_doorbell(struct frame_source *source, bool rings);

/* While the guest's processors stand nothing is looked at, and what there is stays. */
void kvmfr_source_hold(struct frame_source *source, bool held);

/* Something is there: looks at once, if watched. A guest that rings is not to call this as often as
 * it likes. */
void kvmfr_source_poke(struct frame_source *source);

/*
 * What the guest says of itself: its UUID (for a cross-check only: the guest may write any), and
 * its capture program. NULL while it says nothing. Valid until the next look.
 */
const char *kvmfr_source_uuid(const struct frame_source *source);
const char *kvmfr_source_producer(const struct frame_source *source);

#endif
