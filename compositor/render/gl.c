// SPDX-License-Identifier: MIT
/*
 * Layers as rectangles of a GPU. Each visible box of a layer becomes two triangles; the shader
 * knows from the pixel's place in the buffer which part of the picture belongs there, so nothing is
 * interpolated and the boxes need no texture coordinates.
 */
#include "compositor/render/gl.h"

#include <GLES3/gl3.h>
#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/list.h"
#include "common/log.h"
#include "compositor/render/gl_program.h"
#include "compositor/render/gl_texture.h"
#include "compositor/render/visible.h"

#define KINDS (LAYER_SPRITE + 1)

struct gl_renderer {
	struct renderer base;
	struct egl *egl; /* not owned */
	struct gl_program programs[KINDS];
	struct gl_textures textures;
};

static struct gl_renderer *gl_from(struct renderer *renderer)
{
	return container_of(renderer, struct gl_renderer, base);
}

/* Two triangles for each box, as corners. */
static void box_corners(const pixman_box32_t *box, GLfloat corners[12])
{
	const GLfloat x1 = (GLfloat)box->x1, y1 = (GLfloat)box->y1;
	const GLfloat x2 = (GLfloat)box->x2, y2 = (GLfloat)box->y2;
	const GLfloat all[12] = { x1, y1, x2, y1, x1, y2, x1, y2, x2, y1, x2, y2 };

	for (unsigned int i = 0; i < 12; i++) {
		corners[i] = all[i];
	}
}

static int draw_region(const pixman_region32_t *region)
{
	_cleanup_free_ GLfloat *corners = NULL;
	int count;
	const pixman_box32_t *boxes = pixman_region32_rectangles(region, &count);

	corners = calloc((size_t)count + 1, 12 * sizeof(*corners));
	if (!corners) {
		return -ENOMEM;
	}
	for (int i = 0; i < count; i++) {
		box_corners(&boxes[i], &corners[12 * i]);
	}
	glVertexAttribPointer(GL_PROGRAM_CORNER, 2, GL_FLOAT, GL_FALSE, 0, corners);
	glDrawArrays(GL_TRIANGLES, 0, 6 * count);
	return 0;
}

static const struct gl_program *use_program(struct gl_renderer *gl, enum layer_kind kind,
					    const struct render_target *target,
					    const struct layer *layer)
{
	const struct gl_program *program = &gl->programs[kind];

	glUseProgram(program->name);
	glUniform2f(program->target, (GLfloat)target->width, (GLfloat)target->height);
	glUniform2i(program->origin, layer->dst.x1, layer->dst.y1);
	glUniform1i(program->picture, 0);
	return program;
}

static int draw_fill(struct gl_renderer *gl, const struct render_target *target,
		     const struct layer *layer, uint32_t color, const pixman_region32_t *visible)
{
	const struct gl_program *program = use_program(gl, LAYER_FILL, target, layer);

	if (color >> 24 == 0xff) {
		glDisable(GL_BLEND);
	} else {
		glEnable(GL_BLEND);
	}
	glUniform4f(program->color, (GLfloat)((color >> 16) & 0xff) / 255.0f,
		    (GLfloat)((color >> 8) & 0xff) / 255.0f, (GLfloat)(color & 0xff) / 255.0f,
		    (GLfloat)(color >> 24) / 255.0f);
	return draw_region(visible);
}

static int draw_frame(struct gl_renderer *gl, const struct render_target *target,
		      const struct layer *layer, const pixman_region32_t *visible)
{
	const struct frame *frame = layer->frame;
	const struct gl_program *program;
	enum gl_format format;
	bool bound = frame->kind == FRAME_SHM &&
		     gl_textures_bind_frame(&gl->textures, frame, &format) == 0;

	if (!bound) {
		/* Nothing that could be drawn: black, as an output without signal. */
		return draw_fill(gl, target, layer, 0xff000000, visible);
	}
	program = use_program(gl, LAYER_FRAME, target, layer);
	glDisable(GL_BLEND);
	glUniform2i(program->size, (GLint)frame->width, (GLint)frame->height);
	glUniform2i(
		program->pace,
		pixman_double_to_fixed((double)frame->width / (layer->dst.x2 - layer->dst.x1)),
		pixman_double_to_fixed((double)frame->height / (layer->dst.y2 - layer->dst.y1)));
	glUniform1i(program->smoothly, layer_is_scaled(layer) && !layer_is_integer_multiple(layer));
	glUniform1i(program->format, (GLint)format);
	glUniform1i(program->grey, layer->grey);
	return draw_region(visible);
}

static int draw_sprite(struct gl_renderer *gl, const struct render_target *target,
		       const struct layer *layer, const pixman_region32_t *visible)
{
	const struct gl_program *program;
	pixman_region32_t inside;
	int r;

	if (gl_textures_bind_sprite(&gl->textures, layer->sprite) < 0) {
		return 0;
	}
	program = use_program(gl, LAYER_SPRITE, target, layer);
	glEnable(GL_BLEND);
	glUniform1i(program->alpha, layer->alpha);
	pixman_region32_init(&inside);
	pixman_region32_intersect_rect(&inside, visible, layer->dst.x1, layer->dst.y1,
				       layer->sprite->width, layer->sprite->height);
	r = draw_region(&inside);
	pixman_region32_fini(&inside);
	return r;
}

static int draw_layer(struct gl_renderer *gl, const struct render_target *target,
		      const struct layer *layer, const pixman_region32_t *visible)
{
	if (!pixman_region32_not_empty(visible)) {
		return 0;
	}
	gl->base.bytes_written += region_bytes(visible);
	switch (layer->kind) {
	case LAYER_FILL:
		return draw_fill(gl, target, layer, layer->color, visible);
	case LAYER_FRAME:
		return draw_frame(gl, target, layer, visible);
	case LAYER_SPRITE:
		return draw_sprite(gl, target, layer, visible);
	}
	return -EINVAL;
}

static int gl_draw(struct renderer *renderer, const struct render_target *target,
		   const struct layer *layers, unsigned int count, const pixman_region32_t *damage)
{
	_cleanup_free_ pixman_region32_t *visible = calloc(count + 1, sizeof(*visible));
	struct gl_renderer *gl = gl_from(renderer);
	int r = visible ? egl_make_current(gl->egl) : -ENOMEM;

	if (r < 0) {
		return r;
	}
	glViewport(0, 0, (GLsizei)target->width, (GLsizei)target->height);
	layers_find_visible(layers, count, target->width, target->height, damage, visible);
	for (unsigned int i = 0; i < count; i++) {
		int failed = draw_layer(gl, target, &layers[i], &visible[i]);

		r = r < 0 ? r : failed;
		pixman_region32_fini(&visible[i]);
	}
	gl_textures_tidy(&gl->textures);
	return r == 0 && glGetError() != GL_NO_ERROR ? -EIO : r;
}

static void gl_frame_damaged(struct renderer *renderer, struct frame *frame,
			     const pixman_box32_t *box)
{
	gl_textures_damage(&gl_from(renderer)->textures, frame, box);
}

static void gl_frame_gone(struct renderer *renderer, struct frame *frame)
{
	struct gl_renderer *gl = gl_from(renderer);

	if (egl_make_current(gl->egl) == 0) {
		gl_textures_forget(&gl->textures, frame);
	}
}

static void gl_destroy(struct renderer *renderer)
{
	struct gl_renderer *gl = gl_from(renderer);

	if (egl_make_current(gl->egl) == 0) {
		gl_textures_finish(&gl->textures);
		for (unsigned int i = 0; i < KINDS; i++) {
			gl_program_finish(&gl->programs[i]);
		}
	}
	free(gl);
}

static const struct renderer_ops gl_ops = {
	.name = "gl",
	.draw = gl_draw,
	.frame_damaged = gl_frame_damaged,
	.frame_gone = gl_frame_gone,
	.destroy = gl_destroy,
};

int gl_renderer_create(struct egl *egl, struct renderer **out)
{
	struct gl_renderer *gl = calloc(1, sizeof(*gl));
	int r = gl ? egl_make_current(egl) : -ENOMEM;

	if (r < 0) {
		free(gl);
		return r;
	}
	gl->base.ops = &gl_ops;
	gl->egl = egl;
	gl_textures_init(&gl->textures);
	for (unsigned int i = 0; r == 0 && i < KINDS; i++) {
		r = gl_program_create((enum layer_kind)i, &gl->programs[i]);
	}
	if (r < 0) {
		gl_destroy(&gl->base);
		return r;
	}
	/* Never changed again: this context is ours alone. */
	glEnableVertexAttribArray(GL_PROGRAM_CORNER);
	glBlendFunc(GL_ONE, GL_ONE_MINUS_SRC_ALPHA);
	glDisable(GL_DITHER);
	*out = &gl->base;
	return 0;
}
