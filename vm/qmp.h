/* SPDX-License-Identifier: MIT */
/*
 * QEMU's control connection: commands with their answers, events and file descriptors, run by the
 * event loop. The other side is not trusted: a line that is too long, is not JSON or breaks the
 * protocol ends the connection, and what we queue for a side that does not read is bounded.
 */
#ifndef VM_QMP_H
#define VM_QMP_H

#include <jansson.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct qmp;

/* The longest line taken; QEMU's longest answer that we ask for is some KiB. */
#define QMP_LINE_MAX (256 * 1024)
/* Bytes of commands that may wait for QEMU to read them, and commands for their answers. */
#define QMP_QUEUE_MAX (64 * 1024)
#define QMP_CALLS_MAX 64
/* No deadline. */
#define QMP_WAIT_FOREVER UINT64_MAX

/* Each may destroy the client. */
struct qmp_ops {
	/* Greeting and capabilities are done: qmp_call() is legal. */
	void (*ready)(void *data);
	/* args is an object, valid during the call, or NULL. */
	void (*event)(void *data, const char *name, const json_t *args);
	/* The connection has ended; error is -ECONNRESET (by QEMU), -EPROTO (it broke the
	 * protocol) or another negative errno. Called once; open calls were answered before. */
	void (*closed)(void *data, int error);
};

/* error 0: result is what "return" holds. Else a negative errno, result NULL and text QEMU's own
 * sentence where it gave one (-EREMOTEIO), else NULL. result and text live during the call. */
typedef void (*qmp_reply_fn)(void *data, int error, const json_t *result, const char *text);

/* Takes a connected, non-blocking socket, also on failure. Returns 0 or -errno. */
int qmp_create(sd_event *event, int fd, const struct qmp_ops *ops, void *data, struct qmp **out);

/* Ends the connection; callbacks that are open are dropped without a call. NULL is legal, and so
 * is a call from inside of a callback. */
void qmp_destroy(struct qmp *qmp);

/*
 * Sends a command. args (an object or NULL) is taken, also on failure; fd is sent along unless it
 * is -1, and stays the caller's. reply, which may be NULL, is called exactly once from the loop
 * unless qmp_destroy() comes before: with -ETIMEDOUT when usec have passed, and an answer that
 * comes later is dropped. Returns 0, -ENOTCONN before ready() or after closed(), -ENOBUFS when too
 * much waits already, -ENOMEM.
 */
int qmp_call(struct qmp *qmp, const char *command, json_t *args, int fd, uint64_t usec,
	     qmp_reply_fn reply, void *data);

/* Drops the callbacks of all open calls that were made with this data. NULL client is legal. */
void qmp_cancel(struct qmp *qmp, const void *data);

#endif
