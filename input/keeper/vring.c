// SPDX-License-Identifier: MIT
/* Guest memory and virtqueues; see vring.h. */
#include "input/keeper/vring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

/* virtio 1 is little-endian, and so is every machine that QEMU runs our guests on. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rings are read as they lie in memory");

#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define READ_ACQUIRE(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define WRITE_RELEASE(x, value) __atomic_store_n(&(x), (value), __ATOMIC_RELEASE)

/* ---- memory ---- */

/* A mapping of huge pages ends at the end of one. */
static size_t page_size_of(int fd)
{
	struct stat st;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return fstat(fd, &st) == 0 && (size_t)st.st_blksize > page ? (size_t)st.st_blksize : page;
}

int guest_memory_add(struct guest_memory *memory, int fd, uint64_t offset, uint64_t guest,
		     uint64_t user, uint64_t size)
{
	uint64_t page = page_size_of(fd), length;
	struct guest_region *region;
	void *mapping;

	if (memory->n == GUEST_REGIONS_MAX || size == 0 || size > 1ull << 46 ||
	    offset > 1ull << 46 || guest + size < guest || user + size < user) {
		return -EINVAL;
	}
	length = (offset + size + page - 1) / page * page;
	mapping = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (mapping == MAP_FAILED) {
		return -errno;
	}
	region = &memory->regions[memory->n++];
	*region = (struct guest_region){ guest, user, size, mapping, length,
					 (char *)mapping + offset };
	return 0;
}

void guest_memory_clear(struct guest_memory *memory)
{
	while (memory->n > 0) {
		struct guest_region *region = &memory->regions[--memory->n];

		munmap(region->mapping, region->mapped);
	}
}

static void *find(const struct guest_memory *memory, uint64_t address, uint64_t size, bool user)
{
	for (size_t i = 0; i < memory->n; i++) {
		const struct guest_region *region = &memory->regions[i];
		uint64_t start = user ? region->user : region->guest;

		if (address >= start && address - start < region->size &&
		    size <= region->size - (address - start)) {
			return region->start + (address - start);
		}
	}
	return NULL;
}

void *guest_memory_at(const struct guest_memory *memory, uint64_t guest, uint64_t size)
{
	return find(memory, guest, size, false);
}

void *guest_memory_at_user(const struct guest_memory *memory, uint64_t user, uint64_t size)
{
	return find(memory, user, size, true);
}

/* ---- a queue's life ---- */

void vring_queue_init(struct vring_queue *ring)
{
	*ring = (struct vring_queue){ .kick_fd = -1, .call_fd = -1 };
}

void vring_queue_finish(struct vring_queue *ring)
{
	close_fd_ptr(&ring->kick_fd);
	close_fd_ptr(&ring->call_fd);
	vring_queue_init(ring);
}

static bool is_aligned(const void *p, size_t alignment)
{
	return (uintptr_t)p % alignment == 0;
}

int vring_queue_start(struct vring_queue *ring, const struct guest_memory *memory)
{
	size_t n = ring->size;

	ring->started = ring->broken = false;
	ring->desc = guest_memory_at_user(memory, ring->desc_user, n * sizeof(*ring->desc));
	ring->avail = guest_memory_at_user(memory, ring->avail_user, 4 + 2 * n);
	ring->used = guest_memory_at_user(memory, ring->used_user, 4 + 8 * n);
	if (n == 0 || !ring->desc || !ring->avail || !ring->used ||
	    !is_aligned(ring->desc, 16) || !is_aligned(ring->avail, 2) ||
	    !is_aligned(ring->used, 4)) {
		return -EFAULT;
	}
	ring->used_index = READ_ONCE(ring->used->idx);
	ring->most = 0;
	ring->started = true;
	return 0;
}

void vring_queue_stop(struct vring_queue *ring)
{
	ring->started = false;
	close_fd_ptr(&ring->kick_fd);
	ring->kick_fd = -1;
}

bool vring_queue_runs(const struct vring_queue *ring)
{
	return ring->started && ring->enabled && !ring->broken;
}

/* ---- buffers ---- */

static int ring_break(struct vring_queue *ring)
{
	ring->broken = true;
	return -EPROTO;
}

bool vring_queue_has_room(struct vring_queue *ring, uint16_t window)
{
	uint16_t n;

	if (!vring_queue_runs(ring)) {
		return false;
	}
	n = (uint16_t)(READ_ACQUIRE(ring->avail->idx) - ring->last_avail);
	ring->most = n > ring->most ? n : ring->most;
	return n > 0 && ring->most - n < window;
}

int vring_queue_pop(struct vring_queue *ring, const struct guest_memory *memory, bool writable,
		    size_t size, uint16_t *head, void **data)
{
	struct vring_desc desc;
	uint16_t waiting;

	if (!vring_queue_runs(ring)) {
		return 0;
	}
	waiting = (uint16_t)(READ_ACQUIRE(ring->avail->idx) - ring->last_avail);
	if (waiting == 0) {
		return 0;
	}
	*head = READ_ONCE(ring->avail->ring[ring->last_avail % ring->size]);
	if (waiting > ring->size || *head >= ring->size) {
		return ring_break(ring);
	}
	/* A copy: what is checked is what is used. An event fits into one buffer, and drivers give
	 * it one; chains and tables of descriptors were not offered or make no sense. */
	memcpy(&desc, &ring->desc[*head], sizeof(desc));
	__asm__ volatile("" : "+m"(desc));
	*data = guest_memory_at(memory, desc.addr, desc.len);
	if (desc.len < size || !*data || desc.flags != (writable ? VRING_DESC_F_WRITE : 0)) {
		return ring_break(ring);
	}
	ring->last_avail++;
	return 1;
}

void vring_queue_push(struct vring_queue *ring, uint16_t head, uint32_t written)
{
	struct vring_used_elem *used = &ring->used->ring[ring->used_index % ring->size];

	used->id = head;
	used->len = written;
	WRITE_RELEASE(ring->used->idx, ++ring->used_index);
}

void vring_queue_notify(struct vring_queue *ring)
{
	uint64_t one = 1;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ring->call_fd >= 0 && !(READ_ONCE(ring->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT) &&
	    write(ring->call_fd, &one, sizeof(one)) < 0 && errno != EAGAIN) {
		ring->broken = true;
	}
}

void vring_queue_want_kicks(struct vring_queue *ring, bool wanted)
{
	if (vring_queue_runs(ring)) {
		WRITE_RELEASE(ring->used->flags, wanted ? 0 : VRING_USED_F_NO_NOTIFY);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
}
