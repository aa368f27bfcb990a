// SPDX-License-Identifier: MIT
/* The queue of events for a guest; event_queue.h has its rules. */
#include "input/event_queue.h"

#include <string.h>

/* QEMU's InputButton, as org.qemu.Display1.Mouse counts. */
enum { WHEEL_UP = 3, WHEEL_DOWN = 4, WHEEL_LEFT = 7, WHEEL_RIGHT = 8 };

enum { QNUM_SYSRQ = 0x54, QNUM_PRINT = 0xb7, QNUM_PAUSE = 0xc6, QNUM_E0 = 0x80 };

/* ---- sets of numbers ---- */

static bool set_has(const struct number_set *set, unsigned int number)
{
	return set->bits[number / 64] >> (number % 64) & 1;
}

static void set_add(struct number_set *set, unsigned int number)
{
	set->bits[number / 64] |= 1ull << (number % 64);
}

static void set_remove(struct number_set *set, unsigned int number)
{
	set->bits[number / 64] &= ~(1ull << (number % 64));
}

/* A member, or 0. */
static unsigned int set_any(const struct number_set *set)
{
	for (size_t i = sizeof(set->bits) / sizeof(set->bits[0]); i-- > 0;) {
		if (set->bits[i]) {
			return (unsigned int)(64 * i) + 63 -
			       (unsigned int)__builtin_clzll(set->bits[i]);
		}
	}
	return 0;
}

/* ---- entries ---- */

void event_queue_init(struct event_queue *queue, struct input_sink_stats *stats)
{
	memset(queue, 0, sizeof(*queue));
	queue->stats = stats;
}

static bool is_button(unsigned int number)
{
	return number >= GUEST_BUTTON(0);
}

/* How long the slowest device needs for this; see the pace above. */
static uint64_t number_cost_ns(unsigned int number)
{
	if (number == QNUM_SYSRQ || number == QNUM_PRINT || number == QNUM_PAUSE) {
		return 4 * EVENT_QUEUE_SLOT_NS; /* up to eight bytes */
	}
	if (!is_button(number) && (number & QNUM_E0)) {
		return 2 * EVENT_QUEUE_SLOT_NS;
	}
	return EVENT_QUEUE_SLOT_NS;
}

static struct queued *queue_head(struct event_queue *queue)
{
	return &queue->entries[queue->first];
}

static struct queued *queue_tail(struct event_queue *queue)
{
	return &queue->entries[(queue->first + queue->n - 1) % EVENT_QUEUE_MAX];
}

/* The caller knows that there is room. */
static struct queued *queue_append(struct event_queue *queue, enum queued_type type,
				   uint64_t now_ns)
{
	struct queued *entry;

	queue->n++;
	entry = queue_tail(queue);
	*entry = (struct queued){ .type = type };
	entry->stale_ns = now_ns + queue->backlog_ns + EVENT_QUEUE_STALE_NS;
	return entry;
}

static void queue_pop(struct event_queue *queue)
{
	struct queued *entry = queue_head(queue);

	if (entry->type != QUEUED_POINTER) {
		queue->backlog_ns -= number_cost_ns(entry->number);
	}
	queue->first = (queue->first + 1) % EVENT_QUEUE_MAX;
	queue->n--;
}

static bool queue_has_room(const struct event_queue *queue, size_t entries)
{
	return queue->n + queue->n_accepted + entries <= EVENT_QUEUE_MAX;
}

/* ---- in ---- */

static void queue_append_number(struct event_queue *queue, enum queued_type type,
				unsigned int number, uint64_t now_ns)
{
	struct queued *entry = queue_append(queue, type, now_ns);

	entry->number = (uint16_t)number;
	queue->backlog_ns += number_cost_ns(number);
}

static void queue_press(struct event_queue *queue, unsigned int number, uint64_t now_ns)
{
	if (set_has(&queue->accepted, number)) {
		queue->stats->coalesced++;
		return;
	}
	if (!queue_has_room(queue, 2)) {
		queue->stats->dropped++;
		return;
	}
	set_add(&queue->accepted, number);
	queue->n_accepted++;
	queue_append_number(queue, QUEUED_PRESS, number, now_ns);
}

static void queue_release(struct event_queue *queue, unsigned int number, uint64_t now_ns)
{
	if (!set_has(&queue->accepted, number)) {
		queue->stats->dropped++;
		return;
	}
	set_remove(&queue->accepted, number);
	queue->n_accepted--;
	queue_append_number(queue, QUEUED_RELEASE, number, now_ns);
}

void event_queue_key(struct event_queue *queue, unsigned int number, bool pressed, uint64_t now_ns)
{
	if (pressed) {
		queue_press(queue, number, now_ns);
	} else {
		queue_release(queue, number, now_ns);
	}
}

/* The pointer entry at the queue's end, a new one if need be; NULL when the queue is full. */
static struct queued *pointer_entry(struct event_queue *queue, uint64_t now_ns)
{
	struct queued *entry;

	if (queue->n > 0 && queue_tail(queue)->type == QUEUED_POINTER) {
		entry = queue_tail(queue);
		entry->stale_ns = now_ns + queue->backlog_ns + EVENT_QUEUE_STALE_NS;
		return entry;
	}
	if (!queue_has_room(queue, 1)) {
		queue->stats->dropped++;
		return NULL;
	}
	return queue_append(queue, QUEUED_POINTER, now_ns);
}

/* Notes that an entry has this part; an event that finds it there was merged. */
static void add_part(struct event_queue *queue, bool *part)
{
	if (*part) {
		queue->stats->coalesced++;
	}
	*part = true;
}

void event_queue_position(struct event_queue *queue, uint32_t x, uint32_t y, uint64_t now_ns)
{
	struct queued *entry = pointer_entry(queue, now_ns);

	if (entry) {
		add_part(queue, &entry->position);
		entry->x = x;
		entry->y = y;
	}
}

static int32_t add_clamped(int32_t a, int32_t b, int32_t limit)
{
	int64_t sum = (int64_t)a + b;

	return (int32_t)(sum > limit ? limit : sum < -limit ? -limit : sum);
}

void event_queue_motion(struct event_queue *queue, int32_t dx, int32_t dy, uint64_t now_ns)
{
	struct queued *entry = pointer_entry(queue, now_ns);

	if (entry) {
		add_part(queue, &entry->motion);
		entry->dx = add_clamped(entry->dx, dx, INT32_MAX);
		entry->dy = add_clamped(entry->dy, dy, INT32_MAX);
	}
}

/* Whole clicks out of *rest plus v120. */
static int32_t take_clicks(int32_t *rest, int32_t v120)
{
	int64_t sum = (int64_t)*rest + v120;

	*rest = (int32_t)(sum % 120);
	return (int32_t)(sum / 120);
}

void event_queue_wheel(struct event_queue *queue, int32_t v120, int32_t h120, uint64_t now_ns)
{
	int32_t v = take_clicks(&queue->rest_v, v120), h = take_clicks(&queue->rest_h, h120);
	struct queued *entry;

	if (v == 0 && h == 0) {
		queue->stats->coalesced++;
		return;
	}
	entry = pointer_entry(queue, now_ns);
	if (entry) {
		add_part(queue, &entry->wheel);
		entry->clicks_v = add_clamped(entry->clicks_v, v, EVENT_QUEUE_CLICKS_MAX);
		entry->clicks_h = add_clamped(entry->clicks_h, h, EVENT_QUEUE_CLICKS_MAX);
	}
}

/* ---- out ---- */

static uint64_t *account(struct event_queue *queue, unsigned int number)
{
	return is_button(number) ? &queue->buttons_paid_ns : &queue->keys_paid_ns;
}

static uint64_t account_due(uint64_t paid_ns, uint64_t cost_ns)
{
	uint64_t full = paid_ns + cost_ns;

	return full > EVENT_QUEUE_BURST_NS ? full - EVENT_QUEUE_BURST_NS : 0;
}

static void account_pay(uint64_t *paid_ns, uint64_t cost_ns, uint64_t now_ns)
{
	*paid_ns = (*paid_ns > now_ns ? *paid_ns : now_ns) + cost_ns;
}

static uint64_t number_due(const struct event_queue *queue, unsigned int number)
{
	return account_due(is_button(number) ? queue->buttons_paid_ns : queue->keys_paid_ns,
			   number_cost_ns(number));
}

static uint64_t pointer_due(const struct event_queue *queue, const struct queued *entry)
{
	if (entry->position || entry->motion) {
		return queue->n > 1 ? 0 : queue->motion_ns;
	}
	return account_due(queue->buttons_paid_ns, EVENT_QUEUE_WHEEL_NS);
}

uint64_t event_queue_due(const struct event_queue *queue)
{
	const struct queued *head = &queue->entries[queue->first];
	unsigned int lift = set_any(&queue->lift);

	if (queue->wheel_down) {
		return 0;
	}
	if (lift) {
		return number_due(queue, lift);
	}
	if (queue->n == 0) {
		return UINT64_MAX;
	}
	return head->type == QUEUED_POINTER ? pointer_due(queue, head)
					    : number_due(queue, head->number);
}

static void emit_number(struct event_queue *queue, bool press, unsigned int number,
			struct guest_call *out)
{
	*out = (struct guest_call){
		.type = press ? GUEST_CALL_PRESS : GUEST_CALL_RELEASE,
		.number = number,
	};
	if (press) {
		set_add(&queue->seen, number);
	} else {
		set_remove(&queue->seen, number);
	}
}

static void take_lift(struct event_queue *queue, uint64_t now_ns, struct guest_call *out)
{
	unsigned int number = set_any(&queue->lift);

	set_remove(&queue->lift, number);
	account_pay(account(queue, number), number_cost_ns(number), now_ns);
	emit_number(queue, false, number, out);
}

static void take_number(struct event_queue *queue, uint64_t now_ns, struct guest_call *out)
{
	struct queued *head = queue_head(queue);

	account_pay(account(queue, head->number), number_cost_ns(head->number), now_ns);
	emit_number(queue, head->type == QUEUED_PRESS, head->number, out);
	queue->stats->sent++;
	queue_pop(queue);
}

/* A click is a press and a release of a button of its own. */
static void take_click(struct event_queue *queue, struct queued *entry, uint64_t now_ns,
		       struct guest_call *out)
{
	int32_t *clicks = entry->clicks_v != 0 ? &entry->clicks_v : &entry->clicks_h;
	bool vertical = clicks == &entry->clicks_v, back = *clicks < 0;
	unsigned int button =
		vertical ? (back ? WHEEL_UP : WHEEL_DOWN) : (back ? WHEEL_LEFT : WHEEL_RIGHT);

	*clicks += back ? 1 : -1;
	queue->wheel_down = GUEST_BUTTON(button);
	account_pay(&queue->buttons_paid_ns, EVENT_QUEUE_WHEEL_NS, now_ns);
	emit_number(queue, true, queue->wheel_down, out);
}

/* One call of the pointer entry at the head: first where, then how far, then the wheel. */
static void take_pointer(struct event_queue *queue, uint64_t now_ns, struct guest_call *out)
{
	struct queued *head = queue_head(queue);

	if (head->position || head->motion) {
		bool position = head->position;

		*out = (struct guest_call){
			.type = position ? GUEST_CALL_POSITION : GUEST_CALL_MOTION,
			.x = position ? (int32_t)head->x : head->dx,
			.y = position ? (int32_t)head->y : head->dy,
		};
		if (position) {
			head->position = false;
		} else {
			/* The entry may stay for its wheel, and more motion may come to it. */
			head->motion = false;
			head->dx = head->dy = 0;
		}
		queue->motion_ns = now_ns + EVENT_QUEUE_MOTION_NS;
		queue->stats->sent++;
	} else {
		take_click(queue, head, now_ns, out);
		head->wheel = head->clicks_v != 0 || head->clicks_h != 0;
		queue->stats->sent += !head->wheel;
	}
	if (!head->position && !head->motion && !head->wheel) {
		queue_pop(queue);
	}
}

/* Movements that cancelled each other out need no call. True when nothing is left. */
static bool pointer_is_void(struct event_queue *queue, struct queued *entry)
{
	if (entry->motion && entry->dx == 0 && entry->dy == 0) {
		entry->motion = false;
		queue->stats->coalesced++;
	}
	if (entry->wheel && entry->clicks_v == 0 && entry->clicks_h == 0) {
		entry->wheel = false;
		queue->stats->coalesced++;
	}
	return !entry->position && !entry->motion && !entry->wheel;
}

static void count_dropped(struct event_queue *queue, const struct queued *entry)
{
	queue->stats->dropped +=
		entry->type != QUEUED_POINTER
			? 1u
			: (unsigned int)entry->position + entry->motion + entry->wheel;
}

/* Removes what must not or need not go from the head. Not before the last lift is out: what the
 * guest sees is only known then. */
static void drop_idle_heads(struct event_queue *queue, uint64_t now_ns)
{
	while (queue->n > 0) {
		struct queued *head = queue_head(queue);
		bool stale = now_ns >= head->stale_ns;

		if (head->type == QUEUED_POINTER) {
			if (!pointer_is_void(queue, head) && !stale) {
				return;
			}
		} else if (set_has(&queue->seen, head->number) != (head->type == QUEUED_RELEASE)) {
			/* The release of a press that was dropped. */
		} else if (head->type == QUEUED_RELEASE || !stale) {
			return;
		}
		count_dropped(queue, head);
		queue_pop(queue);
	}
}

bool event_queue_take(struct event_queue *queue, uint64_t now_ns, struct guest_call *out)
{
	if (!queue->wheel_down && !set_any(&queue->lift)) {
		drop_idle_heads(queue, now_ns);
	}
	if (event_queue_due(queue) > now_ns) {
		return false;
	}
	if (queue->wheel_down) {
		emit_number(queue, false, queue->wheel_down, out);
		queue->wheel_down = 0;
	} else if (set_any(&queue->lift)) {
		take_lift(queue, now_ns, out);
	} else if (queue_head(queue)->type == QUEUED_POINTER) {
		take_pointer(queue, now_ns, out);
	} else {
		take_number(queue, now_ns, out);
	}
	return true;
}

void event_queue_clear(struct event_queue *queue)
{
	while (queue->n > 0) {
		count_dropped(queue, queue_head(queue));
		queue_pop(queue);
	}
	memset(&queue->accepted, 0, sizeof(queue->accepted));
	queue->n_accepted = 0;
	memset(&queue->lift, 0, sizeof(queue->lift));
	queue->wheel_down = 0;
	queue->rest_v = queue->rest_h = 0;
}

void event_queue_lift(struct event_queue *queue)
{
	event_queue_clear(queue);
	queue->lift = queue->seen;
}

void event_queue_doubt(struct event_queue *queue, unsigned int number)
{
	set_add(&queue->seen, number);
}
