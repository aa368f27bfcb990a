/* SPDX-License-Identifier: MIT */
/*
 * An EGL display with one GLES 3 context that draws into frame buffer objects only; no windows.
 * It belongs to one thread at a time.
 */
#ifndef COMPOSITOR_RENDER_EGL_H
#define COMPOSITOR_RENDER_EGL_H

#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/frame.h"

struct egl {
	EGLDisplay display;
	EGLContext context;
	char device[128]; /* what draws, as GL names it */
	bool software;    /* the processor draws */
	PFNEGLCREATEIMAGEKHRPROC create_image;
	PFNEGLDESTROYIMAGEKHRPROC destroy_image;
	PFNEGLQUERYDMABUFMODIFIERSEXTPROC query_modifiers; /* NULL: modifiers are unknown */
	PFNEGLCREATESYNCKHRPROC create_sync;               /* NULL: no fences for the kernel */
	PFNEGLDESTROYSYNCKHRPROC destroy_sync;
	PFNEGLDUPNATIVEFENCEFDANDROIDPROC dup_fence;
};

/*
 * platform: EGL_PLATFORM_GBM_KHR with native a gbm_device (which must outlive it), or
 * EGL_PLATFORM_SURFACELESS_MESA with NULL. The context is current afterwards. 0 or -errno: -ENOTSUP
 * when EGL or GL lack something; nothing is logged but at debug level.
 */
int egl_create(EGLenum platform, void *native, struct egl **out);
void egl_destroy(struct egl *egl); /* NULL is legal */

/* Makes the context current again, in case another one is. 0 or -EIO. */
int egl_make_current(struct egl *egl);
/* The calling thread is done with EGL for now: another one may use it. */
void egl_leave(struct egl *egl);

/*
 * A dma-buf as an image, or EGL_NO_IMAGE_KHR. fourcc: DRM_FORMAT_*. The descriptors stay the
 * caller's. Destroyed with egl->destroy_image().
 */
EGLImageKHR egl_import(struct egl *egl, const struct frame_dmabuf *dmabuf, uint32_t width,
		       uint32_t height, uint32_t fourcc);

/* The modifiers with which this format can be drawn into, at most max; 0 when unknown. */
unsigned int egl_modifiers(struct egl *egl, uint32_t fourcc, uint64_t modifiers[],
			   unsigned int max);

/*
 * Sends everything drawn so far to the GPU. A sync file that signals when it is done, owned by the
 * caller, or -1: then it is done already, or the kernel waits for it by itself.
 */
int egl_flush(struct egl *egl);

#endif
