/* SPDX-License-Identifier: MIT */
/*
 * The memory that a headless output shares with whoever asked for it: this header, then at
 * pixels_offset the picture as XRGB8888. One writer. A reader copies, and takes the copy as whole
 * when sequence was even and the same before and after.
 */
#ifndef COMPOSITOR_HEADLESS_EXPORT_H
#define COMPOSITOR_HEADLESS_EXPORT_H

#include <stdatomic.h>
#include <stdint.h>

#define HEADLESS_EXPORT_MAGIC 0x4e544142u /* "BATN" */

struct headless_export {
	uint32_t magic;
	uint32_t width, height, stride; /* pixels, pixels, bytes */
	uint32_t pixels_offset;         /* bytes from the start of the memory */
	uint32_t refresh_mhz;
	_Atomic uint64_t sequence;      /* odd while the picture is being written */
	_Atomic uint64_t written_ns;    /* CLOCK_MONOTONIC of the last completed write */
	_Atomic uint64_t bytes_written; /* into the picture, since the start */
};

#endif
