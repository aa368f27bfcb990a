/* SPDX-License-Identifier: MIT */
/* Requests to the broker that are not answered yet, written or not, in the order of sending. */
#ifndef PASSTHROUGH_BROKER_QUEUE_H
#define PASSTHROUGH_BROKER_QUEUE_H

#include <stdbool.h>

#include "common/list.h"
#include "passthrough/broker_client.h"

struct broker_queue {
	struct list requests;
	unsigned int count;
	uint32_t last_serial;
};

void broker_queue_init(struct broker_queue *queue);
/* Drops all, without an answer. */
void broker_queue_clear(struct broker_queue *queue);

/* As broker_client_request(), but nothing is written yet. */
int broker_queue_add(struct broker_queue *queue, const struct broker_request *request, int fd,
		     broker_reply_fn reply, void *data);

/* Writes what the socket takes. 0, 1 when some of it has to wait, or -errno. */
int broker_queue_write(struct broker_queue *queue, int fd);

/* The request that this message belongs to gets it; with BROKER_DONE it leaves the queue before
 * its callback. 0, 1 when who asked does not want to know any more, -EPROTO when nobody asked. */
int broker_queue_answer(struct broker_queue *queue, const struct broker_message *message);

/* Nobody will answer: each gets its BROKER_DONE with this error and sentence. */
void broker_queue_fail(struct broker_queue *queue, int error, const char *text);

void broker_queue_cancel(struct broker_queue *queue, const void *data);

#endif
