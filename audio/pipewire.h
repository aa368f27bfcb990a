/* SPDX-License-Identifier: MIT */
/*
 * PipeWire as the sound server. A thread of its own, which begins with the first stream, loads the
 * library and speaks with the daemon; PipeWire's realtime thread pulls and pushes samples.
 */
#ifndef AUDIO_PIPEWIRE_H
#define AUDIO_PIPEWIRE_H

#include "audio/server.h"

/* NULL without memory or descriptors. Its end waits for a second at most; a thread that hangs for
 * longer is left behind. */
struct audio_server *pipewire_create(void);

#endif
