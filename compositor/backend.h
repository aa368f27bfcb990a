/* SPDX-License-Identifier: MIT */
/*
 * What a back end (kms/, window/, headless.c) gives to the compositor: outputs, and access to the
 * session where there is one. Each is a whole folder or file behind this interface.
 */
#ifndef COMPOSITOR_BACKEND_H
#define COMPOSITOR_BACKEND_H

#include "compositor/compositor.h"
#include "compositor/output.h"

struct backend;

/*
 * To the compositor, from the loop's thread. An output that takes another size or rate sets its
 * fields and calls output_enable(); one without a renderer of its own gets the pixman renderer.
 */
struct backend_events {
	void (*output_added)(struct output *output, void *data);   /* initialised, not yet enabled */
	void (*output_removed)(struct output *output, void *data); /* before it is destroyed */
	void (*active)(bool active, void *data);
	void (*card_released)(const char *slot, int error, void *data);
	void (*card_regained)(const char *slot, int error, void *data);
	const struct compositor_handlers *handlers; /* input of the window back end goes straight */
	void *handlers_data;
	const struct output_painter *painter;
	void *data;
};

struct backend_ops {
	/* Unused functions are NULL: the compositor answers -ENOTSUP, or does nothing. */
	int (*switch_vt)(struct backend *backend, unsigned int vt);
	void (*lock_pointer)(struct backend *backend, bool lock);
	int (*open_device)(struct backend *backend, const char *path);
	void (*close_device)(struct backend *backend, int fd);
	const char *(*seat_name)(struct backend *backend);
	void (*release_card)(struct backend *backend, const char *slot);
	void (*regain_card)(struct backend *backend, const char *slot);
	bool (*uses_card)(struct backend *backend, const char *slot, bool *only);
	int (*export_fd)(struct backend *backend, struct output *output);
	/* A copy of the pixels that the output shows, for screenshots: a pixman image (x8r8g8b8)
	 * of the caller's alone, or NULL: no memory or nothing shown yet. */
	pixman_image_t *(*read_pixels)(struct backend *backend, struct output *output);
	void (*destroy)(struct backend *backend);
};

struct backend {
	const struct backend_ops *ops;
};

/* A copy for read_pixels; stride in bytes. NULL: no memory. */
pixman_image_t *backend_copy_pixels(const void *pixels, uint32_t width, uint32_t height,
				    size_t stride);

/* Each logs one sentence with the remedy when it fails. events must outlive the back end. */
int headless_backend_create(sd_event *event, const struct compositor_options *options,
			    const struct backend_events *events, struct backend **out);
int kms_backend_create(sd_event *event, const struct compositor_options *options,
		       const struct backend_events *events, struct backend **out);
int window_backend_create(sd_event *event, const struct compositor_options *options,
			  const struct backend_events *events, struct backend **out);

typedef int (*backend_create_fn)(sd_event *event, const struct compositor_options *options,
				 const struct backend_events *events, struct backend **out);

/* As compositor_create(), on a back end of the caller's: for tests. */
int compositor_create_on(sd_event *event, backend_create_fn create,
			 const struct compositor_options *options,
			 const struct compositor_handlers *handlers, void *data,
			 struct compositor **out);

#endif
