// SPDX-License-Identifier: MIT
/* Which cards are opened and closed when; see devices.h. */
#include "compositor/kms/devices.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "compositor/kms/leftovers.h"

/* A card that somebody else has, or had. */
struct given_away {
	struct list link; /* devices::given_away */
	char slot[16];
	bool known;     /* udev knew it then, so it is worth waiting for */
	bool returning; /* it may be used again, and who gave it back waits for an answer */
};

/* ---- cards of others ---- */

static struct given_away *find_given_away(const struct devices *devices, const char *slot)
{
	struct given_away *card;

	list_for_each(card, &devices->given_away, link) {
		if (strcmp(card->slot, slot) == 0) {
			return card;
		}
	}
	return NULL;
}

/* NULL: no memory. */
static struct given_away *note_given_away(struct devices *devices, const char *slot)
{
	struct given_away *card = find_given_away(devices, slot);

	if (card) {
		return card;
	}
	card = calloc(1, sizeof(*card));
	if (card) {
		snprintf(card->slot, sizeof(card->slot), "%s", slot);
		list_append(&devices->given_away, &card->link);
	}
	return card;
}

static void given_away_destroy(struct given_away *card)
{
	if (card) {
		list_remove(&card->link);
		free(card);
	}
}

static int note_all_given_away(struct devices *devices, const char *slots)
{
	char slot[sizeof(devices->only_slot)];
	int r = 0, length = 0;

	while (r == 0 && slots && sscanf(slots, "%15s%n", slot, &length) == 1) {
		struct given_away *card = note_given_away(devices, slot);

		r = card ? 0 : -ENOMEM;
		if (card) {
			card->known = true;
		}
		slots += length;
	}
	return r;
}

/* ---- which cards are ours ---- */

/* By its node or by a link to it. Only /dev is looked into: it lies on no disk. */
static bool is_named(const char *name, const struct drm_node *node)
{
	struct stat st;

	return strcmp(name, node->path) == 0 ||
	       (strncmp(name, "/dev/", 5) == 0 && stat(name, &st) == 0 && S_ISCHR(st.st_mode) &&
		st.st_rdev == node->devnum);
}

static bool is_wanted(struct devices *devices, const struct drm_node *node)
{
	const struct given_away *given = find_given_away(devices, node->slot);

	if (!node->card || (given && !given->returning)) {
		return false;
	}
	if (!devices->only) {
		return true;
	}
	if (devices->only_slot[0]) {
		return strcmp(devices->only_slot, node->slot) == 0;
	}
	if (!is_named(devices->only, node)) {
		return false;
	}
	memcpy(devices->only_slot, node->slot, sizeof(devices->only_slot));
	return true;
}

static struct kms_device *find_device(const struct devices *devices, dev_t devnum)
{
	struct kms_device *device;

	list_for_each(device, &devices->open, link) {
		if (device->devnum == devnum) {
			return device;
		}
	}
	return NULL;
}

/* ---- looking at them ---- */

/* The card stays open when it has a monitor. 0 or -errno, logged but for -ENODEV. */
static int open_device(struct devices *devices, struct drm_node *node)
{
	struct kms_device *device;
	int r = device_create(&devices->environment, node, &device);

	if (r < 0) {
		return r;
	}
	list_append(&devices->open, &device->link);
	r = device_scan(device);
	if (!device_has_screens(device)) {
		device_destroy(device);
	}
	return r;
}

static int look_at(struct devices *devices, struct drm_node *node)
{
	struct kms_device *device = find_device(devices, node->devnum);
	int r = device ? device_scan(device) : open_device(devices, node);

	node->news = false;
	node->error = r == -ENODEV ? 0 : r;
	return r;
}

/* ---- cards that come back ---- */

/* The node of a card, or NULL. */
static struct drm_node *find_card(const struct devices *devices, const char *slot)
{
	struct drm_node *node;

	list_for_each(node, nodes_list(devices->nodes), link) {
		if (node->card && strcmp(node->slot, slot) == 0) {
			return node;
		}
	}
	return NULL;
}

/* Tells who waits for it, if it has come or never will. */
static void answer_return(struct devices *devices, struct given_away *card)
{
	const struct backend_events *events = devices->environment.events;
	const struct drm_node *node = find_card(devices, card->slot);
	char slot[sizeof(card->slot)];
	int error = node ? node->error : 0;

	if (!card->returning || (!node && card->known)) {
		return;
	}
	memcpy(slot, card->slot, sizeof(slot));
	given_away_destroy(card);
	events->card_regained(slot, error, events->data);
}

static void answer_returns(struct devices *devices)
{
	struct given_away *card, *next;

	list_for_each_safe(card, next, &devices->given_away, link) {
		answer_return(devices, card);
	}
}

/* ---- news ---- */

static void look(struct devices *devices)
{
	struct drm_node *node;

	/* While somebody else has the seat's screens, all is looked at when they come back. */
	if (!session_active(devices->environment.session)) {
		return;
	}
	list_for_each(node, nodes_list(devices->nodes), link) {
		if (node->news && is_wanted(devices, node)) {
			look_at(devices, node);
		}
	}
}

static int handle_look(sd_event_source *source, void *data)
{
	look(data);
	answer_returns(data);
	return 0;
}

static void handle_news(void *data)
{
	struct devices *devices = data;

	sd_event_source_set_enabled(devices->look, SD_EVENT_ONESHOT);
}

static void handle_removed(struct drm_node *node, void *data)
{
	struct kms_device *device = find_device(data, node->devnum);

	if (device) {
		log_info("%s: the card is gone", node->path);
		device_destroy(device);
	}
}

static void handle_lost(struct kms_device *device, void *data)
{
	device_destroy(device);
}

void devices_suspend(struct devices *devices)
{
	struct kms_device *device;

	list_for_each(device, &devices->open, link) {
		device_suspend(device);
	}
}

void devices_resume(struct devices *devices)
{
	struct kms_device *device;
	struct drm_node *node;

	/* What shows nothing may go on sleeping; what somebody else had may be free now. */
	list_for_each(node, nodes_list(devices->nodes), link) {
		node->news = node->news || node->error || find_device(devices, node->devnum);
	}
	look(devices);
	list_for_each(device, &devices->open, link) {
		device_resume(device);
	}
}

/* ---- giving a card away ---- */

static void close_card(struct devices *devices, const char *slot)
{
	struct kms_device *device, *next;

	list_for_each_safe(device, next, &devices->open, link) {
		if (strcmp(device->slot, slot) == 0) {
			log_info("%s: given away", device->card->path);
			device_destroy(device);
		}
	}
}

void devices_give_away(struct devices *devices, const char *slot)
{
	const struct backend_events *events = devices->environment.events;
	struct given_away *card = note_given_away(devices, slot);

	if (!card) {
		events->card_released(slot, -ENOMEM, events->data);
		return;
	}
	card->returning = false;
	card->known = card->known || find_card(devices, slot);
	close_card(devices, slot);
	events->card_released(slot, leftovers_check(nodes_list(devices->nodes), slot),
			      events->data);
}

void devices_take_back(struct devices *devices, const char *slot)
{
	const struct backend_events *events = devices->environment.events;
	struct given_away *card = note_given_away(devices, slot);
	struct drm_node *node = find_card(devices, slot);

	if (!card) {
		events->card_regained(slot, -ENOMEM, events->data);
		return;
	}
	card->returning = true;
	if (node) {
		node->news = true;
	}
	sd_event_source_set_enabled(devices->look, SD_EVENT_ONESHOT);
}

bool devices_use(const struct devices *devices, const char *slot, bool *only)
{
	const struct kms_device *device;
	bool used = false, others = false;

	list_for_each(device, &devices->open, link) {
		bool same = strcmp(device->slot, slot) == 0;

		used = used || (same && device_has_screens(device));
		others = others || (!same && device_has_screens(device));
	}
	*only = used && !others;
	return used;
}

/* ---- life ---- */

/* No card can be used, and none said why. */
static void log_no_card(const struct devices *devices, bool allowed)
{
	const char *seat = session_seat_name(devices->environment.session);
	const char *only = devices->only;

	if (allowed) {
		log_info("No graphics card for the screens of %s: going on without, until there is "
			 "one",
			 seat);
	} else if (!only) {
		log_error("No graphics card with an output on %s: is its driver loaded (see "
			  "/dev/dri)? Without one, use the headless back end",
			  seat);
	} else if (access(only, F_OK) < 0) {
		log_error("%s: there is no such graphics card; /dev/dri has those that there are",
			  only);
	} else {
		log_error("%s is no graphics card of %s with an output to show pictures on; choose "
			  "another card",
			  only, seat);
	}
}

int devices_open(struct devices *devices, bool none_allowed)
{
	struct drm_node *node;
	bool any = false;
	int error = 0;

	list_for_each(node, nodes_list(devices->nodes), link) {
		int r = is_wanted(devices, node) ? look_at(devices, node) : -ENODEV;

		any = any || r == 0;
		error = r == -ENODEV ? error : r;
	}
	if (any) {
		if (list_empty(&devices->open)) {
			log_info("No monitor is plugged in: going on without, until there is one");
		}
		return 0;
	}
	if (error < 0) {
		return error;
	}
	none_allowed = none_allowed || !list_empty(&devices->given_away);
	log_no_card(devices, none_allowed);
	return none_allowed ? 0 : -ENODEV;
}

int devices_init(struct devices *devices, const struct device_environment *environment,
		 const char *only, const char *given_away)
{
	int r;

	devices->environment = *environment;
	devices->environment.lost = handle_lost;
	devices->environment.data = devices;
	devices->node_events = (struct node_events){ handle_news, handle_removed, devices };
	list_init(&devices->open);
	list_init(&devices->given_away);
	devices->only = only ? strdup(only) : NULL;
	r = only && !devices->only ? -ENOMEM : note_all_given_away(devices, given_away);
	if (r < 0) {
		return r;
	}
	r = sd_event_add_defer(environment->event, &devices->look, handle_look, devices);
	if (r < 0) {
		return r;
	}
	sd_event_source_set_enabled(devices->look, SD_EVENT_OFF);
	return nodes_create(environment->event, session_seat_name(environment->session),
			    &devices->node_events, &devices->nodes);
}

void devices_finish(struct devices *devices)
{
	struct kms_device *device, *next_device;
	struct given_away *card, *next_card;

	list_for_each_safe(device, next_device, &devices->open, link) {
		device_destroy(device);
	}
	list_for_each_safe(card, next_card, &devices->given_away, link) {
		given_away_destroy(card);
	}
	nodes_destroy(devices->nodes);
	sd_event_source_disable_unref(devices->look);
	free(devices->only);
}
