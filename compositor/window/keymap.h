/* SPDX-License-Identifier: MIT */
/* SDL's names of key positions and mouse buttons as evdev codes. */
#ifndef COMPOSITOR_WINDOW_KEYMAP_H
#define COMPOSITOR_WINDOW_KEYMAP_H

#include <stdint.h>

/* KEY_* for an SDL_Scancode, BTN_* for an SDL mouse button; 0: unknown. */
uint32_t window_key_code(unsigned int scancode);
uint32_t window_button_code(unsigned int button);

#endif
