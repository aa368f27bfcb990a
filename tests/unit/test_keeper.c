// SPDX-License-Identifier: MIT
/*
 * baton-input between a seat and a QEMU with a driver behind it, both played here: the protocols,
 * rings as small as QEMU's, the seat's end, and drivers and QEMUs that break the rules.
 */
#include "input/keeper/keeper.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <linux/input.h>
#include <linux/virtio_input.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "input/keeper/devices.h"

#define MEMORY 65536
#define GUEST 0x100000ull /* where the memory begins for the guest … */
#define USER 0x7f0000000000ull /* … and for QEMU */
#define RING_SIZE ring_size
#define RING_AT(i) ((i) * 0x1000u)
#define AVAIL_AT(i) (RING_AT(i) + 0x400u)
#define USED_AT(i) (RING_AT(i) + 0x800u)
#define BUFFERS_AT(i) (0x8000u + (i) * 0x1000u)

static uint16_t ring_size = 4;
static struct keeper keeper;
static int listener, qemu, seat = -1, memory_fd, kicks[2], calls[2];
static char *memory, folder[] = "/tmp/baton-keeper-XXXXXX", path[64];
static uint16_t used_seen[2];

/* ---- QEMU ---- */

struct message {
	uint32_t request, flags, size;
	uint8_t payload[300];
} __attribute__((packed));

static void turn(void)
{
	assert_int_equal(keeper_turn(&keeper, 0), 0);
}

static void tell(uint32_t request, const void *payload, uint32_t size, int fd)
{
	struct message message = { request, 1, size };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec part = { &message, 12 + size };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

	if (size > 0) {
		memcpy(message.payload, payload, size);
	}
	if (fd >= 0) {
		struct cmsghdr *c;

		header.msg_control = control;
		header.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	/* It may have been dropped for what was said before. */
	if (sendmsg(qemu, &header, MSG_NOSIGNAL) == 12 + (ssize_t)size) {
		(void)keeper_turn(&keeper, 0);
	}
}

static void tell_number(uint32_t request, uint64_t number, int fd)
{
	tell(request, &number, sizeof(number), fd);
}

static void tell_state_of(uint32_t request, uint32_t index, uint32_t number)
{
	tell(request, (uint32_t[]){ index, number }, 8, -1);
}

static uint64_t ask(uint32_t request)
{
	struct message answer;
	uint64_t number;

	tell(request, NULL, 0, -1);
	assert_int_equal(recv(qemu, &answer, sizeof(answer), MSG_DONTWAIT), 20);
	assert_int_equal(answer.request, request);
	memcpy(&number, answer.payload, 8);
	return number;
}

static size_t ask_config(uint8_t select, uint8_t subselect, uint8_t *out)
{
	uint32_t head[] = { 0, 136, 0 };
	uint8_t payload[12 + 136] = { 0 };
	struct message answer;

	memcpy(payload, head, 12);
	payload[12] = select;
	payload[13] = subselect;
	tell(25, payload, sizeof(payload), -1);
	tell(24, payload, sizeof(payload), -1);
	assert_int_equal(recv(qemu, &answer, sizeof(answer), MSG_DONTWAIT), 12 + 12 + 136);
	memcpy(out, answer.payload + 12 + 8, 128);
	return answer.payload[12 + 2];
}

static void begin_ring(uint32_t i, uint64_t extra)
{
	uint64_t addresses[5] = { i, USER + RING_AT(i) + extra, USER + USED_AT(i), USER + AVAIL_AT(i),
				  0 };

	tell_state_of(8, i, RING_SIZE);
	tell_state_of(10, i, 0);
	tell(9, addresses, sizeof(addresses), -1);
	tell_number(13, i, calls[i]);
	tell_number(12, i, kicks[i]);
	tell_state_of(18, i, 1);
}

static void begin(uint64_t extra)
{
	uint64_t table[5] = { 1, GUEST, MEMORY, USER, 0 };

	assert_true(ask(1) >> 30 & 1);
	assert_true(ask(15) >> 9 & 1);
	assert_int_equal(ask(17), 2);
	tell_number(16, 1ull << 9 | 1, -1);
	tell_number(2, 1ull << 32 | 1ull << 30, -1);
	tell(5, table, sizeof(table), memory_fd);
	begin_ring(1, 0);
	begin_ring(0, extra);
}

/* ---- the driver ---- */

static struct vring_avail *avail(int i)
{
	return (struct vring_avail *)(memory + AVAIL_AT(i));
}

static struct vring_used *used(int i)
{
	return (struct vring_used *)(memory + USED_AT(i));
}

static struct vring_desc *desc(int i)
{
	return (struct vring_desc *)(memory + RING_AT(i));
}

static void give(int ring, uint16_t head)
{
	uint16_t at = avail(ring)->idx;

	desc(ring)[head] = (struct vring_desc){ GUEST + BUFFERS_AT(ring) + head * 8u, 8,
						ring == 0 ? VRING_DESC_F_WRITE : 0, 0 };
	avail(ring)->ring[at % RING_SIZE] = head;
	avail(ring)->idx = (uint16_t)(at + 1);
}

static void kick(int ring)
{
	assert_int_equal(eventfd_write(kicks[ring], 1), 0);
	for (int i = 0; i < 4; i++) {
		turn();
	}
}

/* Reads the next event as a driver does, and gives its buffer back. False: there is none. */
static bool next(struct input_wire_event *event)
{
	uint16_t head;

	if (used(0)->idx == used_seen[0]) {
		return false;
	}
	head = (uint16_t)used(0)->ring[used_seen[0]++ % RING_SIZE].id;
	memcpy(event, memory + BUFFERS_AT(0) + head * 8u, 8);
	give(0, head);
	return true;
}

static void expect(uint16_t type, uint16_t code, int32_t value)
{
	struct input_wire_event event;

	if (!next(&event)) {
		kick(0);
		assert_true(next(&event));
	}
	assert_int_equal(event.type, type);
	assert_int_equal(event.code, code);
	assert_int_equal(event.value, value);
}

/* ---- the seat ---- */

static void connect_seat(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memcpy(address.sun_path, path, sizeof(path));
	seat = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(connect(seat, (struct sockaddr *)&address, sizeof(address)), 0);
	turn();
}

static void expect_packet(uint16_t type, uint16_t kind, uint32_t value)
{
	struct input_packet packet;

	assert_int_equal(recv(seat, &packet, sizeof(packet), MSG_DONTWAIT), sizeof(packet));
	assert_int_equal(packet.type, type);
	assert_int_equal(packet.kind, kind);
	assert_int_equal(packet.value, value);
}

static void expect_hello(enum input_device_state keyboard)
{
	expect_packet(INPUT_HELLO, 0, INPUT_PROTOCOL);
	expect_packet(INPUT_LEDS, INPUT_KIND_KEYBOARD, 0);
	expect_packet(INPUT_STATE, INPUT_KIND_KEYBOARD, keyboard);
	for (uint16_t kind = 1; kind < INPUT_KINDS; kind++) {
		expect_packet(INPUT_STATE, kind, INPUT_DEVICE_ABSENT);
	}
}

static void expect_silence(void)
{
	char byte;

	assert_int_equal(recv(seat, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void send_packet(uint16_t type, uint16_t kind, uint32_t value,
			const struct input_wire_event *events, size_t n)
{
	_Alignas(8) char buffer[sizeof(struct input_packet) + 8 * INPUT_EVENTS_MAX];
	struct input_packet *packet = (struct input_packet *)buffer;

	*packet = (struct input_packet){ type, kind, value };
	if (n > 0) {
		memcpy(packet->events, events, n * sizeof(*events));
	}
	assert_true(send(seat, packet, sizeof(*packet) + n * sizeof(*events), 0) > 0);
	turn();
}

static void key(uint16_t code, int32_t value)
{
	const struct input_wire_event events[] = { { EV_KEY, code, value },
						   { EV_SYN, SYN_REPORT, 0 } };

	send_packet(INPUT_EVENTS, INPUT_KIND_KEYBOARD, 2, events, 2);
}

/* ---- tests ---- */

static int set_up(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int pair[2];

	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/input", folder);
	memcpy(address.sun_path, path, sizeof(path));
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 4), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	qemu = pair[1];
	memory_fd = memfd_create("guest", 0);
	assert_int_equal(ftruncate(memory_fd, MEMORY), 0);
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
	assert_true(memory != MAP_FAILED);
	for (int i = 0; i < 2; i++) {
		kicks[i] = eventfd(0, EFD_NONBLOCK);
		calls[i] = eventfd(0, EFD_NONBLOCK);
		used_seen[i] = 0;
	}
	keeper_init(&keeper, listener);
	return keeper_add(&keeper, INPUT_KIND_KEYBOARD, pair[0]);
}

static int tear_down(void **state)
{
	keeper_finish(&keeper);
	for (int i = 0; i < 2; i++) {
		close(kicks[i]);
		close(calls[i]);
	}
	munmap(memory, MEMORY);
	close(memory_fd);
	if (qemu >= 0) {
		close(qemu);
	}
	if (seat >= 0) {
		close(seat);
		seat = -1;
	}
	unlink(path);
	return rmdir(folder);
}

static void test_configuration(void **state)
{
	uint8_t out[128];

	assert_int_equal(ask_config(VIRTIO_INPUT_CFG_ID_NAME, 0, out), strlen("Baton keyboard"));
	assert_memory_equal(out, "Baton keyboard", 14);
	assert_true(ask_config(VIRTIO_INPUT_CFG_EV_BITS, EV_KEY, out) > KEY_VOLUMEUP / 8);
	assert_true(out[KEY_VOLUMEUP / 8] >> KEY_VOLUMEUP % 8 & 1);
	assert_int_equal(out[BTN_LEFT / 8], 0);
	assert_int_equal(ask_config(VIRTIO_INPUT_CFG_EV_BITS, EV_LED, out), 1);
	assert_int_equal(ask_config(VIRTIO_INPUT_CFG_EV_BITS, EV_REL, out), 0);
	assert_int_equal(ask_config(VIRTIO_INPUT_CFG_ABS_INFO, ABS_X, out), 0);
	assert_int_equal(ask_config(0xff, 0xff, out), 0);
}

static void test_events(void **state)
{
	uint64_t rung;

	connect_seat();
	expect_hello(INPUT_DEVICE_IDLE);
	key(KEY_A, 1); /* too early */
	begin(0);
	expect_packet(INPUT_STATE, INPUT_KIND_KEYBOARD, INPUT_DEVICE_READY);
	expect_silence();
	for (uint16_t i = 0; i < RING_SIZE; i++) {
		give(0, i);
	}
	kick(0);
	key(KEY_B, 1);
	assert_int_equal(eventfd_read(calls[0], &rung), 0);
	/* Nothing waits: a kick would be for nothing. */
	assert_int_equal(used(0)->flags, VRING_USED_F_NO_NOTIFY);
	for (int i = 0; i < 10; i++) {
		key(KEY_C, 1);
		key(KEY_C, 0);
	}
	assert_int_equal(used(0)->flags, 0);
	expect(EV_KEY, KEY_B, 1);
	expect(EV_SYN, SYN_REPORT, 0);
	for (int i = 0; i < 10; i++) {
		expect(EV_KEY, KEY_C, 1);
		expect(EV_SYN, SYN_REPORT, 0);
		expect(EV_KEY, KEY_C, 0);
		expect(EV_SYN, SYN_REPORT, 0);
	}
}

static void begin_with_buffers(void)
{
	connect_seat();
	expect_hello(INPUT_DEVICE_IDLE);
	begin(0);
	expect_packet(INPUT_STATE, INPUT_KIND_KEYBOARD, INPUT_DEVICE_READY);
	for (uint16_t i = 0; i < RING_SIZE; i++) {
		give(0, i);
	}
}

/* A large ring is not filled: what is in it comes when the guest wakes, however late. */
static void test_large_ring(void **state)
{
	ring_size = 64;
	begin_with_buffers();
	for (int i = 0; i < 20; i++) {
		key(KEY_A, 1);
		key(KEY_A, 0);
	}
	assert_int_equal(used(0)->idx, 8);
	for (int i = 0; i < 20; i++) {
		expect(EV_KEY, KEY_A, 1);
		expect(EV_SYN, SYN_REPORT, 0);
		expect(EV_KEY, KEY_A, 0);
		expect(EV_SYN, SYN_REPORT, 0);
	}
	ring_size = 4;
}

/* A seat that is killed: the guest gets its key released, and the next seat goes on. */
static void test_seat_ends(void **state)
{
	begin_with_buffers();
	key(KEY_A, 1);
	expect(EV_KEY, KEY_A, 1);
	expect(EV_SYN, SYN_REPORT, 0);
	close(seat);
	turn();
	turn();
	expect(EV_KEY, KEY_A, 0);
	expect(EV_SYN, SYN_REPORT, 0);
	connect_seat();
	expect_hello(INPUT_DEVICE_READY);
	key(KEY_B, 1);
	expect(EV_KEY, KEY_B, 1);
}

static void test_second_seat(void **state)
{
	int first;
	char byte;

	begin_with_buffers();
	first = seat;
	key(KEY_A, 1);
	connect_seat();
	expect_hello(INPUT_DEVICE_READY);
	assert_int_equal(recv(first, &byte, 1, 0), 0);
	close(first);
	expect(EV_KEY, KEY_A, 1);
	expect(EV_SYN, SYN_REPORT, 0);
	expect(EV_KEY, KEY_A, 0);
}

static void test_release(void **state)
{
	begin_with_buffers();
	key(KEY_A, 1);
	send_packet(INPUT_RELEASE, 0, 1u << INPUT_KIND_KEYBOARD, NULL, 0);
	expect(EV_KEY, KEY_A, 1);
	expect(EV_SYN, SYN_REPORT, 0);
	expect(EV_KEY, KEY_A, 0);
}

static void test_leds(void **state)
{
	const struct input_wire_event on = { EV_LED, LED_CAPSL, 1 };

	begin_with_buffers();
	memcpy(memory + BUFFERS_AT(1), &on, sizeof(on));
	give(1, 0);
	kick(1);
	expect_packet(INPUT_LEDS, INPUT_KIND_KEYBOARD, 1u << LED_CAPSL);
	assert_int_equal(used(1)->idx, 1);
}

/* The guest's driver ends and begins again: it knows nothing of before. */
static void test_driver_again(void **state)
{
	uint8_t answer[20];

	begin_with_buffers();
	key(KEY_A, 1);
	key(KEY_C, 1);
	key(KEY_D, 1);
	tell_state_of(11, 0, 0);
	assert_int_equal(recv(qemu, answer, sizeof(answer), MSG_DONTWAIT), 20);
	expect_packet(INPUT_STATE, INPUT_KIND_KEYBOARD, INPUT_DEVICE_IDLE);
	memset(memory, 0, MEMORY);
	used_seen[0] = 0;
	begin_ring(0, 0);
	expect_packet(INPUT_STATE, INPUT_KIND_KEYBOARD, INPUT_DEVICE_READY);
	for (uint16_t i = 0; i < RING_SIZE; i++) {
		give(0, i);
	}
	kick(0);
	assert_int_equal(used(0)->idx, 0);
	key(KEY_B, 1);
	expect(EV_KEY, KEY_B, 1);
}

/* ---- who breaks the rules ---- */

static void expect_broken(void)
{
	key(KEY_A, 1);
	expect_packet(INPUT_STATE, INPUT_KIND_KEYBOARD, INPUT_DEVICE_IDLE);
	assert_int_equal(used(0)->idx, 0);
	key(KEY_B, 1);
	expect_silence();
}

static void test_lying_driver(void **state)
{
	begin_with_buffers();
	switch (*(int *)*state) {
	case 0: /* a buffer where there is no memory */
		desc(0)[0].addr = GUEST + MEMORY - 4;
		break;
	case 1:
		desc(0)[0].addr = UINT64_MAX - 4;
		break;
	case 2: /* too short for an event */
		desc(0)[0].len = 7;
		break;
	case 3: /* not for writing */
		desc(0)[0].flags = 0;
		break;
	case 4: /* a table that was not offered */
		desc(0)[0].flags |= VRING_DESC_F_INDIRECT;
		break;
	case 5: /* no such descriptor */
		avail(0)->ring[0] = RING_SIZE;
		break;
	case 6: /* more buffers than the ring has */
		avail(0)->idx = RING_SIZE + 1;
		break;
	case 7:
		desc(0)[0].len = UINT32_MAX;
		break;
	}
	expect_broken();
}

/* What QEMU says makes no sense: its device is gone, and the program ends with its last one. */
static void test_lying_qemu(void **state)
{
	uint64_t table[5] = { 1, GUEST, MEMORY, USER, 0 };
	uint32_t config[] = { 200, 100, 0 };
	struct message message = { 1, 1, 0 };

	switch (*(int *)*state) {
	case 0: /* a ring outside of its memory */
		begin_ring(0, 0);
		break;
	case 1: /* a ring that there is not */
		tell_state_of(18, 2, 1);
		break;
	case 2: /* more memory than descriptors */
		tell(5, table, sizeof(table), -1);
		break;
	case 3: /* a payload beyond any */
		message.size = 100000;
		assert_int_equal(send(qemu, &message, 12, 0), 12);
		turn();
		break;
	case 4: /* an older protocol */
		message.flags = 2;
		assert_int_equal(send(qemu, &message, 12, 0), 12);
		turn();
		break;
	case 5: /* a part of the configuration beyond it */
		tell(24, config, sizeof(config), -1);
		break;
	case 6: /* nothing that was offered */
		tell(77, NULL, 0, -1);
		break;
	case 7: /* half a number */
		tell(2, table, 4, -1);
		break;
	}
	assert_int_equal(keeper_turn(&keeper, 0), -ENOTCONN);
}

static void test_lying_seat(void **state)
{
	const struct input_wire_event event = { EV_KEY, KEY_B, 1 };
	char byte;

	begin_with_buffers();
	switch (*(int *)*state) {
	case 0: /* no such device */
		send_packet(INPUT_EVENTS, INPUT_KINDS, 1, &event, 1);
		break;
	case 1: /* more than there is */
		send_packet(INPUT_EVENTS, 0, 2, &event, 1);
		break;
	case 2: /* without its end */
		send_packet(INPUT_EVENTS, 0, 1, &event, 1);
		break;
	case 3:
		send_packet(99, 0, 0, NULL, 0);
		break;
	}
	assert_int_equal(recv(seat, &byte, 1, 0), 0);
	assert_int_equal(used(0)->idx, 0);
}

static void test_qemu_ends(void **state)
{
	begin_with_buffers();
	close(qemu);
	qemu = -1;
	turn();
	expect_packet(INPUT_STATE, INPUT_KIND_KEYBOARD, INPUT_DEVICE_ABSENT);
	assert_int_equal(keeper_turn(&keeper, 0), -ENOTCONN);
}

#define LIES(test, i)                                                                              \
	{                                                                                          \
		#test "_" #i, test, set_up, tear_down, &numbers[i]                                 \
	}

int main(void)
{
	static int numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_configuration, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_events, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_large_ring, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_seat_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_second_seat, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_release, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_leds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_driver_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_qemu_ends, set_up, tear_down),
		LIES(test_lying_driver, 0), LIES(test_lying_driver, 1), LIES(test_lying_driver, 2),
		LIES(test_lying_driver, 3), LIES(test_lying_driver, 4), LIES(test_lying_driver, 5),
		LIES(test_lying_driver, 6), LIES(test_lying_driver, 7), LIES(test_lying_qemu, 0),
		LIES(test_lying_qemu, 1), LIES(test_lying_qemu, 2), LIES(test_lying_qemu, 3),
		LIES(test_lying_qemu, 4), LIES(test_lying_qemu, 5), LIES(test_lying_qemu, 6),
		LIES(test_lying_qemu, 7), LIES(test_lying_seat, 0), LIES(test_lying_seat, 1),
		LIES(test_lying_seat, 2), LIES(test_lying_seat, 3),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
