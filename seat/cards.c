// SPDX-License-Identifier: MIT
/* Cards that are lent to guests, wired to the seat; see cards.h. */
#include "seat/cards.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "passthrough/card.h"
#include "proto/broker.h"
#include "seat/card_words.h"
#include "seat/monitors.h"
#include "seat/seat.h"

#define SECOND_USEC (1000 * 1000)
/* Stages may follow each other faster than one can read, and drawing each, also the first, holds
 * up the next: in this time the guest has been asked to let go. */
#define READABLE_USEC (100 * 1000)
#define LINE_MAX_BYTES 400

/* ---- configuration ---- */

/* A seat that executed itself anew does not open the card again; nobody else is to see that. */
static void take_restarted(struct cards *cards)
{
	const char *said = getenv(CARDS_RESTARTED);
	struct broker_slot slot;

	for (size_t i = 0; said && card_slot_parse(said, &slot) == 0 && i < cards->n; i++) {
		cards->list[i].unopened = card_slot_equal(&cards->list[i].config->slot, &slot);
	}
	unsetenv(CARDS_RESTARTED);
}

int cards_load(const char *folder, struct ini_report *report, struct cards **out)
{
	_cleanup_free_ struct card_config **configs = NULL;
	struct cards *cards;
	size_t n = 0;
	int r = card_config_load_dir(folder, report, &configs, &n);

	if (n == 0) {
		unsetenv(CARDS_RESTARTED);
		return r;
	}
	cards = calloc(1, sizeof(*cards));
	if (cards) {
		cards->list = calloc(n, sizeof(*cards->list));
	}
	if (!cards || !cards->list) {
		for (size_t i = 0; i < n; i++) {
			card_config_destroy(configs[i]);
		}
		free(cards);
		return -ENOMEM;
	}
	for (; cards->n < n; cards->n++) {
		cards->list[cards->n] = (struct seat_card){ .cards = cards,
							    .config = configs[cards->n] };
	}
	take_restarted(cards);
	*out = cards;
	return r;
}

void cards_destroy(struct cards *cards)
{
	if (!cards) {
		return;
	}
	passthrough_destroy(cards->passthrough);
	monitors_finish(&cards->monitors);
	for (size_t i = 0; i < cards->n; i++) {
		sd_event_source_disable_unref(cards->list[i].warning);
		sd_event_source_disable_unref(cards->list[i].restarted);
		card_config_destroy(cards->list[i].config);
	}
	sd_event_source_disable_unref(cards->second);
	sd_event_source_disable_unref(cards->soon);
	sd_event_source_disable_unref(cards->offer_end);
	free(cards->list);
	free(cards->line);
	free(cards->restart);
	free(cards);
}

size_t cards_count(const struct cards *cards)
{
	return cards ? cards->n : 0;
}

int cards_check_wishes(const struct cards *cards, const struct card_wishes *wishes,
		       const char *file, struct ini_report *report)
{
	_cleanup_free_ struct card_config **configs = NULL;
	size_t n = cards_count(cards);

	configs = calloc(n + 1, sizeof(*configs));
	if (!configs) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		configs[i] = cards->list[i].config;
	}
	return card_wishes_check(wishes, file, configs, n, report);
}

bool cards_prepare_guest(const struct cards *cards, const struct card_wishes *wishes,
			 struct vm_config *config)
{
	for (size_t i = 0; i < cards_count(cards); i++) {
		const struct card_config *card = cards->list[i].config;

		if (card_wishes_policy(wishes, card->name) != CARD_POLICY_NEVER) {
			config->lends = true;
			config->ports[card->guest_port - 1].window_mib = card->window_mib;
		}
	}
	return config->lends;
}

struct seat_card *cards_find(struct cards *cards, const char *name)
{
	for (size_t i = 0; i < cards_count(cards); i++) {
		if (strcmp(cards->list[i].config->name, name) == 0) {
			return &cards->list[i];
		}
	}
	return NULL;
}

/* ---- the line on the screen ---- */

struct line_walk {
	struct cards *cards;
	const struct card_chords *chords;
	uint64_t now_usec;
	unsigned int rank;
	bool moving, asking;
	char line[LINE_MAX_BYTES];
};

static void walk_line(void *data, const struct passthrough_card *card)
{
	struct line_walk *walk = data;
	const struct seat_card *own = cards_find(walk->cards, card->name);
	char line[LINE_MAX_BYTES];
	unsigned int rank =
		card_words_line(card, walk->chords, walk->now_usec, line, sizeof(line));

	walk->moving |= card->moving;
	walk->asking |= card->moving && card->asking;
	if (rank > walk->rank && own && (card->moving || own->shown)) {
		walk->rank = rank;
		memcpy(walk->line, line, sizeof(line));
	}
}

const char *cards_line(const struct cards *cards)
{
	return cards ? cards->line : NULL;
}

static int handle_time(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source, (void)usec;
	cards_update_line(data);
	return 0;
}

/* Calls cards_update_line() after that time, counted from now. */
static void update_line_in(struct cards *cards, sd_event_source **timer, uint64_t usec)
{
	if (!*timer) {
		sd_event_add_time_relative(cards->seat->event, timer, CLOCK_MONOTONIC, usec, 0,
					   handle_time, cards);
		return;
	}
	sd_event_source_set_time_relative(*timer, usec);
	sd_event_source_set_enabled(*timer, SD_EVENT_ONESHOT);
}

/* The time of a stage is on the screen while a card is on its way, and only then does time tick. */
static void tick(struct cards *cards, bool moving)
{
	if (!moving) {
		cards->second = sd_event_source_disable_unref(cards->second);
		return;
	}
	update_line_in(cards, &cards->second, SECOND_USEC);
}

static void set_line(struct cards *cards, const char *line)
{
	free(cards->line);
	cards->line = line ? strdup(line) : NULL;
	seat_update_notice(cards->seat);
}

/* A screen that is about to go dark is more than anything but a question. */
static void add_warnings(struct cards *cards, struct line_walk *walk)
{
	struct seat_guest *guest = seat_find_guest(cards->seat, cards->offered_to);

	if (walk->asking) {
		return;
	}
	for (size_t i = 0; i < cards->n; i++) {
		if (cards->list[i].warning) {
			card_words_dark(cards->list[i].config->name, cards->list[i].target,
					walk->chords, false, walk->line, sizeof(walk->line));
			walk->rank = 1;
		}
	}
	if (cards->offered && guest) {
		card_words_dark(cards->offered->config->name, vm_name(guest->vm), walk->chords,
				true, walk->line, sizeof(walk->line));
		walk->rank = 1;
	}
}

/*
 * A guest's own monitor is worth a word where another screen shows something else: the guest's
 * virtio picture, which may be an empty second desktop. It gives way to everything.
 */
static void add_owned(struct cards *cards, struct line_walk *walk)
{
	struct seat_guest *front = seat_front(cards->seat);

	cards->captured = front && guest_picture_shown(front->picture) == SOURCE_CARD;
	if (walk->rank == 0 && front && !cards->captured &&
	    monitors_owned_line(cards, vm_name(front->vm), walk->line, sizeof(walk->line))) {
		walk->rank = 1;
	}
}

void cards_update_line(struct cards *cards)
{
	const struct chord_config *chords = &cards->seat->chords;
	_cleanup_free_ char *wait = chord_label(chords, KEY_W);
	_cleanup_free_ char *card = chord_label(chords, chords->card);
	_cleanup_free_ char *rescue = chord_label(chords, chords->rescue);
	const struct card_chords labels = { wait ? wait : "", card ? card : "",
					    rescue ? rescue : "" };
	struct line_walk walk = { .cards = cards,
				  .chords = &labels,
				  .now_usec = clock_now_ns() / NSEC_PER_USEC };

	if (!cards->passthrough) {
		return;
	}
	cards->soon = sd_event_source_disable_unref(cards->soon);
	passthrough_each(cards->passthrough, walk_line, &walk);
	add_warnings(cards, &walk);
	add_owned(cards, &walk);
	input_set_asking(cards->seat->input, CHORD_QUESTION_CARD, walk.asking);
	tick(cards, walk.moving);
	set_line(cards, walk.rank ? walk.line : NULL);
}

/* ---- what passthrough/ reports ---- */

static void tell_arrival(struct cards *cards, const struct passthrough_card *card)
{
	char line[160], owned[160], both[sizeof(line) + sizeof(owned) + 2];

	if (!cards->seat->config.toasts) {
		return;
	}
	card_words_arrived(card, cards->n == 1, line, sizeof(line));
	if (card->owner && monitors_owned_line(cards, card->owner, owned, sizeof(owned))) {
		snprintf(both, sizeof(both), "%s. %s", line, owned);
		compositor_toast(cards->seat->compositor, both);
	} else {
		compositor_toast(cards->seat->compositor, line);
	}
}

static void note_way(struct seat_card *own, const struct passthrough_card *card)
{
	bool ended = own->moving && !card->moving;
	const char *owner = card->owner ? card->owner : "";

	own->moving = card->moving;
	/* A remark about a card that nobody has asked for is nothing for the screen. */
	own->shown |= card->moving || card->state == CARD_STATE_WEDGED ||
		      card->state == CARD_STATE_LOST;
	if (card->moving) {
		snprintf(own->target, sizeof(own->target), "%s", card->target ? card->target : "");
	} else if (ended) {
		own->consented = false;
		cards_end_way(own);
		if (!card->text && strcmp(own->target, owner) == 0) {
			tell_arrival(own->cards, card);
		}
	}
}

static void handle_changed(void *data, const struct passthrough_card *card)
{
	struct cards *cards = data;
	struct seat_card *own = cards_find(cards, card->name);
	bool only_stage = own && card->moving && !card->text && !card->asking;

	if (!own) {
		return;
	}
	monitors_update(cards);
	note_way(own, card);
	if (!only_stage) {
		cards_update_line(cards);
	} else if (!cards->soon) {
		update_line_in(cards, &cards->soon, READABLE_USEC);
	}
	seat_tell_card(cards->seat, card);
	seat_update_card_pictures(cards->seat);
}

/* ---- baton-agent in the guest ---- */

static bool handle_can_release(void *data, uint32_t id)
{
	const struct cards *cards = data;
	const struct seat_guest *guest = seat_find_guest(cards->seat, id);

	return guest && guest_picture_can_release(guest->picture);
}

static void handle_released(void *data, int error, const char *text)
{
	struct seat_guest *guest = data;

	passthrough_released(guest->seat->cards->passthrough, guest->id, error, text);
}

static int handle_release(void *data, uint32_t id, const struct broker_slot *slot)
{
	const struct cards *cards = data;
	struct seat_guest *guest = seat_find_guest(cards->seat, id);
	const struct agent_slot its = { slot->domain, slot->bus, slot->device };

	return guest ? guest_picture_release(guest->picture, its, handle_released, guest) : -ESRCH;
}

static void handle_cancel_release(void *data, uint32_t id)
{
	const struct cards *cards = data;
	const struct seat_guest *guest = seat_find_guest(cards->seat, id);

	if (guest) {
		guest_picture_cancel_release(guest->picture);
	}
}

/* ---- life ---- */

static struct card_config *copy_config(const struct card_config *config)
{
	struct card_config *copy = malloc(sizeof(*copy));

	if (!copy) {
		return NULL;
	}
	*copy = *config;
	copy->name = strdup(config->name);
	copy->rom = config->rom ? strdup(config->rom) : NULL;
	if (!copy->name || (config->rom && !copy->rom)) {
		card_config_destroy(copy);
		return NULL;
	}
	return copy;
}

static int copy_configs(const struct cards *cards, struct card_config ***out)
{
	struct card_config **copies = calloc(cards->n, sizeof(*copies));
	size_t n = 0;

	while (copies && n < cards->n && (copies[n] = copy_config(cards->list[n].config))) {
		n++;
	}
	if (n < cards->n) {
		for (size_t i = 0; i < n; i++) {
			card_config_destroy(copies[i]);
		}
		free(copies);
		return -ENOMEM;
	}
	*out = copies;
	return 0;
}

static const char *broker_socket(void)
{
	const char *said = getenv("BATON_BROKER");

	return said && *said ? said : BROKER_SOCKET;
}

int cards_add_none(struct cards **cards)
{
	if (*cards || (access(broker_socket(), F_OK) < 0 && access(BROKER_CONFIG, F_OK) < 0)) {
		return 0;
	}
	*cards = calloc(1, sizeof(**cards));
	return *cards ? 0 : -ENOMEM;
}

int cards_open(struct cards *cards, struct seat *seat)
{
	static const struct passthrough_handlers handlers = {
		.changed = handle_changed,
		.close_screen = cards_close_screen,
		.open_screen = cards_open_screen,
		.can_release = handle_can_release,
		.release = handle_release,
		.cancel_release = handle_cancel_release,
	};
	struct card_config **configs = NULL;
	int r;

	if (!cards) {
		return 0;
	}
	cards->seat = seat;
	r = monitors_open(cards, seat->runtime.state);
	if (r >= 0) {
		r = copy_configs(cards, &configs);
	}
	if (r >= 0) {
		r = passthrough_create(seat->event, broker_socket(), configs, cards->n, &handlers,
				       cards, &cards->passthrough);
	}
	if (r >= 0) {
		/* Outputs are there since before. */
		cards_update_monitors(cards);
		r = cards_await_restarted(cards);
	}
	if (r < 0) {
		log_error("No cards for guests: %s.", strerror(-r));
	}
	return r;
}

void cards_add_guest(struct cards *cards, struct seat_guest *guest)
{
	int r;

	if (!cards) {
		return;
	}
	r = passthrough_add_guest(cards->passthrough, guest->id, guest->vm, &guest->wishes);
	if (r < 0) {
		log_error("%s gets no card: %s.", vm_name(guest->vm), strerror(-r));
	}
}

void cards_remove_guest(struct cards *cards, struct seat_guest *guest)
{
	if (cards) {
		passthrough_remove_guest(cards->passthrough, guest->id);
	}
}

void cards_focus(struct cards *cards, uint32_t guest)
{
	if (cards) {
		passthrough_focus(cards->passthrough, guest);
		cards_update_monitors(cards);
	}
}

void cards_picture_changed(struct cards *cards, struct seat_guest *front)
{
	if (cards && (guest_picture_shown(front->picture) == SOURCE_CARD) != cards->captured) {
		cards_update_line(cards);
	}
}

void cards_update_monitors(struct cards *cards)
{
	/* Before cards_open() nothing is known of a card. */
	if (cards && cards->passthrough) {
		monitors_update(cards);
		cards_update_line(cards);
	}
}
