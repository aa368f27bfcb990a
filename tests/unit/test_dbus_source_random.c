// SPDX-License-Identifier: MIT
/*
 * The display source under random messages, mostly sane and sometimes not, over memory that shrinks
 * and grows: every pixel of what it shows can be read at any time.
 */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/unit/fake_display.h"

static uint64_t random_state;

static uint32_t random_number(void)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random_state >> 33);
}

/* Mostly sane, sometimes at an edge, sometimes anything. */
static int32_t random_value(void)
{
	static const uint32_t edges[] = { 0,     1,  UINT32_MAX, INT32_MAX,   0x80000000u, 16384,
					  16385, 64, 256,        0x20020888u, 4096,        65536 };

	switch (random_number() % 512) {
	case 0:
		return (int32_t)edges[random_number() % (sizeof(edges) / sizeof(edges[0]))];
	case 1:
		return (int32_t)random_number();
	default:
		return (int32_t)(random_number() % 16 + 1);
	}
}

static void send_random(struct fake_display *qemu, int fd)
{
	uint32_t honest = random_number() % 64;
	int32_t v[6];

	for (size_t i = 0; i < 6; i++) {
		v[i] = random_value();
	}
	if (honest) {
		v[4] = 64;
		v[5] = PIXMAN_x8r8g8b8;
	}
	switch (random_number() % 8) {
	case 0:
		fake_display_map(qemu, fd, (uint32_t)v[0] & ~3u, (uint32_t)v[1], (uint32_t)v[2],
				 (uint32_t)v[4], (uint32_t)v[5]);
		break;
	case 1:
		FAKE_DISPLAY_SEND(qemu, IFACE_MAP, "UpdateMap", "iiii", v[0], v[1], v[2], v[3]);
		break;
	case 2:
		fake_display_bytes(qemu, "Scanout", v, (uint32_t)v[4], (uint32_t)v[5],
				   honest ? 4096 : random_number() % 65536);
		break;
	case 3:
		fake_display_bytes(qemu, "Update", v, (uint32_t)v[4], (uint32_t)v[5],
				   honest ? 4096 : random_number() % 65536);
		break;
	case 4:
		fake_display_cursor(qemu, v[0], v[1], v[2], v[3],
				    honest ? (size_t)(uint32_t)v[0] * (uint32_t)v[1] * 4 % 65536
					   : random_number() % 65536);
		break;
	case 5:
		FAKE_DISPLAY_SEND(qemu, IFACE, "MouseSet", "iii", v[0], v[1], v[2]);
		break;
	case 6:
		fake_display_map(qemu, fd, 0, 16, 16, 64, PIXMAN_x8r8g8b8);
		break;
	default:
		assert_int_equal(ftruncate(fd, 4096 + random_number() % 65536), 0);
		break;
	}
}

/* Reads every pixel as a renderer would. */
static void touch_picture(const struct frame_source *source)
{
	const struct frame *frame = source->frame;
	volatile uint8_t sum = 0;

	if (!frame) {
		return;
	}
	for (uint32_t y = 0; y < frame->height; y++) {
		const uint8_t *row = frame->pixels + (size_t)y * frame->stride;

		sum += row[0] + row[(size_t)frame->width * frame_format_bytes(frame->fourcc) - 1];
	}
}

static void test_random_messages(void **fixture)
{
	const char *given = getenv("BATON_TEST_SEED");
	struct fake_display *qemu;
	int cut_off = 0;

	random_state = given ? strtoull(given, NULL, 0) : clock_now_ns();
	print_message("seed %llu\n", (unsigned long long)random_state);
	for (int round = 0; round < 300; round++) {
		int fd = fake_display_memory(65536);

		if (round > 0) {
			fake_display_teardown(fixture);
			fake_display_setup(fixture);
		}
		qemu = *fixture;
		for (int i = 0; i < 40 && !qemu->closed; i++) {
			send_random(qemu, fd);
			while (sd_event_run(qemu->event, 0) > 0) {
			}
			touch_picture(qemu->source);
		}
		cut_off += qemu->closed;
		close(fd);
	}
	print_message("%d of 300 cut off\n", cut_off);
	/* Neither all honest nor all lies: both ways were gone. */
	assert_in_range(cut_off, 30, 299);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_messages, fake_display_setup,
						fake_display_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
