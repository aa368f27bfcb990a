/* SPDX-License-Identifier: MIT */
/*
 * The sound server, as the rest of audio/ sees it: it is told which streams there are, and takes
 * care of them by itself for as long as they are. Calls never wait.
 */
#ifndef AUDIO_SERVER_H
#define AUDIO_SERVER_H

#include "audio/stream.h"

/*
 * UNUSED     no guest has had sound yet: nothing was loaded, no thread runs.
 * CONNECTED  streams are, or will be, heard.
 * ABSENT     it cannot be reached; that is tried again while there are streams.
 * MISSING    its library is not installed: that is for good.
 */
enum audio_server_state {
	AUDIO_SERVER_UNUSED,
	AUDIO_SERVER_CONNECTED,
	AUDIO_SERVER_ABSENT,
	AUDIO_SERVER_MISSING,
	AUDIO_SERVER_STATE_COUNT
};

struct audio_server;

struct audio_server_ops {
	/* Takes a reference of its own. 0 or -errno; the stream is then never served. */
	int (*add)(struct audio_server *server, struct stream *stream);
	void (*remove)(struct audio_server *server, struct stream *stream);
	enum audio_server_state (*state)(struct audio_server *server);
	void (*destroy)(struct audio_server *server);
};

struct audio_server {
	const struct audio_server_ops *ops;
};

#endif
