/* SPDX-License-Identifier: MIT */
/*
 * What is to be shown, as plain state: the guests with their last pictures, which one is in front,
 * the switcher's selection and filter, and the lines on top. Draws nothing: view.h turns it into
 * layers for one output.
 */
#ifndef COMPOSITOR_SCENE_SCENE_H
#define COMPOSITOR_SCENE_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/frame_source.h"
#include "common/list.h"

/* A guest in the scene. The strings are its own. */
struct scene_entry {
	struct list link; /* scene::entries; owned by the embedder */
	uint32_t id;
	unsigned int slot;
	char *name, *state, *reason; /* reason may be NULL */
	struct frame *frame;         /* last picture, locked; may be NULL */
	struct frame *thumbnail;     /* of it, locked; NULL until the switcher needed it */
	const struct cursor_state *cursor; /* the source's; may be NULL */
};

struct scene {
	struct list entries; /* by slot, those without one last, then by id */
	uint32_t front;      /* id, or 0 */
	bool switcher;
	uint32_t selected; /* id, or 0 */
	char *filter;      /* NULL or not empty */
	char *toast, *notice, *progress, *help; /* NULL: none */
	char *desk_hint;
	/* Our own pointer over the switcher, in 0..1 of every output. */
	bool pointer_shown;
	double pointer_x, pointer_y;
};

void scene_init(struct scene *scene);
/* Frees the strings; the entries must have been finished. */
void scene_finish(struct scene *scene);

/* Replaces an owned string by a copy of text; NULL and "" give NULL. False: it was the same. */
bool scene_set_text(char **field, const char *text);

/* Adds an entry with this id and nothing else. */
void scene_entry_init(struct scene_entry *entry, struct scene *scene, uint32_t id);
void scene_entry_finish(struct scene_entry *entry);
/* Copies name, slot, state, reason; keeps the order. False: nothing is different. */
bool scene_entry_describe(struct scene *scene, struct scene_entry *entry, const char *name,
			  unsigned int slot, const char *state, const char *reason);

struct scene_entry *scene_find(const struct scene *scene, uint32_t id); /* or NULL */

/* Does the filter let it through? ASCII letters match in either case. */
bool scene_entry_matches(const struct scene *scene, const struct scene_entry *entry);
/* Of those that match: how many, which index an id has (count if none), which is at an index. */
unsigned int scene_matching_count(const struct scene *scene);
unsigned int scene_matching_index(const struct scene *scene, uint32_t id);
struct scene_entry *scene_matching_at(const struct scene *scene, unsigned int index);

/* Selects the first match when the selected guest is gone or filtered out. */
void scene_repair_selection(struct scene *scene);

#endif
