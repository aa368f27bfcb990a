// SPDX-License-Identifier: MIT
/* PNGs of the first output and of single guests. */
#include <cairo.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "compositor/compositor_private.h"

static cairo_status_t write_all(void *closure, const unsigned char *data, unsigned int length)
{
	int fd = *(int *)closure;

	while (length > 0) {
		ssize_t n = write(fd, data, length);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return CAIRO_STATUS_WRITE_ERROR;
		}
		data += n;
		length -= (unsigned int)n;
	}
	return CAIRO_STATUS_SUCCESS;
}

static int write_png(uint32_t *pixels, int width, int height, int stride, int fd)
{
	cairo_surface_t *surface = cairo_image_surface_create_for_data(
		(unsigned char *)pixels, CAIRO_FORMAT_RGB24, width, height, stride);
	cairo_status_t status = cairo_surface_write_to_png_stream(surface, write_all, &fd);

	cairo_surface_destroy(surface);
	return status == CAIRO_STATUS_SUCCESS     ? 0
	       : status == CAIRO_STATUS_NO_MEMORY ? -ENOMEM
						  : -EIO;
}

/* Draws layers into memory of our own and writes that. */
static int shoot_layers(struct compositor *c, const struct layer *layers, unsigned int count,
			uint32_t width, uint32_t height, int fd)
{
	uint32_t stride = width * (uint32_t)sizeof(uint32_t);
	_cleanup_free_ uint32_t *pixels = calloc(height, stride);
	struct render_target target = { pixels, width, height, stride };
	pixman_region32_t all;
	int r;

	if (!pixels) {
		return -ENOMEM;
	}
	pixman_region32_init_rect(&all, 0, 0, width, height);
	r = c->renderer->ops->draw(c->renderer, &target, layers, count, &all);
	pixman_region32_fini(&all);
	return r < 0 ? r : write_png(pixels, (int)width, (int)height, (int)stride, fd);
}

static int shoot_guest(struct compositor *c, uint32_t id, int fd)
{
	const struct scene_entry *entry = scene_find(&c->scene, id);
	struct layer layer = { .kind = LAYER_FRAME };

	if (!entry || !entry->frame) {
		return -ENODATA;
	}
	layer.frame = entry->frame;
	layer.dst.x2 = (int32_t)entry->frame->width;
	layer.dst.y2 = (int32_t)entry->frame->height;
	return shoot_layers(c, &layer, 1, entry->frame->width, entry->frame->height, fd);
}

static int shoot_output(struct compositor *c, struct view *view, int fd)
{
	const struct backend_ops *ops = c->backend->ops;
	pixman_image_t *image =
		ops->read_pixels ? ops->read_pixels(c->backend, view->output) : NULL;
	int r;

	if (!image) {
		return shoot_layers(c, view->scene.layers.items, view->scene.layers.count,
				    view->scene.width, view->scene.height, fd);
	}
	r = write_png(pixman_image_get_data(image), pixman_image_get_width(image),
		      pixman_image_get_height(image), pixman_image_get_stride(image), fd);
	pixman_image_unref(image);
	return r;
}

int compositor_screenshot(struct compositor *c, uint32_t id, int fd)
{
	struct view *first = views_first(c);

	if (id) {
		return shoot_guest(c, id, fd);
	}
	return first ? shoot_output(c, first, fd) : -ENODEV;
}
