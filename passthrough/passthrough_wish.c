// SPDX-License-Identifier: MIT
/* Who should have a card, and when its way begins: the policy, with the world that it asks for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "passthrough/passthrough_private.h"

/* Guests as the policy sees them, in the order in which they were added. */
struct wish_view {
	struct policy_view view;
	struct policy_guest guests[];
};

static struct wish_view *view_create(const struct managed_card *card)
{
	const struct passthrough *passthrough = card->passthrough;
	size_t n = list_length(&passthrough->guests);
	struct wish_view *own = calloc(1, sizeof(*own) + n * sizeof(own->guests[0]));
	const struct managed_guest *guest;

	if (!own) {
		return NULL;
	}
	own->view = (struct policy_view){
		.card = card->config->name,
		.owner = card->handoff.owner,
		.home = card->handoff.home,
		.settle_ms = card->config->settle_ms,
		.guests = own->guests,
		.front = passthrough->front,
		.front_usec = passthrough->front_usec,
	};
	list_for_each(guest, &passthrough->guests, link) {
		own->guests[own->view.guest_count++] = (struct policy_guest){
			.id = guest->id,
			.name = vm_name(guest->vm),
			.policy = card_wishes_policy(&guest->wishes, card->config->name),
			.alive = guest->living,
		};
	}
	return own;
}

static void timer_arm(struct managed_card *card, uint64_t again_usec)
{
	uint64_t due = handoff_deadline(&card->handoff);

	due = again_usec < due ? again_usec : due;
	if (due == UINT64_MAX) {
		(void)sd_event_source_set_enabled(card->timer, SD_EVENT_OFF);
	} else if (sd_event_source_set_time(card->timer, due) < 0 ||
		   sd_event_source_set_enabled(card->timer, SD_EVENT_ONESHOT) < 0) {
		log_error("The card %s has lost its timer: out of memory", card->config->name);
	}
}

/* Says that a wish waits for the guest, or (NULL) that none does. */
static void set_held(struct managed_card *card, const struct managed_guest *guest)
{
	bool was_held = card->held[0];

	card->held[0] = '\0';
	if (guest) {
		snprintf(card->held, sizeof(card->held),
			 "%s gets the card when its QEMU can be told so.", vm_name(guest->vm));
	}
	if (was_held != (guest != NULL)) {
		passthrough_tell(card);
	}
}

int wish_begin(struct managed_card *card, uint32_t to)
{
	int r;

	if (card->resuming) {
		card->resumed = card->resuming = false; /* this is another way */
	}
	card->asked = true;
	card->aim = to;
	r = handoff_start(&card->handoff, to, passthrough_now());
	if (r < 0) {
		card->asked = false;
		log_debug("%s does not set out: %s", card->config->name, strerror(-r));
	}
	return r;
}

static void decide(struct managed_card *card, const struct policy_decision *decision)
{
	uint32_t to = card->rescued ? HANDOFF_HOST : decision->owner;
	const struct managed_guest *guest = passthrough_guest(card->passthrough, to);
	bool wanted = !card->handoff.active && to != card->handoff.owner;
	bool held = wanted && guest && !vm_commandable(guest->vm);

	card->policy = decision->state;
	set_held(card, held ? guest : NULL);
	if (wanted && !held) {
		(void)wish_begin(card, to);
	}
}

void wish_decide(struct managed_card *card)
{
	_cleanup_free_ struct wish_view *own = NULL;
	struct policy_decision decision = { .again_usec = UINT64_MAX };

	if (card->synced && card_state_rests(card->handoff.state)) {
		own = view_create(card);
	}
	if (own) {
		decision = policy_decide(&own->view, &card->policy, passthrough_now());
		decide(card, &decision);
	} else {
		set_held(card, NULL);
	}
	timer_arm(card, decision.again_usec);
}

int wish_request(struct managed_card *card, uint32_t to, char *why, size_t size)
{
	_cleanup_free_ struct wish_view *own = view_create(card);

	if (!own) {
		snprintf(why, size, "There is no memory left.");
		return -ENOMEM;
	}
	return policy_request(&own->view, to, passthrough_now(), &card->policy, why, size);
}

void wish_start(struct managed_card *card, uint32_t owner)
{
	_cleanup_free_ struct wish_view *own = view_create(card);

	if (own) {
		own->view.owner = owner;
		card->policy = policy_start(&own->view, passthrough_now());
		card->started = true;
	}
}

void wish_rescue(struct managed_card *card)
{
	char why[BROKER_TEXT_MAX];

	card->resuming = false;
	card->rescued = wish_request(card, HANDOFF_HOST, why, sizeof(why)) < 0;
}

void wish_resume(struct managed_card *card)
{
	char why[BROKER_TEXT_MAX];

	card->resuming = false;
	if (wish_request(card, card->resume, why, sizeof(why)) < 0) {
		log_debug("%s does not go on: %s", card->config->name, why);
		card->resumed = false;
	}
}

/* A guest that kept the card, since the way to another one failed, has it as if it were asked for:
 * it does not lose it when that other one ends. */
static void keep(struct managed_card *card)
{
	char why[BROKER_TEXT_MAX];

	if (passthrough_guest(card->passthrough, card->handoff.owner)) {
		(void)wish_request(card, card->handoff.owner, why, sizeof(why));
	}
}

void wish_finished(struct managed_card *card)
{
	uint32_t aim = card->asked ? card->aim : card->policy.wanted;
	bool newer = card->policy.wanted_usec > card->handoff.started_usec;

	/* A way that nobody asked for says nothing of a wish that came on it. */
	if (card->asked || !newer) {
		policy_finished(&card->policy, aim, card->handoff.owner);
	}
	card->asked = false;
	if (card->synced && aim == HANDOFF_HOST && card->handoff.owner != HANDOFF_HOST) {
		card->rescued = false; /* as far as it went */
	}
	if (aim == card->policy.wanted && card->policy.failed) {
		keep(card);
	}
	if (!card->synced) {
		return; /* the broker has gone */
	}
	if (card->resuming) {
		wish_resume(card);
	} else {
		card->resumed = false;
	}
	wish_decide(card); /* a wish that came on the way goes on without a rest between */
}
