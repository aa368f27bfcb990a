// SPDX-License-Identifier: MIT
/*
 * broker.conf: "card 0000:01:00" and "user NAME" lines. It says what root does for an ordinary
 * user, so nobody but root may be able to write it.
 */
#include "passthrough/broker/broker.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int slot_parse(const char *text, struct broker_slot *out)
{
	unsigned int domain, bus, device;
	int end = 0;

	if (sscanf(text, "%4x:%2x:%2x%n", &domain, &bus, &device, &end) != 3 || text[end] ||
	    end != 10 || device > 31) {
		return -EINVAL;
	}
	*out = (struct broker_slot){ (uint16_t)domain, (uint8_t)bus, (uint8_t)device };
	return 0;
}

struct card *card_find(struct broker *broker, const struct broker_slot *slot)
{
	for (unsigned int i = 0; i < broker->n_cards; i++) {
		struct card *card = &broker->cards[i];

		if (card->slot.domain == slot->domain && card->slot.bus == slot->bus &&
		    card->slot.device == slot->device) {
			return card;
		}
	}
	return NULL;
}

static int add_card(struct broker *broker, const char *value, char *text)
{
	struct card *card = &broker->cards[broker->n_cards];
	struct broker_slot slot;

	if (slot_parse(value, &slot) < 0) {
		return fail(text, -EINVAL, "\"%s\" is no PCI slot; write it as 0000:01:00", value);
	}
	if (card_find(broker, &slot)) {
		return 0;
	}
	if (broker->n_cards == BROKER_CARDS_MAX) {
		return fail(text, -E2BIG, "more than %d cards", BROKER_CARDS_MAX);
	}
	*card = (struct card){ .broker = broker, .slot = slot, .loan_pidfd = -1 };
	snprintf(card->name, sizeof(card->name), "%.10s", value);
	for (char *c = card->name; *c; c++) {
		*c |= 0x20 * (*c >= 'A' && *c <= 'F');
	}
	broker->n_cards++;
	return 0;
}

static int add_user(struct broker *broker, const char *value, char *text)
{
	const struct passwd *user = getpwnam(value);

	if (!user || broker->n_users == USERS_MAX) {
		return fail(text, -EINVAL,
			    user ? "too many users" : "there is no user \"%s\" on this machine",
			    value);
	}
	broker->users[broker->n_users++] = user->pw_uid;
	return 0;
}

static int read_line(struct broker *broker, char *line, char *text)
{
	char key[8], value[64], more;
	int n;

	line[strcspn(line, "#\n")] = '\0';
	n = sscanf(line, "%7s %63s %c", key, value, &more);
	if (n == 2 && !strcmp(key, "card")) {
		return add_card(broker, value, text);
	}
	if (n == 2 && !strcmp(key, "user")) {
		return add_user(broker, value, text);
	}
	return n <= 0 ? 0 : fail(text, -EINVAL, "write \"card 0000:01:00\" or \"user NAME\"");
}

static int check_owner(FILE *file, char *text)
{
	struct stat st;

	if (fstat(fileno(file), &st) < 0) {
		return fail(text, -errno, "%s", strerror(errno));
	}
	if (!S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()) ||
	    st.st_mode & (S_IWGRP | S_IWOTH)) {
		return fail(text, -EPERM, "others than root can write it; chown root, chmod 644");
	}
	return 0;
}

int config_load(struct broker *broker, const char *path, char *text)
{
	FILE *file = fopen(path, "re");
	char line[256], why[BROKER_TEXT_MAX] = "";
	unsigned int number = 0;
	int r = file ? check_owner(file, why) : fail(why, -errno, "%s", strerror(errno));

	while (r == 0 && fgets(line, sizeof(line), file)) {
		number++;
		r = read_line(broker, line, why);
	}
	if (file) {
		fclose(file);
	}
	return r < 0 ? fail(text, r, "%s, line %u: %.180s", path, number, why) : 0;
}
