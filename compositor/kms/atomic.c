// SPDX-License-Identifier: MIT
/* Building, testing and sending atomic requests. */
#include "compositor/kms/atomic.h"

#include <errno.h>
#include <stddef.h>
#include <xf86drm.h>

/* A damage of more boxes is told by its extents: drivers look at every box. */
#define DAMAGE_BOXES_MAX 16

/* The kernel's rectangle of a damage list, and what pixman calls one. */
_Static_assert(sizeof(struct drm_mode_rect) == sizeof(pixman_box32_t) &&
		       offsetof(struct drm_mode_rect, y2) == offsetof(pixman_box32_t, y2),
	       "a box is a drm_mode_rect");

int atomic_init(struct atomic *atomic)
{
	*atomic = (struct atomic){ .request = drmModeAtomicAlloc() };
	return atomic->request ? 0 : -ENOMEM;
}

void atomic_finish(struct atomic *atomic, const struct card *card)
{
	drmModeAtomicFree(atomic->request);
	if (atomic->damage_blob) {
		drmModeDestroyPropertyBlob(card->fd, atomic->damage_blob);
	}
}

void atomic_add(struct atomic *atomic, uint32_t object, uint32_t prop, uint64_t value)
{
	int r = prop ? drmModeAtomicAddProperty(atomic->request, object, prop, value) : -ENOENT;

	if (r < 0 && atomic->error == 0) {
		atomic->error = r;
	}
}

static void plane_add(struct atomic *atomic, const struct kms_plane *plane, enum plane_prop prop,
		      uint64_t value)
{
	atomic_add(atomic, plane->id, plane->props.id[prop], value);
}

void atomic_show_plane(struct atomic *atomic, const struct kms_plane *plane, uint32_t crtc,
		       uint32_t fb, int32_t x, int32_t y, uint32_t width, uint32_t height)
{
	plane_add(atomic, plane, PLANE_FB_ID, fb);
	plane_add(atomic, plane, PLANE_CRTC_ID, crtc);
	plane_add(atomic, plane, PLANE_SRC_X, 0);
	plane_add(atomic, plane, PLANE_SRC_Y, 0);
	plane_add(atomic, plane, PLANE_SRC_W, (uint64_t)width << 16);
	plane_add(atomic, plane, PLANE_SRC_H, (uint64_t)height << 16);
	plane_add(atomic, plane, PLANE_CRTC_X, (uint64_t)(int64_t)x);
	plane_add(atomic, plane, PLANE_CRTC_Y, (uint64_t)(int64_t)y);
	plane_add(atomic, plane, PLANE_CRTC_W, width);
	plane_add(atomic, plane, PLANE_CRTC_H, height);
}

void atomic_hide_plane(struct atomic *atomic, const struct kms_plane *plane)
{
	plane_add(atomic, plane, PLANE_FB_ID, 0);
	plane_add(atomic, plane, PLANE_CRTC_ID, 0);
}

void atomic_add_damage(struct atomic *atomic, const struct card *card,
		       const struct kms_plane *plane, const pixman_region32_t *damage)
{
	const pixman_box32_t *boxes;
	int count;

	if (!plane->props.id[PLANE_DAMAGE_CLIPS] || atomic->damage_blob) {
		return;
	}
	boxes = pixman_region32_rectangles(damage, &count);
	if (count > DAMAGE_BOXES_MAX) {
		boxes = pixman_region32_extents(damage);
		count = 1;
	}
	/* Without the list everything counts as new, which is slower and just as right. */
	if (count > 0 && drmModeCreatePropertyBlob(card->fd, boxes, sizeof(*boxes) * (size_t)count,
						   &atomic->damage_blob) == 0) {
		plane_add(atomic, plane, PLANE_DAMAGE_CLIPS, atomic->damage_blob);
	}
}

bool atomic_is_empty(const struct atomic *atomic)
{
	return drmModeAtomicGetCursor(atomic->request) == 0;
}

static bool crtc_taken(const struct card *card, uint64_t id)
{
	for (unsigned int i = 0; i < card->crtc_count; i++) {
		if (card->crtcs[i].id == id) {
			return card->crtcs[i].taken;
		}
	}
	return false;
}

/* Whose turn it is to clean up a CRTC: ours NULL stands for all those that no screen has. */
static bool concerns(const struct card *card, const struct kms_crtc *ours, uint64_t at)
{
	return at != 0 && (ours ? at == ours->id : !crtc_taken(card, at));
}

static void cleanup_connector(struct atomic *atomic, const struct card *card,
			      const struct kms_crtc *ours, uint32_t connector)
{
	struct connector_props props;

	if (connector_props_read(card->fd, connector, &props) == 0 &&
	    concerns(card, ours, props.value[CONNECTOR_CRTC_ID])) {
		atomic_add(atomic, connector, props.id[CONNECTOR_CRTC_ID], 0);
	}
}

static void cleanup_plane(struct atomic *atomic, const struct card *card,
			  const struct kms_crtc *ours, const struct kms_plane *plane)
{
	struct plane_props props;

	if (!plane->taken && plane_props_read(card->fd, plane->id, &props) == 0 &&
	    concerns(card, ours, props.value[PLANE_CRTC_ID])) {
		atomic_hide_plane(atomic, plane);
	}
}

static void cleanup(struct atomic *atomic, const struct card *card, const struct kms_crtc *ours,
		    uint32_t connector)
{
	drmModeRes *resources = drmModeGetResources(card->fd);

	for (int i = 0; resources && i < resources->count_connectors; i++) {
		if (resources->connectors[i] != connector) {
			cleanup_connector(atomic, card, ours, resources->connectors[i]);
		}
	}
	drmModeFreeResources(resources);
	for (unsigned int i = 0; i < card->plane_count; i++) {
		cleanup_plane(atomic, card, ours, &card->planes[i]);
	}
}

void atomic_add_cleanup(struct atomic *atomic, const struct card *card, const struct kms_crtc *crtc,
			uint32_t connector)
{
	cleanup(atomic, card, crtc, connector);
}

static void turn_crtc_off(struct atomic *atomic, const struct card *card,
			  const struct kms_crtc *crtc)
{
	struct crtc_props props;

	if (!crtc->taken && crtc_props_read(card->fd, crtc->id, &props) == 0 &&
	    (props.value[CRTC_ACTIVE] || props.value[CRTC_MODE_ID])) {
		atomic_add(atomic, crtc->id, props.id[CRTC_ACTIVE], 0);
		atomic_add(atomic, crtc->id, props.id[CRTC_MODE_ID], 0);
	}
}

void atomic_add_foreign(struct atomic *atomic, const struct card *card)
{
	cleanup(atomic, card, NULL, 0);
	for (unsigned int i = 0; i < card->crtc_count; i++) {
		turn_crtc_off(atomic, card, &card->crtcs[i]);
	}
}

static int atomic_send(struct atomic *atomic, const struct card *card, uint32_t flags,
		       uint32_t serial)
{
	if (atomic->error < 0) {
		return atomic->error;
	}
	return drmModeAtomicCommit(card->fd, atomic->request, flags, (void *)(uintptr_t)serial);
}

int atomic_test(struct atomic *atomic, const struct card *card)
{
	return atomic_send(atomic, card, DRM_MODE_ATOMIC_TEST_ONLY | DRM_MODE_ATOMIC_ALLOW_MODESET,
			   0);
}

int atomic_commit(struct atomic *atomic, const struct card *card, bool modeset, uint32_t serial)
{
	uint32_t flags =
		DRM_MODE_PAGE_FLIP_EVENT | (modeset ? (uint32_t)DRM_MODE_ATOMIC_ALLOW_MODESET : 0u);
	int r = atomic_send(atomic, card, flags | DRM_MODE_ATOMIC_NONBLOCK, serial);

	/* A modeset may involve other CRTCs, and one of those may still be flipping. */
	if (r == -EBUSY && modeset) {
		r = atomic_send(atomic, card, flags, serial);
	}
	return r;
}

int atomic_commit_wait(struct atomic *atomic, const struct card *card)
{
	return atomic_send(atomic, card, DRM_MODE_ATOMIC_ALLOW_MODESET, 0);
}

/*
 * Not in the request that lights a screen: that one asks for flip events, and the kernel has none
 * for a CRTC that is off before and after. When it is refused, so will be what comes next, and
 * that is said.
 */
void card_turn_foreign_off(const struct card *card)
{
	struct atomic atomic;

	if (atomic_init(&atomic) < 0) {
		return;
	}
	atomic_add_foreign(&atomic, card);
	if (!atomic_is_empty(&atomic)) {
		atomic_commit_wait(&atomic, card);
	}
	atomic_finish(&atomic, card);
}
