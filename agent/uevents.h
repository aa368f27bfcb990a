/* SPDX-License-Identifier: MIT */
/* What the kernel tells of devices that come, go and change. */
#ifndef AGENT_UEVENTS_H
#define AGENT_UEVENTS_H

#include <stdbool.h>

/* A non-blocking descriptor or -errno. */
int uevents_open(void);
/* Takes all that is there; whether any of it was about a graphics card. */
bool uevents_drain(int fd);

#endif
