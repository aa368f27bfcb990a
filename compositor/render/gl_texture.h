/* SPDX-License-Identifier: MIT */
/*
 * Textures that hold the pixels of frames and sprites, made when they are first drawn. A frame's
 * texture lives until gl_textures_forget(); a sprite's until it has not been drawn for a while.
 */
#ifndef COMPOSITOR_RENDER_GL_TEXTURE_H
#define COMPOSITOR_RENDER_GL_TEXTURE_H

#include <GLES3/gl3.h>

#include "common/list.h"
#include "compositor/render/gl_program.h"
#include "compositor/render/renderer.h"

struct gl_textures {
	struct list frames;  /* gl_texture::link */
	struct list sprites; /* gl_texture::link, the longest unused first */
	GLint side_max;      /* pixels */
	uint64_t turn;       /* counts drawings */
	uint64_t uploaded;   /* bytes, since the start */
};

void gl_textures_init(struct gl_textures *textures);
void gl_textures_finish(struct gl_textures *textures);

/* Binds the frame's texture, with everything in it that was damaged. 0; -ENOTSUP when GL cannot
 * hold such a picture: then that picture is missing, and nothing else. */
int gl_textures_bind_frame(struct gl_textures *textures, const struct frame *frame,
			   enum gl_format *format);
int gl_textures_bind_sprite(struct gl_textures *textures, const struct sprite *sprite);

void gl_textures_damage(struct gl_textures *textures, const struct frame *frame,
			const pixman_box32_t *box);
void gl_textures_forget(struct gl_textures *textures, const struct frame *frame);

/* After each drawing: drops sprites that are not in use any more. */
void gl_textures_tidy(struct gl_textures *textures);

#endif
