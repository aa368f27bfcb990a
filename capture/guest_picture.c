// SPDX-License-Identifier: MIT
/*
 * Where a guest's picture comes from; see guest_picture.h. Here it is decided when there is a source
 * for the guest's card at all. Each time that a card comes, or the guest begins anew, it is another
 * source: what the memory held before is of another time.
 */
#include "capture/guest_picture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/best_source.h"
#include "capture/dbus_source.h"
#include "capture/kvmfr_source.h"
#include "common/cleanup.h"
#include "common/log.h"

struct guest_picture {
	sd_event *event;
	struct vm *vm;
	struct vm_observer observer;
	struct frame_source *best;
	bool up;       /* a QEMU was spoken to, and has not ended since */
	bool has_card; /* see guest_picture_set_card() */
	int error;     /* why there is no source for a card that there should be one for; 0 */
	uint64_t interval_usec; /* 0: not known */
};

static struct frame_source *card_source(const struct guest_picture *picture)
{
	return best_source_get(picture->best, SOURCE_CARD);
}

/* ---- the source for the card ---- */

static int open_card(const struct guest_picture *picture, struct frame_source **out)
{
	_cleanup_close_ int fd = -1;
	uint64_t size;

	fd = vm_open_shared(picture->vm, &size);
	return fd < 0 ? fd
		      : kvmfr_source_create(picture->event, vm_name(picture->vm), fd, size, out);
}

/* Whether something that should be shared with the guest is not: it may never have been. */
static bool is_missing(const struct guest_picture *picture, int error)
{
	return error != -ENOENT || vm_config_shared_mib(vm_get_config(picture->vm)) > 0;
}

static void add_card(struct guest_picture *picture)
{
	struct frame_source *source;
	int r = open_card(picture, &source);

	picture->error = 0;
	if (r < 0) {
		picture->error = is_missing(picture, r) ? r : 0;
		return;
	}
	if (picture->interval_usec) {
		kvmfr_source_set_interval(source, picture->interval_usec);
	}
	best_source_set(picture->best, SOURCE_CARD, source);
}

static void drop_card(struct guest_picture *picture)
{
	picture->error = 0;
	best_source_set(picture->best, SOURCE_CARD, NULL);
}

static bool is_wanted(const struct guest_picture *picture)
{
	return picture->up && (picture->has_card || !vm_get_config(picture->vm)->lends);
}

/* The one place that adds and drops it. again: what there is is of another time. */
static void update_card(struct guest_picture *picture, bool again)
{
	bool wanted = is_wanted(picture);

	if (!wanted || again) {
		drop_card(picture);
	}
	if (wanted && !card_source(picture)) {
		add_card(picture);
	}
}

/* ---- the guest ---- */

static void handle_changed(struct vm *vm, void *data)
{
	struct guest_picture *picture = data;
	enum vm_state state = vm_get_state(vm);
	bool was_up = picture->up;

	if (state == VM_STATE_STOPPED || state == VM_STATE_FAILED) {
		picture->up = false;
	} else if (vm_commandable(vm)) {
		picture->up = true;
	}
	if (picture->up != was_up) {
		update_card(picture, false);
	}
}

static void handle_control_up(struct vm *vm, void *data)
{
	handle_changed(vm, data);
}

/* Its memory is as it was, and nobody writes it any more. */
static void handle_event(struct vm *vm, void *data, const char *name, const json_t *args)
{
	(void)vm, (void)args;
	if (strcmp(name, "RESET") == 0) {
		update_card(data, true);
	}
}

static const struct vm_observer_ops vm_ops = {
	.changed = handle_changed,
	.control_up = handle_control_up,
	.event = handle_event,
};

/* ---- the interface ---- */

void guest_picture_set_card(struct guest_picture *picture, bool there)
{
	if (picture->has_card != there) {
		picture->has_card = there;
		update_card(picture, false);
	}
}

void guest_picture_set_interval(struct guest_picture *picture, uint64_t usec)
{
	struct frame_source *source = card_source(picture);

	picture->interval_usec = usec;
	if (source) {
		kvmfr_source_set_interval(source, usec);
	}
}

struct frame_source *guest_picture_source(const struct guest_picture *picture)
{
	return picture->best;
}

enum source_kind guest_picture_shown(const struct guest_picture *picture)
{
	return best_source_shown(picture->best);
}

static const char *explain(int error)
{
	switch (error) {
	case -ENOENT:
		return "no memory is shared with the guest: start it anew";
	case -ERANGE:
		return "the memory shared with the guest is too small: give it more in [capture]";
	default:
		return strerror(-error);
	}
}

const char *guest_picture_obstacle(const struct guest_picture *picture)
{
	const struct frame_source *source = card_source(picture);

	if (picture->error) {
		return explain(picture->error);
	}
	if (!source || guest_picture_shown(picture) == SOURCE_CARD) {
		return NULL;
	}
	return source->live ? "has only just come back" : source->reason;
}

struct frame_source *guest_picture_display(const struct guest_picture *picture)
{
	return best_source_get(picture->best, SOURCE_VIRTIO);
}

void guest_picture_destroy(struct guest_picture *picture)
{
	if (!picture) {
		return;
	}
	vm_remove_observer(&picture->observer);
	frame_source_destroy(picture->best);
	sd_event_unref(picture->event);
	free(picture);
}

static int add_display(struct guest_picture *picture)
{
	struct frame_source *display;
	int r = best_source_create(picture->event, &picture->best);

	r = r < 0 ? r : dbus_source_create(picture->event, picture->vm, &display);
	if (r >= 0) {
		best_source_set(picture->best, SOURCE_VIRTIO, display);
	}
	return r;
}

int guest_picture_create(sd_event *event, struct vm *vm, struct guest_picture **out)
{
	struct guest_picture *picture = calloc(1, sizeof(*picture));
	int r;

	if (!picture) {
		return -ENOMEM;
	}
	picture->event = sd_event_ref(event);
	picture->vm = vm;
	picture->observer.ops = &vm_ops;
	picture->observer.data = picture;
	list_init(&picture->observer.link);
	r = add_display(picture);
	if (r < 0) {
		guest_picture_destroy(picture);
		return r;
	}
	vm_add_observer(vm, &picture->observer);
	handle_changed(vm, picture);
	*out = picture;
	return 0;
}
