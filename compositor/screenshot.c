// SPDX-License-Identifier: MIT
/*
 * Pictures of the first output and of single guests. Encoding one takes several refresh intervals,
 * so the loop only copies the pixels; what is made of the copy knows nothing of the compositor and
 * may be done in any thread.
 */
#include <cairo.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "compositor/compositor_private.h"

struct picture {
	pixman_image_t *image; /* x8r8g8b8, of ours alone */
};

void picture_destroy(struct picture *picture)
{
	if (!picture) {
		return;
	}
	if (picture->image) {
		pixman_image_unref(picture->image);
	}
	free(picture);
}
DEFINE_CLEANUP(struct picture *, picture_destroy)

/* ---- taking, in the loop ---- */

pixman_image_t *backend_copy_pixels(const void *pixels, uint32_t width, uint32_t height,
				    size_t stride)
{
	pixman_image_t *image = pixman_image_create_bits_no_clear(PIXMAN_x8r8g8b8, (int)width,
								  (int)height, NULL, 0);
	size_t row = (size_t)width * sizeof(uint32_t);

	for (uint32_t y = 0; image && y < height; y++) {
		memcpy(pixman_image_get_data(image) + (size_t)y * width,
		       (const uint8_t *)pixels + y * stride, row);
	}
	return image;
}

/* Draws layers as the output would. */
static int take_layers(struct compositor *c, const struct layer *layers, unsigned int count,
		       uint32_t width, uint32_t height, pixman_image_t **out)
{
	struct render_target target = { .width = width, .height = height };
	pixman_region32_t all;
	int r;

	*out = pixman_image_create_bits(PIXMAN_x8r8g8b8, (int)width, (int)height, NULL, 0);
	if (!*out) {
		return -ENOMEM;
	}
	target.pixels = pixman_image_get_data(*out);
	target.stride = (uint32_t)pixman_image_get_stride(*out);
	pixman_region32_init_rect(&all, 0, 0, width, height);
	r = c->renderer->ops->draw(c->renderer, &target, layers, count, &all);
	pixman_region32_fini(&all);
	return r;
}

static int take_guest(struct compositor *c, uint32_t id, pixman_image_t **out)
{
	const struct scene_entry *entry = scene_find(&c->scene, id);
	struct layer layer = { .kind = LAYER_FRAME };

	if (!entry || !entry->frame) {
		return -ENODATA;
	}
	if ((uint64_t)entry->frame->width * entry->frame->height > RENDER_COPY_MAX) {
		return -EFBIG;
	}
	layer.frame = entry->frame;
	layer.dst.x2 = (int32_t)entry->frame->width;
	layer.dst.y2 = (int32_t)entry->frame->height;
	return take_layers(c, &layer, 1, entry->frame->width, entry->frame->height, out);
}

static int take_output(struct compositor *c, pixman_image_t **out)
{
	const struct backend_ops *ops = c->backend->ops;
	struct view *first = views_first(c);

	if (!first) {
		return -ENODEV;
	}
	*out = ops->read_pixels ? ops->read_pixels(c->backend, first->output) : NULL;
	return *out ? 0
		    : take_layers(c, first->scene.layers.items, first->scene.layers.count,
				  first->scene.width, first->scene.height, out);
}

int compositor_picture_take(struct compositor *c, uint32_t id, struct picture **out)
{
	_cleanup_(picture_destroy_ptr) struct picture *picture = calloc(1, sizeof(*picture));
	int r;

	if (!picture) {
		return -ENOMEM;
	}
	r = id ? take_guest(c, id, &picture->image) : take_output(c, &picture->image);
	if (r < 0) {
		return r;
	}
	*out = take_ptr(picture);
	return 0;
}

/* ---- writing, in any thread ---- */

struct sink {
	int fd;
	int error; /* of the first write that failed */
};

static cairo_status_t write_all(void *closure, const unsigned char *data, unsigned int length)
{
	struct sink *sink = closure;

	while (length > 0) {
		ssize_t n = write(sink->fd, data, length);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			sink->error = n < 0 ? -errno : -EIO;
			return CAIRO_STATUS_WRITE_ERROR;
		}
		data += n;
		length -= (unsigned int)n;
	}
	return CAIRO_STATUS_SUCCESS;
}

int picture_write_png(const struct picture *picture, int fd)
{
	struct sink sink = { .fd = fd };
	cairo_surface_t *surface = cairo_image_surface_create_for_data(
		(unsigned char *)pixman_image_get_data(picture->image), CAIRO_FORMAT_RGB24,
		pixman_image_get_width(picture->image), pixman_image_get_height(picture->image),
		pixman_image_get_stride(picture->image));
	cairo_status_t status = cairo_surface_write_to_png_stream(surface, write_all, &sink);

	cairo_surface_destroy(surface);
	if (sink.error < 0) {
		return sink.error;
	}
	return status == CAIRO_STATUS_SUCCESS     ? 0
	       : status == CAIRO_STATUS_NO_MEMORY ? -ENOMEM
						  : -EIO;
}
