// SPDX-License-Identifier: MIT
/* The states of a card, what facts speak of, and its address; see card.h. */
#include "passthrough/card.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VFIO_DRIVER "vfio-pci"

static const char *const names[CARD_STATE_COUNT] = {
	[CARD_STATE_HOST] = "HOST",
	[CARD_STATE_DRAINING] = "DRAINING",
	[CARD_STATE_DETACHING] = "DETACHING",
	[CARD_STATE_POOL] = "POOL",
	[CARD_STATE_SANITIZING] = "SANITIZING",
	[CARD_STATE_ATTACHING] = "ATTACHING",
	[CARD_STATE_GUEST] = "GUEST",
	[CARD_STATE_EJECTING] = "EJECTING",
	[CARD_STATE_RETURNING] = "RETURNING",
	[CARD_STATE_WEDGED] = "WEDGED",
	[CARD_STATE_LOST] = "LOST",
};

/* Every state may also become WEDGED and LOST; these two are left by new facts alone. */
#define TO(state) (1u << CARD_STATE_##state)
static const unsigned int transitions[CARD_STATE_COUNT] = {
	[CARD_STATE_HOST] = TO(DRAINING),
	[CARD_STATE_DRAINING] = TO(HOST) | TO(DETACHING),
	/* Back to DRAINING when it failed, to RETURNING when it was found half-way. */
	[CARD_STATE_DETACHING] = TO(POOL) | TO(DRAINING) | TO(RETURNING),
	[CARD_STATE_POOL] = TO(SANITIZING) | TO(ATTACHING) | TO(RETURNING),
	[CARD_STATE_SANITIZING] = TO(POOL),
	[CARD_STATE_ATTACHING] = TO(GUEST) | TO(EJECTING) | TO(POOL),
	[CARD_STATE_GUEST] = TO(EJECTING),
	[CARD_STATE_EJECTING] = TO(POOL) | TO(GUEST),
	[CARD_STATE_RETURNING] = TO(HOST) | TO(POOL),
};

const char *card_state_name(enum card_state state)
{
	return state < CARD_STATE_COUNT ? names[state] : "?";
}

bool card_state_may_become(enum card_state from, enum card_state to)
{
	if (from >= CARD_STATE_COUNT || to >= CARD_STATE_COUNT || from == to) {
		return false;
	}
	if (to == CARD_STATE_WEDGED || to == CARD_STATE_LOST) {
		return from != CARD_STATE_WEDGED && from != CARD_STATE_LOST;
	}
	return transitions[from] & (1u << to);
}

bool card_state_rests(enum card_state state)
{
	return state == CARD_STATE_HOST || state == CARD_STATE_POOL || state == CARD_STATE_GUEST;
}

/* How many functions are on vfio-pci, on another driver, and on their way to vfio-pci. */
struct tally {
	unsigned int vfio, host, between;
};

static void count_function(struct tally *tally, const struct broker_function *function)
{
	if (strncmp(function->driver, VFIO_DRIVER, sizeof(function->driver)) == 0) {
		tally->vfio++;
	} else if (*function->driver) {
		tally->host++;
	} else if (*function->override) {
		tally->between++;
	}
}

static struct tally count_drivers(const struct broker_facts *facts)
{
	struct tally tally = { 0 };

	for (uint32_t i = 0; i < facts->function_count && i < BROKER_FUNCTIONS_MAX; i++) {
		count_function(&tally, &facts->functions[i]);
	}
	return tally;
}

/*
 * A function without any driver is nothing special (a USB-C controller often has none), unless
 * the host had drivers for the card and now not one of them is bound.
 */
static enum card_state state_off_vfio(const struct broker_facts *facts, const struct tally *tally)
{
	if (tally->between > 0 || (tally->host == 0 && (facts->flags & BROKER_CARD_HAD_HOST))) {
		return CARD_STATE_DETACHING;
	}
	return facts->flags & BROKER_CARD_DRAINED ? CARD_STATE_DRAINING : CARD_STATE_HOST;
}

enum card_state card_state_from_facts(const struct broker_facts *facts, bool has_device)
{
	struct tally tally = count_drivers(facts);

	if (facts->flags & BROKER_CARD_WEDGED) {
		return CARD_STATE_WEDGED;
	}
	if (!(facts->flags & BROKER_CARD_PRESENT) || facts->function_count == 0) {
		return CARD_STATE_LOST;
	}
	if (tally.vfio == 0) {
		return state_off_vfio(facts, &tally);
	}
	if (tally.vfio < facts->function_count) {
		return CARD_STATE_DETACHING;
	}
	if (has_device) {
		return CARD_STATE_GUEST;
	}
	return facts->flags & BROKER_CARD_LENT ? CARD_STATE_ATTACHING : CARD_STATE_POOL;
}

/* Exactly digits hexadecimal digits and then end; sscanf() would take blanks and signs. */
static int parse_hex(const char **text, unsigned int digits, char end, unsigned int *out)
{
	unsigned int value = 0;

	for (unsigned int i = 0; i < digits; i++, (*text)++) {
		char c = (char)tolower((unsigned char)**text);

		if (!isxdigit((unsigned char)c)) {
			return -EINVAL;
		}
		value = value * 16 + (unsigned int)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*out = value;
	return *(*text)++ == end ? 0 : -EINVAL;
}

int card_slot_parse(const char *text, struct broker_slot *out)
{
	const char *point = strchr(text, '.');
	unsigned int domain, bus, device;

	if (parse_hex(&text, 4, ':', &domain) < 0 || parse_hex(&text, 2, ':', &bus) < 0 ||
	    parse_hex(&text, 2, point ? '.' : '\0', &device) < 0 || device > 31) {
		return -EINVAL;
	}
	if (point && (text[0] < '0' || text[0] > '7' || text[1])) {
		return -EINVAL;
	}
	*out = (struct broker_slot){
		.domain = (uint16_t)domain,
		.bus = (uint8_t)bus,
		.device = (uint8_t)device,
	};
	return 0;
}

void card_slot_format(const struct broker_slot *slot, char *out, size_t size)
{
	snprintf(out, size, "%04x:%02x:%02x", slot->domain, slot->bus, slot->device);
}

bool card_slot_equal(const struct broker_slot *a, const struct broker_slot *b)
{
	return a->domain == b->domain && a->bus == b->bus && a->device == b->device;
}
