// SPDX-License-Identifier: MIT
/* Reads [cards] of a guest's file; see card_config.h. */
#include "passthrough/card_config.h"

#include <errno.h>
#include <string.h>

#include "common/strv.h"

/* The key of each policy and its list; the later ones count more. */
static const struct {
	const char *name;
	size_t offset;
} lists[CARD_POLICY_COUNT] = {
	[CARD_POLICY_NEVER] = { "never", 0 },
	[CARD_POLICY_ON_REQUEST] = { "on-request", offsetof(struct card_wishes, on_request) },
	[CARD_POLICY_FOLLOW_FOCUS] = { "follow-focus", offsetof(struct card_wishes, follow_focus) },
	[CARD_POLICY_PINNED] = { "pinned", offsetof(struct card_wishes, pinned) },
};

static const struct ini_key keys[] = {
	{ "cards", "on-request", offsetof(struct card_wishes, on_request), ini_parse_words },
	{ "cards", "follow-focus", offsetof(struct card_wishes, follow_focus), ini_parse_words },
	{ "cards", "pinned", offsetof(struct card_wishes, pinned), ini_parse_words },
	{ .section = INI_OTHERS }, /* vm_config.c reads it too */
	{ 0 },
};

const char *card_policy_name(enum card_policy policy)
{
	return policy < CARD_POLICY_COUNT ? lists[policy].name : "?";
}

static char *const *list_of(const struct card_wishes *wishes, enum card_policy policy)
{
	return *(char **const *)((const char *)wishes + lists[policy].offset);
}

static bool has_name(char *const *list, const char *name)
{
	while (list && *list && strcmp(*list, name) != 0) {
		list++;
	}
	return list && *list;
}

enum card_policy card_wishes_policy(const struct card_wishes *wishes, const char *card)
{
	int policy = CARD_POLICY_PINNED;

	while (policy > CARD_POLICY_NEVER &&
	       !has_name(list_of(wishes, (enum card_policy)policy), card)) {
		policy--;
	}
	return (enum card_policy)policy;
}

void card_wishes_finish(struct card_wishes *wishes)
{
	strv_free(wishes->on_request);
	strv_free(wishes->follow_focus);
	strv_free(wishes->pinned);
	*wishes = (struct card_wishes){ 0 };
}

/* Calls it a mistake when a card of one list is in another too. */
static int check_list(const struct card_wishes *wishes, enum card_policy policy, const char *path,
		      struct ini_report *report)
{
	const char *key = lists[policy].name;
	char *const *card = list_of(wishes, policy);
	int r = 0;

	for (; card && *card; card++) {
		if (card_wishes_policy(wishes, *card) != policy) {
			ini_report_add(report, path, ini_find_line(path, "cards", key, 0), key,
				       "%s is %s already; name it once", *card,
				       card_policy_name(card_wishes_policy(wishes, *card)));
			r = -EINVAL;
		}
	}
	return r;
}

int card_wishes_load(const char *path, struct ini_report *report, struct card_wishes *out)
{
	int r;

	*out = (struct card_wishes){ 0 };
	r = ini_load(path, keys, out, report);
	for (int policy = CARD_POLICY_ON_REQUEST; policy < CARD_POLICY_COUNT; policy++) {
		int checked = check_list(out, (enum card_policy)policy, path, report);

		r = r < 0 ? r : checked;
	}
	if (r < 0) {
		card_wishes_finish(out);
	}
	return r;
}

static bool is_card(struct card_config *const *cards, size_t n, const char *name)
{
	size_t i = 0;

	while (i < n && strcmp(cards[i]->name, name) != 0) {
		i++;
	}
	return i < n;
}

int card_wishes_check(const struct card_wishes *wishes, const char *path,
		      struct card_config *const *cards, size_t n, struct ini_report *report)
{
	int r = 0;

	for (int policy = CARD_POLICY_ON_REQUEST; policy < CARD_POLICY_COUNT; policy++) {
		const char *key = lists[policy].name;
		char *const *card = list_of(wishes, (enum card_policy)policy);

		for (; card && *card; card++) {
			if (!is_card(cards, n, *card)) {
				ini_report_add(report, path, ini_find_line(path, "cards", key, 0),
					       key,
					       "there is no card \"%s\"; make its file %s.ini "
					       "in the folder of cards",
					       *card, *card);
				r = -EINVAL;
			}
		}
	}
	return r;
}
