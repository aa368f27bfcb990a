// SPDX-License-Identifier: MIT
/* vhost-user; see vhost.h. */
#include "input/keeper/vhost.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_input.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "input/keeper/devices.h"

enum request {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	RESET_OWNER = 4,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	SET_VRING_ERR = 14,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	GET_QUEUE_NUM = 17,
	SET_VRING_ENABLE = 18,
	GET_CONFIG = 24,
	SET_CONFIG = 25,
};

#define FLAGS_VERSION 1u
#define FLAGS_VERSION_MASK 3u
#define FLAGS_REPLY 4u
#define FLAGS_NEED_REPLY 8u

#define F_PROTOCOL_FEATURES (1ull << 30)
#define PROTOCOL_F_MQ (1ull << 0)
#define PROTOCOL_F_REPLY_ACK (1ull << 3)
#define PROTOCOL_F_CONFIG (1ull << 9)

/* Neither indirect descriptors nor event indices: a buffer of ours is one event. */
#define FEATURES (1ull << VIRTIO_F_VERSION_1 | F_PROTOCOL_FEATURES)
#define PROTOCOL_FEATURES (PROTOCOL_F_MQ | PROTOCOL_F_REPLY_ACK | PROTOCOL_F_CONFIG)

#define VRING_INDEX_MASK 0xffu
#define VRING_NO_FD 0x100u

struct header {
	uint32_t request, flags, size;
};
_Static_assert(sizeof(struct header) == VHOST_HEADER, "as on the wire");

struct vring_state {
	uint32_t index, number;
};

struct vring_addresses {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};

struct memory_table {
	uint32_t n, padding;
	struct {
		uint64_t guest, size, user, offset;
	} regions[GUEST_REGIONS_MAX];
};

struct config_space {
	uint32_t offset, size, flags;
	uint8_t bytes[256];
};

union payload {
	uint64_t number;
	struct vring_state state;
	struct vring_addresses addresses;
	struct memory_table table;
	struct config_space config;
};
_Static_assert(sizeof(union payload) <= VHOST_PAYLOAD_MAX, "any message fits");

/* ---- life ---- */

static void drop_fds(struct vhost *vhost)
{
	for (size_t i = 0; i < vhost->n_fds; i++) {
		close_fd_ptr(&vhost->fds[i]);
	}
	vhost->n_fds = 0;
}

void vhost_init(struct vhost *vhost, int fd, enum input_kind kind)
{
	*vhost = (struct vhost){ .fd = fd, .kind = kind };
	for (int i = 0; i < VHOST_QUEUES; i++) {
		vring_queue_init(&vhost->rings[i]);
	}
}

void vhost_finish(struct vhost *vhost)
{
	drop_fds(vhost);
	for (int i = 0; i < VHOST_QUEUES; i++) {
		vring_queue_finish(&vhost->rings[i]);
	}
	guest_memory_clear(&vhost->memory);
	close_fd_ptr(&vhost->fd);
	vhost->fd = -1;
}

/* ---- answers ---- */

static int reply(struct vhost *vhost, uint32_t request, const void *payload, uint32_t size)
{
	struct {
		struct header header;
		uint8_t payload[VHOST_PAYLOAD_MAX];
	} message = { .header = { request, FLAGS_VERSION | FLAGS_REPLY, size } };

	memcpy(message.payload, payload, size);
	/* It waits for this: a full socket means that it does not. */
	return send(vhost->fd, &message, sizeof(message.header) + size,
		    MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)(sizeof(message.header) + size)
		       ? 1
		       : -EPIPE;
}

static int reply_number(struct vhost *vhost, uint32_t request, uint64_t number)
{
	return reply(vhost, request, &number, sizeof(number));
}

/* ---- memory ---- */

static int set_memory(struct vhost *vhost, const struct memory_table *table, size_t size)
{
	int r = 0;

	/* The rings lie in it: QEMU stops them first. */
	for (int i = 0; i < VHOST_QUEUES; i++) {
		vring_queue_stop(&vhost->rings[i]);
	}
	guest_memory_clear(&vhost->memory);
	if (size < 8 || table->n > GUEST_REGIONS_MAX || table->n != vhost->n_fds ||
	    size < 8 + table->n * sizeof(table->regions[0])) {
		return -EPROTO;
	}
	for (uint32_t i = 0; i < table->n && r == 0; i++) {
		r = guest_memory_add(&vhost->memory, vhost->fds[i], table->regions[i].offset,
				     table->regions[i].guest, table->regions[i].user,
				     table->regions[i].size);
	}
	return r;
}

/* ---- rings ---- */

static struct vring_queue *find_ring(struct vhost *vhost, uint64_t index)
{
	return index < VHOST_QUEUES ? &vhost->rings[index] : NULL;
}

static int set_ring_size(struct vhost *vhost, const struct vring_state *state)
{
	struct vring_queue *ring = find_ring(vhost, state->index);
	uint32_t n = state->number;

	if (!ring || n == 0 || n > VRING_SIZE_MAX || (n & (n - 1))) {
		return -EPROTO;
	}
	ring->started = false;
	ring->size = n;
	return 0;
}

static int set_ring_addresses(struct vhost *vhost, const struct vring_addresses *addresses)
{
	struct vring_queue *ring = find_ring(vhost, addresses->index);

	if (!ring) {
		return -EPROTO;
	}
	ring->started = false;
	ring->desc_user = addresses->desc;
	ring->avail_user = addresses->avail;
	ring->used_user = addresses->used;
	return 0;
}

static int set_ring_base(struct vhost *vhost, const struct vring_state *state)
{
	struct vring_queue *ring = find_ring(vhost, state->index);

	if (!ring) {
		return -EPROTO;
	}
	ring->last_avail = (uint16_t)state->number;
	return 0;
}

static int get_ring_base(struct vhost *vhost, const struct vring_state *state)
{
	struct vring_queue *ring = find_ring(vhost, state->index);

	if (!ring) {
		return -EPROTO;
	}
	vring_queue_stop(ring);
	return reply(vhost, GET_VRING_BASE,
		     &(struct vring_state){ state->index, ring->last_avail },
		     sizeof(struct vring_state));
}

static int set_ring_enabled(struct vhost *vhost, const struct vring_state *state)
{
	struct vring_queue *ring = find_ring(vhost, state->index);

	if (!ring) {
		return -EPROTO;
	}
	ring->enabled = state->number != 0;
	return 0;
}

/* The descriptor that came with a ring's number, or -1: none came, and none was promised. */
static int take_ring_fd(struct vhost *vhost, uint64_t number, struct vring_queue **ring, int *fd)
{
	bool none = number & VRING_NO_FD;

	*ring = find_ring(vhost, number & VRING_INDEX_MASK);
	if (!*ring || vhost->n_fds != (none ? 0u : 1u)) {
		return -EPROTO;
	}
	*fd = none ? -1 : take_fd(vhost->fds[0]);
	vhost->n_fds = 0;
	return *fd < 0 || fcntl(*fd, F_SETFL, O_NONBLOCK) == 0 ? 0 : -errno;
}

static int set_ring_kick(struct vhost *vhost, uint64_t number)
{
	struct vring_queue *ring;
	_cleanup_close_ int fd = -1;
	int r = take_ring_fd(vhost, number, &ring, &fd);

	if (r < 0) {
		return r;
	}
	vring_queue_stop(ring);
	ring->kick_fd = take_fd(fd);
	/* Without that feature there is no other way to enable it. */
	ring->enabled |= !(vhost->features & F_PROTOCOL_FEATURES);
	return vring_queue_start(ring, &vhost->memory);
}

static int set_ring_call(struct vhost *vhost, uint64_t number)
{
	struct vring_queue *ring;
	_cleanup_close_ int fd = -1;
	int r = take_ring_fd(vhost, number, &ring, &fd);

	if (r < 0) {
		return r;
	}
	close_fd_ptr(&ring->call_fd);
	ring->call_fd = take_fd(fd);
	return 0;
}

/* ---- the configuration ---- */

static int get_config(struct vhost *vhost, const struct config_space *asked, size_t size)
{
	struct config_space answer = { asked->offset, asked->size, asked->flags, { 0 } };
	uint8_t whole[sizeof(answer.bytes)] = { vhost->select, vhost->subselect };

	if (size < 12 || asked->size > sizeof(answer.bytes) ||
	    asked->offset > sizeof(answer.bytes) - asked->size) {
		return -EPROTO;
	}
	whole[2] = (uint8_t)device_config(vhost->kind, vhost->select, vhost->subselect,
					  whole + offsetof(struct virtio_input_config, u));
	memcpy(answer.bytes, whole + asked->offset, asked->size);
	return reply(vhost, GET_CONFIG, &answer, 12 + asked->size);
}

static int set_config(struct vhost *vhost, const struct config_space *given, size_t size)
{
	uint8_t *fields[] = { &vhost->select, &vhost->subselect };

	if (size < 12 || given->size > sizeof(given->bytes) || size < 12 + given->size) {
		return -EPROTO;
	}
	for (uint32_t i = 0; i < 2; i++) {
		if (i >= given->offset && i - given->offset < given->size) {
			*fields[i] = given->bytes[i - given->offset];
		}
	}
	return 0;
}

/* ---- messages ---- */

/* How much of a payload a message needs at least; those with a size of their own check it. */
static size_t least_size(uint32_t request)
{
	switch (request) {
	case SET_FEATURES:
	case SET_PROTOCOL_FEATURES:
	case SET_VRING_KICK:
	case SET_VRING_CALL:
	case SET_VRING_ERR:
		return sizeof(uint64_t);
	case SET_VRING_NUM:
	case SET_VRING_BASE:
	case GET_VRING_BASE:
	case SET_VRING_ENABLE:
		return sizeof(struct vring_state);
	case SET_VRING_ADDR:
		return sizeof(struct vring_addresses);
	default:
		return 0;
	}
}

/* 1: was answered; 0: done; -errno. */
static int handle(struct vhost *vhost, uint32_t request, const union payload *payload, size_t size)
{
	switch (request) {
	case GET_FEATURES:
		return reply_number(vhost, request, FEATURES);
	case SET_FEATURES:
		vhost->features = payload->number;
		return 0;
	case GET_PROTOCOL_FEATURES:
		return reply_number(vhost, request, PROTOCOL_FEATURES);
	case SET_PROTOCOL_FEATURES:
		vhost->protocol_features = payload->number;
		return 0;
	case GET_QUEUE_NUM:
		return reply_number(vhost, request, VHOST_QUEUES);
	case SET_OWNER:
	case RESET_OWNER:
	case SET_VRING_ERR:
		return 0;
	case SET_MEM_TABLE:
		return set_memory(vhost, &payload->table, size);
	case SET_VRING_NUM:
		return set_ring_size(vhost, &payload->state);
	case SET_VRING_ADDR:
		return set_ring_addresses(vhost, &payload->addresses);
	case SET_VRING_BASE:
		return set_ring_base(vhost, &payload->state);
	case GET_VRING_BASE:
		return get_ring_base(vhost, &payload->state);
	case SET_VRING_KICK:
		return set_ring_kick(vhost, payload->number);
	case SET_VRING_CALL:
		return set_ring_call(vhost, payload->number);
	case SET_VRING_ENABLE:
		return set_ring_enabled(vhost, &payload->state);
	case GET_CONFIG:
		return get_config(vhost, &payload->config, size);
	case SET_CONFIG:
		return set_config(vhost, &payload->config, size);
	default:
		return -EPROTO; /* nothing else was offered */
	}
}

static int dispatch(struct vhost *vhost)
{
	union payload payload = { 0 };
	struct header header;
	int r;

	memcpy(&header, vhost->message, sizeof(header));
	memcpy(&payload, vhost->message + sizeof(header),
	       header.size < sizeof(payload) ? header.size : sizeof(payload));
	r = header.size < least_size(header.request)
		    ? -EPROTO
		    : handle(vhost, header.request, &payload, header.size);
	drop_fds(vhost);
	if (r == 0 && header.flags & FLAGS_NEED_REPLY &&
	    vhost->protocol_features & PROTOCOL_F_REPLY_ACK) {
		r = reply_number(vhost, header.request, 0);
	}
	return r < 0 ? r : 0;
}

/* Keeps the descriptors of a message that begins, and no others. */
static void keep_fds(struct vhost *vhost, struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; c->cmsg_type == SCM_RIGHTS && i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (vhost->n_fds < VHOST_FDS_MAX) {
				vhost->fds[vhost->n_fds++] = fd;
			} else {
				close(fd);
			}
		}
	}
}

/* Up to that many bytes of the message in all: 1: they are there, 0: not yet, -errno. */
static int receive_until(struct vhost *vhost, size_t total)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * VHOST_FDS_MAX)];
	struct iovec part = { vhost->message + vhost->received, total - vhost->received };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	ssize_t n;

	if (vhost->received == total) {
		return 1;
	}
	n = recvmsg(vhost->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0) {
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	}
	keep_fds(vhost, &message);
	vhost->received += (size_t)n;
	return n == 0 ? -ENOTCONN : vhost->received == total;
}

int vhost_receive(struct vhost *vhost)
{
	struct header header;
	int r;

	for (;;) {
		r = vhost->received < VHOST_HEADER ? receive_until(vhost, VHOST_HEADER) : 1;
		if (r <= 0) {
			return r;
		}
		memcpy(&header, vhost->message, sizeof(header));
		if (header.size > VHOST_PAYLOAD_MAX ||
		    (header.flags & FLAGS_VERSION_MASK) != FLAGS_VERSION) {
			return -EPROTO;
		}
		r = receive_until(vhost, VHOST_HEADER + header.size);
		if (r <= 0) {
			return r;
		}
		r = dispatch(vhost);
		vhost->received = 0;
		if (r < 0) {
			return r;
		}
	}
}
