// SPDX-License-Identifier: MIT
/* The kinds of devices; see devices.h. */
#include "input/keeper/devices.h"

#include <linux/input.h>
#include <linux/virtio_input.h>
#include <string.h>

/* Of nobody else's, so that a guest's own rules may name them. */
#define VENDOR 0xba70
#define VERSION 1

struct key_range {
	uint16_t first, last;
};

struct axis {
	uint16_t code;
	bool neutral; /* goes back to 0 */
	int32_t min, max;
	int32_t resolution; /* units per millimetre or radian; systems want one of a pen */
};

#define RANGES_MAX 4
#define AXES_MAX 10

struct kind {
	const char *name;
	uint32_t properties;
	struct key_range keys[RANGES_MAX];
	uint32_t relative; /* 1 << REL_* */
	struct axis axes[AXES_MAX];
	uint32_t leds;
	bool repeats; /* the guest repeats keys by itself */
};

#define PEN_POSITION(code)                                                                         \
	{                                                                                          \
		code, false, 0, INPUT_PEN_MAX, 200                                                 \
	}
#define POSITION(code)                                                                             \
	{                                                                                          \
		code, false, 0, INPUT_POSITION_MAX, 100                                            \
	}
#define STICK(code)                                                                                \
	{                                                                                          \
		code, true, -INPUT_STICK_MAX - 1, INPUT_STICK_MAX, 0                               \
	}
#define TRIGGER(code)                                                                              \
	{                                                                                          \
		code, true, 0, INPUT_TRIGGER_MAX, 0                                                \
	}

#define WHEELS                                                                                     \
	(1u << REL_WHEEL | 1u << REL_HWHEEL | 1u << REL_WHEEL_HI_RES | 1u << REL_HWHEEL_HI_RES)

static const struct kind kinds[INPUT_KINDS] = {
	[INPUT_KIND_KEYBOARD] = {
		.name = "Baton keyboard",
		/* All but the codes of buttons. */
		.keys = { { KEY_ESC, BTN_MISC - 1 }, { KEY_OK, BTN_DPAD_UP - 1 },
			  { KEY_ALS_TOGGLE, BTN_TRIGGER_HAPPY - 1 } },
		.leds = 1u << LED_NUML | 1u << LED_CAPSL | 1u << LED_SCROLLL,
		.repeats = true,
	},
	[INPUT_KIND_POINTER] = {
		.name = "Baton pointer",
		.keys = { { BTN_LEFT, BTN_TASK } },
		.relative = 1u << REL_X | 1u << REL_Y | WHEELS,
	},
	[INPUT_KIND_TABLET] = {
		.name = "Baton tablet",
		/* Two devices have no order between them: what is clicked at a position is of this one. */
		.keys = { { BTN_LEFT, BTN_TASK } },
		.relative = WHEELS,
		.axes = { POSITION(ABS_X), POSITION(ABS_Y) },
	},
	[INPUT_KIND_TOUCH] = {
		.name = "Baton touch screen",
		.properties = 1u << INPUT_PROP_DIRECT,
		.keys = { { BTN_TOUCH, BTN_TOUCH } },
		.axes = { POSITION(ABS_X), POSITION(ABS_Y),
			  { ABS_MT_SLOT, false, 0, INPUT_FINGERS - 1, 0 },
			  { ABS_MT_TRACKING_ID, false, 0, 65535, 0 },
			  POSITION(ABS_MT_POSITION_X), POSITION(ABS_MT_POSITION_Y) },
	},
	[INPUT_KIND_PEN] = {
		.name = "Baton pen",
		.properties = 1u << INPUT_PROP_POINTER,
		.keys = { { BTN_TOOL_PEN, BTN_TOOL_RUBBER }, { BTN_STYLUS3, BTN_STYLUS2 } },
		.axes = { PEN_POSITION(ABS_X), PEN_POSITION(ABS_Y),
			  { ABS_PRESSURE, true, 0, INPUT_PRESSURE_MAX, 0 },
			  { ABS_TILT_X, true, -INPUT_TILT_MAX, INPUT_TILT_MAX, 57 },
			  { ABS_TILT_Y, true, -INPUT_TILT_MAX, INPUT_TILT_MAX, 57 } },
	},
	[INPUT_KIND_GAMEPAD] = {
		.name = "Baton gamepad",
		.keys = { { BTN_SOUTH, BTN_THUMBR }, { BTN_DPAD_UP, BTN_DPAD_RIGHT } },
		.axes = { STICK(ABS_X), STICK(ABS_Y), STICK(ABS_RX), STICK(ABS_RY),
			  TRIGGER(ABS_Z), TRIGGER(ABS_RZ),
			  { ABS_HAT0X, true, -1, 1, 0 }, { ABS_HAT0Y, true, -1, 1, 0 } },
	},
};

/* ---- what it has ---- */

/* Unused ranges and axes are zeros, which are no key, and ABS_X without a range. */
static const struct axis *find_axis(enum input_kind kind, uint16_t code)
{
	for (size_t i = 0; i < AXES_MAX && kinds[kind].axes[i].max; i++) {
		if (kinds[kind].axes[i].code == code) {
			return &kinds[kind].axes[i];
		}
	}
	return NULL;
}

static bool has_key(enum input_kind kind, uint16_t code)
{
	for (size_t i = 0; i < RANGES_MAX && kinds[kind].keys[i].first; i++) {
		if (code >= kinds[kind].keys[i].first && code <= kinds[kind].keys[i].last) {
			return true;
		}
	}
	return false;
}

bool device_has(enum input_kind kind, uint16_t type, uint16_t code)
{
	switch (type) {
	case EV_KEY:
		return has_key(kind, code);
	case EV_REL:
		return code < 32 && kinds[kind].relative & 1u << code;
	case EV_ABS:
		return find_axis(kind, code);
	case EV_LED:
		return code < 32 && kinds[kind].leds & 1u << code;
	case EV_REP:
		return kinds[kind].repeats && code <= REP_MAX;
	default:
		return false;
	}
}

bool device_neutral(enum input_kind kind, uint16_t code, int32_t *value)
{
	const struct axis *axis = find_axis(kind, code);

	*value = 0;
	return axis && axis->neutral;
}

/* ---- how a driver asks ---- */

static size_t write_text(const char *text, uint8_t *out)
{
	memcpy(out, text, strlen(text));
	return strlen(text);
}

static size_t write_ids(enum input_kind kind, uint8_t *out)
{
	const struct virtio_input_devids ids = {
		.bustype = BUS_VIRTUAL,
		.vendor = VENDOR,
		.product = (uint16_t)(kind + 1),
		.version = VERSION,
	};

	memcpy(out, &ids, sizeof(ids));
	return sizeof(ids);
}

static size_t write_properties(enum input_kind kind, uint8_t *out)
{
	out[0] = (uint8_t)kinds[kind].properties;
	return out[0] ? 1 : 0;
}

/* Trailing zeros are left out. */
static size_t write_bits(enum input_kind kind, uint16_t type, uint8_t *out)
{
	size_t size = 0;

	for (uint16_t code = 0; code < DEVICE_CONFIG_MAX * 8; code++) {
		if (device_has(kind, type, code)) {
			out[code / 8] |= (uint8_t)(1u << code % 8);
			size = code / 8 + 1u;
		}
	}
	return size;
}

static size_t write_axis(enum input_kind kind, uint8_t code, uint8_t *out)
{
	const struct axis *axis = find_axis(kind, code);
	struct virtio_input_absinfo info;

	if (!axis) {
		return 0;
	}
	info = (struct virtio_input_absinfo){
		.min = (uint32_t)axis->min,
		.max = (uint32_t)axis->max,
		.res = (uint32_t)axis->resolution,
	};
	memcpy(out, &info, sizeof(info));
	return sizeof(info);
}

size_t device_config(enum input_kind kind, uint8_t select, uint8_t subselect,
		     uint8_t out[DEVICE_CONFIG_MAX])
{
	memset(out, 0, DEVICE_CONFIG_MAX);
	if (select != VIRTIO_INPUT_CFG_EV_BITS && select != VIRTIO_INPUT_CFG_ABS_INFO &&
	    subselect != 0) {
		return 0;
	}
	switch (select) {
	case VIRTIO_INPUT_CFG_ID_NAME:
		return write_text(kinds[kind].name, out);
	case VIRTIO_INPUT_CFG_ID_DEVIDS:
		return write_ids(kind, out);
	case VIRTIO_INPUT_CFG_PROP_BITS:
		return write_properties(kind, out);
	case VIRTIO_INPUT_CFG_EV_BITS:
		return write_bits(kind, subselect, out);
	case VIRTIO_INPUT_CFG_ABS_INFO:
		return write_axis(kind, subselect, out);
	default:
		return 0;
	}
}
