/* SPDX-License-Identifier: MIT */
/* Between the two halves of the made-up PC of fake_kms.h: the card, and the seat with its udev. */
#ifndef TESTS_UNIT_FAKE_SESSION_H
#define TESTS_UNIT_FAKE_SESSION_H

/* By the card's half; the card is there already, or still. */
void fake_session_reset(void);
void fake_session_finish(void);

/* By the seat's half: the card's descriptor, and somebody else shows a picture on it. */
int fake_kms_fd(void);
void fake_kms_take_over(void);

#endif
