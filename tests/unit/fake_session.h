/* SPDX-License-Identifier: MIT */
/* Between the two halves of the made-up PC of fake_kms.h: the cards, and the seat with its udev. */
#ifndef TESTS_UNIT_FAKE_SESSION_H
#define TESTS_UNIT_FAKE_SESSION_H

/* By the cards' half. */
void fake_session_reset(void);
void fake_session_finish(void);

/* By the seat's half: a card's descriptor; a fresh card in the slot; and somebody else has the seat
 * and shows a picture on all of them, until it is ours again. */
int fake_card_open(unsigned int card);
void fake_card_close(unsigned int card);
void fake_card_plug(unsigned int card);
void fake_kms_take_over(void);
void fake_kms_hand_back(void);

#endif
