// SPDX-License-Identifier: MIT
/*
 * A queue of jobs between the loop and one thread; see worker.h.
 *
 * What the two share is guarded by the lock: the lists, running, busy and abandoned. A task belongs
 * to the list that it is in, or to the thread while it is the one that runs; done and data are read
 * by the loop alone, for what they stand for (a D-Bus message) knows no threads.
 */
#include "control/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/list.h"
#include "common/log.h"

#define END_NS NSEC_PER_SEC /* that the job which runs may take when the worker is destroyed */

struct task {
	struct list link;        /* worker::waiting or worker::over */
	struct control_job *job; /* NULL: it is gone */
	int fd;
	int result;
	worker_done_fn done;
	void *data;
};

struct worker {
	sd_event_source *source; /* of event_fd */
	int event_fd;            /* readable when a task is over */
	unsigned int n_tasks;    /* the loop's: those whose result was not told */
	pthread_t thread;
	bool has_thread; /* the loop's: there is one to be joined */

	pthread_mutex_t lock; /* of what follows */
	struct list waiting;  /* task::link, in order */
	struct list over;
	struct task *running;
	bool busy;      /* the thread will look at waiting once more */
	bool abandoned; /* the loop has left: who ends the thread frees the worker */
};

static void task_drop_job(struct task *task)
{
	if (task->job) {
		task->job->destroy(take_ptr(task->job));
	}
	close_fd_ptr(&task->fd);
	task->fd = -1;
}

static void task_destroy(struct task *task)
{
	if (task) {
		task_drop_job(task);
		free(task);
	}
}
DEFINE_CLEANUP(struct task *, task_destroy)

static struct task *list_take_first(struct list *head)
{
	struct task *task;

	if (list_empty(head)) {
		return NULL;
	}
	task = container_of(head->next, struct task, link);
	list_remove(&task->link);
	return task;
}

static void worker_free(struct worker *worker)
{
	struct task *task;

	while ((task = list_take_first(&worker->over))) {
		task_destroy(task);
	}
	sd_event_source_disable_unref(worker->source);
	close_fd_ptr(&worker->event_fd);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
}

/* ---- the thread ---- */

static void finish_task(struct worker *worker, struct task *task)
{
	const uint64_t one = 1;

	worker->running = NULL;
	list_append(&worker->over, &task->link);
	if (write(worker->event_fd, &one, sizeof(one)) < 0) {
		/* The counter is full, hence the descriptor readable. */
	}
}

static void *run(void *data)
{
	struct worker *worker = data;
	bool abandoned;

	pthread_mutex_lock(&worker->lock);
	while ((worker->running = list_take_first(&worker->waiting))) {
		struct task *task = worker->running;

		pthread_mutex_unlock(&worker->lock);
		task->result = task->job->write(task->job, task->fd);
		task_drop_job(task);
		pthread_mutex_lock(&worker->lock);
		finish_task(worker, task);
	}
	worker->busy = false;
	abandoned = worker->abandoned;
	pthread_mutex_unlock(&worker->lock);
	if (abandoned) {
		worker_free(worker);
	}
	return NULL;
}

/* Signals are the loop's. */
static int start_thread(struct worker *worker)
{
	sigset_t all, before;
	int r;

	/* It has run out of jobs: there is nothing to wait for. */
	if (worker->has_thread) {
		pthread_join(worker->thread, NULL);
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&worker->thread, NULL, run, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	worker->has_thread = r == 0;
	return r;
}

/* ---- the loop ---- */

static void tell_results(struct worker *worker)
{
	struct task *task;

	do {
		pthread_mutex_lock(&worker->lock);
		task = list_take_first(&worker->over);
		pthread_mutex_unlock(&worker->lock);
		if (task) {
			worker->n_tasks--;
			task->done(task->data, task->result);
			task_destroy(task);
		}
	} while (task);
}

static void drain(int event_fd)
{
	uint64_t count;

	if (read(event_fd, &count, sizeof(count)) < 0) {
		/* Nothing was in it. */
	}
}

static int handle_over(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	(void)source, (void)revents;
	drain(fd);
	tell_results(data);
	return 0;
}

int worker_create(sd_event *event, struct worker **out)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int r;

	if (!worker) {
		return -ENOMEM;
	}
	list_init(&worker->waiting);
	list_init(&worker->over);
	pthread_mutex_init(&worker->lock, NULL);
	worker->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = worker->event_fd < 0 ? -errno
				 : sd_event_add_io(event, &worker->source, worker->event_fd,
						   EPOLLIN, handle_over, worker);
	if (r < 0) {
		worker_free(worker);
		return r;
	}
	*out = worker;
	return 0;
}

bool worker_has_room(const struct worker *worker)
{
	return worker->n_tasks < WORKER_JOBS_MAX;
}

static int enqueue(struct worker *worker, struct task *task)
{
	bool was_busy;
	int r = 0;

	pthread_mutex_lock(&worker->lock);
	list_append(&worker->waiting, &task->link);
	was_busy = worker->busy;
	worker->busy = true;
	pthread_mutex_unlock(&worker->lock);
	if (!was_busy) {
		r = start_thread(worker);
	}
	if (r < 0) { /* then nobody else looks at it */
		list_remove(&task->link);
		worker->busy = false;
	}
	return r;
}

int worker_submit(struct worker *worker, struct control_job *job, int fd, worker_done_fn done,
		  void *data)
{
	_cleanup_(task_destroy_ptr) struct task *task = NULL;
	int r;

	if (!worker_has_room(worker)) {
		return -EBUSY;
	}
	task = calloc(1, sizeof(*task));
	if (!task) {
		return -ENOMEM;
	}
	task->done = done;
	task->data = data;
	task->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (task->fd < 0) {
		return -errno;
	}
	task->job = job;
	r = enqueue(worker, task);
	if (r < 0) {
		task->job = NULL; /* the caller's again */
		return r;
	}
	worker->n_tasks++;
	take_ptr(task);
	return 0;
}

/* ---- the end ---- */

static void cancel_waiting(struct worker *worker)
{
	struct list cancelled;
	struct task *task;

	list_init(&cancelled);
	pthread_mutex_lock(&worker->lock);
	while ((task = list_take_first(&worker->waiting))) {
		list_append(&cancelled, &task->link);
	}
	pthread_mutex_unlock(&worker->lock);
	while ((task = list_take_first(&cancelled))) {
		task_drop_job(task);
		task->done(task->data, -ECANCELED);
		task_destroy(task);
	}
}

static bool job_runs(struct worker *worker)
{
	bool runs;

	pthread_mutex_lock(&worker->lock);
	runs = worker->running;
	pthread_mutex_unlock(&worker->lock);
	return runs;
}

static void wait_for_job(struct worker *worker)
{
	struct pollfd over = { .fd = worker->event_fd, .events = POLLIN };
	uint64_t now = clock_now_ns(), end = now + END_NS;

	for (; job_runs(worker) && now < end; now = clock_now_ns()) {
		poll(&over, 1, (int)((end - now) / NSEC_PER_MSEC) + 1);
		drain(worker->event_fd);
	}
}

/* True when a job still runs; then the worker is the thread's from now on. */
static bool abandon(struct worker *worker)
{
	worker_done_fn done = NULL;
	void *data = NULL;

	worker->source = sd_event_source_disable_unref(worker->source);
	pthread_mutex_lock(&worker->lock);
	if (worker->running) {
		done = worker->running->done;
		data = worker->running->data;
		worker->abandoned = true;
		pthread_detach(worker->thread);
	}
	pthread_mutex_unlock(&worker->lock);
	if (!done) {
		return false;
	}
	log_warning("control: a picture is still being written; the seat ends without it");
	done(data, -ECANCELED);
	return true;
}

void worker_destroy(struct worker *worker)
{
	if (!worker) {
		return;
	}
	cancel_waiting(worker);
	wait_for_job(worker);
	tell_results(worker);
	if (abandon(worker)) {
		return;
	}
	if (worker->has_thread) {
		pthread_join(worker->thread, NULL);
	}
	tell_results(worker);
	worker_free(worker);
}
