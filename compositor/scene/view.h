/* SPDX-License-Identifier: MIT */
/*
 * The scene as one output shows it: its layers, and what had to be drawn anew since it was last
 * asked. Text and cards are drawn once and kept until what they say, or the output's size, is
 * another.
 */
#ifndef COMPOSITOR_SCENE_VIEW_H
#define COMPOSITOR_SCENE_VIEW_H

#include "compositor/scene/cursor.h"
#include "compositor/scene/grid.h"
#include "compositor/scene/layers.h"
#include "compositor/scene/scene.h"
#include "compositor/scene/theme.h"

/* A sprite and what it says. */
struct drawn {
	char *key;
	struct sprite *sprite;
};

struct scene_view {
	uint32_t width, height; /* of the output, pixels */
	struct theme theme;
	struct grid grid; /* of the matching guests, while the switcher is open */
	struct layers layers;
	struct view_cursor cursor;
	struct list cards; /* struct view_card, view.c */
	struct drawn header, keys, toast, notice, progress, help, desk, reason;
	struct drawn corners[8]; /* of pictures on cards, then on the selected card */
};

void scene_view_init(struct scene_view *view, uint32_t width, uint32_t height);
void scene_view_finish(struct scene_view *view);
/* Another size: nothing that was drawn is of use any more. */
void scene_view_resize(struct scene_view *view, uint32_t width, uint32_t height);

/* Lays out the cards; done by scene_view_update() too. */
void scene_view_layout(struct scene_view *view, const struct scene *scene);
/* Builds the layers and adds to damage what is different from before. */
void scene_view_update(struct scene_view *view, const struct scene *scene,
		       pixman_region32_t *damage);

/* Where the picture of the guest in front is. False: there is none. */
bool scene_view_front_box(const struct scene_view *view, const struct scene *scene,
			  pixman_box32_t *box);
/* Where the picture of a guest is on its card. False: it is not visible. */
bool scene_view_card_picture(const struct scene_view *view, const struct scene *scene,
			     const struct scene_entry *entry, pixman_box32_t *box);

#endif
