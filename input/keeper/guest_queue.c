// SPDX-License-Identifier: MIT
/* A device's events on their way to the guest; see guest_queue.h. */
#include "input/keeper/guest_queue.h"

#include <errno.h>
#include <linux/input.h>
#include <string.h>

#include "input/keeper/devices.h"

/* ---- pictures ---- */

static bool is_slot_axis(uint16_t code)
{
	return code > ABS_MT_SLOT && code < ABS_CNT;
}

static int32_t *picture_axis(struct device_picture *picture, uint16_t code)
{
	return is_slot_axis(code) ? &picture->slots[picture->slot][code - ABS_MT_SLOT]
				  : &picture->axes[code];
}

static bool picture_key(const struct device_picture *picture, uint16_t code)
{
	return picture->keys[code / 64] >> code % 64 & 1;
}

static void picture_apply(struct device_picture *picture, const struct input_wire_event *event)
{
	uint64_t bit = 1ull << event->code % 64;

	if (event->type == EV_KEY && event->value) {
		picture->keys[event->code / 64] |= bit;
	} else if (event->type == EV_KEY) {
		picture->keys[event->code / 64] &= ~bit;
	} else if (event->type == EV_ABS && event->code == ABS_MT_SLOT) {
		picture->slot = event->value;
	} else if (event->type == EV_ABS) {
		*picture_axis(picture, event->code) = event->value;
	}
}

static void picture_init(struct device_picture *picture)
{
	*picture = (struct device_picture){ 0 };
	for (int i = 0; i < INPUT_FINGERS; i++) {
		picture->slots[i][ABS_MT_TRACKING_ID - ABS_MT_SLOT] = -1;
	}
}

/* Nothing is pressed, nobody touches. */
static void picture_rest(struct device_picture *picture, enum input_kind kind)
{
	int32_t value;

	memset(picture->keys, 0, sizeof(picture->keys));
	for (uint16_t code = 0; code < ABS_MT_SLOT; code++) {
		if (device_neutral(kind, code, &value)) {
			picture->axes[code] = value;
		}
	}
	for (int i = 0; i < INPUT_FINGERS; i++) {
		picture->slots[i][ABS_MT_TRACKING_ID - ABS_MT_SLOT] = -1;
	}
}

/* ---- the ring ---- */

static struct input_wire_event *event_at(struct guest_queue *queue, size_t i)
{
	return &queue->events[(queue->first + i) % GUEST_QUEUE_MAX];
}

static void append(struct guest_queue *queue, uint16_t type, uint16_t code, int32_t value)
{
	*event_at(queue, queue->n++) = (struct input_wire_event){ type, code, value };
}

static size_t room(const struct guest_queue *queue)
{
	return GUEST_QUEUE_MAX - queue->n;
}

void guest_queue_init(struct guest_queue *queue, enum input_kind kind)
{
	*queue = (struct guest_queue){ .kind = kind };
	guest_queue_reset(queue);
}

void guest_queue_reset(struct guest_queue *queue)
{
	queue->first = queue->n = queue->last = 0;
	queue->in_batch = queue->stalled = false;
	picture_init(&queue->told);
	queue->wanted = queue->told;
}

/* ---- differences ---- */

static void append_slot(struct guest_queue *queue, struct device_picture *at,
			const struct device_picture *to, int32_t slot)
{
	for (uint16_t code = ABS_MT_SLOT + 1; code < ABS_CNT; code++) {
		int32_t value = to->slots[slot][code - ABS_MT_SLOT];

		if (at->slots[slot][code - ABS_MT_SLOT] == value) {
			continue;
		}
		if (at->slot != slot) {
			append(queue, EV_ABS, ABS_MT_SLOT, slot);
			at->slot = slot;
		}
		append(queue, EV_ABS, code, value);
	}
}

/* A contact that ended while another one began in its slot ends first. */
static void end_contact(struct guest_queue *queue, struct device_picture *at,
			const struct device_picture *to, int32_t slot)
{
	int32_t *id = &at->slots[slot][ABS_MT_TRACKING_ID - ABS_MT_SLOT];
	int32_t next = to->slots[slot][ABS_MT_TRACKING_ID - ABS_MT_SLOT];

	if (*id < 0 || next < 0 || *id == next) {
		return;
	}
	if (at->slot != slot) {
		append(queue, EV_ABS, ABS_MT_SLOT, slot);
		at->slot = slot;
	}
	append(queue, EV_ABS, ABS_MT_TRACKING_ID, -1);
	*id = -1;
}

static void append_slots(struct guest_queue *queue, struct device_picture *at,
			 const struct device_picture *to)
{
	for (int32_t slot = 0; slot < INPUT_FINGERS; slot++) {
		end_contact(queue, at, to, slot);
		append_slot(queue, at, to, slot);
	}
	if (at->slot != to->slot) {
		append(queue, EV_ABS, ABS_MT_SLOT, to->slot);
	}
}

/* What leads from one picture to the other; no SYN_REPORT yet. */
static void append_difference(struct guest_queue *queue, const struct device_picture *from,
			      const struct device_picture *to)
{
	struct device_picture at = *from;

	append_slots(queue, &at, to);
	for (uint16_t code = 0; code < ABS_MT_SLOT; code++) {
		if (from->axes[code] != to->axes[code]) {
			append(queue, EV_ABS, code, to->axes[code]);
		}
	}
	for (uint16_t code = 0; code < KEY_CNT; code++) {
		if (picture_key(from, code) != picture_key(to, code)) {
			append(queue, EV_KEY, code, picture_key(to, code));
		}
	}
}

static int32_t add_clamped(int32_t a, int32_t b)
{
	int64_t sum = (int64_t)a + b;

	return sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : (int32_t)sum;
}

/* The batch at the beginning that the guest has part of is its rest; what comes after is gone. What
 * the guest will know then goes to *known, the motion that is gone to sums. */
static void cut(struct guest_queue *queue, struct device_picture *known, int32_t sums[REL_CNT])
{
	size_t kept = 0;

	*known = queue->told;
	for (size_t i = 0; queue->in_batch && i < queue->n; i++) {
		const struct input_wire_event *event = event_at(queue, i);

		picture_apply(known, event);
		if (event->type == EV_SYN) {
			kept = i + 1;
			break;
		}
	}
	for (size_t i = kept; i < queue->n; i++) {
		const struct input_wire_event *event = event_at(queue, i);

		if (event->type == EV_REL) {
			sums[event->code] = add_clamped(sums[event->code], event->value);
		}
		queue->lost += queue->stalled && event->type != EV_SYN;
	}
	queue->n = kept;
}

/* Replaces what waits by what it comes to. */
static void collapse(struct guest_queue *queue, const int32_t *motion)
{
	struct device_picture known;
	int32_t sums[REL_CNT] = { 0 };
	size_t before;

	cut(queue, &known, sums);
	before = queue->n;
	append_difference(queue, &known, &queue->wanted);
	for (uint16_t code = 0; code < REL_CNT; code++) {
		int32_t sum = motion ? add_clamped(sums[code], motion[code]) : 0;

		if (sum) {
			append(queue, EV_REL, code, sum);
		}
	}
	if (queue->n > before) {
		append(queue, EV_SYN, SYN_REPORT, 0);
	}
	queue->last = queue->n - before;
	queue->last_slot = known.slot;
}

/* ---- batches in ---- */

static bool is_sane(enum input_kind kind, const struct input_wire_event *event)
{
	switch (event->type) {
	case EV_KEY:
		return event->value == 0 || event->value == 1;
	case EV_ABS:
		return event->code != ABS_MT_SLOT ||
		       (event->value >= 0 && event->value < INPUT_FINGERS);
	default:
		return true;
	}
}

/* Copies what the device has. -EINVAL as guest_queue_add(). */
static int filter(enum input_kind kind, const struct input_wire_event *events, size_t n,
		  struct input_wire_event *out, size_t *n_out)
{
	*n_out = 0;
	if (n == 0 || n > INPUT_EVENTS_MAX) {
		return -EINVAL;
	}
	for (size_t i = 0; i < n; i++) {
		bool end = events[i].type == EV_SYN && events[i].code == SYN_REPORT;

		if (end != (i == n - 1)) {
			return -EINVAL;
		}
		if (!end && !device_has(kind, events[i].type, events[i].code)) {
			continue;
		}
		if (!is_sane(kind, &events[i])) {
			return -EINVAL;
		}
		if (events[i].type != EV_LED && events[i].type != EV_REP) {
			out[(*n_out)++] = events[i];
		}
	}
	return 0;
}

/* Whether it may join others: it begins and ends nothing. */
static bool is_motion(const struct input_wire_event *event)
{
	return event->type == EV_REL || event->type == EV_SYN ||
	       (event->type == EV_ABS && event->code != ABS_MT_TRACKING_ID);
}

static bool is_all_motion(const struct input_wire_event *events, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_motion(&events[i])) {
			return false;
		}
	}
	return true;
}

static bool last_is_motion(struct guest_queue *queue)
{
	for (size_t i = queue->n - queue->last; i < queue->n; i++) {
		if (!is_motion(event_at(queue, i))) {
			return false;
		}
	}
	return queue->last > 0;
}

/* The same axis, of the same slot, in the batch at the end; slot: the one that the event is of. */
static struct input_wire_event *find_same(struct guest_queue *queue,
					  const struct input_wire_event *event, int32_t slot)
{
	int32_t at = queue->last_slot;

	for (size_t i = queue->n - queue->last; i < queue->n; i++) {
		struct input_wire_event *other = event_at(queue, i);

		if (other->type == EV_ABS && other->code == ABS_MT_SLOT) {
			at = other->value;
		} else if (other->type == event->type && other->code == event->code &&
			   (!is_slot_axis(event->code) || event->type != EV_ABS || at == slot)) {
			return other;
		}
	}
	return NULL;
}

/* Behind the other axes of the batch at the end. */
static void join_append(struct guest_queue *queue, const struct input_wire_event *event,
			int32_t slot, int32_t *end_slot)
{
	queue->n--;
	queue->last--;
	if (event->type == EV_ABS && is_slot_axis(event->code) && slot != *end_slot) {
		append(queue, EV_ABS, ABS_MT_SLOT, slot);
		*end_slot = slot;
		queue->last++;
	}
	append(queue, event->type, event->code, event->value);
	append(queue, EV_SYN, SYN_REPORT, 0);
	queue->last += 2;
}

/* The next batch may rely on the slot that this one ended with. */
static void join_end(struct guest_queue *queue, int32_t slot, int32_t end_slot)
{
	struct input_wire_event *before = event_at(queue, queue->n - 2);

	if (slot == end_slot) {
		return;
	}
	if (queue->last >= 2 && before->type == EV_ABS && before->code == ABS_MT_SLOT) {
		before->value = slot;
		return;
	}
	queue->n--;
	append(queue, EV_ABS, ABS_MT_SLOT, slot);
	append(queue, EV_SYN, SYN_REPORT, 0);
	queue->last++;
}

/* Both are motion, and there is room for all of it. slot: that of the end so far. */
static void join(struct guest_queue *queue, const struct input_wire_event *events, size_t n,
		 int32_t slot)
{
	int32_t end_slot = slot;

	for (size_t i = 0; i + 1 < n; i++) {
		struct input_wire_event *same;

		if (events[i].type == EV_ABS && events[i].code == ABS_MT_SLOT) {
			slot = events[i].value;
			continue;
		}
		same = find_same(queue, &events[i], slot);
		if (!same) {
			join_append(queue, &events[i], slot, &end_slot);
		} else if (same->type == EV_REL) {
			same->value = add_clamped(same->value, events[i].value);
		} else {
			same->value = events[i].value;
		}
	}
	join_end(queue, slot, end_slot);
}

static void take_in(struct guest_queue *queue, const struct input_wire_event *events, size_t n,
		    int32_t slot)
{
	for (size_t i = 0; i < n; i++) {
		append(queue, events[i].type, events[i].code, events[i].value);
	}
	queue->last = n;
	queue->last_slot = slot;
}

static void add_overflowing(struct guest_queue *queue, const struct input_wire_event *events,
			    size_t n)
{
	int32_t motion[REL_CNT] = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (events[i].type == EV_REL) {
			motion[events[i].code] =
				add_clamped(motion[events[i].code], events[i].value);
		}
	}
	collapse(queue, motion);
}

int guest_queue_add(struct guest_queue *queue, const struct input_wire_event *events, size_t n,
		    uint64_t now_ns)
{
	struct input_wire_event batch[INPUT_EVENTS_MAX];
	int32_t slot = queue->wanted.slot;
	size_t size;
	int r = filter(queue->kind, events, n, batch, &size);

	if (r < 0 || size <= 1) {
		return r; /* only its end is left */
	}
	if (queue->stalled) {
		queue->lost += (uint32_t)size - 1;
		return 0;
	}
	if (queue->n == 0) {
		queue->moved_ns = now_ns;
	}
	for (size_t i = 0; i < size; i++) {
		picture_apply(&queue->wanted, &batch[i]);
	}
	/* Each event may need its slot named. */
	if (room(queue) < 2 * size) {
		add_overflowing(queue, batch, size);
	} else if (last_is_motion(queue) && is_all_motion(batch, size)) {
		join(queue, batch, size, slot);
	} else {
		take_in(queue, batch, size, slot);
	}
	return 0;
}

/* The largest difference is that of all keys of a keyboard, of which there are fewer. */
#define DIFFERENCE_MAX 640
_Static_assert(2 * DIFFERENCE_MAX + 2 * INPUT_EVENTS_MAX <= GUEST_QUEUE_MAX,
	       "what a full queue comes to fits beside the rest of another such batch");

void guest_queue_release(struct guest_queue *queue, uint64_t now_ns)
{
	struct device_picture before = queue->wanted;
	size_t n = queue->n;

	picture_rest(&queue->wanted, queue->kind);
	if (queue->stalled) {
		return;
	}
	if (room(queue) < DIFFERENCE_MAX) {
		collapse(queue, (int32_t[REL_CNT]){ 0 });
		return;
	}
	append_difference(queue, &before, &queue->wanted);
	if (queue->n > n) {
		append(queue, EV_SYN, SYN_REPORT, 0);
		queue->last = queue->n - n;
		queue->last_slot = before.slot;
	}
	if (n == 0) {
		queue->moved_ns = now_ns;
	}
}

/* ---- events out ---- */

const struct input_wire_event *guest_queue_peek(const struct guest_queue *queue)
{
	return queue->n > 0 ? &queue->events[queue->first] : NULL;
}

void guest_queue_take(struct guest_queue *queue, uint64_t now_ns)
{
	struct input_wire_event *event = &queue->events[queue->first];

	picture_apply(&queue->told, event);
	queue->in_batch = event->type != EV_SYN;
	queue->first = (queue->first + 1) % GUEST_QUEUE_MAX;
	queue->n--;
	if (queue->last > queue->n) {
		queue->last = 0;
	}
	queue->moved_ns = now_ns;
	queue->stalled = false;
}

void guest_queue_wake(struct guest_queue *queue)
{
	queue->stalled = false;
}

uint64_t guest_queue_deadline(const struct guest_queue *queue)
{
	return queue->n > 0 && !queue->stalled ? queue->moved_ns + GUEST_QUEUE_STALL_NS
					       : UINT64_MAX;
}

void guest_queue_elapsed(struct guest_queue *queue, uint64_t now_ns)
{
	if (now_ns < guest_queue_deadline(queue)) {
		return;
	}
	queue->stalled = true;
	picture_rest(&queue->wanted, queue->kind);
	collapse(queue, NULL);
}
