// SPDX-License-Identifier: MIT
/*
 * The live pictures of the switcher: small copies that follow their guests at a bounded rate. One
 * timer for all of them, and only while the switcher is open and something has changed.
 */
#include "common/clock.h"
#include "compositor/compositor_private.h"
#include "compositor/scene/thumbnail.h"

static bool is_stale(const struct guest *guest)
{
	return guest->stale.x1 < guest->stale.x2;
}

static void arm_timer(struct compositor *c)
{
	int enabled;

	if (sd_event_source_get_enabled(c->preview_timer, &enabled) < 0 || enabled) {
		return;
	}
	sd_event_source_set_time(c->preview_timer,
				 (c->previews_ns + PREVIEW_INTERVAL_NS) / NSEC_PER_USEC);
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
	if (c->scene.switcher && guest->entry.thumbnail) {
		arm_timer(c);
	}
}

void preview_drop(struct guest *guest)
{
	struct frame *thumbnail = guest->entry.thumbnail;

	guest->entry.thumbnail = NULL;
	compositor_forget_frame(guest->compositor, thumbnail);
	frame_unlock(thumbnail);
	preview_damage(guest, NULL);
}

static bool can_be_read(const struct frame *frame)
{
	return frame->kind == FRAME_SHM && frame_format_bytes(frame->fourcc) > 0;
}

/* Draws what the thumbnail lacks and shows it. */
static void refresh(struct guest *guest)
{
	struct frame *frame = guest->entry.frame;
	pixman_box32_t drawn;

	if (!is_stale(guest) || !frame || !guest->entry.thumbnail) {
		return;
	}
	drawn = thumbnail_update(guest->entry.thumbnail, frame, &guest->stale);
	guest->stale = (pixman_box32_t){ 0 };
	views_damage_frame(guest->compositor, guest->entry.thumbnail, &drawn);
}

/* A thumbnail of the size that the first output shows. */
static void provide(struct guest *guest, const pixman_box32_t *box)
{
	struct scene_entry *entry = &guest->entry;
	pixman_box32_t fitted = render_fit(entry->frame->width, entry->frame->height,
					   (uint32_t)(box->x2 - box->x1),
					   (uint32_t)(box->y2 - box->y1));
	uint32_t width = (uint32_t)(fitted.x2 - fitted.x1);
	uint32_t height = (uint32_t)(fitted.y2 - fitted.y1);

	if (entry->thumbnail && entry->thumbnail->width == width &&
	    entry->thumbnail->height == height) {
		if (is_stale(guest)) {
			arm_timer(guest->compositor);
		}
		return;
	}
	preview_drop(guest);
	entry->thumbnail = thumbnail_create(width, height);
	refresh(guest);
}

void previews_update(struct compositor *c)
{
	struct view *first = views_first(c);
	struct scene_entry *entry;
	pixman_box32_t box;

	if (!first || !c->scene.switcher) {
		return;
	}
	scene_view_layout(&first->scene, &c->scene);
	list_for_each(entry, &c->scene.entries, link) {
		if (entry->frame && can_be_read(entry->frame) &&
		    scene_view_card_picture(&first->scene, &c->scene, entry, &box)) {
			provide(guest_of(entry), &box);
		}
	}
}

int previews_handle_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct compositor *c = data;
	struct scene_entry *entry;

	(void)source, (void)usec;
	c->previews_ns = clock_now_ns();
	if (!c->scene.switcher) {
		return 0;
	}
	list_for_each(entry, &c->scene.entries, link) {
		if (scene_entry_matches(&c->scene, entry)) {
			refresh(guest_of(entry));
		}
	}
	return 0;
}
