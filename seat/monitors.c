// SPDX-License-Identifier: MIT
/* Which monitor shows what; see monitors.h. */
#include "seat/monitors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "passthrough/card.h"
#include "seat/card_words.h"
#include "seat/seat.h"

/* ---- which there are ---- */

static void monitor_destroy(struct seat_monitor *monitor)
{
	if (monitor) {
		monitor_config_destroy(monitor->config);
		free(monitor);
	}
}

void monitors_finish(struct monitors *monitors)
{
	for (size_t i = 0; i < monitors->n; i++) {
		monitor_destroy(monitors->list[i]);
	}
	free(monitors->list);
	*monitors = (struct monitors){ 0 };
}

/* Takes the configuration, also on failure. The monitor, or NULL without memory. */
static struct seat_monitor *add(struct monitors *monitors, struct monitor_config *config)
{
	struct seat_monitor **grown =
		reallocarray(monitors->list, monitors->n + 1, sizeof(*grown));
	struct seat_monitor *monitor = calloc(1, sizeof(*monitor));

	monitors->list = grown ? grown : monitors->list;
	if (!grown || !monitor) {
		free(monitor);
		monitor_config_destroy(config);
		return NULL;
	}
	monitor->config = config;
	monitors->list[monitors->n++] = monitor;
	return monitor;
}

int monitors_load(struct cards *cards, const char *folder, struct ini_report *report)
{
	size_t n_cards = cards_count(cards), n = 0;
	_cleanup_free_ struct card_config **known = calloc(n_cards + 1, sizeof(*known));
	_cleanup_free_ struct monitor_config **configs = NULL;
	int r;

	if (!known) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < n_cards; i++) {
		known[i] = cards->list[i].config;
	}
	r = monitor_config_load_dir(folder, known, n_cards, report, &configs, &n);
	for (size_t i = 0; i < n; i++) {
		/* Without a card each of them is a mistake, and none is left. */
		if (!add(&cards->monitors, configs[i])) {
			r = -ENOMEM;
		}
	}
	return r;
}

static struct seat_monitor *find(const struct monitors *monitors, const char *name)
{
	for (size_t i = 0; i < monitors->n; i++) {
		if (strcmp(monitors->list[i]->config->name, name) == 0) {
			return monitors->list[i];
		}
	}
	return NULL;
}

static void learn(struct seat_card *card, const char *name)
{
	struct monitor_config *config = calloc(1, sizeof(*config));
	struct seat_monitor *monitor;

	if (!config) {
		return;
	}
	config->name = strdup(name);
	config->card = strdup(card->config->name);
	if (!config->name || !config->card) {
		monitor_config_destroy(config);
		return;
	}
	monitor = add(&card->cards->monitors, config);
	if (monitor) {
		monitor->learned = true;
	}
}

/* A card may come back with other names: what it was known by before is not what it is now. */
static void forget_dark(struct seat_card *card)
{
	struct monitors *monitors = &card->cards->monitors;
	size_t kept = 0;

	for (size_t i = 0; i < monitors->n; i++) {
		struct seat_monitor *monitor = monitors->list[i];

		if (monitor->learned && !monitor->lit &&
		    strcmp(monitor->config->card, card->config->name) == 0) {
			monitor_destroy(monitor);
		} else {
			monitors->list[kept++] = monitor;
		}
	}
	monitors->n = kept;
}

/* ---- what is lit ---- */

static struct seat_card *card_at(struct cards *cards, const char *text)
{
	struct broker_slot slot;

	for (size_t i = 0; text && card_slot_parse(text, &slot) == 0 && i < cards->n; i++) {
		if (card_slot_equal(&cards->list[i].config->slot, &slot)) {
			return &cards->list[i];
		}
	}
	return NULL;
}

struct output_walk {
	struct cards *cards;
	uint32_t lit_cards; /* bits: outputs are on it; of more than 32 the first */
};

static void walk_learn(void *data, const struct compositor_output *output)
{
	struct output_walk *walk = data;
	struct seat_card *card = card_at(walk->cards, output->slot);

	if (card && !find(&walk->cards->monitors, output->name)) {
		learn(card, output->name);
	}
}

static void walk_lit(void *data, const struct compositor_output *output)
{
	struct output_walk *walk = data;
	struct cards *cards = walk->cards;
	struct seat_card *card = card_at(cards, output->slot);
	struct seat_monitor *monitor = find(&cards->monitors, output->name);
	bool on_its_card;

	if (card && card - cards->list < 32) {
		walk->lit_cards |= 1u << (card - cards->list);
	}
	if (!monitor) {
		return;
	}
	on_its_card = card && strcmp(card->config->name, monitor->config->card) == 0;
	if (on_its_card == (monitor->config->cable == DISPLAY_CABLE_ONLY)) {
		monitor->lit = true;
		monitor->width = output->width;
		monitor->height = output->height;
	}
}

static void look_at_outputs(struct cards *cards)
{
	const struct compositor *compositor = cards->seat->compositor;
	struct output_walk walk = { .cards = cards };

	compositor_each_output(compositor, walk_learn, &walk);
	for (size_t i = 0; i < cards->monitors.n; i++) {
		cards->monitors.list[i]->lit = false;
	}
	compositor_each_output(compositor, walk_lit, &walk);
	for (size_t i = 0; i < cards->n && i < 32; i++) {
		if (walk.lit_cards & (1u << i)) {
			forget_dark(&cards->list[i]);
		}
	}
}

/* ---- paths ---- */

struct holder {
	const char *card;
	enum display_hold hold;
	bool asking; /* any card: the person has to see the question */
	char guest[64];
};

static void walk_holder(void *data, const struct passthrough_card *card)
{
	struct holder *holder = data;

	holder->asking |= card->asking;
	if (strcmp(card->name, holder->card) == 0) {
		holder->hold = card->owner ? display_hold_of(card->state, card->moving)
					   : DISPLAY_HOLD_NOBODY;
		snprintf(holder->guest, sizeof(holder->guest), "%s",
			 card->owner ? card->owner : "");
	}
}

static struct holder find_holder(struct cards *cards, const char *card)
{
	struct holder holder = { .card = card };

	if (cards->passthrough) {
		passthrough_each(cards->passthrough, walk_holder, &holder);
	}
	return holder;
}

static bool in_front(struct seat *seat, const char *guest)
{
	struct seat_guest *front = seat_front(seat);

	return front && strcmp(vm_name(front->vm), guest) == 0 &&
	       !compositor_switcher_open(seat->compositor);
}

static enum display_path find_path(struct cards *cards, const struct seat_monitor *monitor,
				   const struct holder *holder, const char *guest)
{
	return display_path_of(&(struct display_view){
		.cable = monitor->config->cable,
		.lit = monitor->lit,
		.wanted = !holder->asking && in_front(cards->seat, holder->guest),
		.hold = holder->hold,
		.holds = *holder->guest && (!guest || strcmp(guest, holder->guest) == 0),
	});
}

enum display_path monitors_path(struct cards *cards, const struct seat_monitor *monitor,
				const char *guest)
{
	struct holder holder = find_holder(cards, monitor->config->card);

	return find_path(cards, monitor, &holder, guest);
}

/* Step by step as the table has it, also where the loop saw less than happened. */
static void set_path(struct seat_monitor *monitor, enum display_path path, const char *guest)
{
	while (monitor->path != path) {
		monitor->path = display_path_step(monitor->config->cable, monitor->path, path);
		log_info("Monitor %s: %s%s%s", monitor->config->name,
			 display_path_name(monitor->path),
			 monitor->path == DISPLAY_PATH_OWNED ? " by " : "",
			 monitor->path == DISPLAY_PATH_OWNED ? guest : "");
	}
}

void monitors_update(struct cards *cards)
{
	look_at_outputs(cards);
	for (size_t i = 0; i < cards->monitors.n; i++) {
		struct seat_monitor *monitor = cards->monitors.list[i];
		struct holder holder = find_holder(cards, monitor->config->card);

		set_path(monitor, find_path(cards, monitor, &holder, NULL), holder.guest);
	}
}

/* ---- telling ---- */

void monitors_describe(struct cards *cards, const char *guest, char *out, size_t size)
{
	size_t used = 0;

	*out = '\0';
	for (size_t i = 0; cards && i < cards->monitors.n && used < size; i++) {
		const struct seat_monitor *monitor = cards->monitors.list[i];

		used += (size_t)snprintf(out + used, size - used, "%s%s %s", i ? ", " : "",
					 monitor->config->name,
					 display_path_name(monitors_path(cards, monitor, guest)));
	}
}

bool monitors_owned_line(struct cards *cards, const char *guest, char *out, size_t size)
{
	const char *names[8];
	size_t n = 0;

	for (size_t i = 0; i < cards->monitors.n && n < sizeof(names) / sizeof(names[0]); i++) {
		const struct seat_monitor *monitor = cards->monitors.list[i];

		if (monitors_path(cards, monitor, guest) == DISPLAY_PATH_OWNED) {
			names[n++] = monitor->config->name;
		}
	}
	if (n > 0) {
		card_words_owned(names, n, guest, out, size);
	}
	return n > 0;
}

void monitors_each(struct cards *cards,
		   void (*each)(const struct control_monitor *monitor, void *each_data),
		   void *each_data)
{
	for (size_t i = 0; cards && i < cards->monitors.n; i++) {
		const struct seat_monitor *monitor = cards->monitors.list[i];
		struct holder holder = find_holder(cards, monitor->config->card);
		enum display_path path = find_path(cards, monitor, &holder, NULL);

		each(&(struct control_monitor){
			     .name = monitor->config->name,
			     .card = monitor->config->card,
			     .cable = display_cable_name(monitor->config->cable),
			     .path = display_path_name(path),
			     .guest = path == DISPLAY_PATH_OWNED ? holder.guest : NULL,
			     .width = monitor->width,
			     .height = monitor->height,
		     },
		     each_data);
	}
}
