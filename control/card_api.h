/* SPDX-License-Identifier: MIT */
/* The methods of the D-Bus API about cards that are lent to guests; bus_api.c has the others. */
#ifndef CONTROL_CARD_API_H
#define CONTROL_CARD_API_H

#include <systemd/sd-bus.h>

/* data is the struct control. */
int card_api_list(sd_bus_message *call, void *data, sd_bus_error *error);
int card_api_give(sd_bus_message *call, void *data, sd_bus_error *error);
int card_api_answer(sd_bus_message *call, void *data, sd_bus_error *error);

#endif
