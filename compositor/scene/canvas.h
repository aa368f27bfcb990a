/* SPDX-License-Identifier: MIT */
/* A sprite while cairo draws into it. */
#ifndef COMPOSITOR_SCENE_CANVAS_H
#define COMPOSITOR_SCENE_CANVAS_H

#include <cairo.h>
#include <stdint.h>

#include "compositor/render/renderer.h"
#include "compositor/scene/theme.h"

struct canvas {
	cairo_t *cr;
	struct sprite *sprite;
	cairo_surface_t *surface;
	int32_t width, height;
};

/* A transparent canvas; 0 or -ENOMEM. */
int canvas_begin(struct canvas *canvas, int32_t width, int32_t height);
/* The drawn sprite, or NULL when cairo failed. */
struct sprite *canvas_end(struct canvas *canvas);

/* A closed path around a rectangle with round corners. */
void canvas_rounded_path(cairo_t *cr, double x, double y, double width, double height,
			 double radius);
/* Fills the canvas with the plate that overlays lie on. */
void canvas_panel(struct canvas *canvas, const struct theme *theme, double radius);

#endif
