// SPDX-License-Identifier: MIT
/*
 * Buffers of the GPU. Each is a GBM buffer with two faces: a KMS frame buffer to be shown, and a GL
 * frame buffer object to be drawn into. The swapchain knows what each lacks, so no age has to be
 * asked from EGL.
 */
#include "compositor/kms/gpu.h"

#include <GLES3/gl3.h>
#include <drm_fourcc.h>
#include <errno.h>
#include <gbm.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include <GLES2/gl2ext.h> /* wants gl3.h before it */

#include "common/cleanup.h"
#include "common/list.h"
#include "common/log.h"
#include "compositor/render/egl.h"
#include "compositor/render/gl.h"

#define MODIFIERS_MAX 256
#define FORMAT DRM_FORMAT_XRGB8888

struct gpu {
	int fd;         /* the card's */
	bool modifiers; /* the card takes them with frame buffers */
	struct gbm_device *gbm;
	struct egl *egl;
	struct renderer *renderer;
	PFNGLEGLIMAGETARGETRENDERBUFFERSTORAGEOESPROC image_to_renderbuffer;
};

struct gpu_buffer {
	struct kms_buffer base;
	struct gpu *gpu;
	struct gbm_bo *bo;
	EGLImageKHR image;
	GLuint renderbuffer, framebuffer;
};

DEFINE_CLEANUP(struct gpu *, gpu_destroy)
DEFINE_CLEANUP(struct kms_buffer *, kms_buffer_destroy)

int gpu_create(const struct card *card, bool software_allowed, struct gpu **out)
{
	_cleanup_(gpu_destroy_ptr) struct gpu *gpu = calloc(1, sizeof(*gpu));
	uint64_t modifiers = 0;
	int r;

	if (!gpu) {
		return -ENOMEM;
	}
	gpu->fd = card->fd;
	drmGetCap(card->fd, DRM_CAP_ADDFB2_MODIFIERS, &modifiers);
	gpu->modifiers = modifiers != 0;
	gpu->gbm = gbm_create_device(card->fd);
	if (!gpu->gbm) {
		log_debug("%s: no GBM driver", card->path);
		return -ENOTSUP;
	}
	r = egl_create(EGL_PLATFORM_GBM_KHR, gpu->gbm, &gpu->egl);
	if (r < 0) {
		log_debug("%s: no usable EGL (%s)", card->path, strerror(-r));
		return r;
	}
	if (gpu->egl->software && !software_allowed) {
		log_debug("%s: %s is the processor", card->path, gpu->egl->device);
		return -ENOTSUP;
	}
	gpu->image_to_renderbuffer =
		(void *)eglGetProcAddress("glEGLImageTargetRenderbufferStorageOES");
	if (!gpu->image_to_renderbuffer) {
		log_debug("%s: GL cannot draw into imported buffers", card->path);
		return -ENOTSUP;
	}
	r = gl_renderer_create(gpu->egl, &gpu->renderer);
	if (r < 0) {
		return r;
	}
	*out = take_ptr(gpu);
	return 0;
}

void gpu_destroy(struct gpu *gpu)
{
	if (!gpu) {
		return;
	}
	renderer_destroy(gpu->renderer);
	egl_destroy(gpu->egl);
	if (gpu->gbm) {
		gbm_device_destroy(gpu->gbm);
	}
	free(gpu);
}

void gpu_leave(struct gpu *gpu)
{
	if (gpu) {
		egl_leave(gpu->egl);
	}
}

struct renderer *gpu_renderer(struct gpu *gpu)
{
	return gpu->renderer;
}

const char *gpu_name(const struct gpu *gpu)
{
	return gpu->egl->device;
}

static struct gpu_buffer *gpu_from(struct kms_buffer *buffer)
{
	return container_of(buffer, struct gpu_buffer, base);
}

static int buffer_begin(struct kms_buffer *buffer, struct render_target *target)
{
	struct gpu_buffer *b = gpu_from(buffer);
	int r = egl_make_current(b->gpu->egl);

	if (r < 0) {
		return r;
	}
	glBindFramebuffer(GL_FRAMEBUFFER, b->framebuffer);
	*target = (struct render_target){ .width = buffer->width, .height = buffer->height };
	return 0;
}

static int buffer_finish(struct kms_buffer *buffer)
{
	return egl_flush(gpu_from(buffer)->gpu->egl);
}

/* GL reads red first; the image wants blue first. */
static void swap_channels(uint32_t *pixels, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t p = pixels[i];

		pixels[i] = (p & 0xff00ff00) | (p & 0xff) << 16 | ((p >> 16) & 0xff);
	}
}

static pixman_image_t *buffer_read(struct kms_buffer *buffer)
{
	struct gpu_buffer *b = gpu_from(buffer);
	pixman_image_t *image = pixman_image_create_bits_no_clear(
		PIXMAN_x8r8g8b8, (int)buffer->width, (int)buffer->height, NULL, 0);
	uint32_t *pixels;

	if (!image || egl_make_current(b->gpu->egl) < 0) {
		return image;
	}
	pixels = pixman_image_get_data(image); /* 4 bytes a pixel: rows have no padding */
	glBindFramebuffer(GL_FRAMEBUFFER, b->framebuffer);
	glPixelStorei(GL_PACK_ALIGNMENT, 4);
	glReadPixels(0, 0, (GLsizei)buffer->width, (GLsizei)buffer->height, GL_RGBA,
		     GL_UNSIGNED_BYTE, pixels);
	swap_channels(pixels, (size_t)buffer->width * buffer->height);
	return image;
}

static void buffer_destroy(struct kms_buffer *buffer)
{
	struct gpu_buffer *b = gpu_from(buffer);

	if (egl_make_current(b->gpu->egl) == 0) {
		glDeleteFramebuffers(1, &b->framebuffer);
		glDeleteRenderbuffers(1, &b->renderbuffer);
		if (b->image != EGL_NO_IMAGE_KHR) {
			b->gpu->egl->destroy_image(b->gpu->egl->display, b->image);
		}
	}
	if (buffer->fb) {
		drmModeRmFB(b->gpu->fd, buffer->fb);
	}
	if (b->bo) {
		gbm_bo_destroy(b->bo);
	}
	pixman_region32_fini(&buffer->stale);
	free(b);
}

static const struct kms_buffer_ops buffer_ops = {
	.begin = buffer_begin,
	.finish = buffer_finish,
	.read = buffer_read,
	.destroy = buffer_destroy,
};

/* The modifiers that the plane can show, in the order of the kernel. */
static unsigned int plane_modifiers(int fd, const struct kms_plane *plane, uint64_t out[])
{
	uint32_t id = (uint32_t)plane->props.value[PLANE_IN_FORMATS];
	drmModePropertyBlobRes *blob = id ? drmModeGetPropertyBlob(fd, id) : NULL;
	drmModeFormatModifierIterator iterator = { 0 };
	unsigned int count = 0;

	while (blob && count < MODIFIERS_MAX &&
	       drmModeFormatModifierBlobIterNext(blob, &iterator)) {
		if (iterator.fmt == FORMAT && iterator.mod != DRM_FORMAT_MOD_INVALID) {
			out[count++] = iterator.mod;
		}
	}
	drmModeFreePropertyBlob(blob);
	return count;
}

static bool contains(const uint64_t list[], unsigned int count, uint64_t modifier)
{
	for (unsigned int i = 0; i < count; i++) {
		if (list[i] == modifier) {
			return true;
		}
	}
	return false;
}

/* What the plane can show and GL can draw into. */
static unsigned int common_modifiers(struct gpu *gpu, const struct kms_plane *plane, uint64_t out[])
{
	uint64_t shown[MODIFIERS_MAX], drawn[MODIFIERS_MAX];
	unsigned int shown_count = gpu->modifiers ? plane_modifiers(gpu->fd, plane, shown) : 0;
	unsigned int drawn_count = egl_modifiers(gpu->egl, FORMAT, drawn, MODIFIERS_MAX);
	unsigned int count = 0;

	for (unsigned int i = 0; i < shown_count; i++) {
		if (contains(drawn, drawn_count, shown[i])) {
			out[count++] = shown[i];
		}
	}
	return count;
}

static struct gbm_bo *allocate(struct gpu *gpu, const struct kms_plane *plane, uint32_t width,
			       uint32_t height)
{
	const uint32_t use = GBM_BO_USE_SCANOUT | GBM_BO_USE_RENDERING;
	uint64_t modifiers[MODIFIERS_MAX];
	unsigned int count = common_modifiers(gpu, plane, modifiers);
	struct gbm_bo *bo = NULL;

	if (count > 0) {
		bo = gbm_bo_create_with_modifiers2(gpu->gbm, width, height, FORMAT, modifiers,
						   count, use);
	}
	if (!bo) {
		bo = gbm_bo_create(gpu->gbm, width, height, FORMAT, use);
	}
	return bo;
}

/* The layout of a buffer; its descriptors belong to the caller. 0 or -errno. */
static int describe(struct gbm_bo *bo, struct frame_dmabuf *out)
{
	int planes = gbm_bo_get_plane_count(bo);

	*out = (struct frame_dmabuf){ .modifier = gbm_bo_get_modifier(bo) };
	if (planes < 1 || planes > FRAME_PLANES_MAX) {
		return -ENOTSUP;
	}
	for (int i = 0; i < planes; i++) {
		out->fd[i] = gbm_bo_get_fd_for_plane(bo, i);
		if (out->fd[i] < 0) {
			return -ENOTSUP;
		}
		out->planes++;
		out->offset[i] = gbm_bo_get_offset(bo, i);
		out->stride[i] = gbm_bo_get_stride_for_plane(bo, i);
	}
	return 0;
}

static void close_planes(struct frame_dmabuf *dmabuf)
{
	for (unsigned int i = 0; i < dmabuf->planes; i++) {
		close(dmabuf->fd[i]);
	}
}

static int add_framebuffer(struct gpu_buffer *b, const struct frame_dmabuf *layout)
{
	struct kms_buffer *buffer = &b->base;
	bool explicit = b->gpu->modifiers && layout->modifier != DRM_FORMAT_MOD_INVALID;
	uint32_t handles[4] = { 0 };
	uint64_t modifiers[4] = { 0 };

	for (unsigned int i = 0; i < layout->planes; i++) {
		handles[i] = gbm_bo_get_handle_for_plane(b->bo, (int)i).u32;
		modifiers[i] = explicit ? layout->modifier : 0;
	}
	return drmModeAddFB2WithModifiers(b->gpu->fd, buffer->width, buffer->height, FORMAT,
					  handles, layout->stride, layout->offset,
					  explicit ? modifiers : NULL, &buffer->fb,
					  explicit ? DRM_MODE_FB_MODIFIERS : 0);
}

static int add_render_target(struct gpu_buffer *b, const struct frame_dmabuf *layout)
{
	struct gpu *gpu = b->gpu;
	int r = egl_make_current(gpu->egl);

	if (r < 0) {
		return r;
	}
	b->image = egl_import(gpu->egl, layout, b->base.width, b->base.height, FORMAT);
	if (b->image == EGL_NO_IMAGE_KHR) {
		return -ENOTSUP;
	}
	glGenRenderbuffers(1, &b->renderbuffer);
	glBindRenderbuffer(GL_RENDERBUFFER, b->renderbuffer);
	gpu->image_to_renderbuffer(GL_RENDERBUFFER, b->image);
	glGenFramebuffers(1, &b->framebuffer);
	glBindFramebuffer(GL_FRAMEBUFFER, b->framebuffer);
	glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_RENDERBUFFER,
				  b->renderbuffer);
	if (glCheckFramebufferStatus(GL_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE) {
		return -ENOTSUP;
	}
	glClearColor(0, 0, 0, 1);
	glClear(GL_COLOR_BUFFER_BIT);
	return 0;
}

static int buffer_setup(struct gpu_buffer *b)
{
	struct frame_dmabuf layout;
	int r = describe(b->bo, &layout);

	if (r == 0) {
		r = add_framebuffer(b, &layout);
	}
	if (r == 0) {
		r = add_render_target(b, &layout);
	}
	close_planes(&layout);
	return r;
}

int gpu_buffer_create(struct gpu *gpu, const struct kms_plane *plane, uint32_t width,
		      uint32_t height, struct kms_buffer **out)
{
	struct gpu_buffer *b = calloc(1, sizeof(*b));
	_cleanup_(kms_buffer_destroy_ptr) struct kms_buffer *buffer = b ? &b->base : NULL;
	int r;

	if (!b) {
		return -ENOMEM;
	}
	buffer->ops = &buffer_ops;
	buffer->width = width;
	buffer->height = height;
	pixman_region32_init_rect(&buffer->stale, 0, 0, width, height);
	b->gpu = gpu;
	b->image = EGL_NO_IMAGE_KHR;
	b->bo = allocate(gpu, plane, width, height);
	if (!b->bo) {
		return errno ? -errno : -ENOTSUP;
	}
	r = buffer_setup(b);
	if (r < 0) {
		return r;
	}
	*out = take_ptr(buffer);
	return 0;
}
