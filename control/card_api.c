// SPDX-License-Identifier: MIT
/* Cards in the D-Bus API; see card_api.h. */
#include "control/card_api.h"

#include "common/cleanup.h"
#include "control/bus_reply.h"
#include "control/private.h"

struct card_walk {
	sd_bus_message *reply;
	int r; /* of the first append that failed */
};

static int append_card(sd_bus_message *m, const struct control_card *card)
{
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	if (r < 0 || (r = bus_append_text(m, "name", card->name)) < 0 ||
	    (r = bus_append_text(m, "address", card->address)) < 0 ||
	    (r = bus_append_text(m, "state", card->state)) < 0 ||
	    (r = bus_append_text(m, "owner", card->owner)) < 0 ||
	    (r = bus_append_entry(m, "moving", "b", card->moving)) < 0 ||
	    (r = bus_append_text(m, "target", card->target)) < 0 ||
	    (r = bus_append_text(m, "stage", card->stage)) < 0 ||
	    (r = bus_append_entry(m, "stage_ms", "u", card->stage_ms)) < 0 ||
	    (r = bus_append_entry(m, "asking", "b", card->asking)) < 0 ||
	    (r = bus_append_text(m, "drivers", card->drivers)) < 0 ||
	    (r = bus_append_entry(m, "only_screen", "b", card->only_screen)) < 0 ||
	    (r = bus_append_entry(m, "sound", "b", card->sound)) < 0 ||
	    (r = bus_append_text(m, "text", card->text)) < 0) {
		return r;
	}
	return sd_bus_message_close_container(m);
}

static void walk_append(const struct control_card *card, void *data)
{
	struct card_walk *walk = data;

	if (walk->r >= 0) {
		walk->r = append_card(walk->reply, card);
	}
}

int card_api_list(sd_bus_message *call, void *data, sd_bus_error *error)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct control *control = data;
	struct card_walk walk;
	int r;

	(void)error;
	r = sd_bus_message_new_method_return(call, &reply);
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_open_container(reply, 'a', "a{sv}");
	if (r < 0) {
		return r;
	}
	walk = (struct card_walk){ .reply = reply };
	control->actions->each_card(control->data, walk_append, &walk);
	if (walk.r < 0) {
		return walk.r;
	}
	r = sd_bus_message_close_container(reply);
	return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static const char *none_if_empty(const char *s)
{
	return *s ? s : NULL;
}

int card_api_give(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct control *control = data;
	const char *card, *guest, *why = NULL;
	int dark, r;

	r = sd_bus_message_read(call, "ssb", &card, &guest, &dark);
	if (r < 0) {
		return r;
	}
	card = none_if_empty(card);
	r = control->actions->give_card(control->data, &card, none_if_empty(guest), dark, &why);
	return r < 0 ? bus_fail(error, r, why) : sd_bus_reply_method_return(call, "s", card);
}

int card_api_answer(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct control *control = data;
	const char *card, *answer, *why = NULL;
	int r;

	r = sd_bus_message_read(call, "ss", &card, &answer);
	if (r < 0) {
		return r;
	}
	r = control->actions->answer_card(control->data, card, answer, &why);
	return bus_answer(call, error, r, why);
}
