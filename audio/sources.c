// SPDX-License-Identifier: MIT
/* Nodes and links of the sound server; see sources.h. */
#include "audio/sources.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 32

/* A link; or a source, with itself at both ends. Nodes of other kinds need no place. */
struct sources_entry {
	uint32_t id, from, to;
	bool is_link;
};

void sources_finish(struct sources *sources)
{
	free(sources->entries);
	*sources = (struct sources){ 0 };
}

static void add(struct sources *sources, const struct sources_entry *entry)
{
	sources_remove(sources, entry->id);
	if (sources->n == sources->room) {
		size_t room = sources->room ? 2 * sources->room : ROOM_FIRST;
		struct sources_entry *entries =
			reallocarray(sources->entries, room, sizeof(*entries));

		if (!entries) {
			sources->incomplete = true;
			return;
		}
		sources->entries = entries;
		sources->room = room;
	}
	sources->entries[sources->n++] = *entry;
}

/* "Audio/Source" itself, or a kind of it as "Audio/Source/Virtual". */
static bool is_source_class(const char *media_class)
{
	static const char source[] = "Audio/Source";
	size_t length = sizeof(source) - 1;

	return media_class && strncmp(media_class, source, length) == 0 &&
	       (media_class[length] == '\0' || media_class[length] == '/');
}

void sources_add_node(struct sources *sources, uint32_t id, const char *media_class)
{
	sources_remove(sources, id);
	if (is_source_class(media_class)) {
		add(sources, &(struct sources_entry){ .id = id, .from = id, .to = id });
	}
}

void sources_add_link(struct sources *sources, uint32_t id, uint32_t from, uint32_t to)
{
	add(sources, &(struct sources_entry){ id, from, to, true });
}

void sources_remove(struct sources *sources, uint32_t id)
{
	for (size_t i = 0; i < sources->n; i++) {
		if (sources->entries[i].id == id) {
			sources->entries[i] = sources->entries[--sources->n];
			return;
		}
	}
}

static bool is_source(const struct sources *sources, uint32_t node)
{
	for (size_t i = 0; i < sources->n; i++) {
		if (!sources->entries[i].is_link && sources->entries[i].id == node) {
			return true;
		}
	}
	return false;
}

bool sources_feed(const struct sources *sources, uint32_t node)
{
	bool any = false;

	for (size_t i = 0; i < sources->n; i++) {
		const struct sources_entry *entry = &sources->entries[i];

		if (!entry->is_link || entry->to != node) {
			continue;
		}
		if (!is_source(sources, entry->from)) {
			return false;
		}
		any = true;
	}
	return any && !sources->incomplete;
}
