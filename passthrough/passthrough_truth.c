// SPDX-License-Identifier: MIT
/*
 * What the broker says of the cards and the guests of their devices, and what follows from both.
 *
 * After each (re)connection to the broker the state of a card is found anew. A guest that runs may
 * not have told yet what it has: for a card on vfio-pci that is waited for, for a second. Then a
 * living borrower has the card until it says that it has not, whatever the broker saw when it
 * looked: it may be using it, and nothing is taken from it unasked. Who wants the card elsewhere
 * has it ejected, with the deadline and the question of that stage. A card that is lent to a guest
 * without a whole device of it goes home. When the way to it had been broken off, and the guest
 * says only then that it has no such device, the way goes on from there.
 *
 * The journal's last line says whether a way was broken off, by the end of the seat or of the
 * broker, and where it led. It is taken up again, once, and its stages are marked in the journal:
 * what was broken off a second time is left where it comes to rest, or a card that brings the
 * broker or the seat down would do so for ever. What a rescue came upon is not taken up either.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "passthrough/passthrough_private.h"

/* ---- Who has a card ---- */

static const struct guest_card *find_presence(const struct managed_card *card)
{
	struct managed_guest *guest;

	list_for_each(guest, &card->passthrough->guests, link) {
		const struct guest_card *own = passthrough_guest_card(card, guest->id);

		if (guest_device_is_there(own->device)) {
			return own;
		}
	}
	return NULL;
}

/* To whom the broker has lent it, or NULL. */
static const struct guest_card *find_borrower(const struct managed_card *card,
					      const struct broker_facts *facts)
{
	struct managed_guest *guest;

	list_for_each(guest, &card->passthrough->guests, link) {
		if ((facts->flags & BROKER_CARD_LENT) && guest->living &&
		    vm_pid(guest->vm) == facts->lent_pid) {
			return passthrough_guest_card(card, guest->id);
		}
	}
	return NULL;
}

struct truth {
	enum card_state state;
	uint32_t owner;
	bool assumed; /* the owner has not said that it has the card */
};

static struct truth find_truth(const struct managed_card *card, const struct broker_facts *facts)
{
	const struct guest_card *borrower = find_borrower(card, facts);
	const struct guest_card *owner = find_presence(card);
	/* A part of it only is no loan that could stay: the machine takes it back. */
	bool has_device = owner && guest_device_is_whole(owner->device);
	bool assumed = !owner && borrower && !guest_device_is_known(borrower->device);

	if (!owner) {
		owner = borrower;
	}
	return (struct truth){
		.state = card_state_from_facts(facts, has_device || assumed),
		.owner = owner ? owner->guest->id : HANDOFF_POOL,
		.assumed = assumed,
	};
}

/* Guests that run and have not said yet what they have. */
static bool waits_for_guests(const struct managed_card *card)
{
	const struct passthrough *passthrough = card->passthrough;
	struct managed_guest *guest;

	if (passthrough_now() >= passthrough->up_usec + PASSTHROUGH_GRACE_USEC) {
		return false;
	}
	list_for_each(guest, &passthrough->guests, link) {
		if (guest->living &&
		    !guest_device_is_known(passthrough_guest_card(card, guest->id)->device)) {
			return true;
		}
	}
	return false;
}

static bool on_vfio(const struct broker_facts *facts)
{
	enum card_state state = card_state_from_facts(facts, false);

	return state == CARD_STATE_POOL || state == CARD_STATE_ATTACHING;
}

/* ---- Bringing a card to rest ---- */

/* The guest that a name in the journal stands for. False: nobody who is there. */
static bool owner_from_name(const struct managed_card *card, const char *name, uint32_t *out)
{
	struct managed_guest *guest;

	*out = HANDOFF_HOST;
	if (name[0] == '\0') {
		return true;
	}
	list_for_each(guest, &card->passthrough->guests, link) {
		if (strcmp(vm_name(guest->vm), name) == 0) {
			*out = guest->id;
			return guest->living;
		}
	}
	return false;
}

/* The last stage of a way to a guest. */
static bool has_arrived(const struct broker_stage *stage)
{
	return stage->finished && !strcmp(stage->name, handoff_stage_name(HANDOFF_CONFIRM));
}

/* Where a way led that was broken off. False: none was, or it comes there by itself. */
static bool find_direction(const struct managed_card *card, const struct broker_stage *stage,
			   const struct truth *truth, uint32_t *out)
{
	bool ours = stage->from[0] || stage->to[0]; /* the broker names nobody when it acts alone */
	bool again = card->resumed || strchr(stage->name, PASSTHROUGH_RESUMED);

	if (!ours || again || stage->finished == 2 || !owner_from_name(card, stage->to, out)) {
		return false;
	}
	switch (truth->state) {
	case CARD_STATE_GUEST:
		return *out != truth->owner || (truth->assumed && !has_arrived(stage));
	case CARD_STATE_WEDGED:
	case CARD_STATE_LOST:
		return false;
	case CARD_STATE_POOL:
	case CARD_STATE_ATTACHING:
		return *out != HANDOFF_HOST || card->handoff.home != HANDOFF_HOST;
	default:
		return *out != HANDOFF_HOST;
	}
}

/* A pooled card goes on at once; handoff_resync() would take it home before. True when it does. */
static bool go_on_from_pool(struct managed_card *card, const struct truth *truth, uint32_t to)
{
	const struct managed_guest *guest = passthrough_guest(card->passthrough, to);
	char why[BROKER_TEXT_MAX];

	if (truth->state != CARD_STATE_POOL || (guest && !vm_commandable(guest->vm)) ||
	    wish_request(card, to, why, sizeof(why)) < 0) {
		return false;
	}
	handoff_init(&card->handoff, &step_ops, card, CARD_STATE_POOL, HANDOFF_POOL,
		     card->handoff.home);
	return wish_begin(card, to) >= 0;
}

static void take_up(struct managed_card *card, const struct truth *truth, uint32_t to)
{
	log_info("%s: a handoff to %s was broken off and goes on", card->config->name,
		 to == HANDOFF_HOST ? "the host" : step_owner_name(card, to));
	card->resumed = true;
	if (go_on_from_pool(card, truth, to)) {
		return;
	}
	card->resuming = true;
	card->resume = to;
	handoff_resync(&card->handoff, truth->state, truth->owner, passthrough_now());
	/* Whether the guest has the card that it may have is to be seen; see take_arrival(). */
	if (card->resuming && !card->handoff.active && truth->owner != to) {
		wish_resume(card);
	}
}

/* A way that was taken up has led to the guest already, as it says. */
static void take_arrival(struct managed_card *card, const struct guest_card *own)
{
	if (card->resuming && !card->handoff.active && card->resume == own->guest->id &&
	    guest_device_is_whole(own->device)) {
		card->resumed = card->resuming = false;
	}
}

/* Nobody takes it up any more, also no seat that comes after us. */
static void drop_way(struct managed_card *card, const struct broker_stage *stage)
{
	struct broker_request request = {
		.verb = BROKER_RECORD,
		.slot = card->config->slot,
		.stage = *stage,
	};

	request.stage.finished = 2;
	(void)broker_client_request(card->passthrough->broker, &request, -1, NULL, NULL);
}

/* False: no way was broken off, or the card was rescued since. */
static bool go_on_with_way(struct managed_card *card, const struct truth *truth)
{
	const struct broker_stage *stage = &passthrough_facts(card)->stage;
	bool rescued = card->rescued;
	uint32_t to;
	bool broken_off = find_direction(card, stage, truth, &to);

	if (rescued) {
		wish_rescue(card);
	}
	if (rescued && broken_off) {
		drop_way(card, stage);
	} else if (broken_off) {
		take_up(card, truth, to);
	}
	return broken_off && !rescued;
}

static void card_sync(struct managed_card *card)
{
	const struct broker_facts *facts = passthrough_facts(card);
	struct truth truth;

	if (!facts || card->synced || (on_vfio(facts) && waits_for_guests(card))) {
		return;
	}
	truth = find_truth(card, facts);
	card->synced = true;
	if (!card->started) {
		wish_start(card, truth.state == CARD_STATE_GUEST ? truth.owner : HANDOFF_HOST);
	}
	if (!go_on_with_way(card, &truth)) {
		handoff_resync(&card->handoff, truth.state, truth.owner, passthrough_now());
	}
	passthrough_wake(card->passthrough);
}

/* Something was said unasked; during a handoff that counts only where it ends it. */
static void card_resync(struct managed_card *card)
{
	const struct broker_facts *facts = passthrough_facts(card);
	struct truth truth;

	if (facts && card->synced) {
		truth = find_truth(card, facts);
		handoff_resync(&card->handoff, truth.state, truth.owner, passthrough_now());
	}
	passthrough_wake(card->passthrough);
}

void truth_sync(struct passthrough *passthrough)
{
	bool waits = false;

	for (size_t i = 0; i < passthrough->n; i++) {
		struct managed_card *card = &passthrough->cards[i];

		card_sync(card);
		waits = waits || (!card->synced && passthrough_facts(card));
	}
	(void)sd_event_source_set_enabled(passthrough->grace,
					  waits ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/* ---- The broker ---- */

static void handle_up(void *data)
{
	struct passthrough *passthrough = data;

	passthrough->up_usec = passthrough_now();
	(void)sd_event_source_set_time_relative(passthrough->grace, PASSTHROUGH_GRACE_USEC);
	truth_sync(passthrough);
	for (size_t i = 0; i < passthrough->n; i++) {
		passthrough_tell(&passthrough->cards[i]);
	}
}

static void handle_down(void *data)
{
	struct passthrough *passthrough = data;

	(void)sd_event_source_set_enabled(passthrough->grace, SD_EVENT_OFF);
	for (size_t i = 0; i < passthrough->n; i++) {
		struct managed_card *card = &passthrough->cards[i];

		card->synced = false;
		handoff_broker_gone(&card->handoff, passthrough_now());
	}
	passthrough_wake(passthrough);
}

static struct managed_card *card_by_slot(struct passthrough *passthrough,
					 const struct broker_slot *slot)
{
	for (size_t i = 0; i < passthrough->n; i++) {
		if (card_slot_equal(&passthrough->cards[i].config->slot, slot)) {
			return &passthrough->cards[i];
		}
	}
	return NULL;
}

/* A guest may let go without an event. When the broker looks at the card, for whatever reason, it
 * sees that the borrower does not have its group open. Facts that were not looked up since the loan
 * say so too; the guest is only asked. */
static void look_for_silent_release(struct managed_card *card)
{
	const struct broker_facts *facts = passthrough_facts(card);
	const struct guest_card *own = passthrough_guest_card(card, card->handoff.owner);

	if (own && !card->handoff.active && card->handoff.state == CARD_STATE_GUEST &&
	    !(facts->flags & BROKER_CARD_OPEN)) {
		guest_device_look(own->device);
	}
}

static void handle_news(void *data, const struct broker_message *message)
{
	struct managed_card *card = card_by_slot(data, &message->slot);

	if (card && message->kind == BROKER_CARD) {
		card_sync(card);
		card_resync(card);
		look_for_silent_release(card);
		passthrough_tell(card);
	}
}

const struct broker_client_ops truth_broker_ops = {
	.up = handle_up,
	.down = handle_down,
	.news = handle_news,
};

/* ---- Guests ---- */

static void handle_done(void *data, int error, const char *text)
{
	const struct guest_card *own = data;

	step_done(own->card, own->card->step.stage, error, text);
}

/* The guest has let go without being asked, or it is only now known what it has. */
static void handle_seen(void *data)
{
	const struct guest_card *own = data;
	struct managed_card *card = own->card;

	truth_sync(card->passthrough);
	take_arrival(card, own);
	step_look(card);
	if (card->synced && guest_device_is_known(own->device) &&
	    !guest_device_is_there(own->device)) {
		handoff_guest_released(&card->handoff, own->guest->id, passthrough_now());
	}
	if (!card->handoff.active) {
		card_resync(card);
	}
	passthrough_wake(card->passthrough);
}

const struct guest_device_ops truth_device_ops = { .done = handle_done, .seen = handle_seen };

static bool lives(const struct managed_guest *guest)
{
	enum vm_state state = vm_get_state(guest->vm);

	return state != VM_STATE_STOPPED && state != VM_STATE_FAILED;
}

void truth_guest_gone(struct managed_guest *guest)
{
	struct passthrough *passthrough = guest->passthrough;

	guest->living = false;
	for (size_t i = 0; i < passthrough->n; i++) {
		handoff_guest_gone(&passthrough->cards[i].handoff, guest->id, passthrough_now());
	}
}

void truth_guest_changed(struct managed_guest *guest)
{
	bool living = lives(guest);

	if (living == guest->living) {
		return;
	}
	guest->living = living;
	if (!living) {
		truth_guest_gone(guest);
	}
	truth_sync(guest->passthrough);
	passthrough_wake(guest->passthrough);
}
