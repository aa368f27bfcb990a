// SPDX-License-Identifier: MIT
/* Guests that have a user of their own: the broker says which, and has their QEMU started. */
#include <errno.h>
#include <stdio.h>

#include "common/log.h"
#include "passthrough/passthrough_private.h"

static int starter_account(void *data, const char *guest, struct vm_account *out)
{
	struct passthrough *passthrough = data;
	struct broker_guest told;
	int r = broker_client_guest(passthrough->broker, guest, &told);

	if (r > 0) {
		snprintf(out->user, sizeof(out->user), "%s", told.user);
		out->uid = (uid_t)told.uid;
	}
	return r;
}

static struct broker_request request_make(enum broker_verb verb, const struct vm *vm)
{
	struct broker_request request = { .verb = verb };

	snprintf(request.stage.to, sizeof(request.stage.to), "%s", vm_name(vm));
	return request;
}

static void take_started(void *data, const struct broker_message *message)
{
	if (message->kind == BROKER_DONE) {
		vm_started(data, message->error, message->error < 0 ? message->text : NULL);
	}
}

static int starter_start(void *data, struct vm *vm)
{
	const struct broker_request request = request_make(BROKER_START_GUEST, vm);
	struct passthrough *passthrough = data;

	return broker_client_request(passthrough->broker, &request, -1, take_started, vm);
}

/* The vm may not be there any more when the answer is. */
static void take_killed(void *data, const struct broker_message *message)
{
	(void)data;
	if (message->kind == BROKER_DONE && message->error < 0) {
		log_error("A guest is not killed: %s", message->text);
	}
}

static int starter_kill(void *data, struct vm *vm)
{
	const struct broker_request request = request_make(BROKER_KILL_GUEST, vm);
	struct passthrough *passthrough = data;

	return broker_client_request(passthrough->broker, &request, -1, take_killed, NULL);
}

static void starter_cancel(void *data, struct vm *vm)
{
	struct passthrough *passthrough = data;

	broker_client_cancel(passthrough->broker, vm);
}

const struct vm_starter_ops passthrough_starter_ops = {
	.account = starter_account,
	.start = starter_start,
	.cancel = starter_cancel,
	.kill = starter_kill,
};
