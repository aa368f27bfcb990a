/* SPDX-License-Identifier: MIT */
/*
 * A guest's picture, wherever it comes from: QEMU's display for as long as there is a QEMU, and
 * what a card of the guest's own shows for as long as the guest has one and something inside copies
 * it into the memory that it shares with us. Beside its frame source it says which of them is
 * shown.
 */
#ifndef CAPTURE_GUEST_PICTURE_H
#define CAPTURE_GUEST_PICTURE_H

#include <systemd/sd-event.h>

#include "capture/frame_source.h"
#include "capture/source_choice.h"
#include "proto/agent.h"
#include "vm/vm.h"

struct guest_picture;

/* The vm must outlive it. Returns 0 or -errno. */
int guest_picture_create(sd_event *event, struct vm *vm, struct guest_picture **out);
void guest_picture_destroy(struct guest_picture *picture); /* NULL is legal */

/* Belongs to the picture, and lives as long. */
struct frame_source *guest_picture_source(const struct guest_picture *picture);

/*
 * Whether a card is in the guest. One that may get cards is looked at for their pictures only while
 * it has one; of others, which have the memory by their user's wish, nothing is known.
 */
void guest_picture_set_card(struct guest_picture *picture, bool there);

/*
 * Asks baton-agent in the guest to give up the card in that slot of the guest's, as
 * agent_link_release() does; the same errors. released is called once, unless it is cancelled, with
 * 0 or -errno and a sentence that lives during the call.
 */
bool guest_picture_can_release(const struct guest_picture *picture);
int guest_picture_release(struct guest_picture *picture, struct agent_slot slot,
			  void (*released)(void *data, int error, const char *text), void *data);
void guest_picture_cancel_release(struct guest_picture *picture);

/* The refresh interval of the output that shows it. */
void guest_picture_set_interval(struct guest_picture *picture, uint64_t usec);

enum source_kind guest_picture_shown(const struct guest_picture *picture);

/* One sentence why the picture of the guest's card is not shown; NULL when it is, or when there is
 * nothing that could be. Lives until the loop goes on. */
const char *guest_picture_obstacle(const struct guest_picture *picture);

/* QEMU's display, in whose pixels it takes the pointer's positions, whatever is shown. */
struct frame_source *guest_picture_display(const struct guest_picture *picture);

#endif
