/* SPDX-License-Identifier: MIT */
/* The shaders of the GL renderer: one program for each kind of layer. */
#ifndef COMPOSITOR_RENDER_GL_PROGRAM_H
#define COMPOSITOR_RENDER_GL_PROGRAM_H

#include <GLES3/gl3.h>

#include "compositor/render/renderer.h"

/* The only vertex attribute: a corner in output pixels. */
#define GL_PROGRAM_CORNER 0

/* Where uniforms are; -1 for those that a program has not. */
struct gl_program {
	GLuint name;
	GLint target;   /* vec2: size of the buffer */
	GLint color;    /* vec4 */
	GLint picture;  /* sampler2D */
	GLint origin;   /* ivec2: the layer's corner */
	GLint size;     /* ivec2: of the picture */
	GLint pace;     /* ivec2: picture pixels for each output pixel, 16.16 */
	GLint smoothly; /* bool: bilinear */
	GLint format;   /* int: enum gl_format */
	GLint grey;     /* bool */
	GLint alpha;    /* int: 0..255 */
};

/* How a texture's channels are to be read. */
enum gl_format { GL_FORMAT_BGRX, GL_FORMAT_RGBX, GL_FORMAT_RGB565 };

/* 0, or -ENOTSUP with the compiler's message logged. */
int gl_program_create(enum layer_kind kind, struct gl_program *out);
void gl_program_finish(struct gl_program *program); /* a zeroed one is legal */

#endif
