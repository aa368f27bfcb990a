// SPDX-License-Identifier: MIT
/*
 * broker.conf: "card 0000:01:00" and "user NAME" lines. It says what root does for an ordinary
 * user, so nobody but root may be able to write it.
 */
#include "passthrough/broker/broker.h"

#include <pwd.h>

bool user_allowed(const struct broker *broker, uid_t uid)
{
	unsigned int i = 0;

	while (i < broker->n_users && broker->users[i] != uid) {
		i++;
	}
	return i < broker->n_users;
}

static int add_card(struct broker *broker, unsigned int domain, unsigned int bus,
		    unsigned int device, char *text)
{
	struct card *card = &broker->cards[broker->n_cards];

	if (broker->n_cards == BROKER_CARDS_MAX || device > 31) {
		return fail(text, -EINVAL, device > 31 ? "no such PCI slot" : "too many cards");
	}
	*card = (struct card){ .broker = broker, .borrower = -1, .operation.borrower = -1 };
	card->slot = (struct broker_slot){ (uint16_t)domain, (uint8_t)bus, (uint8_t)device };
	snprintf(card->name, sizeof(card->name), "%04x:%02x:%02x", domain, bus, device);
	broker->n_cards++;
	return 0;
}

static int add_user(struct broker *broker, const char *name, char *text)
{
	const struct passwd *user = getpwnam(name);

	if (!user || broker->n_users == USERS_MAX) {
		return fail(text, -EINVAL, user ? "too many users" : "there is no user %s", name);
	}
	broker->users[broker->n_users++] = user->pw_uid;
	return 0;
}

static int read_line(struct broker *broker, char *line, char *text)
{
	unsigned int domain, bus, device;
	char name[64], more;

	line[strcspn(line, "#\n")] = '\0';
	if (sscanf(line, " card %4x:%2x:%2x %c", &domain, &bus, &device, &more) == 3) {
		return add_card(broker, domain, bus, device, text);
	}
	if (sscanf(line, " user %63s %c", name, &more) == 1) {
		return add_user(broker, name, text);
	}
	return sscanf(line, " %c", &more) == 1
		       ? fail(text, -EINVAL, "write \"card 0000:01:00\" or \"user NAME\"")
		       : 0;
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
