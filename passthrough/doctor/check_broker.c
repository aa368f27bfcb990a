// SPDX-License-Identifier: MIT
/* Whether the broker is there, serves this user, and may lend the cards that are configured. */
#include "passthrough/broker/broker.h"
#include "passthrough/card.h"
#include "passthrough/doctor/doctor.h"

/* It has room for one, and says so in words alone. */
static bool has_seat(const struct broker_answer *answer)
{
	return strstr(answer->text, "a seat already");
}

const char *doctor_broker_config(const struct doctor *doctor)
{
	return doctor->options->broker_config ? doctor->options->broker_config : BROKER_CONFIG;
}

/* From the file, read as the broker does: also while a seat has the broker's attention. */
static void load_file(struct doctor *doctor)
{
	static struct broker broker;
	struct allow_list *list = &doctor->allowed;
	uid_t uid = geteuid();

	broker = (struct broker){ 0 };
	if (config_load(&broker, doctor_broker_config(doctor), list->trouble) < 0) {
		return;
	}
	list->known = true;
	/* root is no seat's user; it looks at somebody else's. */
	list->user_allowed = uid == 0 || account_find(&broker, "", &uid);
	for (unsigned int i = 0; i < broker.n_cards; i++) {
		list->slots[list->n++] = broker.cards[i].slot;
	}
}

void allow_list_load(struct doctor *doctor)
{
	struct allow_list *list = &doctor->allowed;

	*list = (struct allow_list){ 0 };
	if (!doctor->broker.greeted) {
		load_file(doctor);
		return;
	}
	list->known = list->user_allowed = true;
	for (unsigned int i = 0; i < doctor->broker.n_cards; i++) {
		list->slots[list->n++] = doctor->broker.cards[i].slot;
	}
}

void check_broker(struct doctor *doctor)
{
	const struct broker_answer *answer = &doctor->broker;
	const char *path =
		doctor->options->broker_socket ? doctor->options->broker_socket : BROKER_SOCKET;

	if (answer->greeted) {
		finding_pass(doctor->findings, "broker",
			     "The broker answers and speaks our version, %d.", BROKER_PROTOCOL);
	} else if (answer->error) {
		finding_add(doctor->findings, doctor_severity(doctor), "broker",
			    "Run \"systemctl enable --now baton-broker\" as root.",
			    "No broker answers on %s (%s), and without it no card can be lent.",
			    path, strerror(-answer->error));
	} else if (has_seat(answer)) {
		finding_pass(doctor->findings, "broker", "The broker answers, and serves a seat.");
	} else if (geteuid() == 0) {
		finding_pass(doctor->findings, "broker",
			     "The broker answers. It does not serve root, and need not.");
	} else {
		finding_add(doctor->findings, doctor_severity(doctor), "broker",
			    "Write \"user NAME\" into broker.conf and restart baton-broker, or ask "
			    "as one of the users there.",
			    "The broker does not serve this user: %s.", answer->text);
	}
}

/* ---- allow-list ---- */

/* Both directions; the first one that is found is the culprit. */
static const struct card_config *find_unlisted(const struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->setup.n_cards; i++) {
		if (!allow_list_has(&doctor->allowed, &doctor->setup.cards[i]->slot)) {
			return doctor->setup.cards[i];
		}
	}
	return NULL;
}

static const struct broker_slot *find_unconfigured(const struct doctor *doctor)
{
	for (unsigned int i = 0; i < doctor->allowed.n; i++) {
		if (!setup_find_card(&doctor->setup, &doctor->allowed.slots[i])) {
			return &doctor->allowed.slots[i];
		}
	}
	return NULL;
}

static void compare_lists(struct doctor *doctor)
{
	const struct card_config *unlisted = find_unlisted(doctor);
	const struct broker_slot *unconfigured = find_unconfigured(doctor);
	char slot[16], remedy[256];

	if (unlisted) {
		card_slot_format(&unlisted->slot, slot, sizeof(slot));
		snprintf(remedy, sizeof(remedy),
			 "Write \"card %s\" into %.128s as root, and restart baton-broker.", slot,
			 doctor_broker_config(doctor));
		finding_add(doctor->findings, FINDING_FAIL, "allow-list", remedy,
			    "The broker may not lend %s (%s): its own list does not have it.",
			    unlisted->name, slot);
	} else if (unconfigured) {
		card_slot_format(unconfigured, slot, sizeof(slot));
		snprintf(remedy, sizeof(remedy),
			 "Write a file into %.128s/cards with address = %s; see baton.conf(5).",
			 doctor->setup.folder, slot);
		finding_add(doctor->findings, FINDING_WARN, "allow-list", remedy,
			    "The broker may lend %s, but no file says what for.", slot);
	} else {
		finding_pass(doctor->findings, "allow-list",
			     doctor->allowed.n == 1
				     ? "The broker may lend the one card that is configured."
				     : "The broker may lend the %u cards that are configured.",
			     doctor->allowed.n);
	}
}

void check_allow_list(struct doctor *doctor)
{
	const struct allow_list *list = &doctor->allowed;

	if (!list->known) {
		finding_add(doctor->findings, doctor_severity(doctor), "allow-list",
			    "Make the file as baton-broker(8) says: a line \"user NAME\" and one "
			    "\"card 0000:01:00\" for each card.",
			    "Which cards may be lent is not known: %s.", list->trouble);
	} else if (!list->n && !doctor->setup.n_cards) {
		finding_add(doctor->findings, FINDING_WARN, "allow-list",
			    "Name a card in broker.conf and in a file in the folder of cards, or "
			    "leave it at that.",
			    "No card is configured to be lent.");
	} else if (!list->user_allowed) {
		finding_add(
			doctor->findings, doctor_severity(doctor), "allow-list",
			"Write \"user NAME\" into broker.conf as root, and restart baton-broker.",
			"broker.conf does not name the user who asks, so the broker will not "
			"serve a seat of his.");
	} else {
		compare_lists(doctor);
	}
}
