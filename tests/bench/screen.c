// SPDX-License-Identifier: MIT
/* See screen.h. */
#include "tests/bench/screen.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/bench/vblank.h"

int screen_open(struct screen *screen, int fd)
{
	const struct headless_export *memory;
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		return -errno;
	}
	if (memory->magic != HEADLESS_EXPORT_MAGIC) {
		munmap((void *)memory, (size_t)st.st_size);
		return -EPROTO;
	}
	screen->memory = memory;
	screen->size = (size_t)st.st_size;
	screen->interval_ns = vblank_interval_ns(memory->refresh_mhz);
	return 0;
}

static uint32_t pixel_at(const struct headless_export *memory, uint32_t x, uint32_t y)
{
	const uint8_t *row = (const uint8_t *)memory + memory->pixels_offset +
			     (size_t)y * memory->stride;

	return *(const volatile uint32_t *)(const void *)(row + (size_t)x * 4) & 0xffffff;
}

void screen_read(const struct screen *screen, uint32_t x, uint32_t y, struct screen_sample *sample)
{
	const struct headless_export *memory = screen->memory;
	uint64_t sequence;

	for (;;) {
		sequence = atomic_load(&memory->sequence);
		if (sequence & 1) {
			sched_yield();
			continue;
		}
		sample->marker = pixel_at(memory, 0, 0);
		sample->corner = pixel_at(memory, x, y);
		sample->written_ns = atomic_load(&memory->written_ns);
		sample->bytes_written = atomic_load(&memory->bytes_written);
		atomic_thread_fence(memory_order_seq_cst);
		if (atomic_load(&memory->sequence) == sequence) {
			return;
		}
	}
}

uint32_t pattern_pixel(uint32_t counter, uint32_t x, uint32_t y)
{
	return (counter * 0x050b11 + y * 0x010300 + x * 0x000102) & 0xffffff;
}
