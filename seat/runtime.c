// SPDX-License-Identifier: MIT
/* Finds, creates and locks the seat's folders; see runtime.h. */
#include "seat/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "control/control.h"
#include "control/paths.h"

#define FOCUS_RECORD 128 /* bytes at the start of the lock's file: a guest's name, then zeros */

/* dir/name, allocated; dir NULL gives NULL. */
static char *join(const char *dir, const char *name)
{
	char *path;

	if (!dir || asprintf(&path, "%s/%s", dir, name) < 0) {
		return NULL;
	}
	return path;
}

int runtime_find_config(struct runtime *runtime, const char *dir)
{
	runtime->config = dir ? strdup(dir) : config_dir();
	return runtime->config ? 0 : -ENOMEM;
}

/* Like mkdir -p with mode 0700 for what is new. */
static int make_dirs(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);

	if (!copy) {
		return -ENOMEM;
	}
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0700) < 0 && errno != EEXIST) {
			return -errno;
		}
		*slash = '/';
	}
	return mkdir(copy, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* In a folder of /tmp somebody else may have been there first. */
static int check_private(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		return -errno;
	}
	if (!S_ISDIR(st.st_mode) || st.st_uid != getuid() || (st.st_mode & 077)) {
		log_error("The runtime folder %s must be a folder of yours with mode 0700: "
			  "\"chmod 700\" it, or name another with --runtime.",
			  path);
		return -EPERM;
	}
	return 0;
}

static int take_lock(struct runtime *runtime)
{
	_cleanup_free_ char *path = join(runtime->dir, "lock");

	if (!path) {
		return -ENOMEM;
	}
	runtime->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (runtime->lock < 0) {
		int r = -errno;

		log_error("Cannot open the lock %s: %s. Remove what is there, or name another "
			  "folder with --runtime.",
			  path, strerror(-r));
		return r;
	}
	if (flock(runtime->lock, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK) {
			log_error("Another baton runs in %s: use that one, \"batonctl quit\" it, "
				  "or name another folder with --runtime.",
				  runtime->dir);
			return -EBUSY;
		}
		return -errno;
	}
	return 0;
}

static int open_dir(struct runtime *runtime)
{
	int r = make_dirs(runtime->dir);

	if (r < 0) {
		log_error("Cannot create the runtime folder %s: %s. Name another with --runtime.",
			  runtime->dir, strerror(-r));
		return r;
	}
	r = check_private(runtime->dir);
	if (r < 0) {
		return r;
	}
	r = make_dirs(runtime->state);
	if (r < 0) {
		log_error("Cannot create the folder for guests' state %s: %s. Set XDG_STATE_HOME.",
			  runtime->state, strerror(-r));
		return r;
	}
	return take_lock(runtime);
}

int runtime_open(struct runtime *runtime, const char *dir, const char *config)
{
	*runtime = (struct runtime){ .lock = -1 };
	runtime->dir = dir ? realpath(dir, NULL) : runtime_dir();
	if (dir && !runtime->dir) {
		runtime->dir = strdup(dir);
	}
	runtime->state = state_dir();
	runtime->socket = join(runtime->dir, CONTROL_SOCKET);
	if (!runtime->dir || !runtime->state || !runtime->socket ||
	    runtime_find_config(runtime, config) < 0) {
		return -ENOMEM;
	}
	return open_dir(runtime);
}

void runtime_close(struct runtime *runtime)
{
	if (runtime->lock >= 0) {
		close(runtime->lock);
		runtime->lock = -1;
	}
	free(runtime->dir);
	free(runtime->state);
	free(runtime->config);
	free(runtime->socket);
	*runtime = (struct runtime){ .lock = -1 };
}

/*
 * It stands in the lock's file, which is open and never changes its size: creating or truncating a
 * file can wait for a disk, and the picture of a switch would wait with it. What is wrong or
 * missing there costs nothing but the memory of who was in front.
 */
void runtime_save_focus(const struct runtime *runtime, const char *guest)
{
	char record[FOCUS_RECORD] = { 0 };

	snprintf(record, sizeof(record), "%s", guest ? guest : "");
	if (pwrite(runtime->lock, record, sizeof(record), 0) < 0) {
		log_debug("Who is in front is not noted: %s", strerror(errno));
	}
}

char *runtime_load_focus(const struct runtime *runtime)
{
	char record[FOCUS_RECORD] = { 0 };

	return pread(runtime->lock, record, sizeof(record) - 1, 0) > 0 && *record ? strdup(record)
										  : NULL;
}
