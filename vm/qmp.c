// SPDX-License-Identifier: MIT
/*
 * QMP client; see qmp.h.
 *
 * QMP is JSON objects, one a line. QEMU opens with a greeting, we answer with qmp_capabilities,
 * and from then on each command carries an id that its answer repeats. Commands wait in a list
 * until they are written whole, with their descriptor on the first byte, and in another one until
 * they are answered.
 */
#include "vm/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/list.h"
#include "common/log.h"

/* What one turn of the loop reads; the rest waits behind the other sources. */
#define TURN_BYTES (16 * 1024)

/*
 * GREETING     nothing has come yet
 * NEGOTIATING  qmp_capabilities was sent
 * READY        commands go to and fro
 * CLOSED       closed() was called; nothing happens any more
 */
enum qmp_state { QMP_STATE_GREETING, QMP_STATE_NEGOTIATING, QMP_STATE_READY, QMP_STATE_CLOSED };

struct qmp_call {
	struct list link; /* qmp::calls, in the order of sending */
	struct qmp *qmp;
	json_int_t id;
	sd_event_source *deadline;
	qmp_reply_fn reply;
	void *data;
};

struct qmp_message {
	struct list link; /* qmp::queue */
	char *text;
	size_t size, written;
	int fd; /* a copy of our own, until it is sent */
};

struct qmp {
	sd_event *event;
	sd_event_source *io;
	int fd;
	enum qmp_state state;
	const struct qmp_ops *ops;
	void *data;
	json_int_t last_id;
	struct list calls, queue;
	size_t n_calls, queued;	  /* of the two lists: elements, bytes */
	char *line;		  /* what has come of the current line */
	size_t length, allocated; /* of line */
	unsigned int depth;	  /* calls of ours on the stack: freeing waits for them */
	bool destroyed;
};

static void call_free(struct qmp_call *call)
{
	list_remove(&call->link);
	call->qmp->n_calls--;
	sd_event_source_disable_unref(call->deadline);
	free(call);
}

static void message_free(struct qmp *qmp, struct qmp_message *message)
{
	list_remove(&message->link);
	qmp->queued -= message->size;
	if (message->fd >= 0) {
		close(message->fd);
	}
	free(message->text);
	free(message);
}

static void qmp_free(struct qmp *qmp)
{
	struct qmp_message *message, *next_message;
	struct qmp_call *call, *next_call;

	list_for_each_safe(message, next_message, &qmp->queue, link) {
		message_free(qmp, message);
	}
	list_for_each_safe(call, next_call, &qmp->calls, link) {
		call_free(call);
	}
	sd_event_source_disable_unref(qmp->io);
	if (qmp->fd >= 0) {
		close(qmp->fd);
	}
	sd_event_unref(qmp->event);
	free(qmp->line);
	free(qmp);
}

void qmp_destroy(struct qmp *qmp)
{
	if (!qmp) {
		return;
	}
	qmp->destroyed = true;
	if (qmp->depth == 0) {
		qmp_free(qmp);
	}
}

/* Every entry from the loop is between these two; leave() returns what a handler returns. */
static void qmp_enter(struct qmp *qmp)
{
	qmp->depth++;
}

static int qmp_leave(struct qmp *qmp)
{
	if (--qmp->depth == 0 && qmp->destroyed) {
		qmp_free(qmp);
	}
	return 0;
}

static bool qmp_is_over(const struct qmp *qmp)
{
	return qmp->destroyed || qmp->state == QMP_STATE_CLOSED;
}

/* Takes the call out of the list before its callback, which may do anything. */
static void call_finish(struct qmp_call *call, int error, const json_t *result, const char *text)
{
	qmp_reply_fn reply = call->reply;
	void *data = call->data;

	call_free(call);
	if (reply) {
		reply(data, error, result, text);
	}
}

static void qmp_close(struct qmp *qmp, int error)
{
	if (qmp_is_over(qmp)) {
		return;
	}
	qmp->state = QMP_STATE_CLOSED;
	qmp->io = sd_event_source_disable_unref(qmp->io);
	while (!list_empty(&qmp->calls) && !qmp->destroyed) {
		call_finish(container_of(qmp->calls.next, struct qmp_call, link), error, NULL,
			    NULL);
	}
	if (!qmp->destroyed) {
		qmp->ops->closed(qmp->data, error);
	}
}

static int handle_deadline(sd_event_source *source, uint64_t usec, void *data)
{
	struct qmp_call *call = data;
	struct qmp *qmp = call->qmp;

	qmp_enter(qmp);
	call_finish(call, -ETIMEDOUT, NULL, NULL);
	return qmp_leave(qmp);
}

static ssize_t message_send(struct qmp *qmp, const struct qmp_message *message)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = {
		.iov_base = message->text + message->written,
		.iov_len = message->size - message->written,
	};
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

	if (message->fd >= 0) {
		header.msg_control = &control;
		header.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &message->fd, sizeof(int));
	}
	return sendmsg(qmp->fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Writes what the socket takes. Returns 0 or -errno. */
static int qmp_flush(struct qmp *qmp)
{
	while (!list_empty(&qmp->queue)) {
		struct qmp_message *message =
			container_of(qmp->queue.next, struct qmp_message, link);
		ssize_t n = message_send(qmp, message);

		if (n < 0) {
			return errno == EAGAIN ? 0 : errno == EINTR ? 0 : -errno;
		}
		if (message->fd >= 0) {
			close(take_fd(message->fd));
		}
		message->written += (size_t)n;
		if (message->written == message->size) {
			message_free(qmp, message);
		}
	}
	return 0;
}

static int qmp_update_events(struct qmp *qmp)
{
	uint32_t events = EPOLLIN | (list_empty(&qmp->queue) ? 0 : EPOLLOUT);

	return qmp->io ? sd_event_source_set_io_events(qmp->io, events) : 0;
}

static int qmp_enqueue(struct qmp *qmp, const json_t *object, int fd)
{
	struct qmp_message *message = calloc(1, sizeof(*message));
	_cleanup_free_ char *text = json_dumps(object, JSON_COMPACT);
	int r = 0;

	if (!message || !text || asprintf(&message->text, "%s\n", text) < 0) {
		free(message);
		return -ENOMEM;
	}
	message->size = strlen(message->text);
	message->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	list_append(&qmp->queue, &message->link);
	qmp->queued += message->size;
	if (fd >= 0 && message->fd < 0) {
		r = -errno;
	} else if (qmp->queued > QMP_QUEUE_MAX) {
		r = -ENOBUFS;
	}
	if (r < 0) {
		message_free(qmp, message);
		return r;
	}
	return qmp_update_events(qmp);
}

DEFINE_CLEANUP(json_t *, json_decref)
#define _cleanup_json_ _cleanup_(json_decref_ptr)

/* A failure to write shows when the loop reads: the caller is never called back from here. */
static int qmp_send(struct qmp *qmp, const char *command, json_t *args, int fd, uint64_t usec,
		    qmp_reply_fn reply, void *data)
{
	_cleanup_json_ json_t *object =
		json_pack("{s:s, s:I, s:o*}", "execute", command, "id", qmp->last_id + 1,
			  "arguments", args);
	struct qmp_call *call;
	int r = 0;

	if (!object) {
		return -ENOMEM;
	}
	if (qmp->n_calls >= QMP_CALLS_MAX) {
		return -ENOBUFS;
	}
	call = calloc(1, sizeof(*call));
	if (!call) {
		return -ENOMEM;
	}
	call->qmp = qmp;
	call->id = ++qmp->last_id;
	call->reply = reply;
	call->data = data;
	list_append(&qmp->calls, &call->link);
	qmp->n_calls++;
	if (usec != QMP_WAIT_FOREVER) {
		r = sd_event_add_time_relative(qmp->event, &call->deadline, CLOCK_MONOTONIC, usec,
					       1000, handle_deadline, call);
	}
	if (r >= 0) {
		r = qmp_enqueue(qmp, object, fd);
	}
	if (r < 0) {
		call_free(call);
	}
	return r < 0 ? r : 0;
}

int qmp_call(struct qmp *qmp, const char *command, json_t *args, int fd, uint64_t usec,
	     qmp_reply_fn reply, void *data)
{
	if (qmp->state != QMP_STATE_READY) {
		json_decref(args);
		return -ENOTCONN;
	}
	return qmp_send(qmp, command, args, fd, usec, reply, data);
}

void qmp_cancel(struct qmp *qmp, const void *data)
{
	struct qmp_call *call;

	if (!qmp) {
		return;
	}
	list_for_each(call, &qmp->calls, link) {
		if (call->data == data) {
			call->reply = NULL;
		}
	}
}

static void capabilities_reply(void *data, int error, const json_t *result, const char *text)
{
	struct qmp *qmp = data;

	if (qmp_is_over(qmp)) {
		return;
	}
	if (error) {
		qmp_close(qmp, -EPROTO);
		return;
	}
	qmp->state = QMP_STATE_READY;
	qmp->ops->ready(qmp->data);
}

static int take_greeting(struct qmp *qmp, const json_t *object)
{
	if (!json_is_object(json_object_get(object, "QMP"))) {
		return -EPROTO;
	}
	qmp->state = QMP_STATE_NEGOTIATING;
	return qmp_send(qmp, "qmp_capabilities", NULL, -1, QMP_WAIT_FOREVER, capabilities_reply,
			qmp);
}

static int take_event(struct qmp *qmp, const json_t *object)
{
	const char *name = json_string_value(json_object_get(object, "event"));
	const json_t *args = json_object_get(object, "data");

	if (!name || (args && !json_is_object(args))) {
		return -EPROTO;
	}
	/* An earlier client's events may come before our capabilities are agreed on. */
	if (qmp->state == QMP_STATE_READY) {
		qmp->ops->event(qmp->data, name, args);
	}
	return 0;
}

static struct qmp_call *find_call(struct qmp *qmp, const json_t *id)
{
	struct qmp_call *call;

	list_for_each(call, &qmp->calls, link) {
		if (json_is_integer(id) && call->id == json_integer_value(id)) {
			return call;
		}
	}
	return NULL;
}

static int take_answer(struct qmp *qmp, const json_t *object)
{
	const json_t *error = json_object_get(object, "error");
	const json_t *result = json_object_get(object, "return");
	const char *text = json_string_value(json_object_get(error, "desc"));
	const json_t *id = json_object_get(object, "id");
	struct qmp_call *call = find_call(qmp, id);

	if (!error == !result) {
		return -EPROTO;
	}
	if (call) {
		call_finish(call, error ? -EREMOTEIO : 0, result, text);
		return 0;
	}
	/* Late: its deadline has passed. An id that was never given is a broken promise, and so is
	 * an answer without one (QEMU's complaint about a command that it could not read). */
	if (!json_is_integer(id) || json_integer_value(id) < 1 ||
	    json_integer_value(id) > qmp->last_id) {
		return -EPROTO;
	}
	return 0;
}

static int take_line(struct qmp *qmp, const char *line, size_t size)
{
	_cleanup_json_ json_t *object = NULL;

	while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == ' ')) {
		size--;
	}
	if (size == 0) {
		return 0;
	}
	object = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(object)) {
		return -EPROTO;
	}
	if (qmp->state == QMP_STATE_GREETING) {
		return take_greeting(qmp, object);
	}
	return json_object_get(object, "event") ? take_event(qmp, object)
						: take_answer(qmp, object);
}

/* Splits what has come into lines; start is where the new bytes begin. */
static int take_bytes(struct qmp *qmp, size_t start)
{
	size_t done = 0;
	char *end;
	int r = 0;

	while (r >= 0 && !qmp_is_over(qmp) &&
	       (end = memchr(qmp->line + start, '\n', qmp->length - start))) {
		size_t next = (size_t)(end - qmp->line) + 1;

		r = take_line(qmp, qmp->line + done, next - 1 - done);
		done = start = next;
	}
	memmove(qmp->line, qmp->line + done, qmp->length - done);
	qmp->length -= done;
	return r;
}

/* Room for one turn behind what is there, and no more than a longest line in all. */
static int reserve_line(struct qmp *qmp)
{
	size_t wanted = qmp->length + TURN_BYTES;
	char *grown;

	if (wanted > QMP_LINE_MAX + TURN_BYTES) {
		return -EPROTO;
	}
	if (wanted <= qmp->allocated) {
		return 0;
	}
	grown = realloc(qmp->line, wanted);
	if (!grown) {
		return -ENOMEM;
	}
	qmp->line = grown;
	qmp->allocated = wanted;
	return 0;
}

static int qmp_read(struct qmp *qmp)
{
	size_t start = qmp->length;
	int r = reserve_line(qmp);
	ssize_t n;

	if (r < 0) {
		return r;
	}
	/* Descriptors that QEMU might send along are not asked for and closed by the kernel. */
	n = recv(qmp->fd, qmp->line + start, TURN_BYTES, MSG_DONTWAIT);
	if (n < 0) {
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	}
	if (n == 0) {
		return -ECONNRESET;
	}
	qmp->length += (size_t)n;
	return take_bytes(qmp, start);
}

static int handle_io(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct qmp *qmp = data;
	int r = 0;

	qmp_enter(qmp);
	if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		r = qmp_read(qmp);
	}
	if (r >= 0 && !qmp_is_over(qmp)) {
		r = qmp_flush(qmp);
	}
	if (r >= 0 && !qmp_is_over(qmp)) {
		r = qmp_update_events(qmp);
	}
	if (r < 0) {
		qmp_close(qmp, r == -EPIPE ? -ECONNRESET : r);
	}
	return qmp_leave(qmp);
}

DEFINE_CLEANUP(struct qmp *, qmp_destroy)

int qmp_create(sd_event *event, int fd, const struct qmp_ops *ops, void *data, struct qmp **out)
{
	_cleanup_(qmp_destroy_ptr) struct qmp *qmp = calloc(1, sizeof(*qmp));
	int r;

	if (!qmp) {
		close(fd);
		return -ENOMEM;
	}
	list_init(&qmp->calls);
	list_init(&qmp->queue);
	qmp->event = sd_event_ref(event);
	qmp->fd = fd;
	qmp->ops = ops;
	qmp->data = data;
	r = sd_event_add_io(event, &qmp->io, fd, EPOLLIN, handle_io, qmp);
	if (r < 0) {
		return r;
	}
	*out = take_ptr(qmp);
	return 0;
}
