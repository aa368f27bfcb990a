// SPDX-License-Identifier: MIT
/* A record of input; see recorder.h. */
#include "input/recorder.h"

#include <stdio.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"

void recorder_init(struct recorder *recorder)
{
	*recorder = (struct recorder){ .fd = -1 };
}

void recorder_set(struct recorder *recorder, int fd)
{
	close_fd_ptr(&recorder->fd);
	*recorder = (struct recorder){ .fd = fd };
}

static int format_event(const struct input_event *event, double ms, char *line, size_t size)
{
	static const char *const names[] = {
		[INPUT_EVENT_KEY] = "key",	     [INPUT_EVENT_BUTTON] = "button",
		[INPUT_EVENT_MOTION] = "motion",     [INPUT_EVENT_ABSOLUTE] = "absolute",
		[INPUT_EVENT_WHEEL] = "wheel",
	};
	double a = event->dx, b = event->dy;

	if (event->type == INPUT_EVENT_KEY || event->type == INPUT_EVENT_BUTTON) {
		a = event->code;
		b = event->pressed;
	} else if (event->type == INPUT_EVENT_ABSOLUTE) {
		a = event->x;
		b = event->y;
	}
	return snprintf(line, size, "%.3f %s %.9g %.9g\n", ms, names[event->type], a, b);
}

void recorder_write(struct recorder *recorder, const struct input_event *event)
{
	char line[128];
	int n;

	if (recorder->fd < 0) {
		return;
	}
	if (recorder->first_ns == 0) {
		recorder->first_ns = event->time_ns;
	}
	n = format_event(event,
			 (double)(int64_t)(event->time_ns - recorder->first_ns) /
				 (double)NSEC_PER_MSEC,
			 line, sizeof(line));
	if (send(recorder->fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) != n) {
		log_info("Input is not recorded any more: nobody reads");
		recorder_set(recorder, -1);
	}
}
