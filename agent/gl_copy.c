// SPDX-License-Identifier: MIT
/* Copies by EGL and GLES; see gl_copy.h. The image is drawn 1:1, so that each pixel stays itself.
 */
#include "agent/gl_copy.h"

#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES2/gl2.h>
#include <GLES2/gl2ext.h>
#include <errno.h>
#include <fcntl.h>
#include <gbm.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "common/cleanup.h"

#define ATTRIBUTES_MAX 64

struct gl_copy {
	int fd;
	bool can_render; /* by the card, as its driver says */
	struct gbm_device *gbm;
	EGLDisplay display;
	EGLContext context;
	GLuint program, framebuffer, renderbuffer;
	uint32_t width, height; /* of the renderbuffer */
	PFNEGLCREATEIMAGEKHRPROC create_image;
	PFNEGLDESTROYIMAGEKHRPROC destroy_image;
	PFNGLEGLIMAGETARGETTEXTURE2DOESPROC image_to_texture;
};

/* What is read back as red, green, blue is to be blue, green, red. */
static const char vertex_source[] = "attribute vec2 place;\n"
				    "varying vec2 at;\n"
				    "void main() {\n"
				    "	at = place * 0.5 + 0.5;\n"
				    "	gl_Position = vec4(place, 0.0, 1.0);\n"
				    "}\n";
static const char fragment_source[] = "#extension GL_OES_EGL_image_external : require\n"
				      "precision highp float;\n"
				      "uniform samplerExternalOES image;\n"
				      "varying vec2 at;\n"
				      "void main() {\n"
				      "	gl_FragColor = vec4(texture2D(image, at).bgr, 1.0);\n"
				      "}\n";

static void copy_destroy(struct gl_copy *copy)
{
	if (!copy) {
		return;
	}
	if (copy->display != EGL_NO_DISPLAY) {
		eglMakeCurrent(copy->display, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
		if (copy->context != EGL_NO_CONTEXT) {
			eglDestroyContext(copy->display, copy->context);
		}
		eglTerminate(copy->display);
		eglReleaseThread();
	}
	if (copy->gbm) {
		gbm_device_destroy(copy->gbm);
	}
	close_fd_ptr(&copy->fd);
	free(copy);
}
DEFINE_CLEANUP(struct gl_copy *, copy_destroy)

/* ---- making ---- */

static int open_render_node(struct gl_copy *copy, int card)
{
	char *name = drmGetRenderDeviceNameFromFd(card);

	/* Where there is none, the card's own node has to do. */
	copy->can_render = name != NULL;
	copy->fd = name ? open(name, O_RDWR | O_CLOEXEC) : fcntl(card, F_DUPFD_CLOEXEC, 3);
	free(name);
	return copy->fd < 0 ? -errno : 0;
}

/* Mesa draws by itself where it does not know the card; with a node that could draw (Mesa 25.0) it
 * then reads imported memory that it has not mapped, and dies. */
static int check_renderer(const struct gl_copy *copy)
{
	const char *name = (const char *)glGetString(GL_RENDERER);

	return !name || (copy->can_render && (strstr(name, "llvmpipe") || strstr(name, "softpipe")))
		       ? -ENOTSUP
		       : 0;
}

static int make_context(struct gl_copy *copy)
{
	static const EGLint attributes[] = { EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE };

	copy->gbm = gbm_create_device(copy->fd);
	if (!copy->gbm) {
		return -ENOTSUP;
	}
	copy->display = eglGetPlatformDisplay(EGL_PLATFORM_GBM_KHR, copy->gbm, NULL);
	if (copy->display == EGL_NO_DISPLAY || !eglInitialize(copy->display, NULL, NULL) ||
	    !eglBindAPI(EGL_OPENGL_ES_API)) {
		return -ENOTSUP;
	}
	copy->context =
		eglCreateContext(copy->display, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT, attributes);
	if (copy->context == EGL_NO_CONTEXT ||
	    !eglMakeCurrent(copy->display, EGL_NO_SURFACE, EGL_NO_SURFACE, copy->context)) {
		return -ENOTSUP;
	}
	copy->create_image = (PFNEGLCREATEIMAGEKHRPROC)eglGetProcAddress("eglCreateImageKHR");
	copy->destroy_image = (PFNEGLDESTROYIMAGEKHRPROC)eglGetProcAddress("eglDestroyImageKHR");
	copy->image_to_texture = (PFNGLEGLIMAGETARGETTEXTURE2DOESPROC)eglGetProcAddress(
		"glEGLImageTargetTexture2DOES");
	return copy->create_image && copy->destroy_image && copy->image_to_texture ? 0 : -ENOTSUP;
}

static GLuint make_shader(GLenum type, const char *source)
{
	GLuint shader = glCreateShader(type);

	glShaderSource(shader, 1, &source, NULL);
	glCompileShader(shader);
	return shader;
}

static int make_program(struct gl_copy *copy)
{
	static const GLfloat corners[] = { -1, -1, 1, -1, -1, 1, 1, 1 };
	GLint linked = GL_FALSE;

	copy->program = glCreateProgram();
	glAttachShader(copy->program, make_shader(GL_VERTEX_SHADER, vertex_source));
	glAttachShader(copy->program, make_shader(GL_FRAGMENT_SHADER, fragment_source));
	glBindAttribLocation(copy->program, 0, "place");
	glLinkProgram(copy->program);
	glGetProgramiv(copy->program, GL_LINK_STATUS, &linked);
	if (!linked) {
		return -ENOTSUP;
	}
	glUseProgram(copy->program);
	glVertexAttribPointer(0, 2, GL_FLOAT, GL_FALSE, 0, corners);
	glEnableVertexAttribArray(0);
	glGenFramebuffers(1, &copy->framebuffer);
	glGenRenderbuffers(1, &copy->renderbuffer);
	glBindFramebuffer(GL_FRAMEBUFFER, copy->framebuffer);
	glBindRenderbuffer(GL_RENDERBUFFER, copy->renderbuffer);
	return 0;
}

static int copy_create(int card, struct gl_copy **out)
{
	_cleanup_(copy_destroy_ptr) struct gl_copy *copy = calloc(1, sizeof(*copy));
	int r;

	if (!copy) {
		return -ENOMEM;
	}
	copy->fd = -1;
	r = open_render_node(copy, card);
	r = r < 0 ? r : make_context(copy);
	r = r < 0 ? r : check_renderer(copy);
	r = r < 0 ? r : make_program(copy);
	if (r == 0) {
		*out = take_ptr(copy);
	}
	return r;
}

/* ---- copying ---- */

static void add(EGLint *attributes, unsigned int *used, EGLint name, EGLint value)
{
	attributes[(*used)++] = name;
	attributes[(*used)++] = value;
}

static EGLImageKHR import(struct gl_copy *copy, const struct gl_copy_source *source)
{
	/* The names of a plane's attributes do not follow a rule. */
	static const EGLint names[GL_COPY_PLANES][5] = {
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
	EGLint attributes[ATTRIBUTES_MAX];
	unsigned int used = 0;

	add(attributes, &used, EGL_WIDTH, (EGLint)source->width);
	add(attributes, &used, EGL_HEIGHT, (EGLint)source->height);
	add(attributes, &used, EGL_LINUX_DRM_FOURCC_EXT, (EGLint)source->format);
	for (unsigned int i = 0; i < source->planes; i++) {
		add(attributes, &used, names[i][0], source->fds[i]);
		add(attributes, &used, names[i][1], (EGLint)source->offsets[i]);
		add(attributes, &used, names[i][2], (EGLint)source->pitches[i]);
		if (source->modifier) {
			add(attributes, &used, names[i][3], (EGLint)(uint32_t)source->modifier);
			add(attributes, &used, names[i][4], (EGLint)(source->modifier >> 32));
		}
	}
	attributes[used] = EGL_NONE;
	return copy->create_image(copy->display, EGL_NO_CONTEXT, EGL_LINUX_DMA_BUF_EXT, NULL,
				  attributes);
}

/* 8 bits of each colour to draw to, as large as the source. */
static int prepare_target(struct gl_copy *copy, const struct gl_copy_source *source)
{
	if (copy->width == source->width && copy->height == source->height) {
		return 0;
	}
	glRenderbufferStorage(GL_RENDERBUFFER, GL_RGBA8_OES, (GLsizei)source->width,
			      (GLsizei)source->height);
	glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_RENDERBUFFER,
				  copy->renderbuffer);
	if (glCheckFramebufferStatus(GL_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE) {
		return -ENOTSUP;
	}
	glViewport(0, 0, (GLsizei)source->width, (GLsizei)source->height);
	copy->width = source->width;
	copy->height = source->height;
	return 0;
}

static int draw(struct gl_copy *copy, EGLImageKHR image, uint8_t *to)
{
	GLuint texture;

	while (glGetError() != GL_NO_ERROR) {
	}
	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_EXTERNAL_OES, texture);
	glTexParameteri(GL_TEXTURE_EXTERNAL_OES, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
	glTexParameteri(GL_TEXTURE_EXTERNAL_OES, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
	copy->image_to_texture(GL_TEXTURE_EXTERNAL_OES, image);
	glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
	glReadPixels(0, 0, (GLsizei)copy->width, (GLsizei)copy->height, GL_RGBA, GL_UNSIGNED_BYTE,
		     to);
	glDeleteTextures(1, &texture);
	return glGetError() == GL_NO_ERROR ? 0 : -ENOTSUP;
}

static int copy_copy(struct gl_copy *copy, const struct gl_copy_source *source, uint8_t *to)
{
	EGLImageKHR image;
	int r = prepare_target(copy, source);

	if (r < 0) {
		return r;
	}
	/* Imported each time: caches of the card are told of what was drawn meanwhile. */
	image = import(copy, source);
	if (image == EGL_NO_IMAGE_KHR) {
		return -ENOTSUP;
	}
	r = draw(copy, image, to);
	copy->destroy_image(copy->display, image);
	return r;
}

__attribute__((visibility("default"))) const struct gl_copy_ops gl_copy_ops = {
	.create = copy_create,
	.destroy = copy_destroy,
	.copy = copy_copy,
};
