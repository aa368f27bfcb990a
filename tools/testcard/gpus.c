// SPDX-License-Identifier: MIT
/* A picture of its own on each card that is lent to the guest. */
#include "gpus.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NODES = 16, STRIPES = 16 };

static void node_path(int node, char *path, size_t size)
{
	snprintf(path, size, "/dev/dri/card%d", node);
}

/* Whether the node is (still) the one that is open. */
static bool node_is(int node, int fd)
{
	struct stat there, ours;
	char path[32];

	node_path(node, path, sizeof(path));
	return stat(path, &there) == 0 && fstat(fd, &ours) == 0 && there.st_rdev == ours.st_rdev;
}

static void gpu_tell(struct console *console, const char *what, const struct gpu *gpu)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	console_print(console, "card %s %s %lld.%06ld", what, gpu->driver, (long long)now.tv_sec,
		      now.tv_nsec / 1000);
}

/* Stripes in colours that follow from the guest's name and the number, and both as text. */
static void picture_draw(struct canvas *canvas, const char *name, const char *driver,
			 uint32_t number)
{
	uint32_t colour = 0x305070 + number * 0x0b1d35;
	char text[96];

	for (const char *c = name; *c; c++) {
		colour = colour * 33 + (unsigned char)*c;
	}
	for (int i = 0; i < STRIPES; i++) {
		int top = canvas->height * i / STRIPES;
		int bottom = canvas->height * (i + 1) / STRIPES;

		canvas_fill(canvas, (struct rect){ 0, top, canvas->width, bottom - top },
			    (colour * (uint32_t)(2 * i + 1)) >> 8 & 0x7f7f7f);
	}
	canvas_text(canvas, 40, 40, 12, 0xf0f0f0, name);
	snprintf(text, sizeof(text), "%s, PICTURE %u", driver, number);
	canvas_text(canvas, 40, 160, 4, 0xffc040, text);
}

static void gpu_show(struct gpus *gpus, struct gpu *gpu, const char *name, struct console *console)
{
	struct canvas *canvas = screen_canvas(&gpu->screen);
	char hex[SHA256_HEX_SIZE];
	int r;

	picture_draw(canvas, name, gpu->driver, ++gpus->pictures);
	r = screen_show(&gpu->screen, (struct rect){ 0, 0, canvas->width, canvas->height });
	if (r < 0) {
		console_print(console, "error %s shows nothing: %s", gpu->driver, strerror(-r));
		return;
	}
	canvas_hash(canvas, hex);
	console_print(console, "card = %s %u %dx%d %s", gpu->driver, gpus->pictures, canvas->width,
		      canvas->height, hex);
}

static void driver_read(int fd, char *driver)
{
	struct drm_version version = { .name = driver, .name_len = GPU_DRIVER - 1 };

	memset(driver, 0, GPU_DRIVER);
	if (ioctl(fd, DRM_IOCTL_VERSION, &version) < 0) {
		snprintf(driver, GPU_DRIVER, "unknown");
	}
}

static void gpu_close(struct gpu *gpu)
{
	screen_close(&gpu->screen);
	gpu->driver[0] = '\0';
}

static void gpu_open(struct gpus *gpus, struct gpu *gpu, int node, const char *name,
		     struct console *console)
{
	char path[32];
	bool changed;
	int r;

	node_path(node, path, sizeof(path));
	/* Without an output there will be news of one. */
	if (screen_open_node(&gpu->screen, path, false) < 0) {
		return;
	}
	gpu->node = node;
	driver_read(gpu->screen.fd, gpu->driver);
	gpu_tell(console, "+", gpu);
	r = screen_follow_mode(&gpu->screen, &changed);
	if (r < 0) {
		console_print(console, "error %s takes no mode: %s", gpu->driver, strerror(-r));
		gpu_close(gpu);
		return;
	}
	gpu_show(gpus, gpu, name, console);
}

static struct gpu *gpu_at(struct gpus *gpus, int node)
{
	for (int i = 0; i < GPUS_MAX; i++) {
		if (gpus->list[i].driver[0] && gpus->list[i].node == node) {
			return &gpus->list[i];
		}
	}
	return NULL;
}

static struct gpu *gpu_free(struct gpus *gpus)
{
	for (int i = 0; i < GPUS_MAX; i++) {
		if (!gpus->list[i].driver[0]) {
			return &gpus->list[i];
		}
	}
	return NULL;
}

void gpus_scan(struct gpus *gpus, const struct screen *first, const char *name,
	       struct console *console)
{
	for (int i = 0; i < GPUS_MAX; i++) {
		struct gpu *gpu = &gpus->list[i];

		if (gpu->driver[0] && !node_is(gpu->node, gpu->screen.fd)) {
			gpu_tell(console, "-", gpu);
			gpu_close(gpu);
		}
	}
	for (int node = 0; node < NODES; node++) {
		struct gpu *gpu = gpu_free(gpus);

		if (gpu && !gpu_at(gpus, node) && !node_is(node, first->fd)) {
			gpu_open(gpus, gpu, node, name, console);
		}
	}
}

void gpus_redraw(struct gpus *gpus, const char *name, struct console *console)
{
	int count = 0;

	for (int i = 0; i < GPUS_MAX; i++) {
		if (gpus->list[i].driver[0]) {
			gpu_show(gpus, &gpus->list[i], name, console);
			count++;
		}
	}
	console_print(console, "cards %d", count);
}
