/* SPDX-License-Identifier: MIT */
/* Text through pango. Fonts are found once; the loop's thread only. */
#ifndef COMPOSITOR_SCENE_TEXT_H
#define COMPOSITOR_SCENE_TEXT_H

#include <pango/pangocairo.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"

struct text_style {
	double size;    /* pixels of the font */
	uint32_t color; /* ARGB */
	bool bold;
	bool centred;
	int32_t width; /* pixels; what is longer is wrapped or cut with an ellipsis. 0: no limit */
	unsigned int lines; /* at most; 0 is 1 */
};

static inline void text_layout_free(PangoLayout *layout)
{
	if (layout) {
		g_object_unref(layout);
	}
}
DEFINE_CLEANUP(PangoLayout *, text_layout_free)
#define _cleanup_layout_ _cleanup_(text_layout_free_ptr)

/* Lays out UTF-8 text, to be freed with text_layout_free(). */
PangoLayout *text_layout(const struct text_style *style, const char *text);
/* Its size in pixels, rounded up. */
void text_layout_size(PangoLayout *layout, int32_t *width, int32_t *height);
/* Draws with the top left corner at x, y, in the style's colour. */
void text_draw(cairo_t *cr, const struct text_style *style, PangoLayout *layout, double x,
	       double y);

/* Finds the fonts of this size now, so that the first text on a screen does not wait for it, and
 * no file is looked at when something has to be said. */
void text_warm_up(double size);
/* Frees what was found; the next text finds it again. */
void text_forget_fonts(void);

#endif
