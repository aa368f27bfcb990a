// SPDX-License-Identifier: MIT
/* The scene as one output shows it; see view.h. */
#include "compositor/scene/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "compositor/scene/paint.h"

#define MARGIN 28
#define HEADER_HEIGHT 40
#define KEYS_HEIGHT 27

/* What is drawn of one guest for the switcher. */
struct view_card {
	struct list link; /* scene_view::cards */
	uint32_t id;
	struct drawn card, reason;
};

static void drawn_clear(struct drawn *drawn)
{
	free(drawn->key);
	sprite_unlock(drawn->sprite);
	*drawn = (struct drawn){ 0 };
}

/* True when the sprite says key already. Otherwise it is gone, and will say key. */
static bool drawn_says(struct drawn *drawn, const char *key)
{
	if (drawn->sprite && drawn->key && strcmp(drawn->key, key) == 0) {
		return true;
	}
	drawn_clear(drawn);
	drawn->key = strdup(key);
	return false;
}

static void view_card_destroy(struct view_card *card)
{
	list_remove(&card->link);
	drawn_clear(&card->card);
	drawn_clear(&card->reason);
	free(card);
}

static struct view_card *find_card(struct scene_view *view, uint32_t id)
{
	struct view_card *card;

	list_for_each(card, &view->cards, link) {
		if (card->id == id) {
			return card;
		}
	}
	card = calloc(1, sizeof(*card));
	if (card) {
		card->id = id;
		list_append(&view->cards, &card->link);
	}
	return card;
}

/* Cards of guests that are gone, and all of them while the switcher is closed, cost memory. */
static void drop_unused_cards(struct scene_view *view, const struct scene *scene)
{
	struct view_card *card, *next;

	list_for_each_safe(card, next, &view->cards, link) {
		if (!scene->switcher || !scene_find(scene, card->id)) {
			view_card_destroy(card);
		}
	}
}

static void drop_drawn(struct scene_view *view)
{
	struct drawn *all[] = { &view->header,   &view->keys, &view->toast, &view->notice,
				&view->progress, &view->help, &view->desk,  &view->reason };
	struct view_card *card, *next;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		drawn_clear(all[i]);
	}
	for (size_t i = 0; i < sizeof(view->corners) / sizeof(view->corners[0]); i++) {
		drawn_clear(&view->corners[i]);
	}
	list_for_each_safe(card, next, &view->cards, link) {
		view_card_destroy(card);
	}
}

static void set_theme(struct scene_view *view)
{
	view->theme = theme_for_height(view->height);
	paint_warm_up(&view->theme);
}

void scene_view_init(struct scene_view *view, uint32_t width, uint32_t height)
{
	memset(view, 0, sizeof(*view));
	list_init(&view->cards);
	view->width = width;
	view->height = height;
	set_theme(view);
}

void scene_view_finish(struct scene_view *view)
{
	layers_clear(&view->layers);
	view_cursor_finish(&view->cursor);
	drop_drawn(view);
}

void scene_view_resize(struct scene_view *view, uint32_t width, uint32_t height)
{
	drop_drawn(view);
	view_cursor_finish(&view->cursor);
	view->width = width;
	view->height = height;
	set_theme(view);
}

/* Puts a sprite in the middle, its top or (from_bottom) its bottom at y. */
static void add_centred(struct scene_view *view, struct sprite *sprite, int32_t y, bool from_bottom)
{
	if (sprite) {
		layers_add_sprite(&view->layers,
				  ((int32_t)view->width - (int32_t)sprite->width) / 2,
				  from_bottom ? y - (int32_t)sprite->height : y, sprite);
	}
}

static void add_middle(struct scene_view *view, struct sprite *sprite)
{
	if (sprite) {
		add_centred(view, sprite, ((int32_t)view->height - (int32_t)sprite->height) / 2,
			    false);
	}
}

/* ---- one guest ---- */

bool scene_view_front_box(const struct scene_view *view, const struct scene *scene,
			  pixman_box32_t *box)
{
	const struct scene_entry *front = scene_find(scene, scene->front);

	if (!front || !front->frame) {
		return false;
	}
	*box = render_fit(front->frame->width, front->frame->height, view->width, view->height);
	return true;
}

static void add_desk(struct scene_view *view, const char *title, const char *line)
{
	_cleanup_free_ char *key = NULL;

	if (asprintf(&key, "%s\n%s", title, line) < 0) {
		return;
	}
	if (!drawn_says(&view->desk, key)) {
		view->desk.sprite =
			paint_desk(&view->theme, title, line, (int32_t)view->width * 3 / 4);
	}
	add_middle(view, view->desk.sprite);
}

static void add_reason_line(struct scene_view *view, const struct scene_entry *front)
{
	_cleanup_free_ char *line = NULL;

	if (asprintf(&line, "%s: %s", front->name ? front->name : "Guest", front->reason) < 0) {
		return;
	}
	if (!drawn_says(&view->reason, line)) {
		view->reason.sprite =
			paint_line(&view->theme, line, true, (int32_t)view->width * 9 / 10);
	}
	add_middle(view, view->reason.sprite);
}

static void add_single(struct scene_view *view, const struct scene *scene)
{
	pixman_box32_t all = { 0, 0, (int32_t)view->width, (int32_t)view->height }, box;
	const struct scene_entry *front = scene_find(scene, scene->front);

	if (scene_view_front_box(view, scene, &box)) {
		layers_add_fill(&view->layers, &all, THEME_BARS);
		layers_add_frame(&view->layers, &box, front->frame, front->reason != NULL);
		if (front->reason) {
			add_reason_line(view, front);
		}
		return;
	}
	layers_add_fill(&view->layers, &all, THEME_DESK);
	if (front) {
		add_desk(view, front->name ? front->name : "Guest",
			 front->reason ? front->reason : "Waiting for its first picture");
	} else {
		add_desk(view, "No guest in front",
			 scene->desk_hint ? scene->desk_hint : "Hold the host key to see all keys");
	}
}

/* ---- the switcher ---- */

void scene_view_layout(struct scene_view *view, const struct scene *scene)
{
	int32_t margin = theme_px(&view->theme, MARGIN);
	pixman_box32_t area = {
		margin,
		margin + theme_px(&view->theme, HEADER_HEIGHT) + margin / 2,
		(int32_t)view->width - margin,
		(int32_t)view->height - margin - theme_px(&view->theme, KEYS_HEIGHT) - margin / 2,
	};

	grid_layout(&view->grid, &view->theme, &area, scene_matching_count(scene),
		    scene_matching_index(scene, scene->selected));
}

bool scene_view_card_picture(const struct scene_view *view, const struct scene *scene,
			     const struct scene_entry *entry, pixman_box32_t *box)
{
	unsigned int index = scene_matching_index(scene, entry->id);

	if (!grid_is_visible(&view->grid, index) || !grid_has_pictures(&view->grid)) {
		return false;
	}
	*box = grid_picture(&view->grid, index);
	return true;
}

static void draw_card(struct scene_view *view, const struct scene *scene,
		      const struct scene_entry *entry, struct drawn *drawn)
{
	struct paint_card card = {
		.name = entry->name ? entry->name : "",
		.state = entry->state ? entry->state : "",
		.reason = entry->reason,
		.slot = entry->slot,
		.selected = scene->selected == entry->id,
		.picture = entry->frame != NULL,
	};
	_cleanup_free_ char *key = NULL;

	if (asprintf(&key, "%d %d %d %d %u %d %d\n%s\n%s\n%s", view->grid.card_width,
		     view->grid.card_height, view->grid.padding, view->grid.compact, card.slot,
		     card.selected, card.picture, card.name, card.state,
		     card.reason ? card.reason : "") < 0) {
		return;
	}
	if (!drawn_says(drawn, key)) {
		drawn->sprite = paint_card(&view->theme, &view->grid, &card);
	}
}

/* The guest's picture inside box, with round corners. */
static void add_card_picture(struct scene_view *view, const struct scene_entry *entry,
			     const pixman_box32_t *box, bool selected)
{
	struct frame *picture = entry->thumbnail ? entry->thumbnail : entry->frame;
	pixman_box32_t fitted =
		render_fit(picture->width, picture->height, (uint32_t)(box->x2 - box->x1),
			   (uint32_t)(box->y2 - box->y1));

	fitted.x1 += box->x1;
	fitted.x2 += box->x1;
	fitted.y1 += box->y1;
	fitted.y2 += box->y1;
	layers_add_frame(&view->layers, &fitted, picture, entry->reason != NULL);
	for (unsigned int corner = 0; corner < 4; corner++) {
		struct drawn *drawn = &view->corners[corner + (selected ? 4 : 0)];
		bool right = corner == 1 || corner == 2, bottom = corner >= 2;

		if (!drawn_says(drawn, "corner")) {
			drawn->sprite = paint_corner(&view->theme, corner, selected);
		}
		if (drawn->sprite) {
			int32_t size = (int32_t)drawn->sprite->width;

			layers_add_sprite(&view->layers, right ? box->x2 - size : box->x1,
					  bottom ? box->y2 - size : box->y1, drawn->sprite);
		}
	}
}

/* The reason in the middle of the picture. */
static void add_card_reason(struct scene_view *view, const struct scene_entry *entry,
			    struct drawn *drawn, const pixman_box32_t *box)
{
	_cleanup_free_ char *key = NULL;

	if (asprintf(&key, "%d %d\n%s", view->grid.card_width, view->grid.padding, entry->reason) <
	    0) {
		return;
	}
	if (!drawn_says(drawn, key)) {
		drawn->sprite = paint_card_reason(&view->theme, &view->grid, entry->reason);
	}
	if (drawn->sprite) {
		int32_t width = (int32_t)drawn->sprite->width;
		int32_t height = (int32_t)drawn->sprite->height;

		layers_add_sprite(&view->layers, (box->x1 + box->x2 - width) / 2,
				  (box->y1 + box->y2 - height) / 2, drawn->sprite);
	}
}

static void add_card(struct scene_view *view, const struct scene *scene,
		     const struct scene_entry *entry, unsigned int index)
{
	pixman_box32_t box = grid_card(&view->grid, index);
	pixman_box32_t picture = grid_picture(&view->grid, index);
	struct view_card *card = find_card(view, entry->id);

	if (!card) {
		return;
	}
	draw_card(view, scene, entry, &card->card);
	layers_add_sprite(&view->layers, box.x1, box.y1, card->card.sprite);
	if (!entry->frame || !grid_has_pictures(&view->grid)) {
		return;
	}
	add_card_picture(view, entry, &picture, scene->selected == entry->id);
	if (entry->reason) {
		add_card_reason(view, entry, &card->reason, &picture);
	}
}

static void add_header(struct scene_view *view, const struct scene *scene)
{
	int32_t margin = theme_px(&view->theme, MARGIN);
	unsigned int all = (unsigned int)list_length(&scene->entries);
	_cleanup_free_ char *key = NULL;

	if (asprintf(&key, "%u %u\n%s", view->grid.count, all, scene->filter ? scene->filter : "") <
	    0) {
		return;
	}
	if (!drawn_says(&view->header, key)) {
		view->header.sprite =
			paint_switcher_header(&view->theme, scene->filter, view->grid.count, all,
					      (int32_t)view->width - 2 * margin);
	}
	layers_add_sprite(&view->layers, margin, margin, view->header.sprite);
}

static void add_keys(struct scene_view *view)
{
	if (!drawn_says(&view->keys, "keys")) {
		view->keys.sprite = paint_switcher_keys(&view->theme, (int32_t)view->width);
	}
	add_centred(view, view->keys.sprite, (int32_t)view->height - theme_px(&view->theme, MARGIN),
		    true);
}

static void add_switcher(struct scene_view *view, const struct scene *scene)
{
	pixman_box32_t all = { 0, 0, (int32_t)view->width, (int32_t)view->height };
	const struct scene_entry *entry;
	unsigned int index = 0;

	scene_view_layout(view, scene);
	layers_add_fill(&view->layers, &all, THEME_DESK);
	add_header(view, scene);
	list_for_each(entry, &scene->entries, link) {
		if (!scene_entry_matches(scene, entry)) {
			continue;
		}
		if (grid_is_visible(&view->grid, index)) {
			add_card(view, scene, entry, index);
		}
		index++;
	}
	if (view->grid.count == 0 && scene->filter) {
		add_desk(view, "No guest has this name", "Backspace takes back what was typed");
	} else if (view->grid.count == 0) {
		add_desk(view, "No guests", "Put one ini file a guest into the folder of guests");
	}
	add_keys(view);
}

/* ---- on top of both ---- */

static void add_line(struct scene_view *view, struct drawn *drawn, const char *text, bool warning,
		     int32_t y, bool from_bottom)
{
	if (!text) {
		drawn_clear(drawn);
		return;
	}
	if (!drawn_says(drawn, text)) {
		drawn->sprite =
			paint_line(&view->theme, text, warning, (int32_t)view->width * 9 / 10);
	}
	add_centred(view, drawn->sprite, y, from_bottom);
}

static void add_overlays(struct scene_view *view, const struct scene *scene)
{
	int32_t margin = theme_px(&view->theme, MARGIN), bottom = (int32_t)view->height - margin;
	int32_t edge = margin * 2;

	if (scene->switcher) {
		bottom -= theme_px(&view->theme, KEYS_HEIGHT) + margin / 2;
	}
	add_line(view, &view->notice, scene->notice, true, bottom, true);
	if (view->notice.sprite) {
		bottom -= (int32_t)view->notice.sprite->height + margin / 2;
	}
	add_line(view, &view->progress, scene->progress, false, bottom, true);
	add_line(view, &view->toast, scene->toast, false, margin, false);
	if (!scene->help) {
		drawn_clear(&view->help);
		return;
	}
	if (!drawn_says(&view->help, scene->help)) {
		view->help.sprite =
			paint_help(&view->theme, scene->help, (int32_t)view->width - edge,
				   (int32_t)view->height - edge);
	}
	add_middle(view, view->help.sprite);
}

void scene_view_update(struct scene_view *view, const struct scene *scene,
		       pixman_region32_t *damage)
{
	struct layers before = view->layers;

	memset(&view->layers, 0, sizeof(view->layers));
	if (scene->switcher) {
		add_switcher(view, scene);
	} else {
		add_single(view, scene);
	}
	add_overlays(view, scene);
	layers_add_sprite(&view->layers, view->cursor.x, view->cursor.y,
			  view_cursor_sprite(&view->cursor));
	layers_diff(&before, &view->layers, damage);
	layers_clear(&before);
	drop_unused_cards(view, scene);
}
