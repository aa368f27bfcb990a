// SPDX-License-Identifier: MIT
/* Requests to the broker that are not answered yet; see broker_queue.h. */
#include "passthrough/broker_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cleanup.h"

struct broker_entry {
	struct list link; /* broker_queue::requests */
	struct broker_request request;
	int fd; /* a copy of our own, until it is sent */
	bool sent;
	broker_reply_fn reply; /* NULL: nobody wants to know any more */
	void *data;
};

void broker_queue_init(struct broker_queue *queue)
{
	*queue = (struct broker_queue){ 0 };
	list_init(&queue->requests);
}

static void entry_free(struct broker_queue *queue, struct broker_entry *entry)
{
	list_remove(&entry->link);
	queue->count--;
	if (entry->fd >= 0) {
		close(entry->fd);
	}
	free(entry);
}

void broker_queue_clear(struct broker_queue *queue)
{
	struct broker_entry *entry, *next;

	list_for_each_safe(entry, next, &queue->requests, link) {
		entry_free(queue, entry);
	}
}

/* 0 is for what nobody asked. */
static uint32_t next_serial(struct broker_queue *queue)
{
	if (++queue->last_serial == 0) {
		queue->last_serial = 1;
	}
	return queue->last_serial;
}

int broker_queue_add(struct broker_queue *queue, const struct broker_request *request, int fd,
		     broker_reply_fn reply, void *data)
{
	_cleanup_close_ int copy = -1;
	struct broker_entry *entry;

	if (queue->count >= BROKER_CLIENT_REQUESTS_MAX) {
		return -ENOBUFS;
	}
	if (fd >= 0 && (copy = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0) {
		return -errno;
	}
	entry = calloc(1, sizeof(*entry));
	if (!entry) {
		return -ENOMEM;
	}
	entry->request = *request;
	entry->request.serial = next_serial(queue);
	entry->fd = take_fd(copy);
	entry->reply = reply;
	entry->data = data;
	list_append(&queue->requests, &entry->link);
	queue->count++;
	return 0;
}

static ssize_t entry_send(int fd, const struct broker_entry *entry)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = {
		.iov_base = (void *)&entry->request,
		.iov_len = sizeof(entry->request),
	};
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

	if (entry->fd >= 0) {
		header.msg_control = &control;
		header.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &entry->fd, sizeof(int));
	}
	return sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int broker_queue_write(struct broker_queue *queue, int fd)
{
	struct broker_entry *entry;

	list_for_each(entry, &queue->requests, link) {
		if (entry->sent) {
			continue;
		}
		if (entry_send(fd, entry) < 0) {
			return errno == EAGAIN || errno == EINTR ? 1 : -errno;
		}
		entry->sent = true;
		if (entry->fd >= 0) {
			close(take_fd(entry->fd));
		}
	}
	return 0;
}

/* Takes the request out before its callback, which may send another one. */
static void entry_finish(struct broker_queue *queue, struct broker_entry *entry,
			 const struct broker_message *done)
{
	broker_reply_fn reply = entry->reply;
	void *data = entry->data;

	entry_free(queue, entry);
	if (reply) {
		reply(data, done);
	}
}

static struct broker_entry *find_sent(struct broker_queue *queue, uint32_t serial)
{
	struct broker_entry *entry;

	list_for_each(entry, &queue->requests, link) {
		if (entry->request.serial == serial && entry->sent) {
			return entry;
		}
	}
	return NULL;
}

int broker_queue_answer(struct broker_queue *queue, const struct broker_message *message)
{
	struct broker_entry *entry = find_sent(queue, message->serial);
	bool wanted = entry && entry->reply;

	if (!entry) {
		return -EPROTO;
	}
	if (message->kind == BROKER_DONE) {
		entry_finish(queue, entry, message);
	} else if (wanted) {
		entry->reply(entry->data, message);
	}
	return wanted ? 0 : 1;
}

void broker_queue_fail(struct broker_queue *queue, int error, const char *text)
{
	struct broker_message done = { .kind = BROKER_DONE, .error = error };

	snprintf(done.text, sizeof(done.text), "%s", text);
	while (!list_empty(&queue->requests)) {
		struct broker_entry *entry =
			container_of(queue->requests.next, struct broker_entry, link);

		done.serial = entry->request.serial;
		done.slot = entry->request.slot;
		entry_finish(queue, entry, &done);
	}
}

void broker_queue_cancel(struct broker_queue *queue, const void *data)
{
	struct broker_entry *entry;

	list_for_each(entry, &queue->requests, link) {
		if (entry->data == data) {
			entry->reply = NULL;
		}
	}
}
