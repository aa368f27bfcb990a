/* SPDX-License-Identifier: MIT */
/*
 * The seat's end of the port to baton-agent in a guest (proto/agent.h). Nothing that comes is
 * believed but that it came from there: it tells us when to look into shared memory, and that there
 * is nothing to look at. Nothing waits, and there is no timer.
 */
#ifndef CAPTURE_AGENT_LINK_H
#define CAPTURE_AGENT_LINK_H

#include <systemd/sd-event.h>

#include "proto/agent.h"

struct agent_link;

/* None may destroy the link. */
struct agent_link_handlers {
	/* What the functions below answer may have changed. */
	void (*changed)(void *data);
	/* Something was written into shared memory. */
	void (*rang)(void *data);
	/* What became of agent_link_release(): 0, or -errno with a sentence, which names who has
	 * the card open when that is why (-EBUSY). Once for each that is not cancelled. */
	void (*released)(void *data, int error, const char *text);
};

/* Takes the connected, non-blocking stream socket, also on failure, and greets. 0 or -errno. */
int agent_link_create(sd_event *event, int fd, const struct agent_link_handlers *handlers,
		      void *data, struct agent_link **out);
void agent_link_destroy(struct agent_link *link); /* NULL is legal, as below */

/* Whether pictures are wanted. The agent sleeps otherwise. */
void agent_link_subscribe(struct agent_link *link, bool wanted);

/* Nobody has the port open in the guest any more, QEMU says. */
void agent_link_forget(struct agent_link *link);

/* Whether an agent is there that writes pictures, and rings for each. */
bool agent_link_captures(const struct agent_link *link);

/* Whether an agent is there that can give cards up. */
bool agent_link_releases(const struct agent_link *link);

/*
 * The guest is to give up the card in that slot of its own. 0: released() will tell; -ENOTCONN:
 * there is nobody to be asked; -EBUSY: it has not answered the last one, or takes nothing now.
 */
int agent_link_release(struct agent_link *link, struct agent_slot slot);
/* released() is not called any more. What the agent was told goes on. */
void agent_link_cancel_release(struct agent_link *link);

/* What became of the card that it captures; NULL: it has said nothing of it. */
const struct agent_card *agent_link_card(const struct agent_link *link);

/* One sentence when an agent is there that we cannot speak to, or NULL. */
const char *agent_link_trouble(const struct agent_link *link);

#endif
