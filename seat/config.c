// SPDX-License-Identifier: MIT
/* What the files say: the seat's settings, its guests, the cards that they may have. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audio/audio_config.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/strv.h"
#include "seat/cards.h"
#include "seat/monitors.h"
#include "seat/seat.h"

DEFINE_CLEANUP(struct ini_report *, ini_report_destroy)

/* A folder of its own beside baton.conf, unless an option or the settings name another. */
static int find_folder(const struct seat *seat, const char *said, const char *configured,
		       const char *name, char **out)
{
	const char *folder = said ? said : configured;

	if (folder) {
		*out = strdup(folder);
	} else if (asprintf(out, "%s/%s", seat->runtime.config, name) < 0) {
		*out = NULL;
	}
	return *out ? 0 : -ENOMEM;
}

/* ---- guests ---- */

void guest_configs_finish(struct guest_configs *list)
{
	for (size_t i = 0; i < list->n; i++) {
		vm_config_destroy(list->configs[i]);
		if (list->wishes) {
			card_wishes_finish(&list->wishes[i]);
		}
	}
	free(list->configs);
	free(list->wishes);
	free(list->sounds);
	*list = (struct guest_configs){ 0 };
}

static int append_config(struct guest_configs *list, struct vm_config *config)
{
	struct vm_config **grown =
		realloc(list->configs, (list->n + 1) * sizeof(struct vm_config *));

	if (!grown) {
		vm_config_destroy(config);
		return -ENOMEM;
	}
	list->configs = grown;
	list->configs[list->n++] = config;
	return 0;
}

bool guest_configs_have(const struct guest_configs *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->configs[i] && strcmp(list->configs[i]->name, name) == 0) {
			return true;
		}
	}
	return false;
}

/* a/disk.img and b/disk.img are two guests: the second one is "disk-2". */
static int make_name_unique(const struct guest_configs *list, char **name)
{
	_cleanup_free_ char *base = take_ptr(*name);

	*name = strdup(base);
	for (unsigned int i = 2; *name && guest_configs_have(list, *name); i++) {
		free(take_ptr(*name));
		if (asprintf(name, "%.56s-%u", base, i) < 0) {
			*name = NULL;
		}
	}
	return *name ? 0 : -ENOMEM;
}

/* "baton run a.qcow2 b.iso": a slot each, in their order. */
static int load_files(char **files, struct guest_configs *list, struct ini_report *report)
{
	int r = 0;

	for (unsigned int slot = 1; *files; files++, slot++) {
		struct vm_config *config = NULL;

		if (vm_config_from_file(*files, report, &config) < 0) {
			r = -EINVAL; /* go on: all mistakes at once */
			continue;
		}
		config->slot = slot <= VM_SLOT_MAX ? slot : 0;
		if (make_name_unique(list, &config->name) < 0) {
			vm_config_destroy(config);
			return -ENOMEM;
		}
		if (append_config(list, config) < 0) {
			return -ENOMEM;
		}
	}
	return r;
}

/* The place of the guest that a file made, or n when its mistakes left none. */
static size_t find_by_file(const struct guest_configs *list, const char *file)
{
	size_t i = 0;

	while (i < list->n && strcmp(list->configs[i]->file, file) != 0) {
		i++;
	}
	return i;
}

static int load_wishes(const struct cards *cards, const char *file, struct guest_configs *list,
		       struct ini_report *report)
{
	size_t at = find_by_file(list, file);
	struct card_wishes wishes;
	int r = card_wishes_load(file, report, &wishes);

	if (r < 0) {
		return r;
	}
	r = cards_check_wishes(cards, &wishes, file, report);
	if (at == list->n) {
		card_wishes_finish(&wishes);
		return r;
	}
	list->wishes[at] = wishes;
	if (cards_prepare_guest(cards, &wishes, list->configs[at]) && list->configs[at]->attach) {
		ini_report_add(report, file, ini_find_line(file, "vm", "attach", 0), "attach",
			       "a QEMU that runs already gets no card; remove [cards]");
		r = -EINVAL;
	}
	return r;
}

static int load_sound(const char *file, struct guest_configs *list, struct ini_report *report)
{
	size_t at = find_by_file(list, file);
	struct audio_config sound;
	int r = audio_config_load(file, report, &sound);

	if (at < list->n) {
		list->sounds[at] = sound;
	}
	return r;
}

/* The files once more, for their sections [cards] and [audio]: their mistakes are told beside those
 * of [vm]. */
static int load_other_sections(const struct cards *cards, const char *folder,
			   struct guest_configs *list, struct ini_report *report)
{
	_cleanup_strv_ char **files = NULL;
	int result = ini_list(folder, NULL, &files);

	list->wishes = calloc(list->n + 1, sizeof(*list->wishes));
	list->sounds = calloc(list->n + 1, sizeof(*list->sounds));
	if (!list->wishes || !list->sounds) {
		return -ENOMEM;
	}
	for (char **file = files; file && *file; file++) {
		int r = load_wishes(cards, *file, list, report);
		int r_sound = load_sound(*file, list, report);

		result = result ? result : r ? r : r_sound;
	}
	return result;
}

int seat_load_guests(struct seat *seat, struct guest_configs *list, struct ini_report *report)
{
	_cleanup_free_ char *folder = NULL;
	struct stat st;
	int r, r_others;

	if (seat->options->files) {
		return load_files(seat->options->files, list, report);
	}
	r = find_folder(seat, seat->options->guests, seat->config.guests, "guests", &folder);
	if (r < 0) {
		return r;
	}
	if (!seat->options->guests && !seat->config.guests && stat(folder, &st) < 0) {
		return 0; /* nothing configured yet: an empty desk */
	}
	r = vm_config_load_dir(folder, report, &list->configs, &list->n);
	if (list->n > FOCUS_GUESTS_MAX) {
		ini_report_add(report, folder, 0, NULL,
			       "%zu guests are more than a seat switches among, which is %d; move "
			       "some out of the folder",
			       list->n, FOCUS_GUESTS_MAX);
	}
	r_others = load_other_sections(seat->cards, folder, list, report);
	return r < 0 ? r : r_others;
}

/* ---- the seat ---- */

/* The seat's settings name keys as text; what they mean is input's business. */
static int apply_chords(struct seat *seat, struct ini_report *report)
{
	const struct {
		const char *key, *value;
		unsigned int *field;
	} keys[] = {
		{ "host-key", seat->config.host_key, &seat->chords.host_key },
		{ "recent", seat->config.recent, &seat->chords.recent },
		{ "back", seat->config.back, &seat->chords.back },
		{ "switcher", seat->config.switcher, &seat->chords.switcher },
		{ "rescue", seat->config.rescue, &seat->chords.rescue },
		{ "card", seat->config.card_key, &seat->chords.card },
		{ "louder", seat->config.louder, &seat->chords.louder },
		{ "softer", seat->config.softer, &seat->chords.softer },
		{ "mute", seat->config.mute, &seat->chords.mute },
		{ "send-host-key", seat->config.send_host_key, &seat->chords.send_host_key },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char expected[160];

		if (keys[i].value && chord_parse_key(keys[i].value, keys[i].field, expected,
						     sizeof(expected)) < 0) {
			ini_report_add(report, "baton.conf", 0, keys[i].key,
				       "\"%s\" is no key; expected %s", keys[i].value, expected);
			r = -EINVAL;
		}
	}
	return r;
}

static int load_monitors(struct seat *seat, struct ini_report *report)
{
	_cleanup_free_ char *folder = NULL;
	int r = find_folder(seat, NULL, NULL, "monitors", &folder);

	return r < 0 ? r : monitors_load(seat->cards, folder, report);
}

/* A seat without cards to lend has nothing of them: no chord, no timer, no socket. */
static int load_cards(struct seat *seat, struct ini_report *report)
{
	const char *said = seat->options->cards, *configured = seat->config.cards;
	_cleanup_free_ char *folder = NULL;
	struct stat st;
	int r = find_folder(seat, said, configured, "cards", &folder), r_monitors;

	if (r < 0) {
		return r;
	}
	if ((said || configured) && stat(folder, &st) < 0) {
		ini_report_add(report, folder, 0, NULL, "cannot be read: %s", strerror(errno));
		return -EINVAL;
	}
	r = cards_load(folder, report, &seat->cards);
	if (!seat->cards) {
		seat->chords.card = 0;
	}
	r_monitors = load_monitors(seat, report);
	return r < 0 ? r : r_monitors;
}

static int load_device_rules(struct seat *seat, struct ini_report *report)
{
	_cleanup_free_ char *folder = NULL;
	int r = find_folder(seat, NULL, NULL, "devices", &folder);

	return r < 0 ? r : device_rules_load(folder, report, &seat->device_rules);
}

int seat_fail_with_report(const struct ini_report *report)
{
	for (size_t i = 0; i < ini_report_count(report); i++) {
		log_error("%s", ini_report_line(report, i));
	}
	return -EINVAL;
}

/* report NULL: mistakes are logged. */
int seat_load_config(struct seat *seat, struct ini_report *report)
{
	_cleanup_(ini_report_destroy_ptr) struct ini_report *own = NULL;
	bool quiet = report;

	if (!report) {
		report = own = ini_report_create();
	}
	if (!report) {
		return -ENOMEM;
	}
	seat_config_load(&seat->config, seat->runtime.config, report);
	apply_chords(seat, report);
	load_cards(seat, report);
	load_device_rules(seat, report);
	if (ini_report_count(report) == 0) {
		return 0;
	}
	return quiet ? -EINVAL : seat_fail_with_report(report);
}

static void print_report(const struct seat *seat, const struct guest_configs *list,
			 const struct ini_report *report)
{
	for (size_t i = 0; i < ini_report_count(report); i++) {
		fprintf(stderr, "%s\n", ini_report_line(report, i));
	}
	if (ini_report_count(report) == 0) {
		printf("%s: %zu guests", seat->runtime.config, list->n);
		if (seat->cards) {
			printf(", %zu cards", cards_count(seat->cards));
		}
		printf(", no mistakes\n");
	}
}

int seat_check_config(const struct seat_options *options)
{
	_cleanup_(ini_report_destroy_ptr) struct ini_report *report = ini_report_create();
	struct seat seat = { .options = options, .runtime.lock = -1 };
	struct guest_configs list = { 0 };
	size_t mistakes;

	if (!report || runtime_find_config(&seat.runtime, options->config_dir) < 0) {
		return EXIT_FAILURE;
	}
	seat_config_init(&seat.config);
	chord_config_init(&seat.chords);
	seat_load_config(&seat, report);
	seat_load_guests(&seat, &list, report);
	mistakes = ini_report_count(report);
	print_report(&seat, &list, report);
	guest_configs_finish(&list);
	cards_destroy(seat.cards);
	device_rules_finish(&seat.device_rules);
	seat_config_finish(&seat.config);
	runtime_close(&seat.runtime);
	return mistakes ? EXIT_FAILURE : EXIT_SUCCESS;
}
