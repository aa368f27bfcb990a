// SPDX-License-Identifier: MIT
/*
 * The frame source over shared memory: when to look, and what comes of it. Queues, frames and the
 * pointer's shapes have files of their own.
 *
 * A session begins when another session number is seen with a heartbeat that moves, and with it
 * everything is read anew. It ends with the next one. A producer that writes what makes no sense is
 * an outlaw for the rest of its session.
 */
#include "capture/kvmfr_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "capture/kvmfr_cursor.h"
#include "capture/kvmfr_frames.h"
#include "capture/kvmfr_info.h"
#include "common/cleanup.h"
#include "common/list.h"
#include "common/log.h"

#define DEFAULT_INTERVAL_USEC 16667
#define SLOW_USEC (1000 * 1000)
#define MIB (1024 * 1024ull)
/* While a picture is being written; doubled with each look, up to the interval. */
#define SOON_USEC 1000
/* An output and its guest agree on a size now and then; each other one costs a whole picture. */
#define REPLACED_MAX 8 /* in SLOW_USEC */
/* Behind input and outputs, as the other sources are. */
#define LOOK_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

/*
 * When to look again.
 * PACE_NEXT  in the next interval; where somebody pokes, then and once a second
 * PACE_SOON  a picture is being written, or a lock was held
 * PACE_SLOW  nobody is there: once a second; where somebody pokes, then too
 * PACE_NEVER the memory is gone
 */
enum pace { PACE_NEXT, PACE_SOON, PACE_SLOW, PACE_NEVER };

struct kvmfr_source {
	struct frame_source base;
	char *guest;
	sd_event *event;
	sd_event_source *timer;
	uint64_t now_usec; /* of this look */
	uint64_t interval_usec, soon_usec, due_usec;
	bool timed; /* the timer may be on */
	uint64_t rest_usec;     /* no look before */
	uint64_t placed_usec;   /* when there was a place in the queue of frames last */
	uint64_t replaced_usec; /* since when pictures of other sizes are counted */
	unsigned int replaced;
	bool doorbell, held;
	struct shared_memory memory;
	struct lgmp_client client;
	struct kvmfr_info info; /* of the session */
	uint32_t session;       /* that info and places are of */
	bool in_session;
	const char *outlawed; /* what the session's producer did; static */
	struct lgmp_subscription pointer;
	struct kvmfr_frames frames;
	int32_t corner_x, corner_y; /* of the pointer's image, in the guest's screen */
	uint64_t alive_usec;        /* when the producer was last seen to run */
	uint64_t logged_usec;
};

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static struct kvmfr_source *kvmfr_source_of(struct frame_source *source)
{
	return container_of(source, struct kvmfr_source, base);
}

/* Once a look: it is asked for at six places. */
static void source_read_clock(struct kvmfr_source *source)
{
	sd_event_now(source->event, CLOCK_MONOTONIC, &source->now_usec);
}

/* ---- telling ---- */

/* A guest may change its mind with each look; the log gets a line a second of it at most. */
static void source_log(struct kvmfr_source *source, const char *text)
{
	if (source->now_usec - source->logged_usec >= SLOW_USEC) {
		source->logged_usec = source->now_usec;
		log_info("%s: %s", source->guest, text);
	}
}

static void source_set_reason(struct kvmfr_source *source, const char *reason)
{
	if (!source->base.reason || strcmp(source->base.reason, reason) != 0) {
		source_log(source, reason);
	}
	frame_source_set_live(&source->base, false, reason);
}

/* What producers of B7 need: two frames, and room for the pointer; PCI wants a power of two. */
static void source_log_cut(struct kvmfr_source *source)
{
	const struct kvmfr_picture_shape *shape = &source->frames.shape;
	unsigned long long needed = 8ull * shape->width * shape->height + 10 * MIB, size = MIB;
	char text[128];

	while (size < needed) {
		size *= 2;
	}
	snprintf(text, sizeof(text),
		 "the shared memory is too small for its screen of %ux%u, give it %lluM",
		 shape->width, shape->height, size / MIB);
	source_log(source, text);
}

static void source_leave(struct kvmfr_source *source)
{
	lgmp_unsubscribe(&source->client, &source->pointer);
	lgmp_unsubscribe(&source->client, &source->frames.place);
	kvmfr_frames_leave(&source->frames);
}

static enum pace source_outlaw(struct kvmfr_source *source, const char *deed)
{
	char reason[160];

	snprintf(reason, sizeof(reason),
		 "the capture program in the guest broke its protocol (%s): restart it there",
		 deed);
	source->outlawed = deed;
	source_leave(source);
	source_set_reason(source, reason);
	return PACE_SLOW;
}

/* ---- the pointer ---- */

/* A producer may send smaller pictures than the guest's screen is; the pointer is the screen's. */
static int32_t scale(int32_t value, uint32_t picture, uint32_t screen)
{
	return screen == 0 ? value : (int32_t)((int64_t)value * picture / screen);
}

static void source_place_pointer(struct kvmfr_source *source, bool visible)
{
	const struct kvmfr_picture_shape *shape = &source->frames.shape;
	const struct cursor_image *image = source->base.cursor.image;
	int32_t x = source->corner_x + (image ? image->hot_x : 0);
	int32_t y = source->corner_y + (image ? image->hot_y : 0);

	if (shape->rotation == KVMFR_ROTATION_0) {
		x = scale(x, shape->width, shape->screen_width);
		y = scale(y, shape->height, shape->screen_height);
	}
	frame_source_move_cursor(&source->base, x, y, visible);
}

static int source_read_pointer(struct kvmfr_source *source, const struct lgmp_received *message)
{
	struct cursor_image *image;
	struct kvmfr_cursor cursor;
	int r = kvmfr_cursor_read(&source->memory, message, &cursor, &image);

	if (r < 0) {
		return r;
	}
	if (image) {
		frame_source_set_cursor(&source->base, image);
	}
	if (message->user_data & KVMFR_CURSOR_POSITION) {
		source->corner_x = cursor.x;
		source->corner_y = cursor.y;
	}
	source_place_pointer(source, message->user_data & KVMFR_CURSOR_VISIBLE);
	return 0;
}

/* One shape a look: they cost time. Returns 1 when more may be there, 0, or -errno. */
static int source_look_at_pointer(struct kvmfr_source *source)
{
	struct lgmp_received message;
	bool shaped = false;
	int r;

	for (uint32_t i = 0; i < source->pointer.slots && !shaped; i++) {
		r = lgmp_peek(&source->client, &source->pointer, &message);
		if (r <= 0) {
			return r;
		}
		r = source_read_pointer(source, &message);
		if (r == -EBADMSG) {
			return r;
		}
		lgmp_acknowledge(&source->client, &source->pointer);
		shaped = message.user_data & KVMFR_CURSOR_SHAPE;
	}
	return shaped;
}

static void source_forget_pointer(struct kvmfr_source *source)
{
	source->corner_x = source->corner_y = 0;
	frame_source_set_cursor(&source->base, NULL);
	frame_source_move_cursor(&source->base, 0, 0, false);
}

/* ---- frames ---- */

/* False: there were too many, and now there is a rest. */
static bool source_may_replace(struct kvmfr_source *source)
{
	if (source->now_usec - source->replaced_usec >= SLOW_USEC) {
		source->replaced_usec = source->now_usec;
		source->replaced = 0;
	}
	if (++source->replaced > REPLACED_MAX) {
		source->rest_usec = source->replaced_usec + SLOW_USEC;
		return false;
	}
	return true;
}

static void source_publish(struct kvmfr_source *source, enum kvmfr_news news)
{
	const struct kvmfr_frames *frames = &source->frames;

	if (news == KVMFR_REPLACED) {
		frame_source_set_frame(&source->base, frame_lock(frames->frame));
		source_place_pointer(source, source->base.cursor.visible);
		if (frames->cut) {
			source_log_cut(source);
		}
	} else if (news == KVMFR_DAMAGED) {
		for (unsigned int i = 0; i < frames->changed_count; i++) {
			frame_source_damage(&source->base, &frames->changed[i]);
		}
	}
	frame_source_set_live(&source->base, true, NULL);
}

static enum pace source_cut_off(struct kvmfr_source *source);

static enum pace source_look_at_frames(struct kvmfr_source *source)
{
	const char *reason = NULL;
	int news = kvmfr_frames_look(&source->frames, &source->client, source->info.layout,
				     source->now_usec, &reason);

	if (shared_memory_is_broken(&source->memory)) {
		return source_cut_off(source);
	}
	switch (news) {
	case KVMFR_NOTHING:
		/* It was silent for a while, and says now that nothing has changed. */
		if (kvmfr_frames_is_current(&source->frames)) {
			frame_source_set_live(&source->base, true, NULL);
		}
		return PACE_NEXT;
	case KVMFR_UNREADY:
		return PACE_SOON;
	case KVMFR_REPEATED:
	case KVMFR_DAMAGED:
	case KVMFR_REPLACED:
		source_publish(source, (enum kvmfr_news)news);
		return news == KVMFR_REPLACED && !source_may_replace(source) ? PACE_SLOW
									     : PACE_NEXT;
	case -EBADMSG:
		return source_outlaw(source, reason);
	case -ENOTCONN:
		kvmfr_frames_leave(&source->frames);
		return PACE_SOON;
	case -ETIME:
		source_set_reason(source, "the guest's capture stands still in the middle of a "
					  "picture");
		return PACE_NEXT;
	case -ENOTSUP:
		source_set_reason(source, reason);
		return PACE_NEXT;
	default:
		source_set_reason(source, "no memory for a picture of this size");
		return PACE_SLOW;
	}
}

/* ---- the session ---- */

static void source_end_session(struct kvmfr_source *source)
{
	source->in_session = false;
	source->outlawed = NULL;
	source->info = (struct kvmfr_info){ 0 };
	source->pointer = (struct lgmp_subscription){ 0 };
	kvmfr_frames_forget(&source->frames);
	source_forget_pointer(source);
}

static void source_begin_session(struct kvmfr_source *source)
{
	source_end_session(source);
	source->in_session = true;
	source->session = source->client.session;
	source->placed_usec = source->now_usec;
	kvmfr_info_read(&source->client, &source->info);
	log_debug("%s: session %u of %s, LGMP %u, KVMFR %u", source->guest, source->session,
		  source->info.producer, source->client.version, source->info.version);
	source_set_reason(source, "waits for the first picture of the guest's card");
}

static enum pace source_read_pointers(struct kvmfr_source *source)
{
	int r = 0;

	if (!source->pointer.bit) {
		r = lgmp_subscribe(&source->client, KVMFR_QUEUE_POINTER, &source->pointer);
	}
	r = r < 0 ? r : source_look_at_pointer(source);
	if (r == -ENOTCONN) {
		source->pointer = (struct lgmp_subscription){ 0 };
	}
	if (r == -EBADMSG) {
		return source_outlaw(source, "a pointer that makes no sense");
	}
	/* Without a place there the picture is still worth something. */
	return r == 0 || r == -EUSERS ? PACE_NEXT : PACE_SOON;
}

static enum pace source_read_frames(struct kvmfr_source *source)
{
	int r = 0;

	if (!source->frames.place.bit) {
		r = lgmp_subscribe(&source->client, KVMFR_QUEUE_FRAME, &source->frames.place);
	}
	switch (r) {
	case 0:
		source->placed_usec = source->now_usec;
		return source_look_at_frames(source);
	case -EBADMSG:
		return source_outlaw(source, "a queue that makes no sense");
	case -EUSERS:
		source_set_reason(source, "all places for viewers are taken: close other ones");
		return PACE_SLOW;
	default:
		/* A lock is held, or there is no queue yet. */
		if (source->now_usec - source->placed_usec >= SLOW_USEC) {
			source_set_reason(source, "the capture program in the guest lets nobody "
						  "look: restart it there");
		}
		return PACE_SOON;
	}
}

static enum pace source_read(struct kvmfr_source *source)
{
	enum pace pointer = source_read_pointers(source);
	enum pace frames = source->outlawed ? PACE_SLOW : source_read_frames(source);

	return frames == PACE_NEXT ? pointer : frames;
}

static enum pace source_advise(struct kvmfr_source *source)
{
	char advice[160];

	kvmfr_info_advise(&source->client, &source->info, advice, sizeof(advice));
	source_set_reason(source, advice);
	return PACE_SLOW;
}

static enum pace source_follow(struct kvmfr_source *source)
{
	if (!source->in_session || source->session != source->client.session) {
		source_begin_session(source);
	}
	if (!source->info.layout) {
		return source_advise(source);
	}
	return source->outlawed ? PACE_SLOW : source_read(source);
}

/* A session that has just been seen, or one whose producer stopped or hangs. */
static enum pace source_wait_for_heartbeat(struct kvmfr_source *source)
{
	if (source->now_usec - source->client.heartbeat_usec < SLOW_USEC) {
		return PACE_NEXT;
	}
	lgmp_open_locks(&source->client);
	source_set_reason(source, "the capture program in the guest does not answer");
	return PACE_SLOW;
}

/* Restarts take a moment; what is gone for longer is looked for less often. */
static enum pace source_miss(struct kvmfr_source *source)
{
	if (source->now_usec - source->alive_usec < SLOW_USEC) {
		return PACE_NEXT;
	}
	source_set_reason(source, "no capture program runs in the guest");
	return PACE_SLOW;
}

static enum pace source_cut_off(struct kvmfr_source *source)
{
	source_end_session(source);
	source_set_reason(source,
			  "the memory shared with the guest was cut off: restart the guest");
	return PACE_NEVER;
}

static enum pace source_look(struct kvmfr_source *source)
{
	if (shared_memory_is_broken(&source->memory)) {
		return source_cut_off(source);
	}
	switch (lgmp_client_look(&source->client, source->now_usec, source->doorbell)) {
	case LGMP_ABSENT:
		source_end_session(source);
		return source_miss(source);
	case LGMP_FOREIGN:
		source_end_session(source);
		return source_advise(source);
	case LGMP_SILENT:
		return source_wait_for_heartbeat(source);
	default:
		source->alive_usec = source->now_usec;
		return source_follow(source);
	}
}

/* ---- when to look ---- */

static uint64_t source_pause(struct kvmfr_source *source, enum pace pace)
{
	uint64_t soon = source->soon_usec;

	source->soon_usec = SOON_USEC;
	switch (pace) {
	case PACE_SOON:
		source->soon_usec = min(soon * 2, source->interval_usec);
		return min(soon, source->interval_usec);
	case PACE_NEXT:
		return source->doorbell ? SLOW_USEC : source->interval_usec;
	case PACE_SLOW:
		return SLOW_USEC;
	default:
		return UINT64_MAX;
	}
}

/* Intervals count from when the last one ended, so that the looks keep the output's pace. */
static void source_schedule(struct kvmfr_source *source, uint64_t pause)
{
	uint64_t now = source->now_usec;

	/* A look for the heart alone may come early, and costs less than another timer. */
	if (source->timed && source->doorbell && pause == SLOW_USEC && source->due_usec > now &&
	    source->due_usec <= now + SLOW_USEC) {
		return;
	}
	if (pause == UINT64_MAX) {
		if (source->timed) {
			sd_event_source_set_enabled(source->timer, SD_EVENT_OFF);
		}
		source->timed = false;
		return;
	}
	source->due_usec += pause;
	if (pause != source->interval_usec || source->due_usec <= now ||
	    source->due_usec > now + pause) {
		source->due_usec = now + pause;
	}
	sd_event_source_set_time(source->timer, source->due_usec);
	sd_event_source_set_enabled(source->timer, SD_EVENT_ONESHOT);
	source->timed = true;
}

/* The clock has been read. */
static void source_look_now(struct kvmfr_source *source)
{
	if (source->base.watched && !source->held) {
		source_schedule(source, source_pause(source, source_look(source)));
		return;
	}
	if (source->in_session && !source->base.watched) {
		source_leave(source);
	}
	source_schedule(source, UINT64_MAX);
}

static int handle_timer(sd_event_source *event_source, uint64_t usec, void *data)
{
	(void)event_source, (void)usec;
	source_read_clock(data);
	source_look_now(data);
	return 0;
}

/* Not at once: an observer may be the one who asks, in the middle of a look. */
static void source_look_next(struct kvmfr_source *source)
{
	source_read_clock(source);
	source->due_usec = 0;
	source_schedule(source, 0);
}

/* ---- the interface ---- */

static void kvmfr_source_set_watched(struct frame_source *base, bool watched)
{
	struct kvmfr_source *source = kvmfr_source_of(base);

	source_look_next(source);
	if (watched) {
		lgmp_client_forget_heartbeat(&source->client, source->now_usec);
	}
}

static void kvmfr_source_destroy(struct frame_source *base)
{
	struct kvmfr_source *source = kvmfr_source_of(base);

	if (source->in_session) {
		source_leave(source);
	}
	sd_event_source_disable_unref(source->timer);
	sd_event_unref(source->event);
	kvmfr_frames_finish(&source->frames);
	frame_source_finish(base);
	shared_memory_close(&source->memory);
	free(source->guest);
	free(source);
}

static const struct frame_source_ops kvmfr_source_ops = {
	.set_watched = kvmfr_source_set_watched,
	.destroy = kvmfr_source_destroy,
};

static int source_open(struct kvmfr_source *source, int fd, size_t size)
{
	uint32_t id;
	int r;

	if (size < sizeof(struct lgmp_header)) {
		return -ERANGE;
	}
	r = shared_memory_open(&source->memory, fd, size);
	if (r < 0) {
		return r;
	}
	if (getrandom(&id, sizeof(id), GRND_NONBLOCK) != sizeof(id)) {
		source_read_clock(source);
		id = (uint32_t)source->now_usec;
	}
	lgmp_client_init(&source->client, &source->memory, id | 1);
	return 0;
}

static int source_add_timer(struct kvmfr_source *source)
{
	int r = sd_event_add_time(source->event, &source->timer, CLOCK_MONOTONIC, UINT64_MAX, 1,
				  handle_timer, source);

	if (r < 0) {
		return r;
	}
	sd_event_source_set_enabled(source->timer, SD_EVENT_OFF);
	return sd_event_source_set_priority(source->timer, LOOK_PRIORITY);
}

int kvmfr_source_create(sd_event *event, const char *guest, int fd, size_t size,
			struct frame_source **out)
{
	struct kvmfr_source *source = calloc(1, sizeof(*source));
	int r;

	if (!source) {
		return -ENOMEM;
	}
	frame_source_init(&source->base, &kvmfr_source_ops);
	kvmfr_frames_init(&source->frames);
	source->event = sd_event_ref(event);
	source->guest = strdup(guest);
	source->interval_usec = DEFAULT_INTERVAL_USEC;
	source->soon_usec = SOON_USEC;
	r = source->guest ? source_open(source, fd, size) : -ENOMEM;
	r = r < 0 ? r : source_add_timer(source);
	if (r < 0) {
		kvmfr_source_destroy(&source->base);
		return r;
	}
	frame_source_set_live(&source->base, false, "nobody has looked yet");
	*out = &source->base;
	return 0;
}

void kvmfr_source_set_interval(struct frame_source *base, uint64_t usec)
{
	kvmfr_source_of(base)->interval_usec = usec;
}

void kvmfr_source_set_doorbell(struct frame_source *base, bool rings)
{
	struct kvmfr_source *source = kvmfr_source_of(base);

	if (source->doorbell != rings) {
		source->doorbell = rings;
		source_look_next(source);
	}
}

void kvmfr_source_hold(struct frame_source *base, bool held)
{
	struct kvmfr_source *source = kvmfr_source_of(base);

	if (source->held != held) {
		source->held = held;
		source_look_next(source);
		lgmp_client_forget_heartbeat(&source->client, source->now_usec);
	}
}

void kvmfr_source_poke(struct frame_source *base)
{
	struct kvmfr_source *source = kvmfr_source_of(base);

	source_read_clock(source);
	if (base->watched && source->now_usec >= source->rest_usec) {
		source_look_now(source);
	}
}

const char *kvmfr_source_uuid(const struct frame_source *base)
{
	const struct kvmfr_info *info = &container_of(base, struct kvmfr_source, base)->info;

	return *info->uuid ? info->uuid : NULL;
}

const char *kvmfr_source_producer(const struct frame_source *base)
{
	const struct kvmfr_info *info = &container_of(base, struct kvmfr_source, base)->info;

	return *info->producer ? info->producer : NULL;
}
