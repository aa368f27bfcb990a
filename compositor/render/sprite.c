// SPDX-License-Identifier: MIT
/* Sprites: our own small pictures, counted. */
#include <stdlib.h>

#include "compositor/render/renderer.h"

struct sprite *sprite_create(uint32_t width, uint32_t height)
{
	static uint64_t last_id;
	struct sprite *sprite = calloc(1, sizeof(*sprite));

	if (!sprite) {
		return NULL;
	}
	sprite->pixels = calloc((size_t)width * height, sizeof(*sprite->pixels));
	if (!sprite->pixels) {
		free(sprite);
		return NULL;
	}
	sprite->locks = 1;
	sprite->id = ++last_id;
	sprite->width = width;
	sprite->height = height;
	return sprite;
}

struct sprite *sprite_lock(struct sprite *sprite)
{
	if (sprite) {
		sprite->locks++;
	}
	return sprite;
}

void sprite_unlock(struct sprite *sprite)
{
	if (sprite && --sprite->locks == 0) {
		free(sprite->pixels);
		free(sprite);
	}
}
