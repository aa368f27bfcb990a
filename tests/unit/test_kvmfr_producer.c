// SPDX-License-Identifier: MIT
/* Our own producer of shared memory, as a consumer that goes by the bytes sees it. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/kvmfr_producer.h"
#include "agent/lgmp_producer.h"

#define SIZE (512u * 1024u)
#define FRAME_SIZE 65536u

struct fixture {
	uint8_t *memory;
	struct lgmp_header *header;
	struct kvmfr_producer *producer;
	uint32_t version;
};

static const struct kvmfr_producer_config config_b7 = {
	.version = KVMFR_VERSION_B7,
	.producer = "a version of more than thirty-two characters",
	.uuid = (const uint8_t *)"0123456789abcdef",
	.capture = "DRM",
	.os = KVMFR_OS_LINUX,
	.os_name = "Debian",
	.cursor_size = 4096,
	.frame_size = FRAME_SIZE,
};

static int set_up(void **state, uint32_t version)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct kvmfr_producer_config config = config_b7;

	assert_non_null(f);
	config.version = f->version = version;
	f->memory = aligned_alloc(4096, SIZE);
	assert_non_null(f->memory);
	memset(f->memory, 0xa5, SIZE);
	f->header = (struct lgmp_header *)f->memory;
	assert_int_equal(kvmfr_producer_create(f->memory, SIZE, &config, 1000, &f->producer), 0);
	*state = f;
	return 0;
}

static int set_up_b7(void **state)
{
	return set_up(state, KVMFR_VERSION_B7);
}

static int set_up_b6(void **state)
{
	return set_up(state, KVMFR_VERSION_B6);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	kvmfr_producer_destroy(f->producer);
	free(f->memory);
	free(f);
	return 0;
}

static uint32_t word(const struct fixture *f, size_t offset)
{
	uint32_t value;

	memcpy(&value, f->memory + offset, sizeof(value));
	return value;
}

/* By hand what a consumer does: bit n of the queue. */
static void subscribe(struct fixture *f, unsigned int queue, unsigned int n)
{
	f->header->queues[queue].subscribers |= 1ull << (32 + n);
	f->header->queues[queue].client_id[n] = 77 + n;
	f->header->queues[queue].new_subscribers++;
}

static struct kvmfr_picture a_picture(void)
{
	return (struct kvmfr_picture){
		.format = KVMFR_FORMAT_BGRA, .width = 100, .height = 50, .pitch = 512
	};
}

static void test_the_layout(void **state)
{
	struct fixture *f = *state;

	assert_memory_equal(f->memory, "LGMP", 4);
	assert_int_equal(word(f, 4), f->version == KVMFR_VERSION_B7 ? 6 : 5);
	assert_int_equal(word(f, 24), 2);
	/* The frame queue is the first, with 3 slots; the pointer's has 21. */
	assert_int_equal(word(f, 32), 2);
	assert_int_equal(word(f, 36), 3);
	assert_int_equal(word(f, 44), 1000);
	assert_int_equal(word(f, 32 + 1144), 1);
	assert_int_equal(word(f, 36 + 1144), 21);
	assert_int_equal(word(f, 32 + 448), 10);

	assert_memory_equal(f->memory + 5756, "KVMFR---", 8);
	assert_int_equal(word(f, 5756 + 8), f->version);
	assert_memory_equal(f->memory + 5756 + 12, "a version of more than thirty-tw", 32);
	assert_int_equal(word(f, 5756 + 44), 1);
	assert_int_equal(f->memory[5756 + 48], 1);
	assert_memory_equal(f->memory + 5756 + 56, "0123456789abcdefDRM", 20);
	/* The next record follows without padding: 8 + 51 + "" there. */
	assert_int_equal(f->memory[5756 + 48 + 8 + 52], 2);
	assert_memory_equal(f->memory + 5756 + 48 + 8 + 52 + 8, "\0Debian", 8);
	assert_int_equal(word(f, 5752), 48 + 8 + 52 + 8 + 8);
}

static void test_a_frame(void **state)
{
	struct fixture *f = *state;
	struct kvmfr_picture picture = a_picture();
	const struct kvmfr_rect damage = { 1, 2, 3, 4 };
	uint32_t slot = word(f, 32 + 20), header;
	bool b7 = f->version == KVMFR_VERSION_B7;
	uint8_t *pixels;

	assert_int_equal(kvmfr_producer_begin(f->producer, &picture, &pixels), -ENOTCONN);
	assert_int_equal(kvmfr_producer_repeat(f->producer), -ENODATA);
	assert_false(kvmfr_producer_is_watched(f->producer));
	subscribe(f, 0, 0);
	subscribe(f, 0, 5);
	assert_true(kvmfr_producer_is_watched(f->producer));
	assert_true(kvmfr_producer_has_newcomer(f->producer));
	assert_false(kvmfr_producer_has_newcomer(f->producer));

	picture.damage = &damage;
	picture.damage_count = 1;
	picture.flags = KVMFR_FRAME_ACTIVATE;
	assert_int_equal(kvmfr_producer_begin(f->producer, &picture, &pixels), 0);
	header = word(f, slot + 8);
	assert_int_equal(word(f, slot + 12), 0x21);
	assert_int_equal(header % 4096, 0);
	assert_int_equal(word(f, slot + 4), 4096 + FRAME_SIZE);
	assert_int_equal(word(f, header + 8), KVMFR_FORMAT_BGRA);
	assert_int_equal(word(f, header + (b7 ? 28 : 20)), 100);
	assert_int_equal(word(f, header + (b7 ? 32 : 24)), 50);
	assert_int_equal(word(f, header + (b7 ? 40 : 32)), 128);
	assert_int_equal(word(f, header + (b7 ? 44 : 36)), 512);
	assert_int_equal(word(f, header + (b7 ? 48 : 40)), 4092);
	assert_int_equal(word(f, header + (b7 ? 52 : 44)), 1);
	assert_int_equal(word(f, header + (b7 ? 56 : 48) + 12), 4);
	assert_int_equal(word(f, header + (b7 ? 1080 : 1072)), KVMFR_FRAME_ACTIVATE);
	assert_ptr_equal(pixels, f->memory + header + 4096);
	assert_int_equal(word(f, header + 4092), 0);
	kvmfr_producer_advance(f->producer, 4);
	assert_int_equal(word(f, header + 4092), 4);
	kvmfr_producer_end(f->producer);
	assert_int_equal(word(f, header + 4092), 512 * 50);
}

static void test_two_buffers(void **state)
{
	struct fixture *f = *state;
	struct kvmfr_picture picture = a_picture();
	uint8_t *first, *second, *third;
	uint32_t slot = word(f, 32 + 20);

	subscribe(f, 0, 0);
	assert_int_equal(kvmfr_producer_begin(f->producer, &picture, &first), 0);
	assert_true(kvmfr_producer_has_room(f->producer));
	assert_int_equal(kvmfr_producer_begin(f->producer, &picture, &second), 0);
	assert_ptr_not_equal(first, second);
	assert_int_equal(kvmfr_producer_begin(f->producer, &picture, &third), -ENOBUFS);
	/* The consumer clears its bit, and the producer finds that. */
	f->header->queues[0].lock = 0;
	memset(f->memory + slot + 12, 0, 4);
	assert_int_equal(kvmfr_producer_tick(f->producer, 1010), 0);
	assert_true(kvmfr_producer_has_room(f->producer));
	assert_true(kvmfr_producer_is_read(f->producer));
	assert_ptr_equal(kvmfr_producer_next(f->producer), first);
	assert_int_equal(kvmfr_producer_begin(f->producer, &picture, &third), 0);
	assert_ptr_equal(first, third);

	picture.height = 1000;
	assert_int_equal(kvmfr_producer_begin(f->producer, &picture, &third), -EMSGSIZE);
}

/* Once nobody reads it any more. */
static void test_the_last_picture_is_changed_in_place(void **state)
{
	struct fixture *f = *state;
	struct kvmfr_picture picture = a_picture();
	uint32_t slot = word(f, 32 + 20);
	uint8_t *first, *second;

	subscribe(f, 0, 0);
	subscribe(f, 0, 1);
	assert_int_equal(kvmfr_producer_begin(f->producer, &picture, &first), 0);
	/* One of two has read it. */
	f->memory[slot + 12] = 1;
	assert_int_equal(kvmfr_producer_tick(f->producer, 1010), 0);
	assert_ptr_not_equal(kvmfr_producer_next(f->producer), first);
	f->memory[slot + 12] = 0;
	assert_int_equal(kvmfr_producer_tick(f->producer, 1020), 0);
	assert_false(kvmfr_producer_is_read(f->producer));
	assert_ptr_equal(kvmfr_producer_next(f->producer), first);
	assert_int_equal(kvmfr_producer_begin(f->producer, &picture, &second), 0);
	assert_ptr_equal(first, second);
}

/* Its header was written over it; who has just come must not take that for a picture. */
static void test_a_picture_that_could_not_be_sent_is_not_repeated(void **state)
{
	struct fixture *f = *state;
	struct lgmp_queue *queue = &f->header->queues[0];
	struct kvmfr_picture picture = a_picture();
	uint32_t slot = word(f, 32 + 20);
	uint8_t *pixels;

	subscribe(f, 0, 0);
	assert_int_equal(kvmfr_producer_begin(f->producer, &picture, &pixels), 0);
	kvmfr_producer_end(f->producer);
	f->memory[slot + 12] = 0;
	assert_int_equal(kvmfr_producer_tick(f->producer, 1010), 0);
	queue->lock = 1;
	assert_int_equal(kvmfr_producer_begin(f->producer, &picture, &pixels), -EBUSY);
	queue->lock = 0;
	assert_int_equal(kvmfr_producer_repeat(f->producer), -ENODATA);
	assert_int_equal(kvmfr_producer_begin(f->producer, &picture, &pixels), 0);
	kvmfr_producer_end(f->producer);
	assert_int_equal(kvmfr_producer_repeat(f->producer), 0);
}

static void test_a_slow_reader(void **state)
{
	struct fixture *f = *state;
	struct lgmp_queue *queue = &f->header->queues[0];
	struct kvmfr_picture picture = a_picture();
	uint8_t *pixels;

	subscribe(f, 0, 3);
	assert_int_equal(kvmfr_producer_begin(f->producer, &picture, &pixels), 0);
	assert_int_equal(kvmfr_producer_tick(f->producer, 2000), 0);
	assert_int_equal(queue->count, 1);
	assert_int_equal(kvmfr_producer_tick(f->producer, 2001), 0);
	assert_int_equal(queue->count, 0);
	assert_int_equal(LGMP_SUBSCRIBERS_BAD(queue->subscribers), 8);
	assert_int_equal(queue->timeout[3], 3001);
	/* It is sent nothing more. */
	assert_false(kvmfr_producer_is_watched(f->producer));
	assert_int_equal(kvmfr_producer_repeat(f->producer), -ENOTCONN);
}

static void test_locks(void **state)
{
	struct fixture *f = *state;
	struct lgmp_queue *queue = &f->header->queues[0];
	struct kvmfr_picture picture = a_picture();
	uint32_t session = f->header->session;
	uint8_t *pixels;

	/* In B6 a lock is a byte, and what stands beside it is of no account. */
	subscribe(f, 0, 0);
	queue->lock = f->version == KVMFR_VERSION_B7 ? 1 : 0xffffff01;
	assert_int_equal(kvmfr_producer_begin(f->producer, &picture, &pixels), -EBUSY);
	if (f->version == KVMFR_VERSION_B6) {
		queue->lock = 0xffffff00;
		assert_int_equal(kvmfr_producer_begin(f->producer, &picture, &pixels), 0);
		assert_int_equal(queue->lock, 0xffffff00);
		queue->lock = 1;
	}
	/* Somebody died with it: another session begins after a second. */
	assert_int_equal(kvmfr_producer_tick(f->producer, 1100), 0);
	assert_int_equal(kvmfr_producer_tick(f->producer, 2100), 0);
	assert_int_equal(kvmfr_producer_tick(f->producer, 2101), 1);
	assert_int_equal(queue->lock, 0);
	assert_int_not_equal(f->header->session, session);
	assert_false(kvmfr_producer_is_watched(f->producer));
}

static void test_a_wiped_header(void **state)
{
	struct fixture *f = *state;

	memset(f->memory, 0, 8192);
	assert_int_equal(kvmfr_producer_tick(f->producer, 1010), 1);
	test_the_layout(state);
	assert_int_equal(kvmfr_producer_tick(f->producer, 1020), 0);
}

static void test_requests(void **state)
{
	struct fixture *f = *state;
	struct lgmp_queue *queue = &f->header->queues[1];
	struct kvmfr_request_set_cursor request = { KVMFR_REQUEST_SET_CURSOR, 3, -4 };
	int32_t x, y;

	assert_false(kvmfr_producer_take_request(f->producer, &x, &y));
	for (unsigned int i = 0; i < 25; i++) {
		request.x = (int32_t)i;
		queue->client_messages[i % 10].size = sizeof(request);
		memcpy(queue->client_messages[i % 10].payload, &request, sizeof(request));
		queue->client_free--;
		assert_true(kvmfr_producer_take_request(f->producer, &x, &y));
		assert_int_equal(x, i);
		assert_int_equal(y, -4);
		assert_int_equal(queue->client_processed, i + 1);
	}
	queue->client_messages[5].size = UINT32_MAX;
	queue->client_messages[5].payload[0] = 9;
	queue->client_free--;
	assert_false(kvmfr_producer_take_request(f->producer, &x, &y));
	assert_int_equal(queue->client_free, 10);
}

static void test_too_little_memory(void **state)
{
	struct kvmfr_producer_config config = config_b7;
	struct kvmfr_producer *producer;
	uint8_t *memory = aligned_alloc(4096, SIZE);

	assert_non_null(memory);
	for (size_t size = 0; size < 160000; size += 1000) {
		assert_int_equal(kvmfr_producer_create(memory, size, &config, 1, &producer),
				 -ENOSPC);
	}
	config.version = 34;
	assert_int_equal(kvmfr_producer_create(memory, SIZE, &config, 1, &producer), -EINVAL);
	/* Whatever is left, in halves. */
	config.version = KVMFR_VERSION_B7;
	config.frame_size = 0;
	assert_int_equal(kvmfr_producer_create(memory, SIZE, &config, 1, &producer), 0);
	assert_in_range(kvmfr_producer_frame_size(producer), SIZE / 2 - 40000, SIZE / 2);
	kvmfr_producer_destroy(producer);
	free(memory);

	assert_int_equal(kvmfr_producer_memory_size(1920 * 1080 * 4), 32 << 20);
	assert_int_equal(kvmfr_producer_memory_size(3840 * 2160 * 4), 128 << 20);
}

#define BOTH(test)                                                                                 \
	{ #test " B7", test, set_up_b7, tear_down, NULL },                                         \
	{                                                                                          \
#test " B6", test, set_up_b6, tear_down, NULL                                      \
	}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_the_layout),
		BOTH(test_a_frame),
		BOTH(test_two_buffers),
		BOTH(test_the_last_picture_is_changed_in_place),
		BOTH(test_a_picture_that_could_not_be_sent_is_not_repeated),
		BOTH(test_a_slow_reader),
		BOTH(test_locks),
		BOTH(test_a_wiped_header),
		BOTH(test_requests),
		cmocka_unit_test(test_too_little_memory),
	};

	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
