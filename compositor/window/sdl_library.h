/* SPDX-License-Identifier: MIT */
/*
 * SDL, loaded when a window is opened and not before: it brings some forty libraries along, which a
 * seat on kms would load at each start and never call.
 */
#ifndef COMPOSITOR_WINDOW_SDL_LIBRARY_H
#define COMPOSITOR_WINDOW_SDL_LIBRARY_H

/* Afterwards the functions of SDL2/SDL.h that are used here may be called. 0, or -ENOENT after one
 * logged sentence with the remedy. Stays loaded. */
int sdl_library_load(void);

#endif
