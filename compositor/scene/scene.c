// SPDX-License-Identifier: MIT
/* What is to be shown, as plain state; see scene.h. */
#include "compositor/scene/scene.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

void scene_init(struct scene *scene)
{
	memset(scene, 0, sizeof(*scene));
	list_init(&scene->entries);
}

void scene_finish(struct scene *scene)
{
	free(scene->filter);
	free(scene->toast);
	free(scene->notice);
	free(scene->progress);
	free(scene->help);
	free(scene->desk_hint);
}

bool scene_set_text(char **field, const char *text)
{
	char *copy;

	if (text && !text[0]) {
		text = NULL;
	}
	if (*field == text || (*field && text && strcmp(*field, text) == 0)) {
		return false;
	}
	copy = text ? strdup(text) : NULL;
	free(*field);
	*field = copy;
	return true;
}

static bool entry_is_before(const struct scene_entry *a, const struct scene_entry *b)
{
	unsigned int slot_a = a->slot ? a->slot : UINT_MAX;
	unsigned int slot_b = b->slot ? b->slot : UINT_MAX;

	return slot_a < slot_b || (slot_a == slot_b && a->id < b->id);
}

static void insert_sorted(struct scene *scene, struct scene_entry *entry)
{
	struct scene_entry *other;

	list_for_each(other, &scene->entries, link) {
		if (entry_is_before(entry, other)) {
			list_append(&other->link, &entry->link);
			return;
		}
	}
	list_append(&scene->entries, &entry->link);
}

void scene_entry_init(struct scene_entry *entry, struct scene *scene, uint32_t id)
{
	memset(entry, 0, sizeof(*entry));
	list_init(&entry->link);
	entry->id = id;
	insert_sorted(scene, entry);
}

void scene_entry_finish(struct scene_entry *entry)
{
	list_remove(&entry->link);
	free(entry->name);
	free(entry->state);
	free(entry->reason);
	frame_unlock(entry->frame);
	frame_unlock(entry->thumbnail);
	entry->frame = entry->thumbnail = NULL;
}

bool scene_entry_describe(struct scene *scene, struct scene_entry *entry, const char *name,
			  unsigned int slot, const char *state, const char *reason)
{
	bool changed = scene_set_text(&entry->name, name);

	changed = scene_set_text(&entry->state, state) || changed;
	changed = scene_set_text(&entry->reason, reason) || changed;
	if (entry->slot != slot) {
		entry->slot = slot;
		list_remove(&entry->link);
		insert_sorted(scene, entry);
		changed = true;
	}
	return changed;
}

struct scene_entry *scene_find(const struct scene *scene, uint32_t id)
{
	struct scene_entry *entry;

	list_for_each(entry, &scene->entries, link) {
		if (entry->id == id) {
			return entry;
		}
	}
	return NULL;
}

bool scene_entry_matches(const struct scene *scene, const struct scene_entry *entry)
{
	return !scene->filter || strcasestr(entry->name ? entry->name : "", scene->filter);
}

unsigned int scene_matching_count(const struct scene *scene)
{
	const struct scene_entry *entry;
	unsigned int count = 0;

	list_for_each(entry, &scene->entries, link) {
		count += scene_entry_matches(scene, entry);
	}
	return count;
}

unsigned int scene_matching_index(const struct scene *scene, uint32_t id)
{
	const struct scene_entry *entry;
	unsigned int index = 0;

	list_for_each(entry, &scene->entries, link) {
		if (!scene_entry_matches(scene, entry)) {
			continue;
		}
		if (entry->id == id) {
			return index;
		}
		index++;
	}
	return index;
}

struct scene_entry *scene_matching_at(const struct scene *scene, unsigned int index)
{
	struct scene_entry *entry;

	list_for_each(entry, &scene->entries, link) {
		if (scene_entry_matches(scene, entry) && index-- == 0) {
			return entry;
		}
	}
	return NULL;
}

void scene_repair_selection(struct scene *scene)
{
	struct scene_entry *selected = scene_find(scene, scene->selected);

	if (!selected || !scene_entry_matches(scene, selected)) {
		selected = scene_matching_at(scene, 0);
		scene->selected = selected ? selected->id : 0;
	}
}
