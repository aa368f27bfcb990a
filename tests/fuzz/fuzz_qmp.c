// SPDX-License-Identifier: MIT
/* What a hostile QEMU may write on its control connection. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "vm/qmp.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define AGREED "{\"return\": {}, \"id\": 1}\r\n"

const char *const fuzz_seeds[] = {
	GREETING AGREED "{\"timestamp\": {\"seconds\": 1}, \"event\": \"STOP\"}\r\n",
	GREETING AGREED "{\"return\": {\"status\": \"running\", \"running\": true}, \"id\": 2}\r\n",
	GREETING AGREED "{\"id\": 2, \"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\n",
	GREETING AGREED "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true}}\n",
	NULL,
};

struct client {
	struct qmp *qmp;
	unsigned int replies, closed;
};

static void on_reply(void *data, int error, const json_t *result, const char *text)
{
	((struct client *)data)->replies++;
}

static void on_ready(void *data)
{
	struct client *client = data;

	qmp_call(client->qmp, "query-status", NULL, -1, 1000 * 1000, on_reply, client);
}

static void on_event(void *data, const char *name, const json_t *args)
{
	struct client *client = data;

	qmp_call(client->qmp, "query-status", NULL, -1, QMP_WAIT_FOREVER, on_reply, client);
}

static void on_closed(void *data, int error)
{
	struct client *client = data;

	if (error >= 0 || client->closed++) {
		abort();
	}
}

static const struct qmp_ops ops = { .ready = on_ready, .event = on_event, .closed = on_closed };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client client = { 0 };
	sd_event *event = NULL;
	int pair[2];

	if (size > 64 * 1024 || sd_event_new(&event) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		sd_event_unref(event);
		return 0;
	}
	if (qmp_create(event, pair[0], &ops, &client, &client.qmp) < 0 ||
	    send(pair[1], data, size, MSG_NOSIGNAL) < 0) {
		abort();
	}
	shutdown(pair[1], SHUT_WR);
	while (sd_event_run(event, 0) > 0) {
	}
	/* The end of the stream is always told, whatever stood before it. */
	if (client.closed != 1) {
		abort();
	}
	qmp_destroy(client.qmp);
	close(pair[1]);
	sd_event_unref(event);
	return 0;
}
