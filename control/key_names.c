// SPDX-License-Identifier: MIT
/* Names of keys, and the US layout; see key_names.h. */
#include "control/key_names.h"

#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* clang-format off */
#define KEY(name) { #name, KEY_##name }

static const struct {
	const char *name;
	int code;
} keys[] = {
	KEY(ESC), KEY(1), KEY(2), KEY(3), KEY(4), KEY(5), KEY(6), KEY(7), KEY(8), KEY(9), KEY(0),
	KEY(MINUS), KEY(EQUAL), KEY(BACKSPACE), KEY(TAB), KEY(Q), KEY(W), KEY(E), KEY(R), KEY(T),
	KEY(Y), KEY(U), KEY(I), KEY(O), KEY(P), KEY(LEFTBRACE), KEY(RIGHTBRACE), KEY(ENTER),
	KEY(LEFTCTRL), KEY(A), KEY(S), KEY(D), KEY(F), KEY(G), KEY(H), KEY(J), KEY(K), KEY(L),
	KEY(SEMICOLON), KEY(APOSTROPHE), KEY(GRAVE), KEY(LEFTSHIFT), KEY(BACKSLASH), KEY(Z),
	KEY(X), KEY(C), KEY(V), KEY(B), KEY(N), KEY(M), KEY(COMMA), KEY(DOT), KEY(SLASH),
	KEY(RIGHTSHIFT), KEY(KPASTERISK), KEY(LEFTALT), KEY(SPACE), KEY(CAPSLOCK), KEY(F1),
	KEY(F2), KEY(F3), KEY(F4), KEY(F5), KEY(F6), KEY(F7), KEY(F8), KEY(F9), KEY(F10),
	KEY(NUMLOCK), KEY(SCROLLLOCK), KEY(KP7), KEY(KP8), KEY(KP9), KEY(KPMINUS), KEY(KP4),
	KEY(KP5), KEY(KP6), KEY(KPPLUS), KEY(KP1), KEY(KP2), KEY(KP3), KEY(KP0), KEY(KPDOT),
	KEY(ZENKAKUHANKAKU), KEY(102ND), KEY(F11), KEY(F12), KEY(RO), KEY(KATAKANA), KEY(HIRAGANA),
	KEY(HENKAN), KEY(KATAKANAHIRAGANA), KEY(MUHENKAN), KEY(KPJPCOMMA), KEY(KPENTER),
	KEY(RIGHTCTRL), KEY(KPSLASH), KEY(SYSRQ), KEY(RIGHTALT), KEY(LINEFEED), KEY(HOME), KEY(UP),
	KEY(PAGEUP), KEY(LEFT), KEY(RIGHT), KEY(END), KEY(DOWN), KEY(PAGEDOWN), KEY(INSERT),
	KEY(DELETE), KEY(MUTE), KEY(VOLUMEDOWN), KEY(VOLUMEUP), KEY(POWER), KEY(KPEQUAL),
	KEY(KPPLUSMINUS), KEY(PAUSE), KEY(SCALE), KEY(KPCOMMA), KEY(HANGEUL), KEY(HANJA), KEY(YEN),
	KEY(LEFTMETA), KEY(RIGHTMETA), KEY(COMPOSE), KEY(STOP), KEY(AGAIN), KEY(PROPS), KEY(UNDO),
	KEY(FRONT), KEY(COPY), KEY(OPEN), KEY(PASTE), KEY(FIND), KEY(CUT), KEY(HELP), KEY(MENU),
	KEY(CALC), KEY(SLEEP), KEY(WAKEUP), KEY(MAIL), KEY(BOOKMARKS), KEY(BACK), KEY(FORWARD),
	KEY(EJECTCD), KEY(NEXTSONG), KEY(PLAYPAUSE), KEY(PREVIOUSSONG), KEY(STOPCD), KEY(REFRESH),
	KEY(SCROLLUP), KEY(SCROLLDOWN), KEY(F13), KEY(F14), KEY(F15), KEY(F16), KEY(F17), KEY(F18),
	KEY(F19), KEY(F20), KEY(F21), KEY(F22), KEY(F23), KEY(F24), KEY(PLAY), KEY(PRINT),
	KEY(SEARCH), KEY(BRIGHTNESSDOWN), KEY(BRIGHTNESSUP), KEY(MEDIA), KEY(MICMUTE),
};

/* The row of each key: unshifted and shifted character. */
static const struct {
	char plain, shifted;
	int code;
} us_layout[] = {
	{ '1', '!', KEY_1 }, { '2', '@', KEY_2 }, { '3', '#', KEY_3 }, { '4', '$', KEY_4 },
	{ '5', '%', KEY_5 }, { '6', '^', KEY_6 }, { '7', '&', KEY_7 }, { '8', '*', KEY_8 },
	{ '9', '(', KEY_9 }, { '0', ')', KEY_0 }, { '-', '_', KEY_MINUS }, { '=', '+', KEY_EQUAL },
	{ 'q', 'Q', KEY_Q }, { 'w', 'W', KEY_W }, { 'e', 'E', KEY_E }, { 'r', 'R', KEY_R },
	{ 't', 'T', KEY_T }, { 'y', 'Y', KEY_Y }, { 'u', 'U', KEY_U }, { 'i', 'I', KEY_I },
	{ 'o', 'O', KEY_O }, { 'p', 'P', KEY_P }, { '[', '{', KEY_LEFTBRACE },
	{ ']', '}', KEY_RIGHTBRACE }, { 'a', 'A', KEY_A }, { 's', 'S', KEY_S },
	{ 'd', 'D', KEY_D }, { 'f', 'F', KEY_F }, { 'g', 'G', KEY_G }, { 'h', 'H', KEY_H },
	{ 'j', 'J', KEY_J }, { 'k', 'K', KEY_K }, { 'l', 'L', KEY_L }, { ';', ':', KEY_SEMICOLON },
	{ '\'', '"', KEY_APOSTROPHE }, { '`', '~', KEY_GRAVE }, { '\\', '|', KEY_BACKSLASH },
	{ 'z', 'Z', KEY_Z }, { 'x', 'X', KEY_X }, { 'c', 'C', KEY_C }, { 'v', 'V', KEY_V },
	{ 'b', 'B', KEY_B }, { 'n', 'N', KEY_N }, { 'm', 'M', KEY_M }, { ',', '<', KEY_COMMA },
	{ '.', '>', KEY_DOT }, { '/', '?', KEY_SLASH }, { ' ', 0, KEY_SPACE },
	{ '\t', 0, KEY_TAB }, { '\n', 0, KEY_ENTER },
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int key_by_name(const char *name)
{
	char *end;
	long code;

	if (!strncasecmp(name, "KEY_", 4)) {
		name += 4;
	}
	for (size_t i = 0; i < COUNT(keys); i++) {
		if (!strcasecmp(keys[i].name, name)) {
			return keys[i].code;
		}
	}
	/* "1" is the key with the 1 on it, which the table has; other numbers are codes. */
	code = strtol(name, &end, 0);
	return *name && !*end && code > 0 && code < KEY_CNT ? (int)code : -1;
}

int key_by_character(char c, bool *shift)
{
	for (size_t i = 0; c && i < COUNT(us_layout); i++) {
		if (us_layout[i].plain == c || us_layout[i].shifted == c) {
			*shift = us_layout[i].shifted == c;
			return us_layout[i].code;
		}
	}
	return -1;
}
