// SPDX-License-Identifier: MIT
/* Stand-ins for the functions of libdrm that send atomic requests, and the flips that they lead to.
 */
#include "tests/unit/test.h"

#include "tests/unit/fake_card.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "common/clock.h"

struct _drmModeAtomicReq {
	unsigned int count;
	struct {
		uint32_t prop;
		uint64_t value;
	} items[128];
};

drmModeAtomicReqPtr drmModeAtomicAlloc(void)
{
	return calloc(1, sizeof(struct _drmModeAtomicReq));
}

void drmModeAtomicFree(drmModeAtomicReqPtr request)
{
	free(request);
}

int drmModeAtomicGetCursor(const drmModeAtomicReqPtr request)
{
	return (int)request->count;
}

int drmModeAtomicAddProperty(drmModeAtomicReqPtr request, uint32_t object, uint32_t prop,
			     uint64_t value)
{
	assert_in_range(prop, 1, PROPS);
	assert_int_equal(fresh[prop - 1].object, object);
	assert_true(request->count < 128);
	request->items[request->count].prop = prop;
	request->items[request->count].value = value;
	return (int)++request->count;
}

/* What it would make of the card. */
static struct fake_commit commit_describe(struct card *card,
					  const struct _drmModeAtomicReq *request, uint32_t flags)
{
	struct fake_commit commit = {
		.test = flags & DRM_MODE_ATOMIC_TEST_ONLY,
		.modeset = flags & DRM_MODE_ATOMIC_ALLOW_MODESET,
		.nonblock = flags & DRM_MODE_ATOMIC_NONBLOCK,
		.event = flags & DRM_MODE_PAGE_FLIP_EVENT,
		.fb = *prop_value(card, PRIMARY, "FB_ID"),
		.cursor_fb = *prop_value(card, CURSOR, "FB_ID"),
		.cursor_x = (int64_t)*prop_value(card, CURSOR, "CRTC_X"),
		.cursor_y = (int64_t)*prop_value(card, CURSOR, "CRTC_Y"),
		.active = *prop_value(card, CRTC, "ACTIVE"),
	};
	const struct blob *blob = &card->blobs[*prop_value(card, PRIMARY, "FB_DAMAGE_CLIPS")];

	for (unsigned int i = 0; i < request->count; i++) {
		uint32_t object = fresh[request->items[i].prop - 1].object;

		commit.touches_primary = commit.touches_primary || object == PRIMARY;
		commit.touches_cursor = commit.touches_cursor || object == CURSOR;
	}
	commit.damage_count = (unsigned int)(blob->size / sizeof(pixman_box32_t));
	memcpy(commit.damage, blob->data, blob->size);
	return commit;
}

static bool shows_cursor(const struct _drmModeAtomicReq *request)
{
	for (unsigned int i = 0; i < request->count; i++) {
		const struct prop *prop = &fresh[request->items[i].prop - 1];

		if (prop->object == CURSOR && strcmp(prop->name, "FB_ID") == 0) {
			return request->items[i].value != 0;
		}
	}
	return false;
}

/* An event is wanted for a CRTC that is off before and after: only the overlay's can be. */
static bool asks_event_of_dark_crtc(struct card *card, const struct _drmModeAtomicReq *request,
				    uint32_t flags)
{
	if (!(flags & DRM_MODE_PAGE_FLIP_EVENT) ||
	    *prop_value(card, OVERLAY, "CRTC_ID") != OTHER_CRTC ||
	    *prop_value(card, OTHER_CRTC, "ACTIVE")) {
		return false;
	}
	for (unsigned int i = 0; i < request->count; i++) {
		if (fresh[request->items[i].prop - 1].object == OVERLAY) {
			return true;
		}
	}
	return false;
}

static bool commit_refused(struct card *card, const struct _drmModeAtomicReq *request,
			   uint32_t flags)
{
	if (asks_event_of_dark_crtc(card, request, flags)) {
		return true;
	}
	if (flags & DRM_MODE_ATOMIC_TEST_ONLY) {
		return false;
	}
	if (card->shown->refuse > 0) {
		card->shown->refuse--;
		return true;
	}
	return card->shown->refuse_cursor && shows_cursor(request);
}

static void flip_report(struct card *card, uint64_t user, uint64_t vblank_ns)
{
	uint64_t ns = vblank_ns ? vblank_ns : clock_now_ns();
	struct drm_event_vblank event = {
		.base = { .type = DRM_EVENT_FLIP_COMPLETE, .length = sizeof(event) },
		.user_data = user,
		.tv_sec = (uint32_t)(ns / NSEC_PER_SEC),
		.tv_usec = (uint32_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC),
		.crtc_id = CRTC,
	};

	assert_int_equal(write(card->event_fd, &event, sizeof(event)), sizeof(event));
}

static void card_flip(struct card *card, uint64_t vblank_ns)
{
	assert_true(card->pending);
	card->pending = false;
	flip_report(card, card->pending_user, vblank_ns);
}

static int commit(struct card *card, const struct _drmModeAtomicReq *request, uint32_t flags,
		  void *user)
{
	uint64_t before[PROPS];

	if (seat_away) {
		card->shown->denied++;
		return -EACCES;
	}
	if (!(flags & (DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_ATOMIC_TEST_ONLY))) {
		card->shown->waits += is_loop();
	}
	if (commit_refused(card, request, flags)) {
		card->shown->refused++;
		return -EINVAL;
	}
	if (card->pending && (flags & DRM_MODE_ATOMIC_NONBLOCK)) {
		card->shown->busy++;
		return -EBUSY;
	}
	*prop_value(card, PRIMARY, "FB_DAMAGE_CLIPS") =
		0; /* the kernel forgets it with each request */
	for (size_t i = 0; i < PROPS; i++) {
		before[i] = card->props[i].value;
	}
	for (unsigned int i = 0; i < request->count; i++) {
		card->props[request->items[i].prop - 1].value = request->items[i].value;
	}
	assert_true(card->shown->count < FAKE_COMMITS_MAX);
	card->shown->commits[card->shown->count++] = commit_describe(card, request, flags);
	if (flags & DRM_MODE_ATOMIC_TEST_ONLY) {
		for (size_t i = 0; i < PROPS; i++) {
			card->props[i].value = before[i];
		}
	} else if (flags & DRM_MODE_PAGE_FLIP_EVENT) {
		card->pending = true;
		card->previous_user = card->pending_user;
		card->pending_user = (uintptr_t)user;
		if (!card->shown->hold_flips) {
			card_flip(card, 0);
		}
	}
	return 0;
}

int drmModeAtomicCommit(int fd, const drmModeAtomicReqPtr request, uint32_t flags, void *user)
{
	struct card *card;
	int r;

	if (!(flags & DRM_MODE_ATOMIC_NONBLOCK)) {
		take_time(card_of(fd));
	}
	card = card_alive(fd);
	if (!card) {
		return -ENODEV;
	}
	pthread_mutex_lock(&kernel_lock);
	r = commit(card, request, flags, user);
	pthread_mutex_unlock(&kernel_lock);
	return r;
}

void fake_kms_flip(uint64_t vblank_ns)
{
	card_flip(&cards[0], vblank_ns);
}

void fake_kms_flip_late(void)
{
	flip_report(&cards[0], cards[0].previous_user, 0);
}

bool fake_kms_flip_pending(void)
{
	return cards[0].pending;
}

const struct fake_commit *fake_card_last(unsigned int card)
{
	const struct fake_card *shown = &fake_cards[card];

	for (unsigned int i = shown->count; i-- > 0;) {
		if (!shown->commits[i].test) {
			return &shown->commits[i];
		}
	}
	return NULL;
}

const struct fake_commit *fake_kms_last(void)
{
	return fake_card_last(0);
}

unsigned int fake_kms_real_count(void)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < fake_kms.count; i++) {
		count += !fake_kms.commits[i].test;
	}
	return count;
}

void fake_kms_leave_overlay(enum fake_overlay where)
{
	*prop_value(&cards[0], OVERLAY, "FB_ID") = where != FAKE_OVERLAY_OFF;
	*prop_value(&cards[0], OVERLAY, "CRTC_ID") = where == FAKE_OVERLAY_OFF    ? 0
						     : where == FAKE_OVERLAY_HERE ? CRTC
										  : OTHER_CRTC;
	*prop_value(&cards[0], OTHER_CRTC, "ACTIVE") = where == FAKE_OVERLAY_THERE;
}

bool fake_kms_is_clean(void)
{
	return *prop_value(&cards[0], OVERLAY, "FB_ID") == 0 &&
	       *prop_value(&cards[0], OTHER_CRTC, "ACTIVE") == 0;
}
