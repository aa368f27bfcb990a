// SPDX-License-Identifier: MIT
/*
 * The back end without a screen: one output whose picture is a piece of shared memory, for tests
 * and remote use. Its vblanks are the multiples of the refresh interval on CLOCK_MONOTONIC; nobody
 * waits for them, they are computed, so an idle output has no timer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "compositor/backend.h"
#include "compositor/headless_export.h"
#include "compositor/render/visible.h"

#define DEFAULT_WIDTH 1280
#define DEFAULT_HEIGHT 800
#define PIXELS_OFFSET 4096 /* a page, so that the pixels can be mapped alone */

struct headless {
	struct backend base;
	struct output output;
	const struct backend_events *events;
	int fd; /* memfd: struct headless_export and the pixels */
	size_t size;
	struct headless_export *export;
};

static struct headless *headless_of(struct output *output)
{
	return container_of(output, struct headless, output);
}

static uint8_t *headless_pixels(struct headless *headless)
{
	return (uint8_t *)headless->export + headless->export->pixels_offset;
}

static int headless_begin(struct output *output, struct render_target *target,
			  pixman_region32_t *damage)
{
	struct headless *headless = headless_of(output);

	(void)damage; /* the one buffer lacks nothing */
	target->pixels = headless_pixels(headless);
	target->width = output->width;
	target->height = output->height;
	target->stride = headless->export->stride;
	/* Odd already when the drawing before this one failed. */
	atomic_fetch_or(&headless->export->sequence, 1);
	return 0;
}

static int headless_commit(struct output *output, const pixman_region32_t *damage)
{
	struct headless *headless = headless_of(output);
	uint64_t now = clock_now_ns(), interval = output_interval_ns(output);

	atomic_fetch_add(&headless->export->bytes_written, region_bytes(damage));
	atomic_store(&headless->export->written_ns, now);
	atomic_fetch_add(&headless->export->sequence, 1);
	output_presented(output, (now / interval + 1) * interval);
	return 0;
}

static const struct output_ops headless_output_ops = {
	.begin = headless_begin,
	.commit = headless_commit,
};

static int headless_export_fd(struct backend *backend, struct output *output)
{
	(void)output;
	return container_of(backend, struct headless, base)->fd;
}

static pixman_image_t *headless_read_pixels(struct backend *backend, struct output *output)
{
	struct headless *headless = container_of(backend, struct headless, base);

	return backend_copy_pixels(headless_pixels(headless), output->width, output->height,
				   headless->export->stride);
}

static void headless_destroy(struct backend *backend)
{
	struct headless *headless = container_of(backend, struct headless, base);

	if (headless->output.ops) {
		headless->events->output_removed(&headless->output, headless->events->data);
		output_finish(&headless->output);
	}
	if (headless->export) {
		munmap(headless->export, headless->size);
	}
	if (headless->fd >= 0) {
		close(headless->fd);
	}
	free(headless);
}

static const struct backend_ops headless_ops = {
	.export_fd = headless_export_fd,
	.read_pixels = headless_read_pixels,
	.destroy = headless_destroy,
};

/* Sealed, so that no reader can shrink what we write into. */
static int headless_allocate(struct headless *headless, uint32_t width, uint32_t height,
			     uint32_t refresh_mhz)
{
	uint32_t stride = width * sizeof(uint32_t);
	void *memory;

	headless->size = PIXELS_OFFSET + (size_t)stride * height;
	headless->fd = memfd_create("baton-headless", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (headless->fd < 0 || ftruncate(headless->fd, (off_t)headless->size) < 0 ||
	    fcntl(headless->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		return -errno;
	}
	memory = mmap(NULL, headless->size, PROT_READ | PROT_WRITE, MAP_SHARED, headless->fd, 0);
	if (memory == MAP_FAILED) {
		return -errno;
	}
	headless->export = memory;
	headless->export->magic = HEADLESS_EXPORT_MAGIC;
	headless->export->width = width;
	headless->export->height = height;
	headless->export->stride = stride;
	headless->export->pixels_offset = PIXELS_OFFSET;
	headless->export->refresh_mhz = refresh_mhz;
	return 0;
}

static int headless_start(struct headless *headless, sd_event *event,
			  const struct compositor_options *options)
{
	struct output *output = &headless->output;
	int r;

	output->width = options->width ? options->width : DEFAULT_WIDTH;
	output->height = options->height ? options->height : DEFAULT_HEIGHT;
	output->refresh_mhz = options->refresh_mhz ? options->refresh_mhz : 60000;
	snprintf(output->name, sizeof(output->name), "HEADLESS-1");
	if (output->width > FRAME_SIDE_MAX || output->height > FRAME_SIDE_MAX) {
		return -ERANGE;
	}
	r = headless_allocate(headless, output->width, output->height, output->refresh_mhz);
	if (r < 0) {
		return r;
	}
	r = output_init(output, event, &headless_output_ops, headless->events->painter);
	if (r < 0) {
		return r;
	}
	headless->events->output_added(output, headless->events->data);
	output_enable(output);
	return 0;
}

int headless_backend_create(sd_event *event, const struct compositor_options *options,
			    const struct backend_events *events, struct backend **out)
{
	struct headless *headless = calloc(1, sizeof(*headless));
	int r;

	if (!headless) {
		return -ENOMEM;
	}
	headless->base.ops = &headless_ops;
	headless->fd = -1;
	headless->events = events;
	r = headless_start(headless, event, options);
	if (r < 0) {
		log_error("No headless screen of %ux%u can be made: %s.", headless->output.width,
			  headless->output.height, strerror(-r));
		headless_destroy(&headless->base);
		return r;
	}
	*out = &headless->base;
	return 0;
}
