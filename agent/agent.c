// SPDX-License-Identifier: MIT
/* The agent's loop; see agent.h. */
#include "agent/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/kvmfr_producer.h"
#include "agent/loop.h"
#include "agent/talk.h"
#include "common/clock.h"
#include "common/log.h"

#define WATCHES_MAX 4
/* For the heart to beat, and for vertical blanks that do not come, as when a screen goes dark. */
#define PERIOD_SLOW (100 * NSEC_PER_MSEC)
/* How often the seat is told that nobody reads what it wants. */
#define UNREAD_MS 1000
#define REFRESH_DEFAULT 60000u /* mHz */
#define REFRESH_MAX 1000000u

/*
 * ASLEEP     nobody wants pictures: no timer, the card is closed. Left when the seat subscribes.
 * WAITING    somebody may come: the heart beats, the card is closed. Left when somebody reads the
 *            shared memory, or the seat does not want pictures any more.
 * CAPTURING  the card is open, and its screen is looked at once in each refresh interval. Left when
 *            nobody reads.
 * LEAVING    the card does not answer any more, and is closed. When the kernel has taken it from
 *            its bus or driver, or after LEAVING_LOOKS, the seat is told what became of it, and the
 *            agent ends.
 */
enum agent_state { AGENT_ASLEEP, AGENT_WAITING, AGENT_CAPTURING, AGENT_LEAVING };
#define LEAVING_LOOKS 20u /* PERIOD_SLOW apart */

struct agent {
	struct agent_config config;
	int loop;
	struct talk *talk;
	struct relay *relay; /* NULL: nothing is captured */
	enum agent_state state;
	struct loop_source timer;
	uint64_t period; /* of the timer, ns; 0: off */
	struct loop_source card;
	bool vblank_asked;    /* it will be told */
	uint64_t looked_ns;   /* when the screen was looked at */
	unsigned int leaving; /* looks since the card did not answer any more */
	bool stopped;
	int result;
	int complaint;      /* -errno that was told already */
	uint64_t unread_ms; /* when the seat was told that nobody reads; 0: not since it subscribed
			     */
	struct card_screen told;
	struct loop_source watches[WATCHES_MAX];
	unsigned int watch_count;
};

static uint64_t now_ms(void)
{
	return clock_now_ns() / NSEC_PER_MSEC;
}

static void set_period(struct agent *agent, uint64_t period)
{
	if (agent->period != period) {
		timer_set(agent->timer.fd, period);
		agent->period = period;
	}
}

static void end(struct agent *agent, int result)
{
	agent->stopped = true;
	agent->result = result;
}

/* ---- states ---- */

static void close_card(struct agent *agent)
{
	if (agent->relay) {
		relay_sleep(agent->relay);
	}
	agent->vblank_asked = false; /* went with the descriptor, as what is waited for did */
}

static bool is_gone(int error)
{
	return error == -ENODEV || error == -ENOENT || error == -ENXIO;
}

static void leave(struct agent *agent)
{
	close_card(agent);
	agent->state = AGENT_LEAVING;
	agent->leaving = 0;
}

static void open_failed(struct agent *agent, int error)
{
	if (is_gone(error)) {
		leave(agent);
	} else if (agent->complaint != error) {
		agent->complaint = error;
		log_error("the card cannot be opened: %s; baton-agent runs as root",
			  strerror(-error));
	}
}

static int open_card(struct agent *agent)
{
	int r = relay_wake(agent->relay);

	if (r < 0) {
		open_failed(agent, r);
		return r;
	}
	agent->complaint = 0;
	agent->card.fd = agent->config.ops->fd(agent->config.card);
	return loop_add(agent->loop, &agent->card, false);
}

static enum agent_state wanted_state(const struct agent *agent)
{
	if (!agent->relay || agent->stopped || talk_is_releasing(agent->talk) ||
	    (!talk_is_subscribed(agent->talk) && !agent->config.look_for_readers)) {
		return AGENT_ASLEEP;
	}
	return kvmfr_producer_is_watched(agent->config.producer) ? AGENT_CAPTURING : AGENT_WAITING;
}

/* True when the screen is to be looked at at once. */
static bool change_state(struct agent *agent)
{
	enum agent_state wanted = wanted_state(agent);
	bool changed = wanted != agent->state;

	if (!changed || agent->state == AGENT_LEAVING) {
		return false;
	}
	if (agent->state == AGENT_CAPTURING) {
		close_card(agent);
	}
	agent->state = wanted;
	if (wanted == AGENT_CAPTURING && open_card(agent) < 0) {
		close_card(agent);
		agent->state = agent->state == AGENT_LEAVING ? AGENT_LEAVING : AGENT_WAITING;
		changed = false;
	}
	return changed && wanted != AGENT_ASLEEP;
}

/* ---- looking ---- */

static uint64_t refresh_period(uint32_t refresh)
{
	refresh = refresh == 0 ? REFRESH_DEFAULT : refresh > REFRESH_MAX ? REFRESH_MAX : refresh;
	return 1000 * NSEC_PER_SEC / refresh;
}

/* When the next look is due; a card that tells vertical blanks is believed for a while. */
static uint64_t next_period(struct agent *agent)
{
	const struct card_screen *screen = agent->relay ? relay_screen(agent->relay) : NULL;

	switch (agent->state) {
	case AGENT_ASLEEP:
		return 0;
	case AGENT_WAITING:
		/* Who has subscribed will come at once. */
		return talk_is_subscribed(agent->talk) ? refresh_period(0) : PERIOD_SLOW;
	case AGENT_LEAVING:
		return PERIOD_SLOW;
	case AGENT_CAPTURING:
		break;
	}
	if (!screen->crtc) {
		return PERIOD_SLOW;
	}
	if (!agent->vblank_asked &&
	    agent->config.ops->vblank(agent->config.card, screen->crtc) == 0) {
		agent->vblank_asked = true;
	}
	return agent->vblank_asked ? PERIOD_SLOW : refresh_period(screen->refresh);
}

static void tell_screen(struct agent *agent)
{
	const struct card_screen *screen = relay_screen(agent->relay);

	if (screen->crtc != agent->told.crtc || screen->width != agent->told.width ||
	    screen->height != agent->told.height || screen->refresh != agent->told.refresh) {
		agent->told = *screen;
		talk_look_at_cards(agent->talk);
	}
}

/* A reader that waits for the bell has to be told that there is something to subscribe to. */
static uint32_t ring_unread(struct agent *agent)
{
	uint64_t now = now_ms();

	if (agent->state != AGENT_WAITING) {
		agent->unread_ms = 0;
		return 0;
	}
	if (agent->unread_ms && now - agent->unread_ms < UNREAD_MS) {
		return 0;
	}
	agent->unread_ms = now;
	return AGENT_RING_UNREAD;
}

/* A vertical blank was told, and none before it was missed. */
static bool is_paced(struct agent *agent, bool vblank)
{
	uint64_t now = clock_now_ns(), before = agent->looked_ns;

	agent->looked_ns = now;
	return vblank && now - before < refresh_period(relay_screen(agent->relay)->refresh) * 3 / 2;
}

static void look(struct agent *agent, bool vblank)
{
	bool paced = is_paced(agent, vblank);
	uint32_t rung;

	do {
		if (relay_look(agent->relay, now_ms(), paced, &rung) == -ENODEV) {
			leave(agent);
			break;
		}
		if (relay_is_awake(agent->relay)) {
			tell_screen(agent);
		}
		rung |= ring_unread(agent);
		talk_ring(agent->talk, rung, relay_serial(agent->relay));
	} while (change_state(agent));
	set_period(agent, next_period(agent));
}

static void timer_ready(void *data)
{
	struct agent *agent = data;

	timer_drain(agent->timer.fd);
	if (agent->state == AGENT_LEAVING) {
		agent_look_at_cards(agent);
		if (++agent->leaving == LEAVING_LOOKS) {
			end(agent, 0);
		}
	} else if (agent->state != AGENT_ASLEEP) {
		look(agent, false);
	}
}

static void card_ready(void *data)
{
	struct agent *agent = data;

	agent->config.ops->drain(agent->config.card);
	agent->vblank_asked = false;
	look(agent, true);
}

/* ---- what the conversation wants ---- */

static void talk_changed(void *data)
{
	struct agent *agent = data;

	if (!agent->talk) {
		return; /* it is being made */
	}
	if (talk_has_released(agent->talk)) {
		end(agent, 0);
	}
	if (change_state(agent)) {
		agent->unread_ms = 0;
		look(agent, false);
	}
	set_period(agent, next_period(agent));
}

/* Also while nothing is captured: then the card is opened for that alone. */
static void talk_screen(struct card_screen *out, void *data)
{
	struct agent *agent = data;

	if (!agent->relay) {
		return;
	}
	if (relay_is_awake(agent->relay)) {
		*out = *relay_screen(agent->relay);
		return;
	}
	if (agent->config.ops->wake(agent->config.card) == 0) {
		agent->config.ops->screen(agent->config.card, out);
		agent->config.ops->sleep(agent->config.card);
	}
}

void agent_look_at_cards(struct agent *agent)
{
	if (!talk_look_at_cards(agent->talk)) {
		log_info("the card is gone");
		end(agent, 0);
	}
}

/* ---- life ---- */

static int open_sources(struct agent *agent)
{
	agent->loop = loop_open();
	agent->timer = (struct loop_source){ timer_open(), timer_ready, agent };
	agent->card = (struct loop_source){ -1, card_ready, agent };
	if (agent->loop < 0 || agent->timer.fd < 0) {
		return agent->loop < 0 ? agent->loop : agent->timer.fd;
	}
	return loop_add(agent->loop, &agent->timer, false);
}

static int agent_fill(struct agent *agent)
{
	struct talk_host host = { .changed = talk_changed, .screen = talk_screen, .data = agent };
	struct agent_config *config = &agent->config;
	int r = open_sources(agent);

	if (r == 0 && config->producer) {
		r = relay_create(config->ops, config->card, config->producer, &agent->relay);
	}
	if (r < 0) {
		return r;
	}
	host.loop = agent->loop;
	r = talk_create(config, &host, &agent->talk);
	config->port = -1;
	return r;
}

int agent_create(const struct agent_config *config, struct agent **out)
{
	_cleanup_(agent_destroy_ptr) struct agent *agent = calloc(1, sizeof(*agent));
	int r;

	if (!agent) {
		close_fd_ptr(&(int){ config->port });
		return -ENOMEM;
	}
	agent->config = *config;
	agent->loop = agent->timer.fd = -1;
	r = agent_fill(agent);
	if (r < 0) {
		return r;
	}
	talk_changed(agent);
	*out = take_ptr(agent);
	return 0;
}

void agent_destroy(struct agent *agent)
{
	if (agent) {
		talk_destroy(agent->talk);
		relay_destroy(agent->relay);
		close_fd_ptr(&agent->config.port);
		close_fd_ptr(&agent->timer.fd);
		close_fd_ptr(&agent->loop);
		free(agent);
	}
}

int agent_watch(struct agent *agent, int fd, void (*ready)(void *data), void *data)
{
	struct loop_source *source = &agent->watches[agent->watch_count];

	if (agent->watch_count == WATCHES_MAX) {
		return -ENOSPC;
	}
	agent->watch_count++;
	*source = (struct loop_source){ fd, ready, data };
	return loop_add(agent->loop, source, false);
}

int agent_turn(struct agent *agent, int milliseconds)
{
	int r = loop_turn(agent->loop, milliseconds);

	return r < 0 ? r : agent->result;
}

int agent_run(struct agent *agent)
{
	int r = 0;

	/* What the seat has asked for is answered, also when the card goes by that. */
	while (r == 0 && (!agent->stopped || talk_is_busy(agent->talk))) {
		r = agent_turn(agent, -1);
	}
	return r;
}

void agent_stop(struct agent *agent)
{
	end(agent, 0);
	talk_changed(agent);
}

bool agent_is_asleep(const struct agent *agent)
{
	return agent->state == AGENT_ASLEEP && agent->period == 0;
}

const struct relay_counts *agent_counts(const struct agent *agent)
{
	return relay_counts(agent->relay);
}
