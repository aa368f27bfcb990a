// SPDX-License-Identifier: MIT
/* Finding out what EGL offers, and making a context without a window. */
#include "compositor/render/egl.h"

#include <GLES3/gl3.h>
#include <drm_fourcc.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"

DEFINE_CLEANUP(struct egl *, egl_destroy)

/* Whole words of a list separated by blanks. */
static bool has_extension(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = list; at && (at = strstr(at, name)); at += length) {
		if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) {
			return true;
		}
	}
	return false;
}

static int egl_open_display(struct egl *egl, EGLenum platform, void *native)
{
	const char *client = eglQueryString(EGL_NO_DISPLAY, EGL_EXTENSIONS);
	PFNEGLGETPLATFORMDISPLAYEXTPROC get_display;
	EGLint major, minor;

	if (!has_extension(client, "EGL_EXT_platform_base")) {
		return -ENOTSUP;
	}
	get_display = (void *)eglGetProcAddress("eglGetPlatformDisplayEXT");
	egl->display = get_display(platform, native, NULL);
	if (egl->display == EGL_NO_DISPLAY || !eglInitialize(egl->display, &major, &minor)) {
		egl->display = EGL_NO_DISPLAY;
		return -ENOTSUP;
	}
	return 0;
}

/* What nothing works without. */
static int egl_check_extensions(const char *extensions)
{
	static const char *const needed[] = {
		"EGL_KHR_surfaceless_context",
		"EGL_KHR_no_config_context",
		"EGL_KHR_image_base",
	};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (!has_extension(extensions, needed[i])) {
			log_debug("EGL lacks %s", needed[i]);
			return -ENOTSUP;
		}
	}
	return 0;
}

static void egl_load(struct egl *egl, const char *extensions)
{
	egl->create_image = (void *)eglGetProcAddress("eglCreateImageKHR");
	egl->destroy_image = (void *)eglGetProcAddress("eglDestroyImageKHR");
	if (has_extension(extensions, "EGL_EXT_image_dma_buf_import_modifiers")) {
		egl->query_modifiers = (void *)eglGetProcAddress("eglQueryDmaBufModifiersEXT");
	}
	if (has_extension(extensions, "EGL_ANDROID_native_fence_sync")) {
		egl->create_sync = (void *)eglGetProcAddress("eglCreateSyncKHR");
		egl->destroy_sync = (void *)eglGetProcAddress("eglDestroySyncKHR");
		egl->dup_fence = (void *)eglGetProcAddress("eglDupNativeFenceFDANDROID");
	}
}

static int egl_create_context(struct egl *egl)
{
	static const EGLint attributes[] = { EGL_CONTEXT_MAJOR_VERSION, 3, EGL_NONE };

	if (!eglBindAPI(EGL_OPENGL_ES_API)) {
		return -ENOTSUP;
	}
	egl->context =
		eglCreateContext(egl->display, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT, attributes);
	if (egl->context == EGL_NO_CONTEXT) {
		log_debug("EGL has no GLES 3 context");
		return -ENOTSUP;
	}
	return egl_make_current(egl);
}

static void egl_identify(struct egl *egl)
{
	static const char *const software[] = { "llvmpipe", "softpipe", "swrast", "Software" };
	const char *name = (const char *)glGetString(GL_RENDERER);

	snprintf(egl->device, sizeof(egl->device), "%s", name ? name : "unknown");
	for (size_t i = 0; i < sizeof(software) / sizeof(software[0]); i++) {
		egl->software = egl->software || strstr(egl->device, software[i]);
	}
}

int egl_create(EGLenum platform, void *native, struct egl **out)
{
	_cleanup_(egl_destroy_ptr) struct egl *egl = calloc(1, sizeof(*egl));
	const char *extensions;
	int r;

	if (!egl) {
		return -ENOMEM;
	}
	r = egl_open_display(egl, platform, native);
	if (r < 0) {
		return r;
	}
	extensions = eglQueryString(egl->display, EGL_EXTENSIONS);
	r = egl_check_extensions(extensions);
	if (r < 0) {
		return r;
	}
	egl_load(egl, extensions);
	r = egl_create_context(egl);
	if (r < 0) {
		return r;
	}
	egl_identify(egl);
	*out = take_ptr(egl);
	return 0;
}

void egl_destroy(struct egl *egl)
{
	if (!egl) {
		return;
	}
	if (egl->display != EGL_NO_DISPLAY) {
		eglMakeCurrent(egl->display, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
		if (egl->context != EGL_NO_CONTEXT) {
			eglDestroyContext(egl->display, egl->context);
		}
		eglTerminate(egl->display);
		eglReleaseThread();
	}
	free(egl);
}

int egl_make_current(struct egl *egl)
{
	if (eglGetCurrentContext() == egl->context) {
		return 0;
	}
	return eglMakeCurrent(egl->display, EGL_NO_SURFACE, EGL_NO_SURFACE, egl->context) ? 0
											  : -EIO;
}

void egl_leave(struct egl *egl)
{
	eglMakeCurrent(egl->display, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
	eglReleaseThread();
}

struct attributes {
	EGLint list[64];
	unsigned int count;
};

static void attribute(struct attributes *attributes, EGLint name, EGLint value)
{
	attributes->list[attributes->count++] = name;
	attributes->list[attributes->count++] = value;
}

static void attribute_plane(struct attributes *attributes, const struct frame_dmabuf *dmabuf,
			    unsigned int plane)
{
	static const EGLint names[FRAME_PLANES_MAX][5] = {
		{ EGL_DMA_BUF_PLANE0_FD_EXT, EGL_DMA_BUF_PLANE0_OFFSET_EXT,
		  EGL_DMA_BUF_PLANE0_PITCH_EXT, EGL_DMA_BUF_PLANE0_MODIFIER_LO_EXT,
		  EGL_DMA_BUF_PLANE0_MODIFIER_HI_EXT },
		{ EGL_DMA_BUF_PLANE1_FD_EXT, EGL_DMA_BUF_PLANE1_OFFSET_EXT,
		  EGL_DMA_BUF_PLANE1_PITCH_EXT, EGL_DMA_BUF_PLANE1_MODIFIER_LO_EXT,
		  EGL_DMA_BUF_PLANE1_MODIFIER_HI_EXT },
		{ EGL_DMA_BUF_PLANE2_FD_EXT, EGL_DMA_BUF_PLANE2_OFFSET_EXT,
		  EGL_DMA_BUF_PLANE2_PITCH_EXT, EGL_DMA_BUF_PLANE2_MODIFIER_LO_EXT,
		  EGL_DMA_BUF_PLANE2_MODIFIER_HI_EXT },
		{ EGL_DMA_BUF_PLANE3_FD_EXT, EGL_DMA_BUF_PLANE3_OFFSET_EXT,
		  EGL_DMA_BUF_PLANE3_PITCH_EXT, EGL_DMA_BUF_PLANE3_MODIFIER_LO_EXT,
		  EGL_DMA_BUF_PLANE3_MODIFIER_HI_EXT },
	};
	const EGLint *name = names[plane];

	attribute(attributes, name[0], dmabuf->fd[plane]);
	attribute(attributes, name[1], (EGLint)dmabuf->offset[plane]);
	attribute(attributes, name[2], (EGLint)dmabuf->stride[plane]);
	if (dmabuf->modifier != DRM_FORMAT_MOD_INVALID) {
		attribute(attributes, name[3], (EGLint)(dmabuf->modifier & 0xffffffff));
		attribute(attributes, name[4], (EGLint)(dmabuf->modifier >> 32));
	}
}

EGLImageKHR egl_import(struct egl *egl, const struct frame_dmabuf *dmabuf, uint32_t width,
		       uint32_t height, uint32_t fourcc)
{
	struct attributes attributes = { 0 };

	attribute(&attributes, EGL_WIDTH, (EGLint)width);
	attribute(&attributes, EGL_HEIGHT, (EGLint)height);
	attribute(&attributes, EGL_LINUX_DRM_FOURCC_EXT, (EGLint)fourcc);
	for (unsigned int i = 0; i < dmabuf->planes; i++) {
		attribute_plane(&attributes, dmabuf, i);
	}
	attributes.list[attributes.count] = EGL_NONE;
	return egl->create_image(egl->display, EGL_NO_CONTEXT, EGL_LINUX_DMA_BUF_EXT, NULL,
				 attributes.list);
}

unsigned int egl_modifiers(struct egl *egl, uint32_t fourcc, uint64_t modifiers[], unsigned int max)
{
	_cleanup_free_ EGLuint64KHR *all = calloc(max, sizeof(*all));
	_cleanup_free_ EGLBoolean *external = calloc(max, sizeof(*external));
	unsigned int found = 0;
	EGLint count = 0;

	if (!all || !external || !egl->query_modifiers ||
	    !egl->query_modifiers(egl->display, (EGLint)fourcc, (EGLint)max, all, external,
				  &count)) {
		return 0;
	}
	for (EGLint i = 0; i < count; i++) {
		if (!external[i]) { /* can be drawn into, not only sampled */
			modifiers[found++] = all[i];
		}
	}
	return found;
}

int egl_flush(struct egl *egl)
{
	EGLSyncKHR sync = EGL_NO_SYNC_KHR;
	int fd = EGL_NO_NATIVE_FENCE_FD_ANDROID;

	if (egl->software) {
		glFinish(); /* no fence of the kernel stands for the processor's work */
		return -1;
	}
	if (egl->create_sync) {
		sync = egl->create_sync(egl->display, EGL_SYNC_NATIVE_FENCE_ANDROID, NULL);
	}
	glFlush();
	if (sync != EGL_NO_SYNC_KHR) {
		fd = egl->dup_fence(egl->display, sync);
		egl->destroy_sync(egl->display, sync);
	}
	return fd == EGL_NO_NATIVE_FENCE_FD_ANDROID ? -1 : fd;
}
