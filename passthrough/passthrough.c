// SPDX-License-Identifier: MIT
/* Cards lent to guests; see passthrough.h, and passthrough_private.h for the parts. */
#include "passthrough/passthrough.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/strv.h"
#include "passthrough/passthrough_private.h"

#define TIMER_ACCURACY_USEC 1000

/* ---- Looking things up ---- */

struct managed_guest *passthrough_guest(const struct passthrough *passthrough, uint32_t id)
{
	struct managed_guest *guest;

	list_for_each(guest, &passthrough->guests, link) {
		if (guest->id == id) {
			return guest;
		}
	}
	return NULL;
}

struct guest_card *passthrough_guest_card(const struct managed_card *card, uint32_t id)
{
	const struct managed_guest *guest = passthrough_guest(card->passthrough, id);

	return guest ? &guest->cards[card - card->passthrough->cards] : NULL;
}

const struct broker_facts *passthrough_facts(const struct managed_card *card)
{
	return broker_client_facts(card->passthrough->broker, &card->config->slot);
}

/* ---- The loop ---- */

void passthrough_wake(struct passthrough *passthrough)
{
	(void)sd_event_source_set_enabled(passthrough->wake, SD_EVENT_ONESHOT);
}

static int handle_wake(sd_event_source *source, void *data)
{
	struct passthrough *passthrough = data;

	for (size_t i = 0; i < passthrough->n; i++) {
		wish_decide(&passthrough->cards[i]);
	}
	return 0;
}

void passthrough_tick(struct passthrough *passthrough)
{
	for (size_t i = 0; i < passthrough->n; i++) {
		handoff_tick(&passthrough->cards[i].handoff, passthrough_now());
	}
	passthrough_wake(passthrough);
}

static int handle_timer(sd_event_source *source, uint64_t usec, void *data)
{
	passthrough_tick(data);
	return 0;
}

static int handle_grace(sd_event_source *source, uint64_t usec, void *data)
{
	truth_sync(data);
	return 0;
}

/* ---- Guests ---- */

static void handle_vm_changed(struct vm *vm, void *data)
{
	truth_guest_changed(data);
}

static int copy_wishes(const struct card_wishes *from, struct card_wishes *to)
{
	int r = strv_extend(&to->on_request, from->on_request);

	if (r >= 0) {
		r = strv_extend(&to->follow_focus, from->follow_focus);
	}
	return r < 0 ? r : strv_extend(&to->pinned, from->pinned);
}

static void guest_destroy(struct managed_guest *guest)
{
	if (!guest) {
		return;
	}
	list_remove(&guest->link);
	list_remove(&guest->observer.link);
	for (size_t i = 0; guest->cards && i < guest->passthrough->n; i++) {
		if (guest->cards[i].device) {
			release_stop(&guest->cards[i]);
		}
		guest_device_destroy(guest->cards[i].device);
	}
	card_wishes_finish(&guest->wishes);
	free(guest->cards);
	free(guest);
}

DEFINE_CLEANUP(struct managed_guest *, guest_destroy)

static int guest_add_cards(struct managed_guest *guest)
{
	struct passthrough *passthrough = guest->passthrough;

	guest->cards = calloc(passthrough->n, sizeof(*guest->cards));
	if (!guest->cards) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < passthrough->n; i++) {
		struct guest_card *own = &guest->cards[i];
		int r;

		own->card = &passthrough->cards[i];
		own->guest = guest;
		r = guest_device_create(guest->vm, own->card->config->name, &truth_device_ops, own,
					&own->device);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

int passthrough_add_guest(struct passthrough *passthrough, uint32_t id, struct vm *vm,
			  const struct card_wishes *wishes)
{
	static const struct vm_observer_ops ops = { .changed = handle_vm_changed };
	_cleanup_(guest_destroy_ptr) struct managed_guest *guest = calloc(1, sizeof(*guest));
	int r;

	if (!guest) {
		return -ENOMEM;
	}
	list_init(&guest->link);
	list_init(&guest->observer.link);
	guest->passthrough = passthrough;
	guest->id = id;
	guest->vm = vm;
	guest->observer.ops = &ops;
	guest->observer.data = guest;
	r = copy_wishes(wishes, &guest->wishes);
	if (r >= 0) {
		r = guest_add_cards(guest);
	}
	if (r < 0) {
		return r;
	}
	vm_add_observer(vm, &guest->observer);
	list_append(&passthrough->guests, &guest->link);
	truth_guest_changed(take_ptr(guest));
	passthrough_wake(passthrough);
	return 0;
}

void passthrough_remove_guest(struct passthrough *passthrough, uint32_t id)
{
	struct managed_guest *guest = passthrough_guest(passthrough, id);

	if (!guest) {
		return;
	}
	truth_guest_gone(guest);
	guest_destroy(guest);
	passthrough_wake(passthrough);
}

/* ---- Life ---- */

static void configs_free(struct card_config **configs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		card_config_destroy(configs[i]);
	}
	free(configs);
}

void passthrough_destroy(struct passthrough *passthrough)
{
	if (!passthrough) {
		return;
	}
	while (!list_empty(&passthrough->guests)) {
		guest_destroy(container_of(passthrough->guests.next, struct managed_guest, link));
	}
	broker_client_destroy(passthrough->broker);
	sd_event_source_disable_unref(passthrough->wake);
	sd_event_source_disable_unref(passthrough->grace);
	for (size_t i = 0; passthrough->cards && i < passthrough->n; i++) {
		sd_event_source_disable_unref(passthrough->cards[i].timer);
	}
	configs_free(passthrough->configs, passthrough->n);
	free(passthrough->cards);
	sd_event_unref(passthrough->event);
	free(passthrough);
}

DEFINE_CLEANUP(struct passthrough *, passthrough_destroy)

static int add_timer(struct passthrough *passthrough, sd_event_time_handler_t handler,
		     sd_event_source **out)
{
	int r = sd_event_add_time(passthrough->event, out, CLOCK_MONOTONIC, UINT64_MAX,
				  TIMER_ACCURACY_USEC, handler, passthrough);

	return r < 0 ? r : sd_event_source_set_enabled(*out, SD_EVENT_OFF);
}

static int card_init(struct passthrough *passthrough, struct managed_card *card,
		     struct card_config *config)
{
	card->passthrough = passthrough;
	card->config = config;
	card_slot_format(&config->slot, card->address, sizeof(card->address));
	handoff_init(&card->handoff, &step_ops, card, CARD_STATE_HOST, HANDOFF_HOST,
		     config->home_pool ? HANDOFF_POOL : HANDOFF_HOST);
	handoff_broker_gone(&card->handoff, passthrough_now());
	return add_timer(passthrough, handle_timer, &card->timer);
}

static int passthrough_init(struct passthrough *passthrough, const char *broker_socket)
{
	int r = add_timer(passthrough, handle_grace, &passthrough->grace);

	if (r >= 0) {
		r = sd_event_add_defer(passthrough->event, &passthrough->wake, handle_wake,
				       passthrough);
	}
	passthrough->cards = calloc(passthrough->n, sizeof(*passthrough->cards));
	if (!passthrough->cards) {
		r = -ENOMEM;
	}
	for (size_t i = 0; i < passthrough->n && r >= 0; i++) {
		r = card_init(passthrough, &passthrough->cards[i], passthrough->configs[i]);
	}
	return r < 0 ? r
		     : broker_client_create(passthrough->event, broker_socket, &truth_broker_ops,
					    passthrough, &passthrough->broker);
}

int passthrough_create(sd_event *event, const char *broker_socket, struct card_config **cards,
		       size_t n, const struct passthrough_handlers *handlers, void *data,
		       struct passthrough **out)
{
	_cleanup_(passthrough_destroy_ptr) struct passthrough *passthrough =
		calloc(1, sizeof(*passthrough));
	int r;

	if (!passthrough) {
		configs_free(cards, n);
		return -ENOMEM;
	}
	list_init(&passthrough->guests);
	passthrough->event = sd_event_ref(event);
	passthrough->configs = cards;
	passthrough->n = n;
	passthrough->handlers = handlers;
	passthrough->data = data;
	r = passthrough_init(passthrough, broker_socket);
	if (r < 0) {
		return r;
	}
	*out = take_ptr(passthrough);
	return 0;
}
