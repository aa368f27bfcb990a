// SPDX-License-Identifier: MIT
/*
 * Where a guest's picture comes from; see guest_picture.h. Here it is decided when there is a
 * source for the guest's card at all. Each time that a card comes, goes dark, or loses who captures
 * it, and when the guest begins anew, it is another source: what the memory held before is of
 * another time.
 */
#include "capture/guest_picture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/agent_link.h"
#include "capture/best_source.h"
#include "capture/dbus_source.h"
#include "capture/display_mode.h"
#include "capture/kvmfr_source.h"
#include "common/cleanup.h"
#include "common/log.h"

/* A guest may ring, and change its mind, as often as it likes; we do not follow. */
#define RING_USEC 8000            /* where no interval is known; else half of that */
#define ADD_USEC (500 * 1000ull)  /* between two sources for its card */
#define DARK_USEC (300 * 1000ull) /* a change of mode takes less */

struct guest_picture {
	sd_event *event;
	struct vm *vm;
	struct vm_observer observer;
	struct frame_source *best;
	struct display_mode *display_mode;
	struct agent_link *agent; /* NULL: QEMU has no port for one, or is not there */
	void (*released)(void *data, int error, const char *text);
	void *released_data;
	bool rings;               /* the agent captures, and rings for each picture */
	bool lit;                 /* a card that it captures is not known to be dark */
	bool up;       /* a QEMU was spoken to, and has not ended since */
	bool has_card; /* see guest_picture_set_card() */
	int error;     /* why there is no source for a card that there should be one for; 0 */
	uint64_t interval_usec; /* 0: not known */
	sd_event_source *ring_timer, *card_timer;
	uint64_t rung_usec, added_usec; /* when a source was last poked, and added; 0: never */
	uint64_t dark_usec; /* since when the card is dark, while that may be a change of mode; 0 */
};

static struct frame_source *card_source(const struct guest_picture *picture)
{
	return best_source_get(picture->best, SOURCE_CARD);
}

static uint64_t picture_now(const struct guest_picture *picture)
{
	uint64_t now = 0;

	sd_event_now(picture->event, CLOCK_MONOTONIC, &now);
	return now;
}

static bool is_armed(sd_event_source *timer)
{
	int enabled = SD_EVENT_OFF;

	return timer && sd_event_source_get_enabled(timer, &enabled) > 0;
}

/* For that time, or an earlier one that is set already. */
static void arm(struct guest_picture *picture, sd_event_source **timer,
		sd_event_time_handler_t handler, uint64_t usec)
{
	uint64_t set = UINT64_MAX;

	if (!*timer) {
		sd_event_add_time(picture->event, timer, CLOCK_MONOTONIC, usec, 1, handler, picture);
		return;
	}
	if (is_armed(*timer)) {
		sd_event_source_get_time(*timer, &set);
	}
	if (usec < set) {
		sd_event_source_set_time(*timer, usec);
	}
	sd_event_source_set_enabled(*timer, SD_EVENT_ONESHOT);
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
	return error != -ENOENT || vm_config_shares(vm_get_config(picture->vm));
}

/* A guest whose processors stand cannot show that its capture runs. */
static void hold_card(struct guest_picture *picture)
{
	struct frame_source *source = card_source(picture);

	if (source) {
		kvmfr_source_hold(source, vm_get_state(picture->vm) == VM_STATE_PAUSED);
	}
}

static int handle_card_timer(sd_event_source *timer, uint64_t usec, void *data);

static void add_card(struct guest_picture *picture)
{
	uint64_t now = picture_now(picture);
	struct frame_source *source;
	int r;

	if (picture->added_usec && now < picture->added_usec + ADD_USEC) {
		arm(picture, &picture->card_timer, handle_card_timer,
		    picture->added_usec + ADD_USEC);
		return;
	}
	picture->added_usec = now;
	r = open_card(picture, &source);
	picture->error = 0;
	if (r < 0) {
		picture->error = is_missing(picture, r) ? r : 0;
		return;
	}
	if (picture->interval_usec) {
		kvmfr_source_set_interval(source, picture->interval_usec);
	}
	kvmfr_source_set_doorbell(source, picture->rings);
	best_source_set(picture->best, SOURCE_CARD, source);
	hold_card(picture);
}

static void drop_card(struct guest_picture *picture)
{
	picture->error = 0;
	best_source_set(picture->best, SOURCE_CARD, NULL);
}

/* Of one that may get cards, whether it has one. */
static bool may_capture(const struct guest_picture *picture)
{
	return picture->up && (picture->has_card || !vm_get_config(picture->vm)->lends);
}

/* Who captures knows as well whether there is anything. */
static bool is_wanted(const struct guest_picture *picture)
{
	const struct agent_card *card = agent_link_card(picture->agent);
	bool gone = card && (card->state == AGENT_CARD_GONE || card->state == AGENT_CARD_NO_DRIVER);

	return may_capture(picture) && !gone;
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
	agent_link_subscribe(picture->agent, picture->best->watched && may_capture(picture));
}

static void handle_watched(bool watched, void *data)
{
	struct guest_picture *picture = data;

	agent_link_subscribe(picture->agent, watched && may_capture(picture));
}

/* A source may be added now, or the card has been dark for long enough. */
static int handle_card_timer(sd_event_source *timer, uint64_t usec, void *data)
{
	struct guest_picture *picture = data;
	bool dark = picture->dark_usec && picture_now(picture) >= picture->dark_usec + DARK_USEC;

	(void)timer, (void)usec;
	if (picture->dark_usec && !dark) {
		arm(picture, &picture->card_timer, handle_card_timer, picture->dark_usec + DARK_USEC);
	} else {
		picture->dark_usec = 0;
	}
	update_card(picture, dark);
	return 0;
}

/* ---- the agent in the guest ---- */

static void note_lit(struct guest_picture *picture, bool lit)
{
	if (lit) {
		picture->dark_usec = 0;
	} else if (picture->lit) {
		picture->dark_usec = picture_now(picture);
		arm(picture, &picture->card_timer, handle_card_timer, picture->dark_usec + DARK_USEC);
	}
	picture->lit = lit;
}

static void handle_agent_changed(void *data)
{
	struct guest_picture *picture = data;
	const struct agent_card *card = agent_link_card(picture->agent);
	bool rings = agent_link_captures(picture->agent);
	bool ended = picture->rings && !rings;
	struct frame_source *source;

	picture->rings = rings;
	note_lit(picture, !card || card->state == AGENT_CARD_LIT);
	update_card(picture, ended);
	source = card_source(picture);
	if (source) {
		kvmfr_source_set_doorbell(source, rings);
	}
}

static void poke(struct guest_picture *picture)
{
	struct frame_source *source = card_source(picture);

	picture->rung_usec = picture_now(picture);
	if (source) {
		kvmfr_source_poke(source);
	}
}

static int handle_ring_timer(sd_event_source *timer, uint64_t usec, void *data)
{
	(void)timer, (void)usec;
	poke(data);
	return 0;
}

/* At once, but not more than twice in an interval. */
static void handle_agent_rang(void *data)
{
	struct guest_picture *picture = data;
	uint64_t pause = picture->interval_usec ? picture->interval_usec / 2 : RING_USEC;

	if (is_armed(picture->ring_timer)) {
		return;
	}
	if (picture_now(picture) - picture->rung_usec >= pause) {
		poke(picture);
	} else {
		arm(picture, &picture->ring_timer, handle_ring_timer, picture->rung_usec + pause);
	}
}

static void handle_agent_released(void *data, int error, const char *text)
{
	struct guest_picture *picture = data;

	picture->released(picture->released_data, error, text);
}

static const struct agent_link_handlers agent_handlers = {
	.changed = handle_agent_changed,
	.rang = handle_agent_rang,
	.released = handle_agent_released,
};

static void drop_agent(struct guest_picture *picture)
{
	/* Who waits for its answer gets one. */
	agent_link_forget(picture->agent);
	agent_link_destroy(take_ptr(picture->agent));
	picture->rings = false;
	picture->lit = true;
	picture->dark_usec = 0;
}

static void add_agent(struct guest_picture *picture)
{
	int fd = vm_connect_agent(picture->vm);
	int r = fd < 0 ? fd
		       : agent_link_create(picture->event, fd, &agent_handlers, picture,
					   &picture->agent);

	if (r < 0 && r != -ENOENT) {
		log_warning("%s: the port of baton-agent cannot be reached: %s",
			    vm_name(picture->vm), strerror(-r));
	}
}

/* QEMU says whether a program in the guest has a port open. */
static void note_port(struct guest_picture *picture, const json_t *args)
{
	const char *id = json_string_value(json_object_get(args, "id"));

	if (id && strcmp(id, AGENT_PORT_ID) == 0 &&
	    json_is_false(json_object_get(args, "open"))) {
		agent_link_forget(picture->agent);
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
	if (picture->up == was_up) {
		hold_card(picture);
		return;
	}
	drop_agent(picture);
	if (picture->up) {
		add_agent(picture);
	}
	update_card(picture, false);
}

static void handle_control_up(struct vm *vm, void *data)
{
	handle_changed(vm, data);
}

/* Its memory is as it was, and nobody writes it any more. */
static void handle_event(struct vm *vm, void *data, const char *name, const json_t *args)
{
	struct guest_picture *picture = data;

	(void)vm;
	if (strcmp(name, "RESET") == 0) {
		agent_link_forget(picture->agent);
		update_card(picture, true);
	} else if (strcmp(name, "VSERPORT_CHANGE") == 0) {
		note_port(picture, args);
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

bool guest_picture_can_release(const struct guest_picture *picture)
{
	return agent_link_releases(picture->agent);
}

int guest_picture_release(struct guest_picture *picture, struct agent_slot slot,
			  void (*released)(void *data, int error, const char *text), void *data)
{
	int r = agent_link_release(picture->agent, slot);

	if (r == 0) {
		picture->released = released;
		picture->released_data = data;
	}
	return r;
}

void guest_picture_cancel_release(struct guest_picture *picture)
{
	agent_link_cancel_release(picture->agent);
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
	enum source_kind shown = best_source_shown(picture->best);

	return shown == SOURCE_VIRTIO && display_mode_is_emulated(picture->display_mode)
		       ? SOURCE_EMULATED
		       : shown;
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

	const char *trouble = agent_link_trouble(picture->agent);

	if (picture->error || trouble) {
		return picture->error ? explain(picture->error) : trouble;
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
	agent_link_destroy(picture->agent);
	sd_event_source_disable_unref(picture->ring_timer);
	sd_event_source_disable_unref(picture->card_timer);
	display_mode_destroy(picture->display_mode);
	frame_source_destroy(picture->best);
	sd_event_unref(picture->event);
	free(picture);
}

static int add_display(struct guest_picture *picture)
{
	struct frame_source *display;
	int r = best_source_create(picture->event, handle_watched, picture, &picture->best);

	r = r < 0 ? r : dbus_source_create(picture->event, picture->vm, &display);
	if (r < 0) {
		return r;
	}
	best_source_set(picture->best, SOURCE_VIRTIO, display);
	return display_mode_create(picture->vm, display, &picture->display_mode);
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
	picture->lit = true;
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
