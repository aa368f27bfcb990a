// SPDX-License-Identifier: MIT
/* Reads the configuration with the readers of those who own it; see setup.h. */
#include "passthrough/doctor/setup.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "control/paths.h"
#include "control/seat_config.h"
#include "passthrough/card.h"

/* said, else what baton.conf says, else a folder beside that; allocated. */
static char *find_folder(const struct setup *setup, const char *said, const char *configured,
			 const char *name)
{
	char *path;

	if (said || configured) {
		return strdup(said ? said : configured);
	}
	return asprintf(&path, "%s/%s", setup->folder, name) < 0 ? NULL : path;
}

static int load_wishes(struct setup *setup)
{
	setup->wishes = calloc(setup->n_guests + 1, sizeof(*setup->wishes));
	if (!setup->wishes) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < setup->n_guests; i++) {
		const char *file = setup->guests[i]->file;

		if (card_wishes_load(file, setup->report, &setup->wishes[i]) == 0) {
			card_wishes_check(&setup->wishes[i], file, setup->cards, setup->n_cards,
					  setup->report);
		}
	}
	return 0;
}

static int load_folders(struct setup *setup, const struct setup_folders *folders,
			const struct seat_config *seat)
{
	_cleanup_free_ char *guests = find_folder(setup, folders->guests, seat->guests, "guests");
	_cleanup_free_ char *cards = find_folder(setup, folders->cards, seat->cards, "cards");
	struct stat st;

	if (!guests || !cards) {
		return -ENOMEM;
	}
	card_config_load_dir(cards, setup->report, &setup->cards, &setup->n_cards);
	if (folders->guests || seat->guests || stat(guests, &st) == 0) {
		vm_config_load_dir(guests, setup->report, &setup->guests, &setup->n_guests);
	}
	return load_wishes(setup);
}

int setup_load(struct setup *setup, const struct setup_folders *folders)
{
	struct seat_config seat;
	int r;

	*setup = (struct setup){
		.folder = folders->config ? strdup(folders->config) : config_dir(),
		.report = ini_report_create(),
	};
	if (!setup->folder || !setup->report) {
		return -ENOMEM;
	}
	seat_config_init(&seat);
	seat_config_load(&seat, setup->folder, setup->report);
	r = load_folders(setup, folders, &seat);
	seat_config_finish(&seat);
	return r;
}

void setup_finish(struct setup *setup)
{
	for (size_t i = 0; i < setup->n_guests; i++) {
		if (setup->wishes) {
			card_wishes_finish(&setup->wishes[i]);
		}
		vm_config_destroy(setup->guests[i]);
	}
	for (size_t i = 0; i < setup->n_cards; i++) {
		card_config_destroy(setup->cards[i]);
	}
	free(setup->guests);
	free(setup->wishes);
	free(setup->cards);
	free(setup->folder);
	ini_report_destroy(setup->report);
	*setup = (struct setup){ 0 };
}

const struct card_config *setup_find_card(const struct setup *setup, const struct broker_slot *slot)
{
	for (size_t i = 0; i < setup->n_cards; i++) {
		if (card_slot_equal(&setup->cards[i]->slot, slot)) {
			return setup->cards[i];
		}
	}
	return NULL;
}

bool setup_guest_lends(const struct setup *setup, size_t guest)
{
	const struct card_wishes *wishes = &setup->wishes[guest];

	return wishes->on_request || wishes->follow_focus || wishes->pinned;
}
