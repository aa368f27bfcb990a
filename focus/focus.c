// SPDX-License-Identifier: MIT
/* The switch as a transaction; its rules are in focus.h. */
#include "focus/focus.h"

#include <errno.h>
#include <string.h>

#include "common/log.h"

void focus_init(struct focus *focus)
{
	memset(focus, 0, sizeof(*focus));
	list_init(&focus->participants);
}

void focus_add_participant(struct focus *focus, struct focus_participant *participant)
{
	list_append(&focus->participants, &participant->link);
}

void focus_add_guest(struct focus *focus, uint32_t guest)
{
	focus_state_add(&focus->state, guest);
}

void focus_remove_guest(struct focus *focus, uint32_t guest)
{
	if (focus_current(focus) == guest) {
		focus_request(focus, &(struct focus_request){ .kind = FOCUS_REQUEST_NONE });
	}
	focus_state_remove(&focus->state, guest);
}

uint32_t focus_current(const struct focus *focus)
{
	return focus_state_current(&focus->state);
}

static void roll_back(struct focus *focus, struct focus_participant *failed,
		      const struct focus_plan *plan)
{
	for (struct list *l = failed->link.prev; l != &focus->participants; l = l->prev) {
		struct focus_participant *p = container_of(l, struct focus_participant, link);

		if (p->rollback) {
			p->rollback(p->data, plan->from, plan->to);
		}
	}
}

static int prepare_all(struct focus *focus, const struct focus_plan *plan)
{
	struct focus_participant *p;

	list_for_each(p, &focus->participants, link) {
		int r = p->prepare ? p->prepare(p->data, plan->from, plan->to) : 0;

		if (r < 0) {
			log_error("The switch did not happen, %s could not follow: %s.", p->name,
				  strerror(-r));
			roll_back(focus, p, plan);
			return r;
		}
	}
	return 0;
}

int focus_request(struct focus *focus, const struct focus_request *request)
{
	struct focus_plan plan = focus_plan(&focus->state, request);
	struct focus_participant *p;
	int r;

	if (focus->switching) {
		return -EBUSY;
	}
	if (!plan.change) {
		focus->state = plan.after;
		return 0;
	}
	focus->switching = true;
	r = prepare_all(focus, &plan);
	if (r == 0) {
		focus->state = plan.after;
		list_for_each(p, &focus->participants, link) {
			p->commit(p->data, plan.from, plan.to);
		}
	}
	focus->switching = false;
	return r < 0 ? r : 1;
}
