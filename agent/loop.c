// SPDX-License-Identifier: MIT
/* epoll and timerfd; see loop.h. */
#include "agent/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/clock.h"

int loop_open(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int loop_add(int loop, struct loop_source *source, bool edge)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };

	if (edge) {
		event.events |= EPOLLOUT | EPOLLET;
	}
	return epoll_ctl(loop, EPOLL_CTL_ADD, source->fd, &event) < 0 ? -errno : 0;
}

void loop_remove(int loop, const struct loop_source *source)
{
	epoll_ctl(loop, EPOLL_CTL_DEL, source->fd, NULL);
}

int loop_turn(int loop, int milliseconds)
{
	struct loop_source *source;
	struct epoll_event event;
	/* One at a time: what is called may take others away. */
	int n = epoll_wait(loop, &event, 1, milliseconds);

	if (n < 0) {
		return errno == EINTR ? 0 : -errno;
	}
	if (n == 1) {
		source = event.data.ptr;
		source->ready(source->data);
	}
	return 0;
}

int timer_open(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

void timer_set(int timer, uint64_t period)
{
	struct timespec ts = { (time_t)(period / NSEC_PER_SEC), (long)(period % NSEC_PER_SEC) };

	timerfd_settime(timer, 0, &(struct itimerspec){ .it_interval = ts, .it_value = ts }, NULL);
}

void timer_drain(int timer)
{
	uint64_t times;

	if (read(timer, &times, sizeof(times)) < 0) {
		return; /* it was set anew meanwhile */
	}
}
