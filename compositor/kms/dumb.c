// SPDX-License-Identifier: MIT
/* Dumb buffers: plain memory that every KMS driver can show, drawn by the processor. */
#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "common/cleanup.h"
#include "common/list.h"
#include "compositor/backend.h"
#include "compositor/kms/buffer.h"

struct dumb_buffer {
	struct kms_buffer base;
	int fd; /* the card's */
	uint32_t handle, stride;
	uint64_t size;
	uint8_t *pixels;
};

DEFINE_CLEANUP(struct kms_buffer *, kms_buffer_destroy)

static struct dumb_buffer *dumb_from(struct kms_buffer *buffer)
{
	return container_of(buffer, struct dumb_buffer, base);
}

static int dumb_begin(struct kms_buffer *buffer, struct render_target *target)
{
	struct dumb_buffer *dumb = dumb_from(buffer);

	target->pixels = dumb->pixels;
	target->width = buffer->width;
	target->height = buffer->height;
	target->stride = dumb->stride;
	return 0;
}

static int dumb_finish(struct kms_buffer *buffer)
{
	return -1; /* drawn by the time it returns */
}

static pixman_image_t *dumb_read(struct kms_buffer *buffer)
{
	const struct dumb_buffer *dumb = dumb_from(buffer);

	return backend_copy_pixels(dumb->pixels, buffer->width, buffer->height, dumb->stride);
}

static void dumb_destroy(struct kms_buffer *buffer)
{
	struct dumb_buffer *dumb = dumb_from(buffer);

	if (dumb->pixels) {
		munmap(dumb->pixels, dumb->size);
	}
	if (buffer->fb) {
		drmModeRmFB(dumb->fd, buffer->fb);
	}
	if (dumb->handle) {
		drmModeDestroyDumbBuffer(dumb->fd, dumb->handle);
	}
	pixman_region32_fini(&buffer->stale);
	free(dumb);
}

static const struct kms_buffer_ops dumb_ops = {
	.begin = dumb_begin,
	.finish = dumb_finish,
	.read = dumb_read,
	.destroy = dumb_destroy,
};

static int dumb_map(struct dumb_buffer *dumb)
{
	uint64_t offset;
	void *pixels;
	int r = drmModeMapDumbBuffer(dumb->fd, dumb->handle, &offset);

	if (r < 0) {
		return r;
	}
	pixels =
		mmap(NULL, dumb->size, PROT_READ | PROT_WRITE, MAP_SHARED, dumb->fd, (off_t)offset);
	if (pixels == MAP_FAILED) {
		return -errno;
	}
	dumb->pixels = pixels;
	memset(pixels, 0, dumb->size);
	return 0;
}

int dumb_buffer_create(int card_fd, uint32_t fourcc, uint32_t width, uint32_t height,
		       struct kms_buffer **out)
{
	struct dumb_buffer *dumb = calloc(1, sizeof(*dumb));
	_cleanup_(kms_buffer_destroy_ptr) struct kms_buffer *buffer = dumb ? &dumb->base : NULL;
	uint32_t handles[4] = { 0 }, strides[4] = { 0 }, offsets[4] = { 0 };
	int r;

	if (!dumb) {
		return -ENOMEM;
	}
	buffer->ops = &dumb_ops;
	buffer->width = width;
	buffer->height = height;
	pixman_region32_init_rect(&buffer->stale, 0, 0, width, height);
	dumb->fd = card_fd;
	r = drmModeCreateDumbBuffer(card_fd, width, height, 32, 0, &dumb->handle, &dumb->stride,
				    &dumb->size);
	if (r < 0) {
		return r;
	}
	handles[0] = dumb->handle;
	strides[0] = dumb->stride;
	r = drmModeAddFB2(card_fd, width, height, fourcc, handles, strides, offsets, &buffer->fb,
			  0);
	if (r < 0) {
		return r;
	}
	r = dumb_map(dumb);
	if (r < 0) {
		return r;
	}
	*out = take_ptr(buffer);
	return 0;
}

void kms_buffer_destroy(struct kms_buffer *buffer)
{
	if (buffer) {
		buffer->ops->destroy(buffer);
	}
}
