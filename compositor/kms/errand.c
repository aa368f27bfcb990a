// SPDX-License-Identifier: MIT
/* Threads for slow work; see errand.h. */
#include "compositor/kms/errand.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "common/cleanup.h"

#define END_MS 1000

/* RUNNING: both sides have the errand. OVER: work has returned, the loop frees it. ABANDONED: the
 * loop has left, the thread frees it. */
enum { RUNNING, OVER, ABANDONED };

struct errand {
	atomic_int state;
	void (*work)(void *data);
	void (*done)(void *data);
	void *data;
	int over; /* eventfd: work has returned */
	sd_event_source *source;
	pthread_t thread;
};

static void errand_free(struct errand *errand)
{
	sd_event_source_disable_unref(errand->source);
	close_fd_ptr(&errand->over);
	free(errand);
}

static void *run(void *data)
{
	struct errand *errand = data;
	const uint64_t one = 1;
	int over = errand->over;

	errand->work(errand->data);
	if (atomic_exchange(&errand->state, OVER) == ABANDONED) {
		errand_free(errand);
	} else if (write(over, &one, sizeof(one)) < 0) {
		/* Cannot be: the counter is 0. */
	}
	return NULL;
}

static int handle_over(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct errand *errand = data;
	void (*done)(void *data) = errand->done;
	void *its_data = errand->data;

	pthread_join(errand->thread, NULL); /* it is at its end */
	errand_free(errand);
	done(its_data);
	return 0;
}

/* Signals are the loop's. */
static int start_thread(struct errand *errand)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&errand->thread, NULL, run, errand);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int errand_start(sd_event *event, void (*work)(void *data), void (*done)(void *data), void *data,
		 struct errand **out)
{
	struct errand *errand = calloc(1, sizeof(*errand));
	int r;

	if (!errand) {
		return -ENOMEM;
	}
	errand->work = work;
	errand->done = done;
	errand->data = data;
	errand->over = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = errand->over < 0 ? -errno
			     : sd_event_add_io(event, &errand->source, errand->over, EPOLLIN,
					       handle_over, errand);
	if (r >= 0) {
		r = start_thread(errand);
	}
	if (r < 0) {
		errand_free(errand);
		return r;
	}
	*out = errand;
	return 0;
}

int errand_end(struct errand *errand)
{
	struct pollfd over = { .fd = errand->over, .events = POLLIN };

	errand->source = sd_event_source_disable_unref(errand->source);
	if (poll(&over, 1, END_MS) <= 0 && atomic_exchange(&errand->state, ABANDONED) == RUNNING) {
		pthread_detach(errand->thread);
		return -ETIMEDOUT;
	}
	pthread_join(errand->thread, NULL); /* it is at its end */
	errand_free(errand);
	return 0;
}
