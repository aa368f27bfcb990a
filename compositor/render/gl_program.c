// SPDX-License-Identifier: MIT
/*
 * Shaders. pixman is the reference: it walks over the source in 16.16 fixed point, from the centre
 * of the first pixel on, and mixes four pixels with weights of 7 bits. The same in whole numbers
 * gives the same pixels on every GPU, which no texture filter of the hardware would.
 */
#include "compositor/render/gl_program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"

#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)

/* In front of every shader. */
#define PROLOGUE                                                                                   \
	"#version 300 es\n", "precision highp float;\n", "precision highp int;\n",                 \
		"precision highp sampler2D;\n", "#define GREY_NUMERATOR ",                         \
		STRINGIFY(RENDER_GREY_NUMERATOR), "\n#define GREY_DENOMINATOR ",                   \
		STRINGIFY(RENDER_GREY_DENOMINATOR), "\n"

static const char vertex_source[] =
	"uniform vec2 target;\n"
	"in vec2 corner;\n"
	"void main() {\n"
	"	gl_Position = vec4(corner / target * 2.0 - 1.0, 0.0, 1.0);\n"
	"}\n";

static const char fill_source[] = "uniform vec4 color;\n"
				  "out vec4 result;\n"
				  "void main() {\n"
				  "	result = color;\n"
				  "}\n";

static const char frame_source[] =
	"uniform sampler2D picture;\n"
	"uniform ivec2 origin, size, pace;\n"
	"uniform bool smoothly, grey;\n"
	"uniform int format;\n"
	"out vec4 result;\n"
	"ivec3 texel(ivec2 at) {\n"
	"	vec3 c = texelFetch(picture, clamp(at, ivec2(0), size - 1), 0).rgb;\n"
	"	if (format == 2) {\n"
	"		ivec3 s = ivec3(c * vec3(31.0, 63.0, 31.0) + 0.5);\n"
	"		return ivec3(s.r << 3 | s.r >> 2, s.g << 2 | s.g >> 4, s.b << 3 | s.b >> 2);\n"
	"	}\n"
	"	ivec3 b = ivec3(c * 255.0 + 0.5);\n"
	"	return format == 0 ? b.bgr : b;\n"
	"}\n"
	"ivec3 mixed(ivec2 place) {\n"
	"	ivec2 at = place >> 16, w = (place >> 9) & 127;\n"
	"	ivec3 top = texel(at) * (128 - w.x) + texel(at + ivec2(1, 0)) * w.x;\n"
	"	ivec3 low = texel(at + ivec2(0, 1)) * (128 - w.x) + texel(at + 1) * w.x;\n"
	"	return (top * (128 - w.y) + low * w.y) >> 14;\n"
	"}\n"
	"void main() {\n"
	"	ivec2 at = ivec2(gl_FragCoord.xy) - origin;\n"
	"	ivec2 centre = pace * at + ((pace + 1) >> 1);\n"
	"	ivec3 c = smoothly ? mixed(centre - 32768) : texel((centre - 1) >> 16);\n"
	"	if (grey) {\n"
	"		int luma = (77 * c.r + 150 * c.g + 29 * c.b) >> 8;\n"
	"		c = ivec3(luma * GREY_NUMERATOR / GREY_DENOMINATOR);\n"
	"	}\n"
	"	result = vec4(vec3(c) / 255.0, 1.0);\n"
	"}\n";

static const char sprite_source[] =
	"uniform sampler2D picture;\n"
	"uniform ivec2 origin;\n"
	"uniform int alpha;\n"
	"out vec4 result;\n"
	"void main() {\n"
	"	vec4 t = texelFetch(picture, ivec2(gl_FragCoord.xy) - origin, 0).bgra;\n"
	"	ivec4 c = ivec4(t * 255.0 + 0.5) * alpha + 128;\n"
	"	result = vec4((c + (c >> 8)) >> 8) / 255.0;\n"
	"}\n";

static const char *const fragment_sources[] = {
	[LAYER_FILL] = fill_source,
	[LAYER_FRAME] = frame_source,
	[LAYER_SPRITE] = sprite_source,
};

static int shader_compile(GLenum type, const char *source, GLuint *out)
{
	const char *const parts[] = { PROLOGUE, source };
	GLuint shader = glCreateShader(type);
	char message[1024] = "";
	GLint ok = 0;

	glShaderSource(shader, sizeof(parts) / sizeof(parts[0]), parts, NULL);
	glCompileShader(shader);
	glGetShaderiv(shader, GL_COMPILE_STATUS, &ok);
	if (!ok) {
		glGetShaderInfoLog(shader, sizeof(message), NULL, message);
		log_error("The GL driver cannot compile a shader: %s", message);
		glDeleteShader(shader);
		return -ENOTSUP;
	}
	*out = shader;
	return 0;
}

static int program_link(GLuint program, GLuint vertex, GLuint fragment)
{
	char message[1024] = "";
	GLint ok = 0;

	glAttachShader(program, vertex);
	glAttachShader(program, fragment);
	glBindAttribLocation(program, GL_PROGRAM_CORNER, "corner");
	glLinkProgram(program);
	glGetProgramiv(program, GL_LINK_STATUS, &ok);
	if (!ok) {
		glGetProgramInfoLog(program, sizeof(message), NULL, message);
		log_error("The GL driver cannot link a shader: %s", message);
		return -ENOTSUP;
	}
	return 0;
}

static void program_find_uniforms(struct gl_program *program)
{
	const GLuint name = program->name;

	program->target = glGetUniformLocation(name, "target");
	program->color = glGetUniformLocation(name, "color");
	program->picture = glGetUniformLocation(name, "picture");
	program->origin = glGetUniformLocation(name, "origin");
	program->size = glGetUniformLocation(name, "size");
	program->pace = glGetUniformLocation(name, "pace");
	program->smoothly = glGetUniformLocation(name, "smoothly");
	program->format = glGetUniformLocation(name, "format");
	program->grey = glGetUniformLocation(name, "grey");
	program->alpha = glGetUniformLocation(name, "alpha");
}

int gl_program_create(enum layer_kind kind, struct gl_program *out)
{
	GLuint vertex = 0, fragment = 0;
	int r = shader_compile(GL_VERTEX_SHADER, vertex_source, &vertex);

	memset(out, 0, sizeof(*out));
	if (r == 0) {
		r = shader_compile(GL_FRAGMENT_SHADER, fragment_sources[kind], &fragment);
	}
	if (r == 0) {
		out->name = glCreateProgram();
		r = program_link(out->name, vertex, fragment);
	}
	glDeleteShader(vertex);
	glDeleteShader(fragment);
	if (r < 0) {
		gl_program_finish(out);
		return r;
	}
	program_find_uniforms(out);
	return 0;
}

void gl_program_finish(struct gl_program *program)
{
	glDeleteProgram(program->name);
	program->name = 0;
}
