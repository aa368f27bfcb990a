// SPDX-License-Identifier: MIT
/* Finding the card and its output, buffers, damage, flips and the hardware cursor. */
#include "screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_OBJECTS = 16, MAX_MODES = 128, MAX_CARDS = 8 };

static int drm_call(int fd, unsigned long request, void *argument)
{
	while (ioctl(fd, request, argument) < 0) {
		if (errno != EINTR && errno != EAGAIN) {
			return -errno;
		}
	}
	return 0;
}

/* A connector that is plugged in, with its preferred mode (the first one when none is marked). */
static int connector_probe(int fd, uint32_t id, struct drm_mode_modeinfo *mode)
{
	static struct drm_mode_modeinfo modes[MAX_MODES];
	struct drm_mode_get_connector connector = { .connector_id = id };
	int r;

	/* No room for modes makes the kernel probe the hardware; the second call only copies. */
	r = drm_call(fd, DRM_IOCTL_MODE_GETCONNECTOR, &connector);
	if (r < 0) {
		return r;
	}
	if (connector.connection != 1 || connector.count_modes == 0) {
		return -ENODEV;
	}
	connector = (struct drm_mode_get_connector){
		.connector_id = id,
		.modes_ptr = (uintptr_t)modes,
		.count_modes = MAX_MODES,
	};
	r = drm_call(fd, DRM_IOCTL_MODE_GETCONNECTOR, &connector);
	if (r < 0) {
		return r;
	}
	if (connector.count_modes == 0 || connector.count_modes > MAX_MODES) {
		return -ENODEV;
	}
	*mode = modes[0];
	for (uint32_t i = 0; i < connector.count_modes; i++) {
		if (modes[i].type & DRM_MODE_TYPE_PREFERRED) {
			*mode = modes[i];
			break;
		}
	}
	return 0;
}

static int card_find_output(struct screen *screen)
{
	uint32_t crtcs[MAX_OBJECTS], connectors[MAX_OBJECTS];
	struct drm_mode_card_res resources = {
		.crtc_id_ptr = (uintptr_t)crtcs,
		.connector_id_ptr = (uintptr_t)connectors,
		.count_crtcs = MAX_OBJECTS,
		.count_connectors = MAX_OBJECTS,
	};
	struct drm_mode_modeinfo mode;
	int r = drm_call(screen->fd, DRM_IOCTL_MODE_GETRESOURCES, &resources);

	if (r < 0) {
		return r;
	}
	if (resources.count_crtcs == 0 || resources.count_crtcs > MAX_OBJECTS ||
	    resources.count_connectors > MAX_OBJECTS) {
		return -ENODEV;
	}
	for (uint32_t i = 0; i < resources.count_connectors; i++) {
		if (connector_probe(screen->fd, connectors[i], &mode) == 0) {
			screen->connector = connectors[i];
			/* The cards of a virtual PC wire output n to CRTC n. */
			screen->crtc = crtcs[i < resources.count_crtcs ? i : 0];
			return 0;
		}
	}
	return -ENODEV;
}

int screen_open_node(struct screen *screen, const char *path, bool flip)
{
	int r;

	*screen = (struct screen){ .flip = flip };
	screen->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (screen->fd < 0) {
		return -errno;
	}
	r = card_find_output(screen);
	if (r < 0) {
		screen_close(screen);
	}
	return r;
}

int screen_open(struct screen *screen, bool flip)
{
	int r = -ENODEV;

	for (int i = 0; i < MAX_CARDS && r < 0; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		r = screen_open_node(screen, path, flip);
	}
	return r;
}

static void buffer_destroy(int fd, struct screen_buffer *buffer)
{
	if (buffer->canvas.pixels) {
		munmap(buffer->canvas.pixels, buffer->size);
	}
	if (buffer->fb) {
		drm_call(fd, DRM_IOCTL_MODE_RMFB, &buffer->fb);
	}
	if (buffer->handle) {
		drm_call(fd, DRM_IOCTL_MODE_DESTROY_DUMB,
			 &(struct drm_mode_destroy_dumb){ .handle = buffer->handle });
	}
	*buffer = (struct screen_buffer){ 0 };
}

static uint32_t *buffer_map(int fd, uint32_t handle, size_t size)
{
	struct drm_mode_map_dumb map = { .handle = handle };
	void *pixels;

	if (drm_call(fd, DRM_IOCTL_MODE_MAP_DUMB, &map) < 0) {
		return NULL;
	}
	pixels = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)map.offset);
	return pixels == MAP_FAILED ? NULL : pixels;
}

static int buffer_create(int fd, int width, int height, struct screen_buffer *buffer)
{
	struct drm_mode_create_dumb dumb = {
		.width = (uint32_t)width,
		.height = (uint32_t)height,
		.bpp = 32,
	};
	int r;

	*buffer = (struct screen_buffer){ 0 };
	r = drm_call(fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb);
	if (r < 0) {
		return r;
	}
	buffer->handle = dumb.handle;
	buffer->size = dumb.size;
	buffer->canvas = (struct canvas){
		.pixels = buffer_map(fd, dumb.handle, dumb.size),
		.stride = (int)(dumb.pitch / 4),
		.width = width,
		.height = height,
	};
	if (!buffer->canvas.pixels) {
		buffer_destroy(fd, buffer);
		return -ENOMEM;
	}
	return 0;
}

/* A frame buffer around the dumb buffer, in the one format that every card has. */
static int buffer_add_fb(int fd, struct screen_buffer *buffer)
{
	struct drm_mode_fb_cmd command = {
		.width = (uint32_t)buffer->canvas.width,
		.height = (uint32_t)buffer->canvas.height,
		.pitch = (uint32_t)buffer->canvas.stride * 4,
		.bpp = 32,
		.depth = 24,
		.handle = buffer->handle,
	};
	int r = drm_call(fd, DRM_IOCTL_MODE_ADDFB, &command);

	buffer->fb = command.fb_id;
	return r;
}

static void buffers_destroy(int fd, struct screen_buffer *buffers)
{
	for (int i = 0; i < SCREEN_BUFFERS; i++) {
		buffer_destroy(fd, &buffers[i]);
	}
}

static int buffers_create(int fd, int width, int height, struct screen_buffer *buffers)
{
	for (int i = 0; i < SCREEN_BUFFERS; i++) {
		int r = buffer_create(fd, width, height, &buffers[i]);

		if (r == 0) {
			r = buffer_add_fb(fd, &buffers[i]);
		}
		if (r < 0) {
			buffers_destroy(fd, buffers);
			return r;
		}
	}
	return 0;
}

static int screen_set_mode(struct screen *screen, const struct drm_mode_modeinfo *mode,
			   const struct screen_buffer *buffer)
{
	struct drm_mode_crtc crtc = {
		.crtc_id = screen->crtc,
		.fb_id = buffer->fb,
		.set_connectors_ptr = (uintptr_t)&screen->connector,
		.count_connectors = 1,
		.mode = *mode,
		.mode_valid = 1,
	};

	return drm_call(screen->fd, DRM_IOCTL_MODE_SETCRTC, &crtc);
}

int screen_follow_mode(struct screen *screen, bool *changed)
{
	struct screen_buffer fresh[SCREEN_BUFFERS] = { 0 };
	struct drm_mode_modeinfo mode;
	int r = connector_probe(screen->fd, screen->connector, &mode);

	*changed = false;
	if (r < 0) {
		return r;
	}
	if (mode.hdisplay == screen->mode.hdisplay && mode.vdisplay == screen->mode.vdisplay) {
		return 0;
	}
	r = buffers_create(screen->fd, mode.hdisplay, mode.vdisplay, fresh);
	if (r < 0) {
		return r;
	}
	screen_finish_flip(screen, 1000);
	r = screen_set_mode(screen, &mode, &fresh[0]);
	if (r < 0) {
		buffers_destroy(screen->fd, fresh);
		return r;
	}
	buffers_destroy(screen->fd, screen->buffers);
	memcpy(screen->buffers, fresh, sizeof(fresh));
	screen->front = 0;
	screen->mode = mode;
	*changed = true;
	return 0;
}

void screen_close(struct screen *screen)
{
	buffers_destroy(screen->fd, screen->buffers);
	close(screen->fd);
	screen->fd = -1;
}

int screen_page(const struct screen *screen)
{
	return screen->flip ? !screen->front : screen->front;
}

struct canvas *screen_canvas(struct screen *screen)
{
	return &screen->buffers[screen_page(screen)].canvas;
}

const struct canvas *screen_shown(const struct screen *screen)
{
	return &screen->buffers[screen->front].canvas;
}

static int screen_announce(struct screen *screen, struct rect damage)
{
	struct drm_clip_rect clip = {
		.x1 = (unsigned short)damage.x,
		.y1 = (unsigned short)damage.y,
		.x2 = (unsigned short)(damage.x + damage.width),
		.y2 = (unsigned short)(damage.y + damage.height),
	};
	struct drm_mode_fb_dirty_cmd dirty = {
		.fb_id = screen->buffers[screen->front].fb,
		.num_clips = 1,
		.clips_ptr = (uintptr_t)&clip,
	};
	int r = drm_call(screen->fd, DRM_IOCTL_MODE_DIRTYFB, &dirty);

	/* A card that shows its memory as it stands (bochs-drm) has nothing to be told. */
	return r == -ENOSYS ? 0 : r;
}

int screen_show(struct screen *screen, struct rect damage)
{
	struct drm_mode_crtc_page_flip flip = {
		.crtc_id = screen->crtc,
		.fb_id = screen->buffers[!screen->front].fb,
		.flags = DRM_MODE_PAGE_FLIP_EVENT,
	};
	int r;

	if (!screen->flip) {
		return screen_announce(screen, damage);
	}
	r = drm_call(screen->fd, DRM_IOCTL_MODE_PAGE_FLIP, &flip);
	if (r == 0) {
		screen->front = !screen->front;
		screen->flip_pending = true;
	}
	return r;
}

void screen_finish_flip(struct screen *screen, int wait_ms)
{
	struct pollfd ready = { .fd = screen->fd, .events = POLLIN };
	char events[256];

	while (screen->flip_pending && poll(&ready, 1, wait_ms) > 0) {
		/* The only event this program asks for is the end of a flip. */
		if (read(screen->fd, events, sizeof(events)) > 0) {
			screen->flip_pending = false;
		}
	}
}

void screen_set_flip(struct screen *screen, bool flip)
{
	screen_finish_flip(screen, 1000);
	screen->flip = flip;
}

/* An arrow with a dark edge; the tip is pixel (0,0). */
static void cursor_draw(struct canvas *canvas)
{
	for (int y = 0; y < 24; y++) {
		int width = y < 17 ? y : 24 - y;

		for (int x = 0; x <= width; x++) {
			bool edge = x == 0 || x >= width - 1 || y == 23;

			canvas->pixels[y * canvas->stride + x] = edge ? 0xff101010 : 0xffffffff;
		}
	}
}

static int cursor_create(struct screen *screen)
{
	struct screen_buffer picture;
	int r = buffer_create(screen->fd, SCREEN_CURSOR_SIZE, SCREEN_CURSOR_SIZE, &picture);

	if (r < 0) {
		return r;
	}
	memset(picture.canvas.pixels, 0, picture.size);
	cursor_draw(&picture.canvas);
	munmap(picture.canvas.pixels, picture.size);
	screen->cursor = picture.handle;
	return 0;
}

int screen_set_cursor(struct screen *screen, bool shown)
{
	struct drm_mode_cursor2 cursor = {
		.flags = DRM_MODE_CURSOR_BO,
		.crtc_id = screen->crtc,
		.width = SCREEN_CURSOR_SIZE,
		.height = SCREEN_CURSOR_SIZE,
	};
	int r = shown && !screen->cursor ? cursor_create(screen) : 0;

	if (r < 0) {
		return r;
	}
	cursor.handle = shown ? screen->cursor : 0;
	r = drm_call(screen->fd, DRM_IOCTL_MODE_CURSOR2, &cursor);
	screen->cursor_shown = shown && r == 0;
	return r;
}

void screen_move_cursor(struct screen *screen, int x, int y)
{
	struct drm_mode_cursor cursor = {
		.flags = DRM_MODE_CURSOR_MOVE,
		.crtc_id = screen->crtc,
		.x = x,
		.y = y,
	};

	if (screen->cursor_shown) {
		drm_call(screen->fd, DRM_IOCTL_MODE_CURSOR, &cursor);
	}
}
