// SPDX-License-Identifier: MIT
/* Files of guests' volumes, written by a thread; see volumes.h. */
#include "seat/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/list.h"
#include "common/log.h"
#include "control/worker.h"

#define NAME_SIZE 64 /* of a guest, with its end */

/* What is to be written for a guest. */
struct record {
	char guest[NAME_SIZE];
	struct audio_setting setting;
};

struct waiting {
	struct list link; /* volumes::waiting */
	struct record record;
};

struct volumes {
	char *path;
	int folder;
	struct worker *worker;
	struct list waiting;
	bool writing;          /* the worker has a job of ours: */
	struct record written; /* what that writes */
	atomic_bool begun;     /* by its thread */
	bool closing;          /* the thread gets nothing more */
	bool hangs;            /* it was left behind in a write */
};

/* What the thread has: nothing of it is anybody else's. */
struct write_job {
	struct control_job base;
	struct volumes *volumes; /* before its first write alone */
	struct record record;
};

static int write_record(struct control_job *base, int folder)
{
	struct write_job *job = container_of(base, struct write_job, base);

	atomic_store(&job->volumes->begun, true);
	return audio_memory_save(folder, job->record.guest, &job->record.setting);
}

static void destroy_job(struct control_job *base)
{
	free(container_of(base, struct write_job, base));
}

static void wait_behind(struct volumes *volumes, const struct record *record)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));

	if (waiting) {
		waiting->record = *record;
		list_append(&volumes->waiting, &waiting->link);
	}
}

static struct waiting *find_waiting(struct volumes *volumes, const char *guest)
{
	struct waiting *waiting;

	list_for_each(waiting, &volumes->waiting, link) {
		if (strcmp(waiting->record.guest, guest) == 0) {
			return waiting;
		}
	}
	return NULL;
}

static void write_next(struct volumes *volumes);

static void handle_written(void *data, int result)
{
	struct volumes *volumes = data;

	volumes->writing = false;
	if (result == -ECANCELED) {
		/* The end. What was not begun is still to be written, unless there is newer. */
		volumes->hangs = atomic_load(&volumes->begun);
		if (!volumes->hangs && !find_waiting(volumes, volumes->written.guest)) {
			wait_behind(volumes, &volumes->written);
		}
		return;
	}
	if (result < 0) {
		log_warning("The volume of %s is not kept in %s: %s.", volumes->written.guest,
			    volumes->path, strerror(-result));
	}
	write_next(volumes);
}

static void write_next(struct volumes *volumes)
{
	struct write_job *job;
	struct waiting *waiting;

	if (volumes->writing || volumes->closing || list_empty(&volumes->waiting)) {
		return;
	}
	job = calloc(1, sizeof(*job));
	if (!job) {
		return;
	}
	waiting = container_of(volumes->waiting.next, struct waiting, link);
	volumes->written = waiting->record;
	*job = (struct write_job){ { write_record, destroy_job }, volumes, waiting->record };
	atomic_store(&volumes->begun, false);
	if (worker_submit(volumes->worker, &job->base, volumes->folder, handle_written, volumes) <
	    0) {
		free(job);
		return;
	}
	volumes->writing = true;
	list_remove(&waiting->link);
	free(waiting);
}

void volumes_save(struct volumes *volumes, const char *guest, const struct audio_setting *setting)
{
	struct waiting *waiting = volumes ? find_waiting(volumes, guest) : NULL;
	struct record record = { .setting = *setting };

	if (!volumes) {
		return;
	}
	snprintf(record.guest, sizeof(record.guest), "%s", guest);
	if (waiting) {
		waiting->record = record;
	} else {
		wait_behind(volumes, &record);
	}
	write_next(volumes);
}

struct audio_setting volumes_load(const struct volumes *volumes, const char *guest)
{
	return volumes ? audio_memory_load(volumes->path, guest) : AUDIO_SETTING_DEFAULT;
}

static int open_folder(struct volumes *volumes, const char *state_folder)
{
	if (asprintf(&volumes->path, "%s/sound", state_folder) < 0) {
		volumes->path = NULL;
		return -ENOMEM;
	}
	if (mkdir(volumes->path, 0700) < 0 && errno != EEXIST) {
		return -errno;
	}
	volumes->folder = open(volumes->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return volumes->folder < 0 ? -errno : 0;
}

struct volumes *volumes_open(sd_event *event, const char *state_folder)
{
	struct volumes *volumes = calloc(1, sizeof(*volumes));
	int r = -ENOMEM;

	if (volumes) {
		volumes->folder = -1;
		list_init(&volumes->waiting);
		r = open_folder(volumes, state_folder);
	}
	if (r >= 0) {
		r = worker_create(event, &volumes->worker);
	}
	if (r < 0) {
		log_warning("Guests' volumes are not remembered in %s/sound: %s.", state_folder,
			    strerror(-r));
		volumes_close(volumes);
		return NULL;
	}
	return volumes;
}

void volumes_close(struct volumes *volumes)
{
	struct waiting *waiting, *next;

	if (!volumes) {
		return;
	}
	/* What the thread has begun comes first: what waits is newer. */
	volumes->closing = true;
	worker_destroy(volumes->worker);
	list_for_each_safe(waiting, next, &volumes->waiting, link) {
		if (!volumes->hangs) {
			audio_memory_save(volumes->folder, waiting->record.guest,
					  &waiting->record.setting);
		}
		free(waiting);
	}
	close_fd_ptr(&volumes->folder);
	free(volumes->path);
	free(volumes);
}
