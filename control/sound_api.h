/* SPDX-License-Identifier: MIT */
/* The methods of the D-Bus API about sound: SetVolume and SetMicrophone. */
#ifndef CONTROL_SOUND_API_H
#define CONTROL_SOUND_API_H

#include <systemd/sd-bus.h>

/* data is the struct control. */
int sound_api_volume(sd_bus_message *call, void *data, sd_bus_error *error);
int sound_api_microphone(sd_bus_message *call, void *data, sd_bus_error *error);

#endif
