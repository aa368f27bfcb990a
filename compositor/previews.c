// SPDX-License-Identifier: MIT
/*
 * The live pictures of the switcher: small copies that follow their guests at a bounded rate. One
 * timer for all of them, and only while the switcher is open and something has changed.
 */
#include <drm_fourcc.h>

#include "common/clock.h"
#include "compositor/compositor_private.h"
#include "compositor/scene/thumbnail.h"

static bool is_stale(const struct guest *guest)
{
	return guest->stale.x1 < guest->stale.x2;
}

/* A thumbnail is wanted that the guest does not have. */
static bool is_missing(const struct guest *guest)
{
	return guest->preview_width > 0 && !guest->entry.thumbnail;
}

/* When this guest's thumbnail may be drawn again; 0: at once, since there is none. */
static uint64_t due_ns(const struct guest *guest)
{
	return is_missing(guest) ? 0 : guest->previewed_ns + PREVIEW_INTERVAL_NS;
}

static bool has_work(const struct guest *guest)
{
	return guest->entry.frame && guest->preview_width > 0 &&
	       (is_missing(guest) || is_stale(guest));
}

/* Of those with something to do the one that has waited longest; NULL: nobody has. */
static struct guest *most_urgent(const struct compositor *c)
{
	struct guest *urgent = NULL;
	struct scene_entry *entry;

	list_for_each(entry, &c->scene.entries, link) {
		struct guest *guest = guest_of(entry);

		if (has_work(guest) && (!urgent || due_ns(guest) < due_ns(urgent))) {
			urgent = guest;
		}
	}
	return urgent;
}

static void arm_timer(struct compositor *c)
{
	const struct guest *urgent = views_first(c) ? most_urgent(c) : NULL;
	uint64_t at;

	if (!urgent) {
		sd_event_source_set_enabled(c->preview_timer, SD_EVENT_OFF);
		return;
	}
	at = due_ns(urgent) > c->previews_rest_ns ? due_ns(urgent) : c->previews_rest_ns;
	sd_event_source_set_time(c->preview_timer, at / NSEC_PER_USEC);
	sd_event_source_set_enabled(c->preview_timer, SD_EVENT_ONESHOT);
}

static int32_t smaller(int32_t a, int32_t b)
{
	return a < b ? a : b;
}

static int32_t larger(int32_t a, int32_t b)
{
	return a > b ? a : b;
}

void preview_damage(struct guest *guest, const pixman_box32_t *box)
{
	struct compositor *c = guest->compositor;
	const struct frame *frame = guest->entry.frame;
	pixman_box32_t *stale = &guest->stale;

	if (!frame) {
		return;
	}
	if (!box) {
		*stale = (pixman_box32_t){ 0, 0, (int32_t)frame->width, (int32_t)frame->height };
	} else if (!is_stale(guest)) {
		*stale = *box;
	} else {
		*stale = (pixman_box32_t){ smaller(stale->x1, box->x1), smaller(stale->y1, box->y1),
					   larger(stale->x2, box->x2), larger(stale->y2, box->y2) };
	}
	if (c->scene.switcher) {
		arm_timer(c);
	}
}

void preview_drop(struct guest *guest)
{
	struct frame *thumbnail = guest->entry.thumbnail;

	guest->entry.thumbnail = NULL;
	compositor_forget_frame(guest->compositor, thumbnail);
	frame_unlock(thumbnail);
}

static bool can_be_read(const struct frame *frame)
{
	return frame->kind == FRAME_SHM && frame_format_bytes(frame->fourcc) > 0;
}

/* Draws what the thumbnail lacks and shows it. Without memory the frame itself is shown. */
static void refresh(struct guest *guest)
{
	struct scene_entry *entry = &guest->entry;
	pixman_box32_t drawn;

	guest->previewed_ns = clock_now_ns();
	if (is_missing(guest)) {
		entry->thumbnail = frame_create(guest->preview_width, guest->preview_height,
						DRM_FORMAT_XRGB8888);
		guest->stale = (pixman_box32_t){ 0, 0, (int32_t)entry->frame->width,
						 (int32_t)entry->frame->height };
	}
	if (!entry->thumbnail) {
		guest->preview_width = 0;
		return;
	}
	drawn = thumbnail_update(entry->thumbnail, entry->frame, &guest->stale);
	guest->stale = (pixman_box32_t){ 0 };
	views_damage_frame(guest->compositor, entry->thumbnail, &drawn);
}

/*
 * Draws what is due, for one turn of the loop at most; then rests three times as long, so that
 * flooding guests get no more than a quarter of it.
 */
static void work(struct compositor *c)
{
	uint64_t start = clock_now_ns(), now = start;
	struct guest *guest = most_urgent(c);

	while (guest && due_ns(guest) <= now && now - start < PREVIEW_TURN_NS) {
		refresh(guest);
		now = clock_now_ns();
		guest = most_urgent(c);
	}
	c->previews_rest_ns = now + 3 * (now - start);
	arm_timer(c);
}

/* Which size the guest's thumbnail has to have on the first output; one of another size goes. */
static void size_preview(struct guest *guest, const struct view *first)
{
	const struct frame *frame = guest->entry.frame, *thumbnail = guest->entry.thumbnail;
	const struct scene *scene = &guest->compositor->scene;
	pixman_box32_t box, fitted;

	guest->preview_width = 0;
	if (!frame || !can_be_read(frame) ||
	    !scene_view_card_picture(&first->scene, scene, &guest->entry, &box)) {
		return;
	}
	fitted = render_fit(frame->width, frame->height, (uint32_t)(box.x2 - box.x1),
			    (uint32_t)(box.y2 - box.y1));
	guest->preview_width = (uint32_t)(fitted.x2 - fitted.x1);
	guest->preview_height = (uint32_t)(fitted.y2 - fitted.y1);
	if (thumbnail && (thumbnail->width != guest->preview_width ||
			  thumbnail->height != guest->preview_height)) {
		preview_drop(guest);
	}
}

void previews_update(struct compositor *c)
{
	struct view *first = views_first(c);
	struct scene_entry *entry;

	if (!c->scene.switcher) {
		return;
	}
	if (!first) {
		arm_timer(c); /* it stops */
		return;
	}
	scene_view_layout(&first->scene, &c->scene);
	list_for_each(entry, &c->scene.entries, link) {
		size_preview(guest_of(entry), first);
	}
	if (clock_now_ns() >= c->previews_rest_ns) {
		work(c);
	} else {
		arm_timer(c);
	}
}

int previews_handle_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct compositor *c = data;

	(void)source, (void)usec;
	if (c->scene.switcher) {
		work(c);
		/* New thumbnails take the place of frames. */
		views_update(c);
	}
	return 0;
}
