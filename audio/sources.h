/* SPDX-License-Identifier: MIT */
/*
 * Whether what a node of the sound server records from is a microphone: what the daemon tells of
 * nodes and of links between them, by their ids. A session manager links a recording stream to
 * what it takes for the best, and where there is no microphone that is the loudspeaker's monitor:
 * a guest would hear the others. Not thread-safe; without memory nothing is a microphone.
 */
#ifndef AUDIO_SOURCES_H
#define AUDIO_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sources_entry;

/* All zeros is one that knows nothing. */
struct sources {
	struct sources_entry *entries;
	size_t n, room;
	bool incomplete; /* something could not be noted */
};

void sources_finish(struct sources *sources); /* knows nothing again */

/* media_class may be NULL, as PipeWire says it: "Audio/Source", "Audio/Sink", … */
void sources_add_node(struct sources *sources, uint32_t id, const char *media_class);
/* From a node to a node. */
void sources_add_link(struct sources *sources, uint32_t id, uint32_t from, uint32_t to);
/* A node or a link. */
void sources_remove(struct sources *sources, uint32_t id);

/* Whether something is linked to this node, and nothing but sources is. */
bool sources_feed(const struct sources *sources, uint32_t node);

#endif
