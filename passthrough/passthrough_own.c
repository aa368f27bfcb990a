// SPDX-License-Identifier: MIT
/*
 * What the seat does itself in a handoff: looks whether it can work, has its screens on the card
 * closed and opened, and has guests' QEMUs plug the card in and out. Each ends in step_done().
 */
#include <errno.h>
#include <stdio.h>

#include "passthrough/passthrough_private.h"

/* The guest to which the card goes: can it take it? -EAGAIN: nobody knows yet. */
static int check_guest(const struct managed_card *card, const struct guest_card *own, char *text,
		       size_t size)
{
	unsigned int port = card->config->guest_port;

	if (!own) {
		snprintf(text, size, "The guest is not there any more.");
		return -ESRCH;
	}
	if (!guest_device_is_known(own->device)) {
		return -EAGAIN;
	}
	if (!guest_device_has_port(own->device, port)) {
		snprintf(text, size,
			 "%s was started without root port %u for the card; end it and start it "
			 "again.",
			 vm_name(own->guest->vm), port);
		return -ENXIO;
	}
	return 0;
}

static int check_card(struct managed_card *card, char *text, size_t size)
{
	const struct broker_facts *facts = passthrough_facts(card);
	const char *note = broker_client_note(card->passthrough->broker, &card->config->slot);

	if (facts && (facts->flags & BROKER_CARD_VIABLE)) {
		return 0;
	}
	snprintf(text, size, "%s",
		 note && *note
			 ? note
			 : "The card cannot be lent; see \"batonctl doctor\" for the reason.");
	return -EPERM;
}

/* What can be known before anything is touched. */
static void act_prepare(struct managed_card *card)
{
	const struct step *step = &card->step;
	char text[BROKER_TEXT_MAX] = "";
	int r = 0;

	if (step->to != HANDOFF_HOST) {
		r = check_card(card, text, sizeof(text));
	}
	if (r == 0 && step->to != HANDOFF_HOST && step->to != HANDOFF_POOL) {
		r = check_guest(card, passthrough_guest_card(card, step->to), text, sizeof(text));
	}
	if (r != -EAGAIN) {
		step_done(card, HANDOFF_PREPARE, r, text);
	}
}

void step_look(struct managed_card *card)
{
	if (card->step.phase == STEP_ACTION && card->step.stage == HANDOFF_PREPARE) {
		act_prepare(card);
	}
}

static void act_eject(struct managed_card *card)
{
	struct guest_card *own = passthrough_guest_card(card, card->step.from);

	if (own) {
		release_begin(own);
	} else {
		step_done(card, HANDOFF_EJECT, 0, NULL);
	}
}

static uint8_t function_bits(const struct broker_facts *facts)
{
	uint8_t bits = 0;

	for (uint32_t i = 0; i < facts->function_count; i++) {
		bits |= (uint8_t)(1u << facts->functions[i].number);
	}
	return bits;
}

static void act_attach(struct managed_card *card)
{
	struct guest_card *own = passthrough_guest_card(card, card->step.to);
	const struct broker_facts *facts = passthrough_facts(card);
	struct guest_device_plan plan = {
		.slot = card->config->slot,
		.port = card->config->guest_port,
		.rom = card->config->rom,
	};

	if (!own || !facts) {
		step_done(card, HANDOFF_ATTACH, -ESRCH, "The guest is not there any more.");
		return;
	}
	plan.functions = function_bits(facts);
	guest_device_attach(own->device, &plan);
}

static void act_confirm(struct managed_card *card)
{
	struct guest_card *own = passthrough_guest_card(card, card->step.to);

	if (own) {
		guest_device_confirm(own->device);
	} else {
		step_done(card, HANDOFF_CONFIRM, -ESRCH, "The guest is not there any more.");
	}
}

/* The seat's screens: they answer by passthrough_screen_closed() and _opened(). */
static void act_screens(struct managed_card *card)
{
	struct passthrough *passthrough = card->passthrough;
	struct passthrough_card told;

	passthrough_describe(card, &told);
	if (card->step.stage == HANDOFF_CLOSE_SCREEN) {
		passthrough->handlers->close_screen(passthrough->data, &told);
	} else {
		passthrough->handlers->open_screen(passthrough->data, &told);
	}
}

void step_act(struct managed_card *card)
{
	switch (card->step.stage) {
	case HANDOFF_PREPARE:
		act_prepare(card);
		break;
	case HANDOFF_EJECT:
		act_eject(card);
		break;
	case HANDOFF_ATTACH:
		act_attach(card);
		break;
	case HANDOFF_CONFIRM:
		act_confirm(card);
		break;
	default:
		act_screens(card);
		break;
	}
}
