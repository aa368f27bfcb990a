// SPDX-License-Identifier: MIT
/* Other programs' framebuffers; see drm_buffers.h. */
#include "agent/drm_buffers.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/list.h"
#include "common/log.h"

#define KEPT_MAX 10 /* of screens and pointers */

struct kept {
	struct list link;
	struct card_buffer buffer;
	struct drm_mode_fb_cmd2 fb; /* as the kernel told of it */
	int fd;                     /* of the dma-buf; -1: mapped through the card */
	void *map;
	size_t size;
	struct card_copy *copy;
	uint8_t *rows;                /* where the card copies it to; NULL: it is mapped */
	struct gl_copy_source source; /* for that */
	uint64_t begun_ns;            /* reading */
};

struct drm_buffers {
	int fd;
	struct card_copy *copy;
	struct list kept; /* the last used first */
	int complaint;    /* -errno that was told already */
};

int drm_buffers_create(int fd, struct card_copy *copy, struct drm_buffers **out)
{
	struct drm_buffers *buffers = calloc(1, sizeof(*buffers));

	if (!buffers) {
		return -ENOMEM;
	}
	buffers->fd = fd;
	buffers->copy = copy;
	list_init(&buffers->kept);
	*out = buffers;
	return 0;
}

static void kept_destroy(struct kept *kept)
{
	if (kept) {
		list_remove(&kept->link);
		if (kept->map) {
			munmap(kept->map, kept->size);
		}
		for (unsigned int i = 0; i < kept->source.planes; i++) {
			close_fd_ptr(&kept->source.fds[i]);
		}
		close_fd_ptr(&kept->fd);
		free(kept->rows);
		free(kept);
	}
}
DEFINE_CLEANUP(struct kept *, kept_destroy)

void drm_buffers_destroy(struct drm_buffers *buffers)
{
	struct kept *kept, *next;

	if (buffers) {
		list_for_each_safe(kept, next, &buffers->kept, link) {
			kept_destroy(kept);
		}
		free(buffers);
	}
}

static int complain(struct drm_buffers *buffers, int error, const char *what)
{
	if (buffers->complaint != error) {
		log_error("%s", what);
		buffers->complaint = error;
	}
	return error;
}

static void handles_close(int fd, const uint32_t handles[4])
{
	for (int i = 0; i < 4; i++) {
		bool seen = handles[i] == 0;

		for (int before = 0; before < i; before++) {
			seen = seen || handles[before] == handles[i];
		}
		if (!seen) {
			drmCloseBufferHandle(fd, handles[i]);
		}
	}
}

/* ---- mapping ---- */

static bool fits(const struct card_buffer *buffer, uint32_t offset, size_t size)
{
	uint64_t end = (uint64_t)offset + (uint64_t)buffer->pitch * buffer->height;

	return buffer->width > 0 && buffer->height > 0 && end <= size;
}

static int map_at(struct kept *kept, int fd, off_t at, size_t size)
{
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, at);

	if (map == MAP_FAILED) {
		return -errno;
	}
	kept->map = map;
	kept->size = size;
	return 0;
}

static int map_dma_buf(struct kept *kept)
{
	off_t size = lseek(kept->fd, 0, SEEK_END);

	return size <= 0 ? -EOPNOTSUPP : map_at(kept, kept->fd, 0, (size_t)size);
}

/* What knows no dma-buf that can be mapped may still map it as a dumb buffer. */
static int map_dumb(int fd, struct kept *kept, uint32_t handle, uint32_t offset)
{
	struct drm_mode_map_dumb map = { .handle = handle };
	uint64_t page = 4096, size;

	if (drmIoctl(fd, DRM_IOCTL_MODE_MAP_DUMB, &map) < 0) {
		return -errno;
	}
	size = offset + (uint64_t)kept->buffer.pitch * kept->buffer.height;
	return map_at(kept, fd, (off_t)map.offset, (size_t)((size + page - 1) / page * page));
}

/* ---- finding ---- */

static struct kept *kept_find(struct drm_buffers *buffers, uint64_t identity)
{
	struct kept *kept;

	list_for_each(kept, &buffers->kept, link) {
		if (kept->buffer.identity == identity) {
			list_remove(&kept->link);
			list_prepend(&buffers->kept, &kept->link);
			return kept;
		}
	}
	return NULL;
}

static void kept_add(struct drm_buffers *buffers, struct kept *kept)
{
	if (list_length(&buffers->kept) == KEPT_MAX) {
		kept_destroy(container_of(buffers->kept.prev, struct kept, link));
	}
	list_prepend(&buffers->kept, &kept->link);
}

/*
 * The kernel gives every living dma-buf an inode of its own, and a card's buffer one dma-buf at a
 * time, which lives as long as it is kept. Without dma-buf it is the buffer's place in the card's
 * file, which is its own as long as it is mapped. 0: there is neither.
 */
static uint64_t identity_of(int card, int dma_buf, uint32_t handle)
{
	struct drm_mode_map_dumb map = { .handle = handle };
	struct stat status;

	if (dma_buf >= 0 && fstat(dma_buf, &status) == 0) {
		return (uint64_t)status.st_ino;
	}
	return drmIoctl(card, DRM_IOCTL_MODE_MAP_DUMB, &map) == 0 ? map.offset : 0;
}

static bool same_layout(const struct drm_mode_fb_cmd2 *a, const struct drm_mode_fb_cmd2 *b)
{
	return a->width == b->width && a->height == b->height && a->pitches[0] == b->pitches[0] &&
	       a->pixel_format == b->pixel_format && a->modifier[0] == b->modifier[0];
}

static bool is_tiled(const struct drm_mode_fb_cmd2 *fb)
{
	return (fb->flags & DRM_MODE_FB_MODIFIERS) && fb->modifier[0] != DRM_FORMAT_MOD_LINEAR &&
	       fb->modifier[0] != DRM_FORMAT_MOD_INVALID;
}

/* ---- for the card to copy ---- */

static int export_planes(int card, const struct drm_mode_fb_cmd2 *fb, struct gl_copy_source *source)
{
	*source = (struct gl_copy_source){ .width = fb->width,
					   .height = fb->height,
					   .format = fb->pixel_format,
					   .modifier = is_tiled(fb) ? fb->modifier[0] : 0 };
	for (int i = 0; i < GL_COPY_PLANES && fb->handles[i]; i++) {
		if (drmPrimeHandleToFD(card, fb->handles[i], DRM_CLOEXEC, &source->fds[i]) < 0) {
			return -EOPNOTSUPP;
		}
		source->offsets[i] = fb->offsets[i];
		source->pitches[i] = fb->pitches[i];
		source->planes++;
	}
	return 0;
}

static int prepare_copy(struct drm_buffers *buffers, const struct drm_mode_fb_cmd2 *fb,
			struct kept *kept)
{
	int r = export_planes(buffers->fd, fb, &kept->source);

	kept->rows = calloc(fb->height, (size_t)fb->width * 4);
	if (r < 0 || !kept->rows) {
		return r < 0 ? r : -ENOMEM;
	}
	kept->buffer.format = DRM_FORMAT_XRGB8888;
	kept->buffer.modifier = DRM_FORMAT_MOD_LINEAR;
	kept->buffer.pitch = fb->width * 4;
	kept->buffer.pixels = kept->rows;
	return 0;
}

static int map_new(struct drm_buffers *buffers, const struct drm_mode_fb_cmd2 *fb,
		   struct kept *kept)
{
	int r = kept->fd >= 0 ? map_dma_buf(kept) : -EOPNOTSUPP;

	if (r < 0) {
		r = map_dumb(buffers->fd, kept, fb->handles[0], fb->offsets[0]);
	}
	if (r < 0) {
		return complain(buffers, -EOPNOTSUPP,
				"the card's driver does not let its screen be read; "
				"the guest is seen through its virtual display only");
	}
	if (!fits(&kept->buffer, fb->offsets[0], kept->size)) {
		return -EINVAL;
	}
	kept->buffer.pixels = (const uint8_t *)kept->map + fb->offsets[0];
	return 0;
}

static int kept_create(struct drm_buffers *buffers, const struct drm_mode_fb_cmd2 *fb, int *dma_buf,
		       uint64_t identity, bool by_card, struct kept **out)
{
	_cleanup_(kept_destroy_ptr) struct kept *kept = calloc(1, sizeof(*kept));
	int r;

	if (!kept) {
		return -ENOMEM;
	}
	list_init(&kept->link);
	kept->fd = take_fd(*dma_buf);
	kept->fb = *fb;
	kept->copy = buffers->copy;
	kept->buffer = (struct card_buffer){
		.identity = identity,
		.width = fb->width,
		.height = fb->height,
		.format = fb->pixel_format,
		.modifier = fb->modifier[0],
		.pitch = fb->pitches[0],
	};
	r = by_card ? prepare_copy(buffers, fb, kept) : map_new(buffers, fb, kept);
	if (r == 0) {
		kept_add(buffers, kept);
		*out = take_ptr(kept);
	}
	return r;
}

/* The one that is kept, if it is still good. */
static struct kept *find_kept(struct drm_buffers *buffers, const struct drm_mode_fb_cmd2 *fb,
			      uint64_t identity, bool by_card)
{
	struct kept *kept = kept_find(buffers, identity);

	if (kept && (!same_layout(&kept->fb, fb) || by_card != (kept->rows != NULL))) {
		kept_destroy(kept);
		kept = NULL;
	}
	return kept;
}

/* The pointer's image is small, and never in tiles. */
static bool is_screen(const struct drm_mode_fb_cmd2 *fb)
{
	return fb->width > 512 || fb->height > 512 || is_tiled(fb);
}

static int find_by_handle(struct drm_buffers *buffers, const struct drm_mode_fb_cmd2 *fb,
			  const struct card_buffer **out)
{
	bool by_card = is_screen(fb) && card_copy_wanted(buffers->copy, is_tiled(fb));
	_cleanup_close_ int dma_buf = -1;
	struct kept *kept;
	uint64_t identity;
	int r = 0;

	if (is_tiled(fb) && !by_card) {
		return complain(
			buffers, -EOPNOTSUPP,
			"the screen's memory is in tiles, which the card has to copy: install " GL_COPY_MODULE
			" and the card's Mesa driver; until then the guest is "
			"seen through its virtual display");
	}
	if (drmPrimeHandleToFD(buffers->fd, fb->handles[0], DRM_CLOEXEC | DRM_RDWR, &dma_buf) < 0) {
		dma_buf = -1;
	}
	identity = identity_of(buffers->fd, dma_buf, fb->handles[0]);
	kept = find_kept(buffers, fb, identity, by_card);
	if (!kept) {
		r = kept_create(buffers, fb, &dma_buf, identity, by_card, &kept);
	}
	if (r == 0) {
		*out = &kept->buffer;
	}
	return r;
}

int drm_buffers_find(struct drm_buffers *buffers, uint32_t number, const struct card_buffer **out)
{
	struct drm_mode_fb_cmd2 fb = { .fb_id = number };
	int r;

	if (drmIoctl(buffers->fd, DRM_IOCTL_MODE_GETFB2, &fb) < 0) {
		return -errno;
	}
	if (!fb.handles[0]) {
		return complain(buffers, -EPERM,
				"the kernel shows the screen to root alone; "
				"baton-agent needs the capability CAP_SYS_ADMIN");
	}
	r = find_by_handle(buffers, &fb, out);
	handles_close(buffers->fd, fb.handles);
	return r;
}

/* ---- reading ---- */

static void sync_dma_buf(const struct kept *kept, uint64_t which)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_READ | which };

	if (kept->fd >= 0) {
		drmIoctl(kept->fd, DMA_BUF_IOCTL_SYNC, &sync);
	}
}

int drm_buffers_read_begin(const struct card_buffer *buffer)
{
	struct kept *kept = container_of((struct card_buffer *)buffer, struct kept, buffer);

	kept->begun_ns = clock_now_ns();
	if (kept->rows) {
		return card_copy_rows(kept->copy, &kept->source, kept->rows) < 0 ? -EOPNOTSUPP : 0;
	}
	sync_dma_buf(kept, DMA_BUF_SYNC_START);
	return 0;
}

void drm_buffers_read_end(const struct card_buffer *buffer)
{
	const struct kept *kept = container_of((struct card_buffer *)buffer, struct kept, buffer);

	if (!kept->rows) {
		sync_dma_buf(kept, DMA_BUF_SYNC_END);
	}
	card_copy_note(kept->copy, kept->rows != NULL, (uint64_t)buffer->pitch * buffer->height,
		       clock_now_ns() - kept->begun_ns);
}
