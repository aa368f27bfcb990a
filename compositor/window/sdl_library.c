// SPDX-License-Identifier: MIT
/*
 * The functions of SDL under their own names, each handing its call on to the loaded library. So
 * whoever uses SDL includes its header and calls it as ever; a call before sdl_library_load() is a
 * mistake of ours and ends the program.
 */
#include "compositor/window/sdl_library.h"

#include <SDL2/SDL.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>

#include "common/log.h"

#define SDL_LIBRARY "libSDL2-2.0.so.0"

/* clang-format off */
#define FUNCTIONS(F) \
	F(int, SDL_Init, (Uint32 flags), (flags)) \
	F(void, SDL_Quit, (void), ()) \
	F(const char *, SDL_GetError, (void), ()) \
	F(SDL_bool, SDL_SetHint, (const char *name, const char *value), (name, value)) \
	F(Uint32, SDL_RegisterEvents, (int count), (count)) \
	F(int, SDL_PushEvent, (SDL_Event *event), (event)) \
	F(int, SDL_WaitEvent, (SDL_Event *event), (event)) \
	F(SDL_bool, SDL_HasEvents, (Uint32 first, Uint32 last), (first, last)) \
	F(SDL_Window *, SDL_CreateWindow, \
	  (const char *title, int x, int y, int w, int h, Uint32 flags), \
	  (title, x, y, w, h, flags)) \
	F(void, SDL_DestroyWindow, (SDL_Window *window), (window)) \
	F(int, SDL_GetWindowDisplayMode, (SDL_Window *window, SDL_DisplayMode *mode), \
	  (window, mode)) \
	F(void, SDL_GetWindowSize, (SDL_Window *window, int *w, int *h), (window, w, h)) \
	F(SDL_Surface *, SDL_GetWindowSurface, (SDL_Window *window), (window)) \
	F(void, SDL_SetWindowKeyboardGrab, (SDL_Window *window, SDL_bool grabbed), \
	  (window, grabbed)) \
	F(int, SDL_SetRelativeMouseMode, (SDL_bool enabled), (enabled)) \
	F(int, SDL_ShowCursor, (int toggle), (toggle)) \
	F(void, SDL_StopTextInput, (void), ()) \
	F(int, SDL_UpdateWindowSurface, (SDL_Window *window), (window)) \
	F(int, SDL_UpdateWindowSurfaceRects, \
	  (SDL_Window *window, const SDL_Rect *rects, int count), (window, rects, count)) \
	F(SDL_Surface *, SDL_CreateRGBSurfaceWithFormatFrom, \
	  (void *pixels, int w, int h, int depth, int pitch, Uint32 format), \
	  (pixels, w, h, depth, pitch, format)) \
	F(int, SDL_UpperBlit, \
	  (SDL_Surface *from, const SDL_Rect *what, SDL_Surface *to, SDL_Rect *where), \
	  (from, what, to, where)) \
	F(void, SDL_FreeSurface, (SDL_Surface *surface), (surface))
/* clang-format on */

#define POINTER(type, name, parameters, arguments) static type(*loaded_##name) parameters;
FUNCTIONS(POINTER)

#define FORWARD(type, name, parameters, arguments)                                                 \
	type SDLCALL name parameters                                                               \
	{                                                                                          \
		return loaded_##name arguments;                                                    \
	}
FUNCTIONS(FORWARD)

int sdl_library_load(void)
{
	void *library = dlopen(SDL_LIBRARY, RTLD_NOW | RTLD_LOCAL);
	bool complete = library;

#define RESOLVE(type, name, parameters, arguments)                                                 \
	loaded_##name = library ? (type(*) parameters)dlsym(library, #name) : NULL;                \
	complete = complete && loaded_##name;
	FUNCTIONS(RESOLVE)
	if (!complete) {
		log_error("No window: %s (install libsdl2-2.0-0).", dlerror());
		return -ENOENT;
	}
	return 0;
}
