/* Words for the keys and buttons of a usual keyboard and mouse. */
#include <linux/input-event-codes.h>
#include <stdio.h>

#include "input.h"

static const char *const names[INPUT_KEYS] = {
	[KEY_ESC] = "Escape", [KEY_1] = "1", [KEY_2] = "2", [KEY_3] = "3", [KEY_4] = "4",
	[KEY_5] = "5", [KEY_6] = "6", [KEY_7] = "7", [KEY_8] = "8", [KEY_9] = "9", [KEY_0] = "0",
	[KEY_MINUS] = "minus", [KEY_EQUAL] = "equals", [KEY_BACKSPACE] = "Backspace",
	[KEY_TAB] = "Tab", [KEY_Q] = "Q", [KEY_W] = "W", [KEY_E] = "E", [KEY_R] = "R",
	[KEY_T] = "T", [KEY_Y] = "Y", [KEY_U] = "U", [KEY_I] = "I", [KEY_O] = "O", [KEY_P] = "P",
	[KEY_LEFTBRACE] = "left bracket", [KEY_RIGHTBRACE] = "right bracket",
	[KEY_ENTER] = "Enter", [KEY_LEFTCTRL] = "left Ctrl", [KEY_A] = "A", [KEY_S] = "S",
	[KEY_D] = "D", [KEY_F] = "F", [KEY_G] = "G", [KEY_H] = "H", [KEY_J] = "J", [KEY_K] = "K",
	[KEY_L] = "L", [KEY_SEMICOLON] = "semicolon", [KEY_APOSTROPHE] = "apostrophe",
	[KEY_GRAVE] = "grave", [KEY_LEFTSHIFT] = "left Shift", [KEY_BACKSLASH] = "backslash",
	[KEY_Z] = "Z", [KEY_X] = "X", [KEY_C] = "C", [KEY_V] = "V", [KEY_B] = "B", [KEY_N] = "N",
	[KEY_M] = "M", [KEY_COMMA] = "comma", [KEY_DOT] = "full stop", [KEY_SLASH] = "slash",
	[KEY_RIGHTSHIFT] = "right Shift", [KEY_KPASTERISK] = "keypad *", [KEY_LEFTALT] = "left Alt",
	[KEY_SPACE] = "Space", [KEY_CAPSLOCK] = "Caps Lock", [KEY_F1] = "F1", [KEY_F2] = "F2",
	[KEY_F3] = "F3", [KEY_F4] = "F4", [KEY_F5] = "F5", [KEY_F6] = "F6", [KEY_F7] = "F7",
	[KEY_F8] = "F8", [KEY_F9] = "F9", [KEY_F10] = "F10", [KEY_F11] = "F11", [KEY_F12] = "F12",
	[KEY_NUMLOCK] = "Num Lock", [KEY_SCROLLLOCK] = "Scroll Lock", [KEY_KP0] = "keypad 0",
	[KEY_KP1] = "keypad 1", [KEY_KP2] = "keypad 2", [KEY_KP3] = "keypad 3",
	[KEY_KP4] = "keypad 4", [KEY_KP5] = "keypad 5", [KEY_KP6] = "keypad 6",
	[KEY_KP7] = "keypad 7", [KEY_KP8] = "keypad 8", [KEY_KP9] = "keypad 9",
	[KEY_KPMINUS] = "keypad -", [KEY_KPPLUS] = "keypad +", [KEY_KPDOT] = "keypad dot",
	[KEY_KPENTER] = "keypad Enter", [KEY_KPSLASH] = "keypad /", [KEY_102ND] = "less-than",
	[KEY_RIGHTCTRL] = "right Ctrl", [KEY_SYSRQ] = "Print", [KEY_RIGHTALT] = "right Alt",
	[KEY_HOME] = "Home", [KEY_UP] = "up arrow", [KEY_PAGEUP] = "Page Up",
	[KEY_LEFT] = "left arrow", [KEY_RIGHT] = "right arrow", [KEY_END] = "End",
	[KEY_DOWN] = "down arrow", [KEY_PAGEDOWN] = "Page Down", [KEY_INSERT] = "Insert",
	[KEY_DELETE] = "Delete", [KEY_PAUSE] = "Pause", [KEY_LEFTMETA] = "left Super",
	[KEY_RIGHTMETA] = "right Super", [KEY_COMPOSE] = "Menu", [KEY_POWER] = "Power",
	[KEY_SLEEP] = "Sleep", [KEY_MUTE] = "mute", [KEY_VOLUMEDOWN] = "volume down",
	[KEY_VOLUMEUP] = "volume up", [BTN_LEFT] = "left button", [BTN_RIGHT] = "right button",
	[BTN_MIDDLE] = "middle button", [BTN_SIDE] = "side button", [BTN_EXTRA] = "extra button",
	[BTN_TOUCH] = "touch",
};

const char *key_name(int code)
{
	static char number[16];

	if (code >= 0 && code < INPUT_KEYS && names[code]) {
		return names[code];
	}
	snprintf(number, sizeof(number), "key %d", code);
	return number;
}
