// SPDX-License-Identifier: MIT
/* Notices a guest that does not answer; see answers.h. */
#include "vm/answers.h"

#include <time.h>

#include "common/clock.h"

static uint64_t now_usec(void)
{
	return clock_now_ns() / NSEC_PER_USEC;
}

static void answers_set_late(struct answers *answers, bool late)
{
	if (answers->late != late) {
		answers->late = late;
		answers->changed(answers->data, late);
	}
}

/* The timer may be too early, never too late: answers do not move it, it moves when it fires. */
static void answers_arm(struct answers *answers)
{
	uint64_t due = UINT64_MAX;
	struct ticket *ticket;

	list_for_each(ticket, &answers->tickets, link) {
		due = ticket->due_usec < due ? ticket->due_usec : due;
	}
	if (due == UINT64_MAX) {
		sd_event_source_set_enabled(answers->timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time(answers->timer, due);
	sd_event_source_set_enabled(answers->timer, SD_EVENT_ONESHOT);
}

static int handle_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct answers *answers = data;
	struct ticket *ticket, *next;
	uint64_t now = now_usec();
	bool late = false;

	list_for_each_safe(ticket, next, &answers->tickets, link) {
		if (ticket->due_usec <= now) {
			/* Counted once: whoever answers other requests is not late for ever. */
			list_remove(&ticket->link);
			late = true;
		}
	}
	answers_arm(answers);
	if (late) {
		answers_set_late(answers, true);
	}
	return 0;
}

int answers_init(struct answers *answers, sd_event *event, answers_changed_fn changed, void *data)
{
	int r;

	list_init(&answers->tickets);
	answers->changed = changed;
	answers->data = data;
	r = sd_event_add_time(event, &answers->timer, CLOCK_MONOTONIC, UINT64_MAX, 1000,
			      handle_timer, answers);
	return r < 0 ? r : sd_event_source_set_enabled(answers->timer, SD_EVENT_OFF);
}

void answers_finish(struct answers *answers)
{
	answers->timer = sd_event_source_disable_unref(answers->timer);
}

void answers_open(struct answers *answers, struct ticket *ticket, uint64_t usec)
{
	uint64_t armed = UINT64_MAX;
	int enabled = SD_EVENT_OFF;

	answers_close(answers, ticket);
	ticket->due_usec = now_usec() + usec;
	ticket->open = true;
	list_append(&answers->tickets, &ticket->link);
	sd_event_source_get_enabled(answers->timer, &enabled);
	sd_event_source_get_time(answers->timer, &armed);
	if (enabled == SD_EVENT_OFF || ticket->due_usec < armed) {
		answers_arm(answers);
	}
}

void answers_close(struct answers *answers, struct ticket *ticket)
{
	if (!ticket->open) {
		return;
	}
	ticket->open = false;
	list_remove(&ticket->link);
	if (list_empty(&answers->tickets)) {
		sd_event_source_set_enabled(answers->timer, SD_EVENT_OFF);
	}
}

void answers_alive(struct answers *answers)
{
	answers_set_late(answers, false);
}
