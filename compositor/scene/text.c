// SPDX-License-Identifier: MIT
/* Text through pango; see text.h. */
#include "compositor/scene/text.h"

#include "compositor/scene/paint.h"

/* One for the whole program: finding fonts takes longer than everything else here. */
static PangoContext *context;

static PangoContext *shared_context(void)
{
	cairo_font_options_t *options;

	if (context) {
		return context;
	}
	context = pango_font_map_create_context(pango_cairo_font_map_get_default());
	options = cairo_font_options_create();
	cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
	cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_SLIGHT);
	cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
	pango_cairo_context_set_font_options(context, options);
	cairo_font_options_destroy(options);
	return context;
}

PangoLayout *text_layout(const struct text_style *style, const char *text)
{
	PangoLayout *layout = pango_layout_new(shared_context());
	PangoFontDescription *font = pango_font_description_from_string("DejaVu Sans, Sans");
	unsigned int lines = style->lines > 0 ? style->lines : 1;

	pango_font_description_set_absolute_size(font, style->size * PANGO_SCALE);
	pango_font_description_set_weight(font,
					  style->bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
	pango_layout_set_font_description(layout, font);
	pango_font_description_free(font);
	pango_layout_set_single_paragraph_mode(layout, true);
	pango_layout_set_alignment(layout, style->centred ? PANGO_ALIGN_CENTER : PANGO_ALIGN_LEFT);
	if (style->width > 0) {
		pango_layout_set_width(layout, style->width * PANGO_SCALE);
		pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
		pango_layout_set_ellipsize(layout, PANGO_ELLIPSIZE_END);
		pango_layout_set_height(layout, -(int)lines);
	}
	pango_layout_set_text(layout, text, -1);
	return layout;
}

void text_layout_size(PangoLayout *layout, int32_t *width, int32_t *height)
{
	PangoRectangle logical;

	pango_layout_get_extents(layout, NULL, &logical);
	*width = PANGO_PIXELS_CEIL(logical.width);
	*height = PANGO_PIXELS_CEIL(logical.height);
}

void text_draw(cairo_t *cr, const struct text_style *style, PangoLayout *layout, double x, double y)
{
	paint_set_color(cr, style->color);
	cairo_move_to(cr, x, y);
	pango_cairo_show_layout(cr, layout);
}

void text_warm_up(double size)
{
	for (int bold = 0; bold < 2; bold++) {
		struct text_style style = { .size = size, .bold = bold };
		_cleanup_layout_ PangoLayout *layout = text_layout(&style, "Baton 0123456789");
		int32_t width, height;

		text_layout_size(layout, &width, &height);
	}
}

void text_forget_fonts(void)
{
	if (context) {
		g_object_unref(context);
		context = NULL;
		pango_cairo_font_map_set_default(NULL);
	}
}
