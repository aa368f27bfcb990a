// SPDX-License-Identifier: MIT
/*
 * The table of keys. Up to KEY_KPDOT the kernel's codes are the bytes of scan code set 1; the rest
 * was read off QEMU 10, which names every number that it knows in its input trace. Names without
 * a number are keys that QEMU cannot pass on; they still may be keys of chords.
 */
#include "input/keymap.h"

#include <linux/input-event-codes.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* clang-format off */
#define K(name, qnum) [KEY_##name] = { #name, qnum }
static const struct {
	const char *name;
	uint8_t qnum;
} keys[] = {
	K(ESC, 0x01), K(1, 0x02), K(2, 0x03), K(3, 0x04), K(4, 0x05), K(5, 0x06), K(6, 0x07),
	K(7, 0x08), K(8, 0x09), K(9, 0x0a), K(0, 0x0b), K(MINUS, 0x0c), K(EQUAL, 0x0d),
	K(BACKSPACE, 0x0e), K(TAB, 0x0f), K(Q, 0x10), K(W, 0x11), K(E, 0x12), K(R, 0x13),
	K(T, 0x14), K(Y, 0x15), K(U, 0x16), K(I, 0x17), K(O, 0x18), K(P, 0x19),
	K(LEFTBRACE, 0x1a), K(RIGHTBRACE, 0x1b), K(ENTER, 0x1c), K(LEFTCTRL, 0x1d), K(A, 0x1e),
	K(S, 0x1f), K(D, 0x20), K(F, 0x21), K(G, 0x22), K(H, 0x23), K(J, 0x24), K(K, 0x25),
	K(L, 0x26), K(SEMICOLON, 0x27), K(APOSTROPHE, 0x28), K(GRAVE, 0x29),
	K(LEFTSHIFT, 0x2a), K(BACKSLASH, 0x2b), K(Z, 0x2c), K(X, 0x2d), K(C, 0x2e), K(V, 0x2f),
	K(B, 0x30), K(N, 0x31), K(M, 0x32), K(COMMA, 0x33), K(DOT, 0x34), K(SLASH, 0x35),
	K(RIGHTSHIFT, 0x36), K(KPASTERISK, 0x37), K(LEFTALT, 0x38), K(SPACE, 0x39),
	K(CAPSLOCK, 0x3a), K(F1, 0x3b), K(F2, 0x3c), K(F3, 0x3d), K(F4, 0x3e), K(F5, 0x3f),
	K(F6, 0x40), K(F7, 0x41), K(F8, 0x42), K(F9, 0x43), K(F10, 0x44), K(NUMLOCK, 0x45),
	K(SCROLLLOCK, 0x46), K(KP7, 0x47), K(KP8, 0x48), K(KP9, 0x49), K(KPMINUS, 0x4a),
	K(KP4, 0x4b), K(KP5, 0x4c), K(KP6, 0x4d), K(KPPLUS, 0x4e), K(KP1, 0x4f), K(KP2, 0x50),
	K(KP3, 0x51), K(KP0, 0x52), K(KPDOT, 0x53), K(ZENKAKUHANKAKU, 0x29), K(102ND, 0x56),
	K(F11, 0x57), K(F12, 0x58), K(RO, 0x73), K(KATAKANA, 0), K(HIRAGANA, 0x77),
	K(HENKAN, 0x79), K(KATAKANAHIRAGANA, 0x70), K(MUHENKAN, 0x7b), K(KPJPCOMMA, 0),
	K(KPENTER, 0x9c), K(RIGHTCTRL, 0x9d), K(KPSLASH, 0xb5), K(SYSRQ, 0x54),
	K(RIGHTALT, 0xb8), K(LINEFEED, 0x5b), K(HOME, 0xc7), K(UP, 0xc8), K(PAGEUP, 0xc9),
	K(LEFT, 0xcb), K(RIGHT, 0xcd), K(END, 0xcf), K(DOWN, 0xd0), K(PAGEDOWN, 0xd1),
	K(INSERT, 0xd2), K(DELETE, 0xd3), K(MACRO, 0), K(MUTE, 0xa0), K(VOLUMEDOWN, 0xae),
	K(VOLUMEUP, 0xb0), K(POWER, 0xde), K(KPEQUAL, 0x59), K(KPPLUSMINUS, 0), K(PAUSE, 0xc6),
	K(SCALE, 0), K(KPCOMMA, 0x7e), K(HANGEUL, 0x72), K(HANJA, 0x71), K(YEN, 0x7d),
	K(LEFTMETA, 0xdb), K(RIGHTMETA, 0xdc), K(COMPOSE, 0xdd), K(STOP, 0xe8), K(AGAIN, 0x85),
	K(PROPS, 0x86), K(UNDO, 0x87), K(FRONT, 0x8c), K(COPY, 0xf8), K(OPEN, 0x64),
	K(PASTE, 0x65), K(FIND, 0xc1), K(CUT, 0xbc), K(HELP, 0xf5), K(MENU, 0x9e),
	K(CALC, 0xa1), K(SETUP, 0), K(SLEEP, 0xdf), K(WAKEUP, 0xe3), K(FILE, 0),
	K(SENDFILE, 0), K(DELETEFILE, 0), K(XFER, 0), K(PROG1, 0), K(PROG2, 0), K(WWW, 0),
	K(MSDOS, 0), K(COFFEE, 0), K(ROTATE_DISPLAY, 0), K(CYCLEWINDOWS, 0), K(MAIL, 0xec),
	K(BOOKMARKS, 0xe6), K(COMPUTER, 0xeb), K(BACK, 0xea), K(FORWARD, 0xe9), K(CLOSECD, 0),
	K(EJECTCD, 0), K(EJECTCLOSECD, 0), K(NEXTSONG, 0x99), K(PLAYPAUSE, 0xa2),
	K(PREVIOUSSONG, 0x90), K(STOPCD, 0xa4), K(RECORD, 0), K(REWIND, 0), K(PHONE, 0),
	K(ISO, 0), K(CONFIG, 0), K(HOMEPAGE, 0xb2), K(REFRESH, 0xe7), K(EXIT, 0), K(MOVE, 0),
	K(EDIT, 0), K(SCROLLUP, 0), K(SCROLLDOWN, 0), K(KPLEFTPAREN, 0), K(KPRIGHTPAREN, 0),
	K(NEW, 0), K(REDO, 0), K(F13, 0x5d), K(F14, 0x5e), K(F15, 0x5f), K(F16, 0x55),
	K(F17, 0x83), K(F18, 0xf7), K(F19, 0x84), K(F20, 0x5a), K(F21, 0x74), K(F22, 0xf9),
	K(F23, 0x6d), K(F24, 0x6f), K(PLAYCD, 0), K(PAUSECD, 0), K(PROG3, 0), K(PROG4, 0),
	K(ALL_APPLICATIONS, 0), K(SUSPEND, 0), K(CLOSE, 0), K(PLAY, 0), K(FASTFORWARD, 0),
	K(BASSBOOST, 0), K(PRINT, 0xb7), K(HP, 0), K(CAMERA, 0), K(SOUND, 0), K(QUESTION, 0),
	K(EMAIL, 0xec), K(CHAT, 0), K(SEARCH, 0), K(CONNECT, 0), K(FINANCE, 0), K(SPORT, 0),
	K(SHOP, 0), K(ALTERASE, 0), K(CANCEL, 0), K(BRIGHTNESSDOWN, 0), K(BRIGHTNESSUP, 0),
	K(MEDIA, 0xed), K(SWITCHVIDEOMODE, 0), K(KBDILLUMTOGGLE, 0), K(KBDILLUMDOWN, 0),
	K(KBDILLUMUP, 0), K(SEND, 0), K(REPLY, 0), K(FORWARDMAIL, 0), K(SAVE, 0),
	K(DOCUMENTS, 0), K(BATTERY, 0), K(BLUETOOTH, 0), K(WLAN, 0), K(UWB, 0),
	K(VIDEO_NEXT, 0), K(VIDEO_PREV, 0), K(BRIGHTNESS_CYCLE, 0), K(BRIGHTNESS_AUTO, 0),
	K(DISPLAY_OFF, 0), K(WWAN, 0), K(RFKILL, 0), K(MICMUTE, 0),};
#undef K

static const struct {
	uint32_t code;
	const char *label;
} labels[] = {
	{ KEY_ESC, "Esc" },
	{ KEY_BACKSPACE, "Backspace" },
	{ KEY_TAB, "Tab" },
	{ KEY_ENTER, "Enter" },
	{ KEY_SPACE, "Space" },
	{ KEY_GRAVE, "`" },
	{ KEY_MINUS, "-" },
	{ KEY_EQUAL, "=" },
	{ KEY_COMMA, "," },
	{ KEY_DOT, "." },
	{ KEY_SLASH, "/" },
	{ KEY_SEMICOLON, ";" },
	{ KEY_LEFTCTRL, "Left Ctrl" },
	{ KEY_RIGHTCTRL, "Right Ctrl" },
	{ KEY_LEFTSHIFT, "Left Shift" },
	{ KEY_RIGHTSHIFT, "Right Shift" },
	{ KEY_LEFTALT, "Left Alt" },
	{ KEY_RIGHTALT, "Right Alt" },
	{ KEY_LEFTMETA, "Left Meta" },
	{ KEY_RIGHTMETA, "Right Meta" },
	{ KEY_COMPOSE, "Menu" },
	{ KEY_CAPSLOCK, "Caps Lock" },
	{ KEY_SCROLLLOCK, "Scroll Lock" },
	{ KEY_NUMLOCK, "Num Lock" },
	{ KEY_SYSRQ, "Print" },
	{ KEY_PAUSE, "Pause" },
	{ KEY_INSERT, "Insert" },
	{ KEY_DELETE, "Delete" },
	{ KEY_HOME, "Home" },
	{ KEY_END, "End" },
	{ KEY_PAGEUP, "Page Up" },
	{ KEY_PAGEDOWN, "Page Down" },
	{ KEY_LEFT, "Left" },
	{ KEY_RIGHT, "Right" },
	{ KEY_UP, "Up" },
	{ KEY_DOWN, "Down" },
};
/* clang-format on */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

uint8_t keymap_qnum(uint32_t code)
{
	return code < COUNT(keys) ? keys[code].qnum : 0;
}

const char *keymap_name(uint32_t code)
{
	return code < COUNT(keys) ? keys[code].name : NULL;
}

const char *keymap_label(uint32_t code)
{
	const char *name = keymap_name(code);

	for (size_t i = 0; i < COUNT(labels); i++) {
		if (labels[i].code == code) {
			return labels[i].label;
		}
	}
	return name ? name : "?";
}

uint32_t keymap_code(const char *name)
{
	if (strncasecmp(name, "KEY_", 4) == 0) {
		name += 4;
	}
	for (uint32_t code = 1; code < COUNT(keys); code++) {
		if (keys[code].name && strcasecmp(keys[code].name, name) == 0) {
			return code;
		}
	}
	return 0;
}
