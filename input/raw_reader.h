/* SPDX-License-Identifier: MIT */
/*
 * Reads a pen or a gamepad as the kernel has it (libevdev), and brings its values into the ranges of
 * proto/input.h. What the kernel dropped because we were late (SYN_DROPPED) is made up for by what
 * the device looks like then.
 */
#ifndef INPUT_RAW_READER_H
#define INPUT_RAW_READER_H

#include <stddef.h>
#include <stdint.h>

#include "proto/input.h"

struct raw_reader;

/* One batch, without its SYN_REPORT; at a time on CLOCK_MONOTONIC. */
typedef void (*raw_frame_fn)(void *data, const struct input_wire_event *events, size_t n,
			     uint64_t time_ns);

/* Of an open, non-blocking device node, which stays the caller's. -ENOTSUP when it is not such a device or says
 * what makes no sense of itself; other -errno. */
int raw_reader_create(int fd, enum input_kind kind, struct raw_reader **out);
void raw_reader_destroy(struct raw_reader *reader); /* NULL is legal */

/* Its name, which lives as the reader, and its numbers. */
const char *raw_reader_identity(const struct raw_reader *reader, uint32_t *vendor,
				uint32_t *product);

/* All that there is. 0, or -errno when the device is gone. */
int raw_reader_read(struct raw_reader *reader, raw_frame_fn frame, void *data);

/* A batch that lets go of all that is down. */
void raw_reader_release(struct raw_reader *reader, raw_frame_fn frame, void *data);

#endif
