// SPDX-License-Identifier: MIT
/*
 * Guests that have a user of their own run as units baton-guest@USER.service. The broker's sandbox
 * executes nothing, so a child that was forked before it tells systemd: it knows broker.conf, takes
 * the name of a guest, and runs one of two fixed commands, one after the other. User, groups,
 * control group, limits and hardening are systemd's; see the unit. What becomes of it the seat sees
 * by itself.
 */
#include "passthrough/broker/broker.h"

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define SYSTEMCTL "/usr/bin/systemctl"

static void systemctl(const char *user, bool kill)
{
	char unit[64], *argv[] = { SYSTEMCTL, kill ? "kill" : "start",
				   kill ? "--signal=KILL" : "--no-block", unit, NULL };
	pid_t pid;

	snprintf(unit, sizeof(unit), "baton-guest@%s.service", user);
	if (posix_spawn(&pid, at(SYSTEMCTL), NULL, NULL, argv, (char *[]){ NULL }) == 0) {
		waitpid(pid, NULL, 0);
	}
}

/* Until the broker ends. */
static _Noreturn void launcher_main(const struct broker *broker, int fd)
{
	const struct broker_guest *guest;
	struct broker_request request;

	while (recv(fd, &request, sizeof(request), 0) == sizeof(request) &&
	       (guest = account_find(broker, request.stage.to, NULL))) {
		systemctl(guest->user, request.verb == BROKER_KILL_GUEST);
	}
	_exit(0);
}

int launcher_start(struct broker *broker, char *text)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 || (pid = fork()) < 0) {
		return fail(text, -errno, "no launcher of guests: %s", strerror(errno));
	}
	close(ends[pid == 0]);
	if (pid == 0) {
		launcher_main(broker, ends[0]);
	}
	broker->launcher = ends[1];
	return 0;
}

int launcher_ask(const struct broker *broker, const struct broker_request *request, char *text)
{
	if (!request->stage.to[0] || !account_find(broker, request->stage.to, NULL)) {
		return fail(text, -EPERM, "no guest of broker.conf");
	}
	return send(broker->launcher, request, sizeof(*request), MSG_DONTWAIT) < 0 ? -errno : 0;
}
