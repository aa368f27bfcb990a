// SPDX-License-Identifier: MIT
#include "tests/unit/test.h"

#include <string.h>

#include "tests/unit/fake_sink.h"

static struct fake_sink *to_fake(struct input_sink *base)
{
	return (struct fake_sink *)base;
}

static void fake_key(struct input_sink *base, uint32_t code, bool pressed, uint64_t time_ns)
{
	struct fake_sink *sink = to_fake(base);

	assert_true(code < KEY_CNT);
	if (sink->down[code] == pressed) {
		fail_msg("code %u was %s twice", code, pressed ? "pressed" : "released");
	}
	sink->down[code] = pressed;
	*(pressed ? &sink->presses : &sink->releases) += 1;
	sink->last_code = code;
}

static void fake_motion(struct input_sink *base, int32_t dx, int32_t dy, uint64_t time_ns)
{
	struct fake_sink *sink = to_fake(base);

	assert_false(sink->absolute);
	sink->motion_x += dx;
	sink->motion_y += dy;
}

static void fake_absolute(struct input_sink *base, uint32_t x, uint32_t y, uint64_t time_ns)
{
	struct fake_sink *sink = to_fake(base);

	assert_true(sink->absolute);
	sink->x = x;
	sink->y = y;
	sink->positions++;
}

static void fake_wheel(struct input_sink *base, int32_t v120, int32_t h120, uint64_t time_ns)
{
	struct fake_sink *sink = to_fake(base);

	sink->wheel_v += v120;
	sink->wheel_h += h120;
}

static bool fake_is_absolute(struct input_sink *base)
{
	return to_fake(base)->absolute;
}

static void fake_release_all(struct input_sink *base)
{
	to_fake(base)->lifts++;
}

static void fake_destroy(struct input_sink *base)
{
}

static const struct input_sink_ops fake_ops = {
	.key = fake_key,
	.button = fake_key,
	.motion = fake_motion,
	.absolute = fake_absolute,
	.wheel = fake_wheel,
	.is_absolute = fake_is_absolute,
	.release_all = fake_release_all,
	.destroy = fake_destroy,
};

void fake_sink_init(struct fake_sink *sink)
{
	memset(sink, 0, sizeof(*sink));
	sink->base.ops = &fake_ops;
}

unsigned int fake_sink_down(const struct fake_sink *sink)
{
	unsigned int n = 0;

	for (size_t i = 0; i < KEY_CNT; i++) {
		n += sink->down[i];
	}
	return n;
}
