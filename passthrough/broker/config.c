// SPDX-License-Identifier: MIT
/*
 * broker.conf: "card 0000:01:00" and "user NAME" lines. It says what root does for an ordinary
 * user, so nobody but root may be able to write it.
 */
#include "passthrough/broker/broker.h"

#include <pwd.h>

static int add_card(struct broker *broker, const char *value, char *text)
{
	struct card *card = &broker->cards[broker->n_cards];
	unsigned int domain, bus, device;
	int end = 0;

	if (sscanf(value, "%4x:%2x:%2x%n", &domain, &bus, &device, &end) != 3 || value[end] ||
	    end != 10 || device > 31) {
		return fail(text, -EINVAL, "\"%s\" is no PCI slot: write it as 0000:01:00", value);
	}
	if (broker->n_cards == BROKER_CARDS_MAX) {
		return fail(text, -E2BIG, "more than %d cards", BROKER_CARDS_MAX);
	}
	*card = (struct card){ .broker = broker, .borrower = -1, .operation.borrower = -1 };
	card->slot = (struct broker_slot){ (uint16_t)domain, (uint8_t)bus, (uint8_t)device };
	snprintf(card->name, sizeof(card->name), "%04x:%02x:%02x", domain, bus, device);
	broker->n_cards++;
	return 0;
}

static int add_user(struct broker *broker, const char *value, char *text)
{
	const struct passwd *user = getpwnam(value);

	if (!user || broker->n_users == USERS_MAX) {
		return fail(text, -EINVAL, user ? "too many users" : "there is no user \"%s\"",
			    value);
	}
	broker->users[broker->n_users++] = user->pw_uid;
	return 0;
}

bool user_allowed(const struct broker *broker, uid_t uid)
{
	unsigned int i = 0;

	while (i < broker->n_users && broker->users[i] != uid) {
		i++;
	}
	return i < broker->n_users;
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

int config_load(struct broker *broker, const char *path, char *text)
{
	FILE *file = fopen(path, "re");
	char line[256], why[BROKER_TEXT_MAX];
	unsigned int number = 0;
	struct stat st;
	int r = 0;

	if (!file || fstat(fileno(file), &st) < 0) {
		return fail(text, -errno, "%s: %s", path, strerror(errno));
	}
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || st.st_mode & (S_IWGRP | S_IWOTH)) {
		r = fail(text, -EPERM, "%s: root alone may write it: chown root, chmod 644", path);
	}
	while (r == 0 && fgets(line, sizeof(line), file)) {
		number++;
		r = read_line(broker, line, why);
		if (r < 0) {
			fail(text, r, "%s, line %u: %.160s", path, number, why);
		}
	}
	fclose(file);
	return r;
}
