/* SPDX-License-Identifier: MIT */
/* Checks what came from the broker's socket, before anybody believes it. */
#ifndef PASSTHROUGH_BROKER_MESSAGE_H
#define PASSTHROUGH_BROKER_MESSAGE_H

#include <stddef.h>

#include "proto/broker.h"

/*
 * 0, or -EPROTO: not as long as a message, of an unknown kind, with an error that is none, a count
 * beyond its array or a string that does not end. Whose serial it carries is the caller's matter.
 */
int broker_message_check(const struct broker_message *message, size_t size);

#endif
