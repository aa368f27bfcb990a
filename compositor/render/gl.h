/* SPDX-License-Identifier: MIT */
/*
 * The GLES 3 renderer. It gives the pixels of the pixman renderer: positions, weights and
 * rounding are computed in whole numbers in its shaders, as pixman computes them.
 */
#ifndef COMPOSITOR_RENDER_GL_H
#define COMPOSITOR_RENDER_GL_H

#include "compositor/render/egl.h"
#include "compositor/render/renderer.h"

/* Draws into the frame buffer object that is bound, whose first row is the picture's first.
 * egl must outlive it. 0 or -errno, with the reason logged. */
int gl_renderer_create(struct egl *egl, struct renderer **out);

#endif
