// SPDX-License-Identifier: MIT
/* Uploading pixels: whole pictures once, then only what is damaged. */
#include "compositor/render/gl_texture.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>

#include "compositor/render/visible.h"

/* Sprites are text and pointers: what was not drawn in this many drawings is old text. */
#define SPRITE_TURNS 120

struct gl_texture {
	struct list link;          /* gl_textures::frames or sprites */
	const struct frame *frame; /* not locked: gl_textures_forget() comes before it dies */
	uint64_t sprite;           /* id */
	uint64_t turn;             /* of the last use */
	GLuint name;
	pixman_region32_t stale; /* not uploaded yet */
};

/* Pixels in memory, wherever they come from. */
struct pixels {
	const uint8_t *data;
	uint32_t width, height, stride;
	uint32_t bytes; /* per pixel */
	GLenum internal, format, type;
};

static struct pixels pixels_of_frame(const struct frame *frame)
{
	bool packed = frame->fourcc == DRM_FORMAT_RGB565;

	return (struct pixels){
		.data = frame->pixels,
		.width = frame->width,
		.height = frame->height,
		.stride = frame->stride,
		.bytes = frame_format_bytes(frame->fourcc),
		.internal = packed ? GL_RGB565 : GL_RGBA8,
		.format = packed ? GL_RGB : GL_RGBA,
		.type = packed ? GL_UNSIGNED_SHORT_5_6_5 : GL_UNSIGNED_BYTE,
	};
}

static struct pixels pixels_of_sprite(const struct sprite *sprite)
{
	return (struct pixels){
		.data = (const uint8_t *)sprite->pixels,
		.width = sprite->width,
		.height = sprite->height,
		.stride = sprite->width * (uint32_t)sizeof(uint32_t),
		.bytes = sizeof(uint32_t),
		.internal = GL_RGBA8,
		.format = GL_RGBA,
		.type = GL_UNSIGNED_BYTE,
	};
}

void gl_textures_init(struct gl_textures *textures)
{
	*textures = (struct gl_textures){ 0 };
	list_init(&textures->frames);
	list_init(&textures->sprites);
	glGetIntegerv(GL_MAX_TEXTURE_SIZE, &textures->side_max);
}

static void texture_destroy(struct gl_texture *texture)
{
	list_remove(&texture->link);
	glDeleteTextures(1, &texture->name);
	pixman_region32_fini(&texture->stale);
	free(texture);
}

static void textures_destroy(struct list *list)
{
	struct gl_texture *texture, *next;

	list_for_each_safe(texture, next, list, link) {
		texture_destroy(texture);
	}
}

void gl_textures_finish(struct gl_textures *textures)
{
	textures_destroy(&textures->frames);
	textures_destroy(&textures->sprites);
}

/* NULL: no memory, of ours or of the GPU. */
static struct gl_texture *texture_create(struct list *list, const struct pixels *pixels)
{
	struct gl_texture *texture = calloc(1, sizeof(*texture));

	if (!texture) {
		return NULL;
	}
	pixman_region32_init_rect(&texture->stale, 0, 0, pixels->width, pixels->height);
	glGenTextures(1, &texture->name);
	glBindTexture(GL_TEXTURE_2D, texture->name);
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
	glTexStorage2D(GL_TEXTURE_2D, 1, pixels->internal, (GLsizei)pixels->width,
		       (GLsizei)pixels->height);
	list_append(list, &texture->link);
	if (glGetError() != GL_NO_ERROR) {
		texture_destroy(texture);
		return NULL;
	}
	return texture;
}

static void upload_box(const struct pixels *pixels, const pixman_box32_t *box)
{
	const uint8_t *data =
		pixels->data + (size_t)box->y1 * pixels->stride + (size_t)box->x1 * pixels->bytes;

	glPixelStorei(GL_UNPACK_ROW_LENGTH, (GLint)(pixels->stride / pixels->bytes));
	glTexSubImage2D(GL_TEXTURE_2D, 0, box->x1, box->y1, box->x2 - box->x1, box->y2 - box->y1,
			pixels->format, pixels->type, data);
}

static void texture_upload(struct gl_textures *textures, struct gl_texture *texture,
			   const struct pixels *pixels)
{
	int count;
	const pixman_box32_t *boxes = pixman_region32_rectangles(&texture->stale, &count);

	glPixelStorei(GL_UNPACK_ALIGNMENT, 1);
	for (int i = 0; i < count; i++) {
		upload_box(pixels, &boxes[i]);
		textures->uploaded += (uint64_t)(boxes[i].x2 - boxes[i].x1) *
				      (uint64_t)(boxes[i].y2 - boxes[i].y1) * pixels->bytes;
	}
	pixman_region32_clear(&texture->stale);
}

static int texture_bind(struct gl_textures *textures, struct list *list,
			struct gl_texture **texture, const struct pixels *pixels)
{
	if (pixels->bytes == 0 || pixels->width > (uint32_t)textures->side_max ||
	    pixels->height > (uint32_t)textures->side_max ||
	    (uint64_t)pixels->width * pixels->height > RENDER_COPY_MAX) {
		return -ENOTSUP;
	}
	if (!*texture) {
		*texture = texture_create(list, pixels);
	}
	if (!*texture) {
		return -ENOTSUP;
	}
	(*texture)->turn = textures->turn;
	glBindTexture(GL_TEXTURE_2D, (*texture)->name);
	texture_upload(textures, *texture, pixels);
	return 0;
}

static struct gl_texture *find_frame(const struct gl_textures *textures, const struct frame *frame)
{
	struct gl_texture *texture;

	list_for_each(texture, &textures->frames, link) {
		if (texture->frame == frame) {
			return texture;
		}
	}
	return NULL;
}

static struct gl_texture *find_sprite(const struct gl_textures *textures, uint64_t id)
{
	struct gl_texture *texture;

	list_for_each(texture, &textures->sprites, link) {
		if (texture->sprite == id) {
			return texture;
		}
	}
	return NULL;
}

static enum gl_format format_of(uint32_t fourcc)
{
	switch (fourcc) {
	case DRM_FORMAT_RGB565:
		return GL_FORMAT_RGB565;
	case DRM_FORMAT_XBGR8888:
	case DRM_FORMAT_ABGR8888:
		return GL_FORMAT_RGBX;
	default:
		return GL_FORMAT_BGRX;
	}
}

int gl_textures_bind_frame(struct gl_textures *textures, const struct frame *frame,
			   enum gl_format *format)
{
	struct gl_texture *texture = find_frame(textures, frame);
	struct pixels pixels = pixels_of_frame(frame);
	int r = texture_bind(textures, &textures->frames, &texture, &pixels);

	if (r < 0) {
		return r;
	}
	texture->frame = frame;
	*format = format_of(frame->fourcc);
	return 0;
}

int gl_textures_bind_sprite(struct gl_textures *textures, const struct sprite *sprite)
{
	struct gl_texture *texture = find_sprite(textures, sprite->id);
	struct pixels pixels = pixels_of_sprite(sprite);
	int r = texture_bind(textures, &textures->sprites, &texture, &pixels);

	if (r < 0) {
		return r;
	}
	texture->sprite = sprite->id;
	list_remove(&texture->link);
	list_append(&textures->sprites, &texture->link);
	return 0;
}

void gl_textures_damage(struct gl_textures *textures, const struct frame *frame,
			const pixman_box32_t *box)
{
	struct gl_texture *texture = find_frame(textures, frame);

	if (!texture || box->x1 >= box->x2 || box->y1 >= box->y2) {
		return;
	}
	region_add_box(&texture->stale, box);
	pixman_region32_intersect_rect(&texture->stale, &texture->stale, 0, 0, frame->width,
				       frame->height);
}

void gl_textures_forget(struct gl_textures *textures, const struct frame *frame)
{
	struct gl_texture *texture = find_frame(textures, frame);

	if (texture) {
		texture_destroy(texture);
	}
}

void gl_textures_tidy(struct gl_textures *textures)
{
	struct gl_texture *texture, *next;

	textures->turn++;
	list_for_each_safe(texture, next, &textures->sprites, link) {
		if (texture->turn + SPRITE_TURNS > textures->turn) {
			return; /* all further ones were used later */
		}
		texture_destroy(texture);
	}
}
