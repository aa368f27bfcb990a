// SPDX-License-Identifier: MIT
/* Where a frame goes on an output: as large as it can be with its aspect kept, in the middle. */
#include "compositor/render/renderer.h"

/* a * b / c to the nearest whole number, at least 1. */
static uint32_t scale_side(uint32_t a, uint32_t b, uint32_t c)
{
	uint64_t scaled = ((uint64_t)a * b + c / 2) / c;

	return scaled == 0 ? 1 : (uint32_t)scaled;
}

pixman_box32_t render_fit(uint32_t frame_width, uint32_t frame_height, uint32_t output_width,
			  uint32_t output_height)
{
	uint32_t width = output_width, height = output_height;
	pixman_box32_t box;

	if (frame_width == 0 || frame_height == 0) {
		return (pixman_box32_t){ 0 };
	}
	/* The side that is relatively longer fills the output; the other one follows. */
	if ((uint64_t)frame_width * output_height >= (uint64_t)frame_height * output_width) {
		height = scale_side(frame_height, output_width, frame_width);
	} else {
		width = scale_side(frame_width, output_height, frame_height);
	}
	box.x1 = ((int32_t)output_width - (int32_t)width) / 2;
	box.y1 = ((int32_t)output_height - (int32_t)height) / 2;
	box.x2 = box.x1 + (int32_t)width;
	box.y2 = box.y1 + (int32_t)height;
	return box;
}
