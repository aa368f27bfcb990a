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
#include "compositor/kms/loans.h"

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
	const struct loan *loan = loans_find(&devices->loans, node->slot);

	if (!node->card || (loan && !loan->returning)) {
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

	list_for_each(device, &devices->all, link) {
		if (device->devnum == devnum) {
			return device;
		}
	}
	return NULL;
}

/* Something of the card with this slot is open. Without a slot cards are not told apart. */
static bool is_open(const struct devices *devices, const char *slot)
{
	const struct kms_device *device;

	list_for_each(device, &devices->all, link) {
		if (slot[0] && strcmp(device->slot, slot) == 0) {
			return true;
		}
	}
	return false;
}

/* ---- who waits for a card ---- */

static void answer_release(struct devices *devices, const char *slot)
{
	const struct backend_events *events = devices->environment.events;
	struct loan *loan = loans_find(&devices->loans, slot);

	if (loan && loan->releasing && !is_open(devices, loan->slot)) {
		loan->releasing = false;
		events->card_released(loan->slot,
				      leftovers_check(nodes_list(devices->nodes), loan->slot),
				      events->data);
	}
}

/* It will be looked at, or is being looked at. */
static bool is_on_its_way(struct devices *devices, const struct loan *loan)
{
	const struct drm_node *node = nodes_find_card(devices->nodes, loan->slot);
	const struct kms_device *device = node ? find_device(devices, node->devnum) : NULL;

	if (!node) {
		return loan->known;
	}
	return is_wanted(devices, node) && session_active(devices->environment.session) &&
	       (node->news || (device && device->state != DEVICE_REST));
}

static void answer_return(struct devices *devices, struct loan *loan)
{
	const struct backend_events *events = devices->environment.events;
	const struct drm_node *node = nodes_find_card(devices->nodes, loan->slot);
	char slot[sizeof(loan->slot)];

	if (!loan->returning || is_on_its_way(devices, loan)) {
		return;
	}
	memcpy(slot, loan->slot, sizeof(slot));
	loan_destroy(loan);
	events->card_regained(slot, node ? node->error : 0, events->data);
}

static void answer_returns(struct devices *devices)
{
	struct loan *loan, *next;

	list_for_each_safe(loan, next, &devices->loans, link) {
		answer_return(devices, loan);
	}
}

/* ---- looking at cards ---- */

/* What was found out is noted at the node. */
static void note_look(struct drm_node *node, const struct kms_device *device, int error)
{
	node->error = error == -ENODEV ? 0 : error;
	memcpy(node->driver, device->card->driver, sizeof(node->driver));
}

/* A card without a monitor is closed again; one that had one may just miss it for a while. */
static bool is_worth_keeping(const struct kms_device *device, int error)
{
	return device_has_screens(device) || (device->shown && error == 0);
}

static void handle_looked(struct kms_device *device, int error, void *data)
{
	struct devices *devices = data;
	struct drm_node *node = nodes_find(devices->nodes, device->devnum);

	if (node) {
		note_look(node, device, error);
		/* What failed may have failed because of that. */
		node->news = node->news || !session_active(devices->environment.session);
	}
	if (!is_worth_keeping(device, error)) {
		device_close(device);
	}
	answer_returns(devices);
}

static void look_at(struct devices *devices, struct drm_node *node)
{
	struct kms_device *device = find_device(devices, node->devnum);

	/* One that is being closed, also as it was before it went, is looked at afterwards. */
	if (device ? device->unwanted : is_open(devices, node->slot)) {
		return;
	}
	node->news = false;
	if (!device) {
		node->error = device_create(&devices->environment, node, &device);
		if (node->error < 0) {
			return;
		}
		list_append(&devices->all, &device->link);
	}
	device_look(device);
}

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

/* ---- news ---- */

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

	if (device && !device->unwanted) {
		log_info("%s: the card is gone", node->path);
		device_close(device);
	}
}

static void handle_lost(struct kms_device *device, void *data)
{
	device_close(device);
}

static void handle_closed(struct kms_device *device, void *data)
{
	struct devices *devices = data;
	char slot[sizeof(device->slot)];

	memcpy(slot, device->slot, sizeof(slot));
	device_free(device);
	answer_release(devices, slot);
	handle_news(devices); /* it may be back */
}

void devices_suspend(struct devices *devices)
{
	struct kms_device *device;

	list_for_each(device, &devices->all, link) {
		device_suspend(device);
	}
}

void devices_resume(struct devices *devices)
{
	struct kms_device *device;
	struct drm_node *node;

	list_for_each(device, &devices->all, link) {
		device_resume(device);
	}
	/* What shows nothing may go on sleeping; what somebody else had may be free now. */
	list_for_each(node, nodes_list(devices->nodes), link) {
		node->news = node->news || node->error || find_device(devices, node->devnum);
	}
	look(devices);
}

/* ---- giving a card away ---- */

static void close_card(struct devices *devices, const char *slot)
{
	struct kms_device *device, *next;

	list_for_each_safe(device, next, &devices->all, link) {
		if (strcmp(device->slot, slot) == 0 && !device->unwanted) {
			log_info("%s: given away", device->card->path);
			device_close(device);
		}
	}
}

void devices_give_away(struct devices *devices, const char *slot)
{
	const struct backend_events *events = devices->environment.events;
	struct loan *loan = loans_note(&devices->loans, slot);

	if (!loan) {
		events->card_released(slot, -ENOMEM, events->data);
		return;
	}
	loan->releasing = true;
	loan->returning = false;
	loan->known = loan->known || nodes_find_card(devices->nodes, slot);
	close_card(devices, slot);
	answer_release(devices, slot);
}

void devices_take_back(struct devices *devices, const char *slot)
{
	const struct backend_events *events = devices->environment.events;
	struct loan *loan = loans_note(&devices->loans, slot);
	struct drm_node *node = nodes_find_card(devices->nodes, slot);

	if (!loan) {
		events->card_regained(slot, -ENOMEM, events->data);
		return;
	}
	loan->returning = true;
	if (node) {
		node->news = true;
	}
	handle_news(devices);
}

bool devices_use(const struct devices *devices, const char *slot, bool *only)
{
	const struct kms_device *device;
	bool used = false, others = false;

	list_for_each(device, &devices->all, link) {
		bool same = strcmp(device->slot, slot) == 0;
		bool shows = !device->unwanted && device_has_screens(device);

		used = used || (same && shows);
		others = others || (!same && shows);
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

/* 0, also without a monitor, or -errno. Waits. */
static int open_now(struct devices *devices, struct drm_node *node)
{
	struct kms_device *device;
	int r = device_create(&devices->environment, node, &device);

	node->news = false;
	if (r < 0) {
		node->error = r;
		return r;
	}
	list_append(&devices->all, &device->link);
	r = device_look_now(device);
	note_look(node, device, r);
	if (!is_worth_keeping(device, r)) {
		device_destroy(device);
	}
	return r;
}

int devices_open(struct devices *devices, bool none_allowed)
{
	struct drm_node *node;
	bool any = false;
	int error = 0;

	list_for_each(node, nodes_list(devices->nodes), link) {
		int r = is_wanted(devices, node) ? open_now(devices, node) : -ENODEV;

		any = any || r == 0;
		error = r == -ENODEV ? error : r;
	}
	if (any) {
		if (list_empty(&devices->all)) {
			log_info("No monitor is plugged in: going on without, until there is one");
		}
		return 0;
	}
	if (error < 0) {
		return error;
	}
	none_allowed = none_allowed || !list_empty(&devices->loans);
	log_no_card(devices, none_allowed);
	return none_allowed ? 0 : -ENODEV;
}

int devices_init(struct devices *devices, const struct device_environment *environment,
		 const char *only, const char *given_away)
{
	int r;

	devices->environment = *environment;
	devices->environment.looked = handle_looked;
	devices->environment.lost = handle_lost;
	devices->environment.closed = handle_closed;
	devices->environment.data = devices;
	devices->node_events = (struct node_events){ handle_news, handle_removed, devices };
	list_init(&devices->all);
	list_init(&devices->loans);
	devices->only = only ? strdup(only) : NULL;
	r = only && !devices->only ? -ENOMEM : loans_note_all(&devices->loans, given_away);
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

bool devices_finish(struct devices *devices)
{
	struct kms_device *device, *next;
	bool all = true;

	list_for_each_safe(device, next, &devices->all, link) {
		all = device_destroy(device) && all;
	}
	loans_destroy(&devices->loans);
	nodes_destroy(devices->nodes);
	sd_event_source_disable_unref(devices->look);
	free(devices->only);
	return all;
}
