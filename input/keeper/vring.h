/* SPDX-License-Identifier: MIT */
/*
 * A guest's memory and one of its split virtqueues, from the device's side. The guest may write
 * anything at any time: each number is read once, and checked before it is used. QEMU may take the
 * memory away, which ends this process by SIGBUS, and nobody else.
 */
#ifndef INPUT_KEEPER_VRING_H
#define INPUT_KEEPER_VRING_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_REGIONS_MAX 8

struct guest_region {
	uint64_t guest, user, size; /* addresses in the guest and in QEMU */
	char *mapping;
	size_t mapped;
	char *start; /* in the mapping */
};

struct guest_memory {
	size_t n;
	struct guest_region regions[GUEST_REGIONS_MAX];
};

/* Maps a region of a file at an offset in bytes. 0 or -errno; the descriptor stays the caller's. */
int guest_memory_add(struct guest_memory *memory, int fd, uint64_t offset, uint64_t guest,
		     uint64_t user, uint64_t size);
void guest_memory_clear(struct guest_memory *memory);
/* NULL when it is not all in one region. */
void *guest_memory_at(const struct guest_memory *memory, uint64_t guest, uint64_t size);
void *guest_memory_at_user(const struct guest_memory *memory, uint64_t user, uint64_t size);

#define VRING_SIZE_MAX 1024

/*
 * RUNNING needs a size, addresses, a descriptor for kicks, and to be enabled. BROKEN: the guest's
 * driver broke the rules; the ring is not looked at until it is set up anew.
 */
struct vring_queue {
	unsigned int size;
	uint64_t desc_user, avail_user, used_user;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t last_avail, used_index;
	uint16_t most; /* free buffers that were there at once: as many as the driver has */
	int kick_fd, call_fd; /* owned; -1: none */
	bool started, enabled, broken;
};

void vring_queue_init(struct vring_queue *ring);
/* Closes its descriptors too. */
void vring_queue_finish(struct vring_queue *ring);

/* Finds its parts in memory, which must stay mapped. 0 or -EFAULT. */
int vring_queue_start(struct vring_queue *ring, const struct guest_memory *memory);
void vring_queue_stop(struct vring_queue *ring);
bool vring_queue_runs(const struct vring_queue *ring);

/* The guest's next buffer of at least that many bytes: 1, 0 (none), or -EPROTO after which the
 * ring is broken. */
int vring_queue_pop(struct vring_queue *ring, const struct guest_memory *memory, bool writable,
		    size_t size, uint16_t *head, void **data);
/* Gives it back with that many bytes written. */
void vring_queue_push(struct vring_queue *ring, uint16_t head, uint32_t written);
/* Tells the guest about what was given back, if it wants to know. */
void vring_queue_notify(struct vring_queue *ring);
/* Whether the guest is to kick when it adds buffers; true: look once more after this. */
void vring_queue_want_kicks(struct vring_queue *ring, bool wanted);
/* Whether there is a free buffer, and the guest holds fewer than window of those that it was given. */
bool vring_queue_has_room(struct vring_queue *ring, uint16_t window);

#endif
