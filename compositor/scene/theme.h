/* SPDX-License-Identifier: MIT */
/* How everything that we draw ourselves looks: one dark palette, sizes that follow the output. */
#ifndef COMPOSITOR_SCENE_THEME_H
#define COMPOSITOR_SCENE_THEME_H

#include <math.h>
#include <stdint.h>

/* Not premultiplied ARGB. Text on any of the backgrounds has a contrast of at least 4.5 : 1. */
#define THEME_DESK 0xff11141au
#define THEME_CARD 0xff1b202au
#define THEME_CARD_SELECTED 0xff28344bu
#define THEME_PICTURE 0xff090b0fu   /* behind a picture that does not fill its card */
#define THEME_PANEL 0xff191e28u     /* overlays */
#define THEME_LINE 0xff323a49u      /* borders, key caps */
#define THEME_ACCENT 0xff82b4ffu
#define THEME_TEXT 0xfff2f5fau
#define THEME_TEXT_SOFT 0xffaab4c4u
#define THEME_WARNING 0xffffcb6bu
#define THEME_ALIVE 0xff7fd6a2u
#define THEME_BARS 0xff000000u      /* around a guest's picture */

struct theme {
	double scale; /* 1 on an output of 800 lines */
};

static inline struct theme theme_for_height(uint32_t height)
{
	double scale = 0.5 + height / 1600.0;

	return (struct theme){ .scale = scale < 0.8 ? 0.8 : scale };
}

/* Whole output pixels for a length on an output of 800 lines. */
static inline int32_t theme_px(const struct theme *theme, double length)
{
	return (int32_t)lround(length * theme->scale);
}

#endif
