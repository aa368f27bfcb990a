// SPDX-License-Identifier: MIT
/* Finds the broker's socket; see broker_connector.h. */
#include "passthrough/broker_connector.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "common/log.h"

/* The pauses may be late by as much, so that wakeups can be put together. */
#define ACCURACY_USEC 1000

#define WATCH_MASK                                                                                 \
	(IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct broker_connector {
	sd_event *event;
	char *path;
	struct broker_pauses pauses;
	broker_connector_fn connected;
	void *data;
	sd_event_source *timer; /* enabled: an attempt is planned */
	sd_event_source *io;
	/* From the first watch on, for life: the kernel lets nobody close the last one in less than
	 * an RCU grace period (15 ms were seen), and the loop waits for nothing. */
	int inotify;
	int watch;     /* of it, or -1 */
	char *awaited; /* the name in the watched folder that leads to the socket */
	char *way;     /* the path of that name; NULL when it is the socket itself */
	unsigned int attempts;
	int error;
};

static void connector_plan(struct broker_connector *connector, uint64_t usec)
{
	if (sd_event_source_set_time_relative(connector->timer, usec) < 0 ||
	    sd_event_source_set_enabled(connector->timer, SD_EVENT_ONESHOT) < 0) {
		log_error("The broker is not looked for any more: out of memory");
	}
}

static void watch_stop(struct broker_connector *connector)
{
	if (connector->watch >= 0) {
		(void)inotify_rm_watch(connector->inotify, connector->watch);
	}
	connector->watch = -1;
	free(take_ptr(connector->awaited));
	free(take_ptr(connector->way));
}

/* The name that was waited for is there, or the folder itself has changed. */
static bool watch_concerns(const struct broker_connector *connector,
			   const struct inotify_event *event)
{
	if (event->mask & IN_Q_OVERFLOW) {
		return true;
	}
	if (event->wd != connector->watch || connector->watch < 0) {
		return false;
	}
	return (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) ||
	       (event->len > 0 && strcmp(event->name, connector->awaited) == 0);
}

static int handle_inotify(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	_Alignas(struct inotify_event) char buffer[4096];
	struct broker_connector *connector = data;
	ssize_t n = read(fd, buffer, sizeof(buffer));
	bool concerns = false;

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const void *)(buffer + at);

		concerns = concerns || watch_concerns(connector, event);
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	if (concerns) {
		broker_connector_look(connector);
	}
	return 0;
}

/* Cuts the last name off: "/run/baton/x" becomes "/run/baton" and "x", "/x" becomes "/" and "x". */
static char *path_cut(char *path, char **folder)
{
	char *slash = strrchr(path, '/');
	char *name = slash ? slash + 1 : path;

	if (!slash) {
		*folder = strdup(".");
	} else {
		*folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	}
	return name;
}

/* Watches the folder of path. 0, or -ENOENT when there is none, or another -errno. */
static int watch_folder(struct broker_connector *connector, char *path, char **folder)
{
	const char *name = path_cut(path, folder);

	if (!*folder) {
		return -ENOMEM;
	}
	connector->watch = inotify_add_watch(connector->inotify, *folder, WATCH_MASK);
	if (connector->watch < 0) {
		return -errno;
	}
	connector->awaited = strdup(name);
	return connector->awaited ? 0 : -ENOMEM;
}

/* Watches the nearest folder above the socket that is there. */
static int watch_start(struct broker_connector *connector)
{
	_cleanup_free_ char *path = strdup(connector->path);
	bool direct = true;
	int r = path ? -ENOENT : -ENOMEM;

	watch_stop(connector);
	while (r == -ENOENT || r == -ENOTDIR) {
		_cleanup_free_ char *folder = NULL;

		r = watch_folder(connector, path, &folder);
		if (r >= 0) {
			connector->way = direct ? NULL : take_ptr(path);
			break;
		}
		direct = false;
		free(path);
		path = take_ptr(folder);
		if (!path || strcmp(path, "/") == 0 || strcmp(path, ".") == 0) {
			break;
		}
	}
	return r;
}

static int inotify_open(struct broker_connector *connector)
{
	if (connector->inotify >= 0) {
		return 0;
	}
	connector->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (connector->inotify < 0) {
		return -errno;
	}
	return sd_event_add_io(connector->event, &connector->io, connector->inotify, EPOLLIN,
			       handle_inotify, connector);
}

static void connector_watch(struct broker_connector *connector)
{
	int r = inotify_open(connector);

	if (r >= 0) {
		r = watch_start(connector);
	}
	if (r < 0) {
		watch_stop(connector);
		log_debug("The broker's folder cannot be watched: %s", strerror(-r));
	}
}

static void connector_pause(struct broker_connector *connector)
{
	const struct broker_pauses *pauses = &connector->pauses;
	uint64_t usec = pauses->first_usec;

	if (connector->attempts >= pauses->attempts) {
		return;
	}
	for (unsigned int i = 0; i < connector->attempts && usec < pauses->last_usec; i++) {
		usec *= 2;
	}
	connector->attempts++;
	connector_plan(connector, usec < pauses->last_usec ? usec : pauses->last_usec);
}

/* The watch tells of a socket that is not there. It was set before the attempt, so it has missed
 * nothing, unless a folder on the way appeared between two of its steps. */
static bool watch_suffices(const struct broker_connector *connector)
{
	return connector->error == -ENOENT && connector->watch >= 0 &&
	       (!connector->way || access(connector->way, F_OK) < 0);
}

static void connector_try(struct broker_connector *connector)
{
	int fd = unix_connect_packets(connector->path);

	if (fd < 0) {
		/* It may have come between the two. */
		connector_watch(connector);
		fd = unix_connect_packets(connector->path);
	}
	connector->error = fd < 0 ? fd : 0;
	if (fd >= 0) {
		watch_stop(connector);
		connector->connected(connector->data, fd);
	} else if (!watch_suffices(connector)) {
		connector_pause(connector);
	}
}

static int handle_timer(sd_event_source *source, uint64_t usec, void *data)
{
	connector_try(data);
	return 0;
}

void broker_connector_look(struct broker_connector *connector)
{
	connector->attempts = 0;
	connector_plan(connector, 0);
}

void broker_connector_retry(struct broker_connector *connector)
{
	connector_watch(connector);
	connector_pause(connector);
}

void broker_connector_await(struct broker_connector *connector)
{
	if (connector->attempts >= connector->pauses.attempts) {
		connector->attempts = connector->pauses.attempts - 1;
	}
	broker_connector_retry(connector);
}

void broker_connector_settle(struct broker_connector *connector)
{
	connector->attempts = 0;
}

int broker_connector_error(const struct broker_connector *connector)
{
	return connector->error;
}

void broker_connector_destroy(struct broker_connector *connector)
{
	if (!connector) {
		return;
	}
	watch_stop(connector);
	sd_event_source_disable_unref(connector->io);
	sd_event_source_disable_unref(connector->timer);
	if (connector->inotify >= 0) {
		close(connector->inotify);
	}
	sd_event_unref(connector->event);
	free(connector->path);
	free(connector);
}

DEFINE_CLEANUP(struct broker_connector *, broker_connector_destroy)

int broker_connector_create(sd_event *event, const char *path, const struct broker_pauses *pauses,
			    broker_connector_fn connected, void *data,
			    struct broker_connector **out)
{
	_cleanup_(broker_connector_destroy_ptr) struct broker_connector *connector = NULL;
	int r;

	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		return -ENAMETOOLONG;
	}
	connector = calloc(1, sizeof(*connector));
	if (!connector) {
		return -ENOMEM;
	}
	connector->inotify = connector->watch = -1;
	connector->event = sd_event_ref(event);
	connector->pauses = *pauses;
	connector->connected = connected;
	connector->data = data;
	connector->path = strdup(path);
	r = connector->path ? sd_event_add_time_relative(event, &connector->timer, CLOCK_MONOTONIC,
							 0, ACCURACY_USEC, handle_timer, connector)
			    : -ENOMEM;
	if (r < 0) {
		return r;
	}
	*out = take_ptr(connector);
	return 0;
}
