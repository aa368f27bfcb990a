// SPDX-License-Identifier: MIT
/*
 * What the seat calls: guests come in with their sources, one of them or the switcher is shown,
 * lines lie on top. Every change is turned into layers at once (views.c); the outputs' clocks draw
 * them at their next vblank. Nothing here waits for a guest: a switch shows its last frame.
 */
#include "compositor/compositor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "compositor/compositor_private.h"
#include "compositor/scene/text.h"

#define TOAST_NS (1200 * NSEC_PER_MSEC)

/* What guests and pointers are sized for before there was any output. */
#define DEFAULT_WIDTH 1280
#define DEFAULT_HEIGHT 800

static const struct {
	const char *name;
	backend_create_fn create;
} backends[] = {
	[COMPOSITOR_BACKEND_KMS] = { "kms", kms_backend_create },
	[COMPOSITOR_BACKEND_WINDOW] = { "window", window_backend_create },
	[COMPOSITOR_BACKEND_HEADLESS] = { "headless", headless_backend_create },
};
_Static_assert(sizeof(backends) / sizeof(backends[0]) == COMPOSITOR_BACKEND_COUNT, "backends");

/* ---- what follows from a change ---- */

void compositor_update(struct compositor *c)
{
	if (c->scene.switcher) {
		scene_repair_selection(&c->scene);
		previews_update(c);
	}
	views_update(c);
}

/* Nobody told what an unwatched guest drew into its frame: no cached copy of it is to be trusted.
 */
static void distrust_copies(struct guest *guest)
{
	struct frame *frame = guest->entry.frame;

	if (frame) {
		views_damage_frame(
			guest->compositor, frame,
			&(pixman_box32_t){ 0, 0, (int32_t)frame->width, (int32_t)frame->height });
		preview_damage(guest, NULL);
	}
}

void compositor_update_watched(struct compositor *c)
{
	bool seen = c->active && !list_empty(&c->views);
	struct scene_entry *entry;

	list_for_each(entry, &c->scene.entries, link) {
		struct frame_source *source = guest_of(entry)->source;

		if (source) {
			bool watched = seen && (c->scene.switcher || entry->id == c->scene.front);

			if (watched && !source->watched) {
				distrust_copies(guest_of(entry));
			}
			frame_source_set_watched(source, watched);
		}
	}
}

static struct guest *front_guest(const struct compositor *c)
{
	struct scene_entry *entry = scene_find(&c->scene, c->scene.front);

	return entry ? guest_of(entry) : NULL;
}

void compositor_request_size(struct compositor *c)
{
	struct guest *front = front_guest(c);

	if (front && front->source && views_first(c)) {
		frame_source_request_size(front->source, c->width, c->height);
	}
}

void compositor_forget_frame(struct compositor *c, struct frame *frame)
{
	struct view *view;

	if (!frame) {
		return;
	}
	list_for_each(view, &c->views, link) {
		view->output->renderer->ops->frame_gone(view->output->renderer, frame);
	}
}

/* ---- guests ---- */

/* Takes over the source's current frame; the last one stays until nothing shows it. */
static void guest_take_frame(struct guest *guest, struct frame *frame)
{
	struct frame *old = guest->entry.frame;

	guest->entry.frame = frame_lock(frame);
	if (!frame) {
		preview_drop(guest);
	}
	preview_damage(guest, NULL);
	compositor_update(guest->compositor);
	if (old != frame) {
		compositor_forget_frame(guest->compositor, old);
	}
	frame_unlock(old);
}

static void guest_frame_changed(struct frame_source *source, void *data)
{
	guest_take_frame(data, source->frame);
}

static void guest_damaged(struct frame_source *source, const pixman_box32_t *damage, void *data)
{
	struct guest *guest = data;

	if (guest->entry.frame != source->frame) {
		return;
	}
	views_damage_frame(guest->compositor, source->frame, damage);
	preview_damage(guest, damage);
}

static void guest_cursor_changed(struct frame_source *source, void *data)
{
	struct guest *guest = data;
	const struct scene *scene = &guest->compositor->scene;

	if (!scene->switcher && scene->front == guest->entry.id) {
		views_update(guest->compositor);
	}
}

/* What the caller says goes before what the source says. */
static const char *guest_reason(const struct guest *guest)
{
	const struct frame_source *source = guest->source;

	if (guest->reason) {
		return guest->reason;
	}
	return source && !source->live ? source->reason : NULL;
}

static void guest_state_changed(struct frame_source *source, void *data)
{
	struct guest *guest = data;

	if (scene_set_text(&guest->entry.reason, guest_reason(guest))) {
		compositor_update(guest->compositor);
	}
}

static const struct frame_source_observer_ops guest_observer_ops = {
	.frame_changed = guest_frame_changed,
	.damaged = guest_damaged,
	.cursor_changed = guest_cursor_changed,
	.state_changed = guest_state_changed,
};

static struct guest *guest_create(struct compositor *c, uint32_t id)
{
	struct guest *guest = calloc(1, sizeof(*guest));

	if (guest) {
		scene_entry_init(&guest->entry, &c->scene, id);
		guest->compositor = c;
		guest->observer.ops = &guest_observer_ops;
		guest->observer.data = guest;
		list_init(&guest->observer.link);
	}
	return guest;
}

/* Follows another source, or none; the last picture stays until the new one has its first. */
static void guest_set_source(struct guest *guest, struct frame_source *source)
{
	struct compositor *c = guest->compositor;

	if (guest->source == source) {
		return;
	}
	if (guest->source) {
		frame_source_unobserve(&guest->observer);
		frame_source_set_watched(guest->source, false);
	}
	guest->source = source;
	guest->entry.cursor = source ? &source->cursor : NULL;
	if (!source) {
		return;
	}
	frame_source_observe(source, &guest->observer);
	if (source->frame) {
		guest_take_frame(guest, source->frame);
	}
	if (guest->entry.id == c->scene.front) {
		compositor_request_size(c);
	}
}

static void guest_destroy(struct guest *guest)
{
	struct compositor *c = guest->compositor;
	struct frame *frame = frame_lock(guest->entry.frame);
	struct frame *thumbnail = frame_lock(guest->entry.thumbnail);

	guest_set_source(guest, NULL);
	scene_entry_finish(&guest->entry);
	compositor_update(c);
	compositor_forget_frame(c, frame);
	compositor_forget_frame(c, thumbnail);
	frame_unlock(frame);
	frame_unlock(thumbnail);
	free(guest->reason);
	free(guest);
}

int compositor_set_guest(struct compositor *c, uint32_t id, const struct scene_guest *said)
{
	struct scene_entry *entry = scene_find(&c->scene, id);
	struct guest *guest = entry ? guest_of(entry) : guest_create(c, id);
	bool changed = !entry;

	if (!guest) {
		return -ENOMEM;
	}
	changed = scene_set_text(&guest->reason, said->reason) || changed;
	changed = guest->source != said->source || changed;
	guest_set_source(guest, said->source);
	changed = scene_entry_describe(&c->scene, &guest->entry, said->name, said->slot,
				       said->state, guest_reason(guest)) ||
		  changed;
	if (changed) {
		compositor_update(c);
		compositor_update_watched(c);
	}
	return 0;
}

void compositor_remove_guest(struct compositor *c, uint32_t id)
{
	struct scene_entry *entry = scene_find(&c->scene, id);

	if (entry) {
		guest_destroy(guest_of(entry));
	}
}

/* ---- what is shown ---- */

void compositor_show_guest(struct compositor *c, uint32_t id)
{
	if (c->scene.front == id) {
		return;
	}
	c->scene.front = id;
	/* First the picture that is there; asking for more comes behind it. */
	compositor_update(c);
	compositor_update_watched(c);
	compositor_request_size(c);
}

void compositor_show_switcher(struct compositor *c, bool open)
{
	if (c->scene.switcher == open) {
		return;
	}
	c->scene.switcher = open;
	c->scene.pointer_shown = false;
	scene_set_text(&c->scene.filter, NULL);
	c->scene.selected = c->scene.front;
	compositor_update(c);
	compositor_update_watched(c);
}

bool compositor_switcher_open(const struct compositor *c)
{
	return c->scene.switcher;
}

void compositor_switcher_move(struct compositor *c, int dx, int dy)
{
	unsigned int count = scene_matching_count(&c->scene);
	const struct grid row = { .count = count, .columns = count }; /* without an output */
	const struct view *first = views_first(c);
	struct scene_entry *to;

	if (!c->scene.switcher) {
		return;
	}
	to = scene_matching_at(
		&c->scene, grid_move(first ? &first->scene.grid : &row,
				     scene_matching_index(&c->scene, c->scene.selected), dx, dy));
	compositor_switcher_select(c, to ? to->id : 0);
}

void compositor_switcher_select(struct compositor *c, uint32_t id)
{
	const struct scene_entry *entry = scene_find(&c->scene, id);

	if (entry && scene_entry_matches(&c->scene, entry) && c->scene.selected != id) {
		c->scene.selected = id;
		compositor_update(c);
	}
}

void compositor_switcher_filter(struct compositor *c, const char *text)
{
	if (scene_set_text(&c->scene.filter, text)) {
		compositor_update(c);
	}
}

uint32_t compositor_switcher_pointer(struct compositor *c, double x, double y)
{
	struct view *first = views_first(c);
	struct scene_entry *entry;

	if (!c->scene.switcher || !first) {
		return 0;
	}
	c->scene.pointer_shown = true;
	c->scene.pointer_x = x / c->width;
	c->scene.pointer_y = y / c->height;
	views_update(c);
	entry = scene_matching_at(&c->scene, grid_at(&first->scene.grid, (int32_t)x, (int32_t)y));
	return entry ? entry->id : 0;
}

uint32_t compositor_switcher_selected(const struct compositor *c)
{
	const struct scene_entry *entry = scene_find(&c->scene, c->scene.selected);

	return entry && scene_entry_matches(&c->scene, entry) ? entry->id : 0;
}

/* ---- lines on top ---- */

static int handle_toast_timer(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source, (void)usec;
	compositor_toast(data, NULL);
	return 0;
}

void compositor_toast(struct compositor *c, const char *text)
{
	if (!views_first(c)) {
		text = NULL; /* nobody sees it, and no timer is to run */
	}
	sd_event_source_set_enabled(c->toast_timer, SD_EVENT_OFF);
	if (text) {
		sd_event_source_set_time(c->toast_timer,
					 (clock_now_ns() + TOAST_NS) / NSEC_PER_USEC);
		sd_event_source_set_enabled(c->toast_timer, SD_EVENT_ONESHOT);
	}
	if (scene_set_text(&c->scene.toast, text)) {
		views_update(c);
	}
}

void compositor_notice(struct compositor *c, const char *text)
{
	if (scene_set_text(&c->scene.notice, text)) {
		views_update(c);
	}
}

void compositor_progress(struct compositor *c, const char *text)
{
	if (scene_set_text(&c->scene.progress, text)) {
		views_update(c);
	}
}

void compositor_help(struct compositor *c, const char *lines)
{
	if (scene_set_text(&c->scene.help, lines)) {
		views_update(c);
	}
}

/* ---- questions ---- */

bool compositor_placement(const struct compositor *c, struct compositor_placement *out)
{
	const struct guest *front = front_guest(c);
	const struct frame *frame;
	pixman_box32_t box;

	if (!front) {
		return false;
	}
	/* Observers of the source may ask before our own turn has come. */
	frame = front->source && front->source->frame ? front->source->frame : front->entry.frame;
	if (!frame) {
		return false;
	}
	box = render_fit(frame->width, frame->height, c->width, c->height);
	*out = (struct compositor_placement){
		.x = box.x1,
		.y = box.y1,
		.width = (uint32_t)(box.x2 - box.x1),
		.height = (uint32_t)(box.y2 - box.y1),
		.frame_width = frame->width,
		.frame_height = frame->height,
	};
	return true;
}

void compositor_output_size(const struct compositor *c, uint32_t *width, uint32_t *height)
{
	*width = c->width;
	*height = c->height;
}

const char *compositor_backend_name(const struct compositor *c)
{
	return backends[c->kind].name;
}

const char *compositor_renderer_name(const struct compositor *c)
{
	const struct view *first = views_first(c);
	const struct renderer *renderer = first ? first->output->renderer : c->renderer;

	return renderer->ops->name;
}

uint32_t compositor_refresh_mhz(const struct compositor *c)
{
	const struct view *first = views_first(c);

	return first ? first->output->refresh_mhz : 0;
}

uint64_t compositor_bytes_written(const struct compositor *c)
{
	const struct view *view, *other;
	uint64_t bytes = 0;

	list_for_each(view, &c->views, link) {
		bool counted = false;

		list_for_each(other, &c->views, link) {
			if (other == view) {
				break;
			}
			counted = counted || other->output->renderer == view->output->renderer;
		}
		bytes += counted ? 0 : view->output->renderer->bytes_written;
	}
	return bytes;
}

/* ---- the session, through the back end ---- */

void compositor_lock_pointer(struct compositor *c, bool lock)
{
	const struct backend_ops *ops = c->backend->ops;

	if (ops->lock_pointer) {
		ops->lock_pointer(c->backend, lock);
	}
}

int compositor_switch_vt(struct compositor *c, unsigned int vt)
{
	const struct backend_ops *ops = c->backend->ops;

	return ops->switch_vt ? ops->switch_vt(c->backend, vt) : -ENOTSUP;
}

int compositor_open_device(struct compositor *c, const char *path)
{
	const struct backend_ops *ops = c->backend->ops;

	return ops->open_device ? ops->open_device(c->backend, path) : -ENOTSUP;
}

void compositor_close_device(struct compositor *c, int fd)
{
	const struct backend_ops *ops = c->backend->ops;

	if (ops->close_device) {
		ops->close_device(c->backend, fd);
	}
}

const char *compositor_seat_name(const struct compositor *c)
{
	const struct backend_ops *ops = c->backend->ops;

	return ops->seat_name ? ops->seat_name(c->backend) : "seat0";
}

void compositor_release_card(struct compositor *c, const char *slot)
{
	const struct backend_ops *ops = c->backend->ops;

	if (ops->release_card) {
		ops->release_card(c->backend, slot);
	} else {
		c->events.card_released(slot, 0, c);
	}
}

void compositor_regain_card(struct compositor *c, const char *slot)
{
	const struct backend_ops *ops = c->backend->ops;

	if (ops->regain_card) {
		ops->regain_card(c->backend, slot);
	} else {
		c->events.card_regained(slot, 0, c);
	}
}

bool compositor_uses_card(const struct compositor *c, const char *slot, bool *only)
{
	const struct backend_ops *ops = c->backend->ops;

	*only = false;
	return ops->uses_card && ops->uses_card(c->backend, slot, only);
}

void compositor_each_output(const struct compositor *c,
			    void (*each)(void *data, const struct compositor_output *output),
			    void *data)
{
	const struct view *view;

	list_for_each(view, &c->views, link) {
		const struct output *output = view->output;

		each(data, &(struct compositor_output){
				   .name = output->name,
				   .slot = output->slot,
				   .width = output->width,
				   .height = output->height,
			   });
	}
}

int compositor_export_fd(struct compositor *c)
{
	const struct backend_ops *ops = c->backend->ops;
	struct view *first = views_first(c);

	return ops->export_fd && first ? ops->export_fd(c->backend, first->output) : -ENOTSUP;
}

/* ---- life ---- */

static int add_timer(struct compositor *c, sd_event_time_handler_t handler, uint64_t accuracy_us,
		     sd_event_source **out)
{
	int r = sd_event_add_time(c->event, out, CLOCK_MONOTONIC, 0, accuracy_us, handler, c);

	return r < 0 ? r : sd_event_source_set_enabled(*out, SD_EVENT_OFF);
}

static int compositor_start(struct compositor *c, backend_create_fn create,
			    const struct compositor_options *options)
{
	int r = add_timer(c, handle_toast_timer, 20 * 1000, &c->toast_timer);

	if (r >= 0) {
		r = add_timer(c, previews_handle_timer, 5 * 1000, &c->preview_timer);
	}
	if (r >= 0) {
		r = pixman_renderer_create(&c->renderer);
	}
	if (r < 0) {
		log_error("No memory for the screen: %s.", strerror(-r));
		return r;
	}
	scene_set_text(&c->scene.desk_hint, options->desk_hint);
	return create(c->event, options, &c->events, &c->backend);
}

int compositor_create_on(sd_event *event, backend_create_fn create,
			 const struct compositor_options *options,
			 const struct compositor_handlers *handlers, void *data,
			 struct compositor **out)
{
	struct compositor *c = calloc(1, sizeof(*c));
	int r;

	if (!c) {
		return -ENOMEM;
	}
	c->event = sd_event_ref(event);
	c->kind = options->backend;
	c->handlers = handlers;
	c->handlers_data = data;
	c->active = true;
	c->width = DEFAULT_WIDTH;
	c->height = DEFAULT_HEIGHT;
	scene_init(&c->scene);
	views_init(c);
	r = compositor_start(c, create, options);
	if (r < 0) {
		compositor_destroy(c);
		return r;
	}
	*out = c;
	return 0;
}

int compositor_create(sd_event *event, const struct compositor_options *options,
		      const struct compositor_handlers *handlers, void *data,
		      struct compositor **out)
{
	return compositor_create_on(event, backends[options->backend].create, options, handlers,
				    data, out);
}

void compositor_destroy(struct compositor *c)
{
	struct scene_entry *entry, *next;

	if (!c) {
		return;
	}
	c->closing = true;
	list_for_each_safe(entry, next, &c->scene.entries, link) {
		guest_destroy(guest_of(entry));
	}
	if (c->backend) {
		c->backend->ops->destroy(c->backend);
	}
	views_destroy_all(c);
	scene_finish(&c->scene);
	renderer_destroy(c->renderer);
	sd_event_source_disable_unref(c->toast_timer);
	sd_event_source_disable_unref(c->preview_timer);
	sd_event_unref(c->event);
	text_forget_fonts();
	free(c);
}
