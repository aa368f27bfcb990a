/* SPDX-License-Identifier: MIT */
/*
 * One thread for jobs that take too long for the loop: the pictures of Screenshot. It is there as
 * long as there are jobs, and it alone waits when a write does: then further jobs find no room, and
 * the loop and the end of the program go on.
 */
#ifndef CONTROL_WORKER_H
#define CONTROL_WORKER_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "control/control.h"

#define WORKER_JOBS_MAX 4 /* the one that runs included */

struct worker;

/*
 * Tells the result of a job from the loop, once for each: 0 or -errno of its write, -ECANCELED
 * when the worker was destroyed before the job began, or before it ended. The job is gone by then,
 * except when it did not end. Must not destroy the worker.
 */
typedef void (*worker_done_fn)(void *data, int result);

/* 0 or -errno. No thread is started yet. */
int worker_create(sd_event *event, struct worker **out);

/*
 * From the loop, inside no done: forgets what waits, gives the job that runs a second to end, and
 * tells each its result. A job that takes longer keeps its thread and what that needs; both end
 * when it does, or with the program. NULL is legal.
 */
void worker_destroy(struct worker *worker);

bool worker_has_room(const struct worker *worker);

/*
 * Runs a job behind those that wait already. Takes the job and, by a duplicate, the file that fd
 * stands for. Returns 0 or -errno: -EBUSY without room; then done is not called and the job is
 * still the caller's.
 */
int worker_submit(struct worker *worker, struct control_job *job, int fd, worker_done_fn done,
		  void *data);

#endif
