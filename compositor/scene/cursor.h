/* SPDX-License-Identifier: MIT */
/*
 * The one pointer on an output: the guest's while it is in front, our own over the switcher once
 * it was moved. Never two, and none only when the guest shows none.
 */
#ifndef COMPOSITOR_SCENE_CURSOR_H
#define COMPOSITOR_SCENE_CURSOR_H

#include "compositor/render/renderer.h"
#include "compositor/scene/scene.h"
#include "compositor/scene/theme.h"

struct view_cursor {
	struct cursor_image *image; /* to be shown, locked; NULL: none */
	int32_t x, y;               /* its top left corner, output pixels */
	bool in_picture;            /* no plane takes it: it is a layer */
	struct sprite *sprite;      /* image as a layer */
	/* The guest's image in the size that its picture is scaled to. */
	struct cursor_image *scaled, *scaled_from;
	struct cursor_image *arrow; /* our own */
};

void view_cursor_finish(struct view_cursor *cursor);

/* Finds out what is to be shown; front_box is where the guest in front is, NULL: nowhere. False:
 * the same as before. */
bool view_cursor_update(struct view_cursor *cursor, const struct scene *scene,
			const struct theme *theme, const pixman_box32_t *front_box, uint32_t width,
			uint32_t height);

/* The sprite for the layer; NULL when there is nothing to show in the picture. */
struct sprite *view_cursor_sprite(struct view_cursor *cursor);

#endif
