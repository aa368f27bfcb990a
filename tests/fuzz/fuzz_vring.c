// SPDX-License-Identifier: MIT
/*
 * What a hostile driver, and a hostile QEMU before it, may do to baton-input. The input is a list of
 * steps: bytes into the guest's memory, messages of QEMU, events of the seat. It ends at once where
 * baton-input would; it must neither read nor write beside the guest's memory, and must not tell the
 * guest anything but events.
 */
#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "input/keeper/keeper.h"
#include "tests/fuzz/fuzz.h"

#define MEMORY 8192 /* the page behind it is a trap */
#define GUEST 0x100000ull
#define USER 0x7f0000000000ull
#define RING_AT(i) ((i) * 0x800u)

/* W offset n bytes: into memory; K i: kick; E n: events of the seat; M request payload: QEMU; R: release. A
 * number is a character from '0' on. */
const char *const fuzz_seeds[] = {
	"W0111K0E2K0E4K0",
	"E2W004\x2f\x2f\x2f\x2fK0E8",
	"M80000\x40" "000E2K0",
	"M;00000000E2MB10001000",
	"E7R0K0W1119K0",
	"W8041E9K0W2012K1",
	"W0611E2K0",
	NULL,
};

struct world {
	struct keeper keeper;
	int qemu, memory_fd, kicks[VHOST_QUEUES];
	char *memory;
};

static void tell(struct world *w, uint32_t request, const void *payload, uint32_t size, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(fd))] = { 0 };
	uint32_t header[] = { request, 1, size };
	struct iovec parts[] = { { header, sizeof(header) }, { (void *)payload, size } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	if (fd >= 0) {
		struct cmsghdr *c;

		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	(void)sendmsg(w->qemu, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Where the guest's buffers are: a driver that is honest until then. */
static void prepare_ring(struct world *w, int i)
{
	struct vring_desc *desc = (struct vring_desc *)(w->memory + RING_AT(i));
	struct vring_avail *avail = (struct vring_avail *)(w->memory + RING_AT(i) + 0x100);

	for (uint16_t n = 0; n < 4; n++) {
		desc[n] = (struct vring_desc){ GUEST + 0x1800 + n * 8u, 8,
					       i == 0 ? VRING_DESC_F_WRITE : 0, 0 };
		avail->ring[n] = n;
	}
	avail->idx = 4;
}

static void begin_ring(struct world *w, uint32_t i)
{
	uint64_t number = i;
	uint64_t addresses[] = { i, USER + RING_AT(i), USER + RING_AT(i) + 0x200,
				 USER + RING_AT(i) + 0x100, 0 };

	tell(w, 8, (uint32_t[]){ i, 4 }, 8, -1);
	tell(w, 9, addresses, sizeof(addresses), -1);
	tell(w, 12, &number, 8, w->kicks[i]);
	tell(w, 18, (uint32_t[]){ i, 1 }, 8, -1);
}

static void begin(struct world *w)
{
	uint64_t table[] = { 1, GUEST, MEMORY, USER, 0 }, features = 1ull << 32 | 1ull << 30;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) {
		abort();
	}
	w->qemu = pair[1];
	w->memory_fd = memfd_create("guest", 0);
	if (ftruncate(w->memory_fd, MEMORY) < 0) {
		abort();
	}
	w->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, w->memory_fd, 0);
	keeper_init(&w->keeper, -1);
	if (keeper_add(&w->keeper, INPUT_KIND_KEYBOARD, pair[0]) < 0) {
		abort();
	}
	tell(w, 2, &features, 8, -1);
	tell(w, 5, table, sizeof(table), w->memory_fd);
	for (int i = 0; i < VHOST_QUEUES; i++) {
		w->kicks[i] = eventfd(0, EFD_NONBLOCK);
		prepare_ring(w, i);
		begin_ring(w, (uint32_t)i);
	}
}

static void end(struct world *w)
{
	keeper_finish(&w->keeper);
	for (int i = 0; i < VHOST_QUEUES; i++) {
		close(w->kicks[i]);
	}
	close(w->qemu);
	munmap(w->memory, MEMORY);
	close(w->memory_fd);
}

static void feed(struct world *w, unsigned int n)
{
	struct guest_queue *queue = &w->keeper.devices[INPUT_KIND_KEYBOARD].queue;

	for (unsigned int i = 0; i < n; i++) {
		const struct input_wire_event events[] = { { EV_KEY, KEY_A, (int32_t)(i + 1) % 2 },
							   { EV_SYN, SYN_REPORT, 0 } };

		guest_queue_add(queue, events, 2, clock_now_ns());
	}
}

struct input {
	const uint8_t *at, *end;
};

static uint8_t next(struct input *input)
{
	return input->at < input->end ? (uint8_t)(*input->at++ - '0') : 0;
}

static void write_memory(struct world *w, struct input *input)
{
	size_t offset = next(input);

	offset = offset << 8 | next(input);

	for (uint8_t n = next(input); n > 0; n--, offset++) {
		w->memory[offset % MEMORY] = (char)next(input);
	}
}

static void send_message(struct world *w, struct input *input)
{
	uint8_t request = next(input), payload[40];

	for (size_t i = 0; i < sizeof(payload); i++) {
		payload[i] = i < 8 ? next(input) : 0;
	}
	tell(w, request, payload, request == 9 || request == 5 ? sizeof(payload) : 8,
	     request == 5 || request == 12 || request == 13 ? w->kicks[0] : -1);
}

static void step(struct world *w, struct input *input)
{
	switch (*input->at++) {
	case 'W':
		write_memory(w, input);
		break;
	case 'K':
		eventfd_write(w->kicks[next(input) % VHOST_QUEUES], 1);
		break;
	case 'E':
		feed(w, next(input));
		break;
	case 'M':
		send_message(w, input);
		break;
	case 'R':
		guest_queue_release(&w->keeper.devices[INPUT_KIND_KEYBOARD].queue,
				    clock_now_ns());
		break;
	}
}

/* What the device gave back must be a buffer that it has. */
static void check(const struct world *w)
{
	for (int i = 0; i < VHOST_QUEUES; i++) {
		if (w->keeper.devices[0].vhost.rings[i].size > VRING_SIZE_MAX) {
			abort();
		}
	}
	if (w->keeper.devices[0].queue.n > GUEST_QUEUE_MAX) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, data + size };
	struct world w;

	log_set_level(LOG_LEVEL_ERROR);
	begin(&w);
	while (input.at < input.end && keeper_turn(&w.keeper, 0) >= 0) {
		char answer[512];

		step(&w, &input);
		check(&w);
		while (recv(w.qemu, answer, sizeof(answer), MSG_DONTWAIT) > 0) {
		}
	}
	end(&w);
	return 0;
}
