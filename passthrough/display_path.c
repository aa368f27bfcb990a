// SPDX-License-Identifier: MIT
/* Paths from guests to monitors; the rules are in display_path.h. */
#include "passthrough/display_path.h"

static const char *const path_names[DISPLAY_PATH_COUNT] = {
	[DISPLAY_PATH_ABSENT] = "absent",
	[DISPLAY_PATH_COMPOSITED] = "composited",
	[DISPLAY_PATH_OWNED] = "owned",
};

static const char *const cable_names[DISPLAY_CABLE_COUNT] = {
	[DISPLAY_CABLE_ONLY] = "only",
	[DISPLAY_CABLE_ALSO] = "also",
};

#define BIT(path) (1u << DISPLAY_PATH_##path)

static const unsigned int next_paths[DISPLAY_CABLE_COUNT][DISPLAY_PATH_COUNT] = {
	[DISPLAY_CABLE_ONLY] = {
		[DISPLAY_PATH_ABSENT] = BIT(COMPOSITED) | BIT(OWNED),
		[DISPLAY_PATH_COMPOSITED] = BIT(ABSENT),
		[DISPLAY_PATH_OWNED] = BIT(ABSENT),
	},
	[DISPLAY_CABLE_ALSO] = {
		[DISPLAY_PATH_ABSENT] = BIT(COMPOSITED) | BIT(OWNED),
		[DISPLAY_PATH_COMPOSITED] = BIT(ABSENT) | BIT(OWNED),
		[DISPLAY_PATH_OWNED] = BIT(ABSENT) | BIT(COMPOSITED),
	},
};

const char *display_path_name(enum display_path path)
{
	return path < DISPLAY_PATH_COUNT ? path_names[path] : "?";
}

const char *display_cable_name(enum display_cable cable)
{
	return cable < DISPLAY_CABLE_COUNT ? cable_names[cable] : "?";
}

enum display_hold display_hold_of(enum card_state state, bool moving)
{
	switch (state) {
	case CARD_STATE_GUEST:
		/* Also while its driver is waited for, and while the way out of it begins. */
		return moving ? DISPLAY_HOLD_LEAVES : DISPLAY_HOLD_GUEST;
	case CARD_STATE_EJECTING:
		return DISPLAY_HOLD_LEAVES;
	default:
		return DISPLAY_HOLD_NOBODY;
	}
}

static bool input_is_guests(const struct display_view *view)
{
	return view->switched && view->wanted && view->holds && view->hold == DISPLAY_HOLD_GUEST;
}

enum display_path display_path_of(const struct display_view *view)
{
	bool owned = view->cable == DISPLAY_CABLE_ONLY
			     ? view->holds && view->hold != DISPLAY_HOLD_NOBODY
			     : input_is_guests(view);

	/* What the host draws is there; but a monitor that shows another input may keep it lit. */
	if (owned && (view->cable == DISPLAY_CABLE_ALSO || !view->lit)) {
		return DISPLAY_PATH_OWNED;
	}
	return view->lit ? DISPLAY_PATH_COMPOSITED : DISPLAY_PATH_ABSENT;
}

bool display_path_may_become(enum display_cable cable, enum display_path from, enum display_path to)
{
	return cable < DISPLAY_CABLE_COUNT && from < DISPLAY_PATH_COUNT &&
	       to < DISPLAY_PATH_COUNT && (next_paths[cable][from] & (1u << to));
}

enum display_path display_path_step(enum display_cable cable, enum display_path from,
				    enum display_path to)
{
	return from == to || display_path_may_become(cable, from, to) ? to : DISPLAY_PATH_ABSENT;
}
