// SPDX-License-Identifier: MIT
/*
 * The outputs and what each shows of the scene. The first output is the one that guests are sized
 * for and the pointer is measured on; further ones show the same, fitted to their own size.
 */
#include <errno.h>
#include <stdlib.h>

#include "compositor/compositor_private.h"

struct view *views_first(const struct compositor *c)
{
	return list_empty(&c->views) ? NULL : container_of(c->views.next, struct view, link);
}

/* Behind all that are not of a higher rank: so a card that comes back is first again. */
static void insert_view(struct compositor *c, struct view *view)
{
	struct view *other;

	list_for_each(other, &c->views, link) {
		if (other->output->rank > view->output->rank) {
			list_append(&other->link, &view->link);
			return;
		}
	}
	list_append(&c->views, &view->link);
}

static struct view *find_view(struct compositor *c, const struct output *output)
{
	struct view *view;

	list_for_each(view, &c->views, link) {
		if (view->output == output) {
			return view;
		}
	}
	return NULL;
}

/* ---- keeping a view up to date ---- */

/* Offers the pointer to the output's plane; what it does not take becomes part of the picture. */
static void send_cursor(struct view *view)
{
	struct view_cursor *cursor = &view->scene.cursor;
	const struct output_ops *ops = view->output->ops;
	int r = -ENOTSUP;

	if (ops->set_cursor && cursor->image) {
		r = ops->set_cursor(view->output, cursor->image, cursor->x, cursor->y);
	}
	cursor->in_picture = r < 0;
	if (r < 0 && view->cursor_on_plane) {
		ops->set_cursor(view->output, NULL, 0, 0);
	}
	view->cursor_on_plane = r >= 0;
}

static void view_update_cursor(struct compositor *c, struct view *view)
{
	pixman_box32_t box;
	bool shown = scene_view_front_box(&view->scene, &c->scene, &box);

	if (view_cursor_update(&view->scene.cursor, &c->scene, &view->scene.theme,
			       shown ? &box : NULL, view->scene.width, view->scene.height)) {
		send_cursor(view);
	}
}

static void view_update(struct compositor *c, struct view *view)
{
	view_update_cursor(c, view);
	scene_view_update(&view->scene, &c->scene, &view->damage);
	if (pixman_region32_not_empty(&view->damage)) {
		output_schedule(view->output);
	}
}

void views_update(struct compositor *c)
{
	struct view *view;

	list_for_each(view, &c->views, link) {
		view_update(c, view);
	}
}

void views_damage_frame(struct compositor *c, struct frame *frame, const pixman_box32_t *box)
{
	struct view *view;

	list_for_each(view, &c->views, link) {
		struct renderer *renderer = view->output->renderer;

		renderer->ops->frame_damaged(renderer, frame, box);
		layers_map_damage(&view->scene.layers, frame, box, &view->damage);
		if (pixman_region32_not_empty(&view->damage)) {
			output_schedule(view->output);
		}
	}
}

/* ---- outputs come, change and go ---- */

static void note_first_output(struct compositor *c)
{
	const struct view *first = views_first(c);

	if (first) {
		c->width = first->output->width;
		c->height = first->output->height;
	}
	compositor_request_size(c);
	if (c->handlers->outputs_changed) {
		c->handlers->outputs_changed(c->handlers_data);
	}
}

static void view_destroy(struct view *view)
{
	list_remove(&view->link);
	scene_view_finish(&view->scene);
	pixman_region32_fini(&view->damage);
	free(view);
}

void views_destroy_all(struct compositor *c)
{
	struct view *view, *next;

	list_for_each_safe(view, next, &c->views, link) {
		view_destroy(view);
	}
}

static void handle_output_added(struct output *output, void *data)
{
	struct compositor *c = data;
	struct view *view = calloc(1, sizeof(*view));

	if (!view) {
		return;
	}
	if (!output->renderer) {
		output->renderer = c->renderer;
	}
	view->output = output;
	scene_view_init(&view->scene, output->width, output->height);
	pixman_region32_init(&view->damage);
	insert_view(c, view);
	note_first_output(c);
	compositor_update(c);
	compositor_update_watched(c);
}

static void handle_output_removed(struct output *output, void *data)
{
	struct compositor *c = data;
	struct view *view = find_view(c, output);

	if (!view) {
		return;
	}
	view_destroy(view);
	if (c->closing) {
		return;
	}
	if (!views_first(c)) {
		compositor_toast(c, NULL); /* its timer would run for nobody */
	}
	note_first_output(c);
	compositor_update(c);
	compositor_update_watched(c);
}

static void handle_output_resized(struct compositor *c, struct view *view)
{
	scene_view_resize(&view->scene, view->output->width, view->output->height);
	note_first_output(c);
	compositor_update(c);
}

static void handle_active(bool active, void *data)
{
	struct compositor *c = data;
	struct view *view;

	c->active = active;
	compositor_update_watched(c);
	if (active) {
		list_for_each(view, &c->views, link) {
			/* Others may have used the plane meanwhile. */
			send_cursor(view);
			view_update(c, view);
		}
	}
	if (c->handlers->active) {
		c->handlers->active(c->handlers_data, active);
	}
}

static void handle_card_released(const char *slot, int error, void *data)
{
	struct compositor *c = data;

	if (c->handlers->card_released) {
		c->handlers->card_released(c->handlers_data, slot, error);
	}
}

static void handle_card_regained(const char *slot, int error, void *data)
{
	struct compositor *c = data;

	if (c->handlers->card_regained) {
		c->handlers->card_regained(c->handlers_data, slot, error);
	}
}

/* ---- drawing ---- */

static void collect(struct output *output, pixman_region32_t *damage, void *data)
{
	struct compositor *c = data;
	struct view *view = find_view(c, output);

	if (!view) {
		return;
	}
	if (view->scene.width != output->width || view->scene.height != output->height) {
		handle_output_resized(c, view);
	}
	pixman_region32_union(damage, damage, &view->damage);
	pixman_region32_clear(&view->damage);
}

static int draw(struct output *output, const struct render_target *target,
		const pixman_region32_t *damage, void *data)
{
	struct view *view = find_view(data, output);

	return view ? output->renderer->ops->draw(output->renderer, target,
						  view->scene.layers.items,
						  view->scene.layers.count, damage)
		    : -ENODEV;
}

static void presented(struct output *output, uint64_t vblank_ns, void *data)
{
	struct compositor *c = data;
	struct view *first = views_first(c);

	if (first && first->output == output && c->handlers->presented) {
		c->handlers->presented(c->handlers_data, vblank_ns, output->sequence);
	}
}

void views_init(struct compositor *c)
{
	list_init(&c->views);
	c->painter = (struct output_painter){
		.collect = collect,
		.draw = draw,
		.presented = presented,
		.data = c,
	};
	c->events = (struct backend_events){
		.output_added = handle_output_added,
		.output_removed = handle_output_removed,
		.active = handle_active,
		.card_released = handle_card_released,
		.card_regained = handle_card_regained,
		.handlers = c->handlers,
		.handlers_data = c->handlers_data,
		.painter = &c->painter,
		.data = c,
	};
}
