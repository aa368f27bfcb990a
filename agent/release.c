// SPDX-License-Identifier: MIT
/* Giving a card up; see release.h. */
#include "agent/release.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/holders.h"
#include "agent/sysfs.h"
#include "common/cleanup.h"

#define FUNCTIONS 8

struct child {
	int pipe;
	struct agent_message message; /* with what all of them have */
};

static void send_message(struct child *child, enum agent_verb verb)
{
	struct agent_message message = child->message;

	message.magic = AGENT_MAGIC;
	message.verb = verb;
	/* A pipe takes that whole; without a reader nobody wants to know. */
	if (write(child->pipe, &message, sizeof(message)) < 0) {
		_exit(1);
	}
}

static void send_holder(const struct agent_holder *holder, void *data)
{
	struct child *child = data;

	memset(child->message.bytes, 0, sizeof(child->message.bytes));
	child->message.holder = *holder;
	send_message(child, AGENT_HOLDER);
}

static void send_done(struct child *child, int error, const char *text)
{
	memset(child->message.bytes, 0, sizeof(child->message.bytes));
	child->message.done.error = error;
	snprintf(child->message.done.text, sizeof(child->message.done.text), "%s", text);
	send_message(child, AGENT_DONE);
}

/* False when there is no such function. */
static bool function_folder(const char *devices, struct agent_slot slot, int function,
			    char folder[static PATH_MAX])
{
	char name[32];

	snprintf(name, sizeof(name), "%04x:%02x:%02x.%d", slot.domain, slot.bus, slot.device,
		 function);
	return sysfs_path(folder, devices, name) == 0 && access(folder, F_OK) == 0;
}

/* Takes a function from its driver. 0 when it has none then. */
static int unbind(const char *folder)
{
	const char *name = strrchr(folder, '/') + 1;
	char driver[64];

	if (sysfs_read_link(folder, "driver", driver, sizeof(driver)) < 0) {
		return 0;
	}
	sysfs_write(folder, "driver/unbind", name);
	/* What the write said is not to be trusted; where the link points is. */
	return sysfs_read_link(folder, "driver", driver, sizeof(driver)) < 0 ? 0 : -EIO;
}

/* The last function first: the display's driver has to outlive those that lean on it. */
static int unbind_all(const char *devices, struct agent_slot slot)
{
	char folder[PATH_MAX];
	int r = 0;

	for (int function = FUNCTIONS - 1; function >= 0 && r == 0; function--) {
		if (function_folder(devices, slot, function, folder)) {
			r = unbind(folder);
		}
	}
	return r;
}

static int nodes_of(const char *devices, struct agent_slot slot, struct nodes *nodes)
{
	char folder[PATH_MAX];
	int found = 0;

	for (int function = 0; function < FUNCTIONS; function++) {
		if (function_folder(devices, slot, function, folder)) {
			nodes_add(nodes, folder);
			found++;
		}
	}
	return found > 0 ? 0 : -ENODEV;
}

static void child_run(struct child *child, const struct release_roots *roots, pid_t parent)
{
	struct agent_slot slot = child->message.slot;
	struct nodes nodes = { 0 };
	int r;

	if (nodes_of(roots->devices, slot, &nodes) < 0) {
		send_done(child, -ENODEV, "the guest has no card in that slot");
		return;
	}
	if (holders_find(roots->proc, &nodes, parent, send_holder, child) > 0) {
		send_done(child, -EBUSY,
			  "programs in the guest have the card open; end them there");
		return;
	}
	r = unbind_all(roots->devices, slot);
	send_done(child, r, r == 0 ? "" : "the guest's driver keeps the card; is the agent root?");
}

int release_start(const struct release_roots *roots, struct agent_slot slot, uint32_t serial,
		  pid_t *pid)
{
	struct child child = { .message = { .serial = serial, .slot = slot } };
	_cleanup_close_ int ours = -1, its = -1;
	pid_t parent = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0) {
		return -errno;
	}
	ours = ends[0];
	its = ends[1];
	*pid = fork();
	if (*pid < 0) {
		return -errno;
	}
	if (*pid == 0) {
		/* It may hang for ever, and must not keep port and card open then. */
		child.pipe = dup2(its, STDIN_FILENO);
		close_range(STDERR_FILENO + 1, ~0u, 0);
		child_run(&child, roots, parent);
		_exit(0);
	}
	if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0) {
		return -errno;
	}
	return take_fd(ours);
}
