// SPDX-License-Identifier: MIT
/*
 * broker.conf: "card 0000:01:00", "user NAME" and "guest NAME USER" lines. It says what root does
 * for an ordinary user, so nobody but root may be able to write it.
 */
#include "passthrough/broker/broker.h"

#include <pwd.h>

#define EXPECTED "write \"card 0000:01:00\", \"user NAME\" or \"guest NAME USER\""

const struct broker_guest *account_find(const struct broker *b, const char *name, const uid_t *uid)
{
	const struct broker_guest *account = b->accounts, *end = account + b->n_accounts;

	while (account < end &&
	       ((name && strcmp(account->name, name) != 0) || (uid && account->uid != *uid))) {
		account++;
	}
	return account < end ? account : NULL;
}

static int add_card(struct broker *broker, const unsigned int slot[3], char *text)
{
	struct card *added = &broker->cards[broker->n_cards];

	if (broker->n_cards == BROKER_CARDS_MAX || slot[2] > 31) {
		return fail(text, -EINVAL, slot[2] > 31 ? "no such PCI slot" : "too many cards");
	}
	*added = (struct card){ .broker = broker, .stale = true, .borrower = -1 };
	added->operation.borrower = added->waiting.borrower = -1;
	added->slot = (struct broker_slot){ (uint16_t)slot[0], (uint8_t)slot[1], (uint8_t)slot[2] };
	snprintf(added->name, sizeof(added->name), "%04x:%02x:%02x", slot[0], slot[1], slot[2]);
	card_for_each(broker, card) {
		if (!strcmp(card->name, added->name)) {
			return fail(text, -EINVAL, "%s has a line already", card->name);
		}
	}
	broker->n_cards++;
	return 0;
}

/* A guest's user is nobody else's: what its QEMU may do, no other guest and no seat may. */
static int add_account(struct broker *broker, const struct broker_guest *account, char *text)
{
	const struct passwd *user = getpwnam(account->user);
	const char *name = account->name;

	if (!user || broker->n_accounts == ACCOUNTS_MAX) {
		return fail(text, -EINVAL, user ? "too many users" : "there is no user %s",
			    account->user);
	}
	if (account_find(broker, NULL, &user->pw_uid) ||
	    (name[0] && (user->pw_uid == 0 || account_find(broker, name, NULL)))) {
		return fail(text, -EINVAL,
			    "each guest has one user, nobody else's, and each user one line");
	}
	broker->accounts[broker->n_accounts] = *account;
	broker->accounts[broker->n_accounts++].uid = user->pw_uid;
	return 0;
}

static int read_line(struct broker *broker, char *line, char *text)
{
	unsigned int slot[3];
	struct broker_guest account = { 0 };
	char more;

	line[strcspn(line, "#\n")] = '\0';
	if (sscanf(line, " card %4x:%2x:%2x %c", &slot[0], &slot[1], &slot[2], &more) == 3) {
		return add_card(broker, slot, text);
	}
	if (sscanf(line, " user %31s %c", account.user, &more) == 1 ||
	    sscanf(line, " guest %63s %31s %c", account.name, account.user, &more) == 2) {
		return add_account(broker, &account, text);
	}
	return sscanf(line, " %c", &more) != 1 ? 0 : fail(text, -EINVAL, "%s", EXPECTED);
}

int config_load(struct broker *broker, const char *path, char *text)
{
	_cleanup_(close_file) FILE *file = fopen(path, "re");
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
	return r;
}
