// SPDX-License-Identifier: MIT
/* A sprite while cairo draws into it; see canvas.h. */
#include "compositor/scene/canvas.h"

#include <errno.h>
#include <math.h>

#include "compositor/scene/paint.h"

int canvas_begin(struct canvas *canvas, int32_t width, int32_t height)
{
	canvas->width = width > 1 ? width : 1;
	canvas->height = height > 1 ? height : 1;
	canvas->sprite = sprite_create((uint32_t)canvas->width, (uint32_t)canvas->height);
	if (!canvas->sprite) {
		return -ENOMEM;
	}
	canvas->surface = cairo_image_surface_create_for_data(
		(unsigned char *)canvas->sprite->pixels, CAIRO_FORMAT_ARGB32, canvas->width,
		canvas->height, canvas->width * (int)sizeof(uint32_t));
	canvas->cr = cairo_create(canvas->surface);
	return 0;
}

struct sprite *canvas_end(struct canvas *canvas)
{
	cairo_status_t status = cairo_status(canvas->cr);

	cairo_destroy(canvas->cr);
	cairo_surface_finish(canvas->surface);
	cairo_surface_destroy(canvas->surface);
	if (status != CAIRO_STATUS_SUCCESS) {
		sprite_unlock(canvas->sprite);
		return NULL;
	}
	return canvas->sprite;
}

void canvas_rounded_path(cairo_t *cr, double x, double y, double width, double height,
			 double radius)
{
	double r = fmin(radius, fmin(width, height) / 2);

	cairo_new_sub_path(cr);
	cairo_arc(cr, x + width - r, y + r, r, -M_PI / 2, 0);
	cairo_arc(cr, x + width - r, y + height - r, r, 0, M_PI / 2);
	cairo_arc(cr, x + r, y + height - r, r, M_PI / 2, M_PI);
	cairo_arc(cr, x + r, y + r, r, M_PI, 3 * M_PI / 2);
	cairo_close_path(cr);
}

void canvas_panel(struct canvas *canvas, const struct theme *theme, double radius)
{
	double line = fmax(1, round(theme->scale));

	canvas_rounded_path(canvas->cr, line / 2, line / 2, canvas->width - line,
			    canvas->height - line, radius);
	paint_set_color(canvas->cr, THEME_PANEL);
	cairo_fill_preserve(canvas->cr);
	paint_set_color(canvas->cr, THEME_LINE);
	cairo_set_line_width(canvas->cr, line);
	cairo_stroke(canvas->cr);
}
