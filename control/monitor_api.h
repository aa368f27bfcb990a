/* SPDX-License-Identifier: MIT */
/* The D-Bus API's methods about monitors; private to control/. */
#ifndef CONTROL_MONITOR_API_H
#define CONTROL_MONITOR_API_H

#include <systemd/sd-bus.h>

int monitor_api_list(sd_bus_message *call, void *data, sd_bus_error *error);

#endif
