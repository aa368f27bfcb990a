// SPDX-License-Identifier: MIT
/* Which monitor shows what; see monitors.h. */
#include "seat/monitors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/list.h"
#include "common/log.h"
#include "control/worker.h"
#include "passthrough/card.h"
#include "passthrough/monitor_input.h"
#include "seat/card_words.h"
#include "seat/seat.h"

/* ---- which there are ---- */

static void monitor_destroy(struct seat_monitor *monitor)
{
	if (monitor) {
		monitor_input_destroy(monitor->input);
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
	worker_destroy(monitors->worker);
	if (monitors->folder > 0) {
		close(monitors->folder);
	}
	*monitors = (struct monitors){ 0 };
}

/* Takes the configuration, also on failure. The monitor, or NULL without memory. */
static struct seat_monitor *add(struct monitors *monitors, struct monitor_config *config)
{
	struct seat_monitor **grown = reallocarray(monitors->list, monitors->n + 1, sizeof(*grown));
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

/* ---- inputs ---- */

struct memory_job {
	struct control_job base;
	char monitor[32];
	struct monitor_memory memory;
};

static int save_memory(struct control_job *base, int folder)
{
	const struct memory_job *job = container_of(base, struct memory_job, base);

	return monitor_memory_save(folder, job->monitor, &job->memory);
}

static void destroy_memory_job(struct control_job *base)
{
	free(container_of(base, struct memory_job, base));
}

static void handle_saved(void *data, int result)
{
	(void)data;
	if (result < 0) {
		log_warning(
			"What was learned of a monitor is not kept (%s): it is tried again after a "
			"restart.",
			strerror(-result));
	}
}

static void handle_learned(void *data, const struct monitor_memory *memory)
{
	const struct seat_monitor *monitor = data;
	const struct monitors *monitors = &monitor->cards->monitors;
	struct memory_job *job;
	int r = -ENOMEM;

	if (!monitors->folder) {
		return; /* said at the start */
	}
	job = calloc(1, sizeof(*job));
	if (job) {
		job->base = (struct control_job){ save_memory, destroy_memory_job };
		job->memory = *memory;
		snprintf(job->monitor, sizeof(job->monitor), "%s", monitor->config->name);
		r = worker_submit(monitors->worker, &job->base, monitors->folder, handle_saved,
				  NULL);
	}
	if (r < 0) {
		free(job);
		handle_saved(NULL, r);
	}
}

static void handle_input_changed(void *data)
{
	struct seat_monitor *monitor = data;

	cards_update_monitors(monitor->cards);
}

static int open_input(struct seat_monitor *monitor, const char *folder)
{
	static const struct monitor_input_ops ops = { handle_input_changed, handle_learned };
	const struct monitor_config *config = monitor->config;
	const unsigned int inputs[MONITOR_SIDES] = {
		[MONITOR_HOST] = config->input_host,
		[MONITOR_GUEST] = config->input_guest,
	};
	struct monitor_input_options options = { .monitor = config->name };
	_cleanup_free_ char *file = NULL;

	if (asprintf(&file, "%s/%s.ini", folder, config->name) < 0) {
		file = NULL;
		return -ENOMEM;
	}
	options.memory_file = file;
	monitor_memory_load(folder, config->name, inputs, &options.known);
	return monitor_input_create(monitor->cards->seat->event, &options, &ops, monitor,
				    &monitor->input);
}

/* What is learned without it is good for this seat alone. */
static void open_folder(struct monitors *monitors, const char *folder)
{
	int fd = mkdir(folder, 0700) < 0 && errno != EEXIST
			 ? -1
			 : open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		log_warning("Cannot keep what is learned of monitors in %s: %s.", folder,
			    strerror(errno));
	}
	monitors->folder = fd < 0 ? 0 : fd;
}

int monitors_open(struct cards *cards, const char *state_folder)
{
	struct monitors *monitors = &cards->monitors;
	_cleanup_free_ char *folder = NULL;
	int r = 0;

	if (asprintf(&folder, "%s/monitors", state_folder) < 0) {
		folder = NULL;
		return -ENOMEM;
	}
	for (size_t i = 0; i < monitors->n && r >= 0; i++) {
		monitors->list[i]->cards = cards;
		if (!monitors->list[i]->config->input_host) {
			continue;
		}
		if (!monitors->worker) {
			open_folder(monitors, folder);
			r = worker_create(cards->seat->event, &monitors->worker);
		}
		r = r < 0 ? r : open_input(monitors->list[i], folder);
	}
	return r;
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
	bool known; /* what follows: after the first word of the broker */
	bool away;  /* a guest has it, or may have had a moment ago */
	enum display_hold hold;
	bool asking; /* any card: the person has to see the question */
	char guest[64];
};

static void walk_holder(void *data, const struct passthrough_card *card)
{
	struct holder *holder = data;

	holder->asking |= card->asking;
	if (strcmp(card->name, holder->card) == 0) {
		holder->known = card->facts;
		holder->away = card->state != CARD_STATE_HOST;
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

/* guest NULL: whoever has the card. */
static struct display_view find_view(struct cards *cards, const struct seat_monitor *monitor,
				     const struct holder *holder, const char *guest)
{
	return (struct display_view){
		.cable = monitor->config->cable,
		.lit = monitor->lit,
		.switched = monitor->input && monitor_input_shows_guest(monitor->input),
		.wanted = !holder->asking && in_front(cards->seat, holder->guest),
		.hold = holder->hold,
		.holds = *holder->guest && (!guest || strcmp(guest, holder->guest) == 0),
	};
}

static enum display_path find_path(struct cards *cards, const struct seat_monitor *monitor,
				   const struct holder *holder, const char *guest)
{
	const struct display_view view = find_view(cards, monitor, holder, guest);

	return display_path_of(&view);
}

/* Its input follows what its path would be if it had been switched. */
static void switch_input(struct cards *cards, struct seat_monitor *monitor,
			 const struct holder *holder)
{
	struct display_view view = find_view(cards, monitor, holder, NULL);

	monitor->known |= holder->known;
	if (monitor->input && monitor->known) {
		view.switched = true;
		monitor_input_want(monitor->input,
				   display_path_of(&view) == DISPLAY_PATH_OWNED ? MONITOR_GUEST
										: MONITOR_HOST,
				   holder->away);
	}
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
		switch_input(cards, monitor, &holder);
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

		each(
			&(struct control_monitor){
				.name = monitor->config->name,
				.card = monitor->config->card,
				.cable = display_cable_name(monitor->config->cable),
				.path = display_path_name(path),
				.guest = path == DISPLAY_PATH_OWNED ? holder.guest : NULL,
				.width = monitor->width,
				.height = monitor->height,
				.text = monitor->input ? monitor_input_text(monitor->input) : NULL,
			},
			each_data);
	}
}
