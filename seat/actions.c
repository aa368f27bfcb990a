// SPDX-License-Identifier: MIT
/* The control API's requests: each finds its guest, does one thing, and says why not. */
#include <errno.h>
#include <fcntl.h>
#include <linux/input-event-codes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audio/audio.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "seat/cards.h"
#include "seat/monitors.h"
#include "seat/seat.h"
#include "vm/accel.h"

int seat_refuse(struct seat *seat, const char **why, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(seat->why, sizeof(seat->why), format, args);
	va_end(args);
	*why = seat->why;
	return error;
}

static struct seat_guest *find(struct seat *seat, const char *name, const char **why)
{
	struct seat_guest *guest = seat_guest_by_name(seat, name);

	if (!guest) {
		seat_refuse(seat, why, 0, "There is no guest \"%s\"; \"batonctl list\" names them.",
		       name);
	}
	return guest;
}

/* ---- telling ---- */

static void describe_seat(void *data, struct control_seat *out)
{
	struct seat *seat = data;

	*out = (struct control_seat){
		.backend = compositor_backend_name(seat->compositor),
		.renderer = compositor_renderer_name(seat->compositor),
		.version = BATON_VERSION,
		.refresh_mhz = compositor_refresh_mhz(seat->compositor),
		.switcher = compositor_switcher_open(seat->compositor),
		.acceleration = accel_name(accel_get()),
		.sound = audio_text(seat->audio),
		.cards = (unsigned int)cards_count(seat->cards),
		.card_trouble = cards_count(seat->cards)
					 ? passthrough_trouble(seat->cards->passthrough)
					 : NULL,
	};
	compositor_output_size(seat->compositor, &out->width, &out->height);
}

static void each_guest(void *data, void (*each)(const struct control_guest *guest, void *each_data),
		       void *each_data)
{
	struct seat *seat = data;
	struct seat_guest *guest;

	list_for_each(guest, &seat->guests, link) {
		struct audio_setting setting = audio_guest_setting(guest->sound);
		const struct frame *frame = guest->source->frame;
		char monitors[512];

		monitors_describe(seat->cards, vm_name(guest->vm), monitors, sizeof(monitors));
		each(&(struct control_guest){
			     .name = vm_name(guest->vm),
			     .slot = vm_slot(guest->vm),
			     .state = seat_guest_state(guest),
			     .reason = vm_reason(guest->vm),
			     .focused = guest == seat_front(seat),
			     .pid = vm_pid(guest->vm),
			     .width = frame ? frame->width : 0,
			     .height = frame ? frame->height : 0,
			     .live = guest->source->live,
			     .frames = guest->source->updates,
			     .keys_sent = guest->sink->stats.sent,
			     .keys_dropped = guest->sink->stats.dropped,
			     .input = guest->sink->devices,
			     .source = source_kind_names[guest_picture_shown(guest->picture)],
			     .capture = guest_picture_obstacle(guest->picture),
			     .monitors = monitors,
			     .sound = audio_guest_text(guest->sound),
			     .underruns = audio_guest_underruns(guest->sound),
			     .volume = setting.volume,
			     .muted = setting.muted,
			     .microphone = audio_guest_records(guest->sound),
			     .recording = audio_guest_recording_text(guest->sound),
		     },
		     each_data);
	}
}

/* ---- focus and screen ---- */

static int focus_guest(void *data, const char *name, const char **why)
{
	struct seat *seat = data;
	struct seat_guest *guest = find(seat, name, why);
	int r;

	if (!guest) {
		return -ENOENT;
	}
	seat_show_switcher(seat, false);
	r = seat_focus(seat, guest->id);
	return r < 0 ? seat_refuse(seat, why, r, "The switch to %s failed: %s.", name, strerror(-r)) : 0;
}

static int focus_next(void *data, const char **why)
{
	struct seat *seat = data;
	int r;

	seat_show_switcher(seat, false);
	r = seat_focus_next(seat);
	return r < 0 ? seat_refuse(seat, why, r, "The switch failed: %s.", strerror(-r)) : 0;
}

static int focus_back(void *data, const char **why)
{
	struct seat *seat = data;
	int r;

	seat_show_switcher(seat, false);
	r = focus_request(&seat->focus, &(struct focus_request){ .kind = FOCUS_REQUEST_BACK });
	return r < 0 ? seat_refuse(seat, why, r, "The switch failed: %s.", strerror(-r)) : 0;
}

static int show_switcher(void *data, bool open, const char **why)
{
	(void)why;
	seat_show_switcher(data, open);
	return 0;
}

struct picture_job {
	struct control_job base;
	struct picture *picture;
};

static int write_picture(struct control_job *job, int fd)
{
	return picture_write_png(container_of(job, struct picture_job, base)->picture, fd);
}

static void destroy_picture_job(struct control_job *job)
{
	struct picture_job *picture_job = container_of(job, struct picture_job, base);

	picture_destroy(picture_job->picture);
	free(picture_job);
}

static int screenshot(void *data, const char *name, struct control_job **out, const char **why)
{
	struct seat *seat = data;
	struct seat_guest *guest = name ? find(seat, name, why) : NULL;
	_cleanup_free_ struct picture_job *job = calloc(1, sizeof(*job));
	int r = -ENOMEM;

	if (name && !guest) {
		return -ENOENT;
	}
	if (job) {
		r = compositor_picture_take(seat->compositor, guest ? guest->id : 0,
					    &job->picture);
	}
	if (r < 0) {
		return seat_refuse(seat, why, r, "There is no picture of %s: %s.",
			      name ? name : "the screen", strerror(-r));
	}
	job->base = (struct control_job){ write_picture, destroy_picture_job };
	*out = &take_ptr(job)->base;
	return 0;
}

static int export_output(void *data, const char **why)
{
	struct seat *seat = data;
	int fd = compositor_export_fd(seat->compositor);

	return fd < 0 ? seat_refuse(seat, why, fd, "Only a headless screen can be exported.") : fd;
}

/* ---- guests ---- */

static int on_guest(struct seat *seat, const char *name, int (*verb)(struct vm *vm),
		    const char *verb_name, const char **why)
{
	struct seat_guest *guest = find(seat, name, why);
	int r;

	if (!guest) {
		return -ENOENT;
	}
	r = verb(guest->vm);
	if (r < 0) {
		return seat_refuse(seat, why, r, "%s cannot be %s while it is %s%s%s.", name, verb_name,
			      seat_guest_state(guest), vm_reason(guest->vm) ? ": " : "",
			      vm_reason(guest->vm) ? vm_reason(guest->vm) : "");
	}
	return 0;
}

static int start(void *data, const char *name, const char **why)
{
	return on_guest(data, name, vm_start, "started", why);
}

static int shut_down(void *data, const char *name, const char **why)
{
	return on_guest(data, name, vm_shutdown, "shut down", why);
}

static int kill_guest(void *data, const char *name, const char **why)
{
	return on_guest(data, name, vm_kill, "killed", why);
}

static int reset(void *data, const char *name, const char **why)
{
	return on_guest(data, name, vm_reset, "reset", why);
}

static int pause_guest(void *data, const char *name, bool paused, const char **why)
{
	return on_guest(data, name, paused ? vm_pause : vm_resume, paused ? "paused" : "resumed",
			why);
}

static int quit(void *data, bool guests, const char **why)
{
	(void)why;
	seat_quit(data, guests);
	return 0;
}

static int reload(void *data, const char **why)
{
	struct seat *seat = data;
	int r = seat_reload_guests(seat);

	if (r < 0) {
		*why = seat->why;
	}
	return r;
}

/* ---- sound ---- */

static int set_volume(void *data, const char *name, unsigned int percent, bool muted,
		      const char **why)
{
	struct seat *seat = data;
	struct seat_guest *guest = find(seat, name, why);

	if (!guest) {
		return -ENOENT;
	}
	if (percent > AUDIO_VOLUME_MAX) {
		return seat_refuse(seat, why, -EINVAL, "A volume is a number from 0 to %d.",
				   AUDIO_VOLUME_MAX);
	}
	seat_set_volume(guest, percent, muted);
	return 0;
}

static int set_microphone(void *data, const char *name, const char *answer, const char **why)
{
	static const char *const answers[AUDIO_ANSWER_COUNT] = {
		[AUDIO_ANSWER_NONE] = "ask",
		[AUDIO_ANSWER_YES] = "allow",
		[AUDIO_ANSWER_NO] = "deny",
	};
	struct seat *seat = data;
	struct seat_guest *guest = find(seat, name, why);

	if (!guest) {
		return -ENOENT;
	}
	for (int i = 0; i < AUDIO_ANSWER_COUNT; i++) {
		if (strcmp(answer, answers[i]) == 0) {
			audio_guest_answer(guest->sound, (enum audio_answer)i);
			return 0;
		}
	}
	return seat_refuse(seat, why, -EINVAL, "\"%s\" is no answer; it is allow, deny or ask.",
			   answer);
}

/* ---- cards ---- */

static void join_drivers(const struct broker_facts *facts, char *out, size_t size)
{
	size_t used = 0;

	*out = '\0';
	for (uint32_t i = 0; facts && i < facts->function_count && used < size; i++) {
		const char *driver = facts->functions[i].driver;

		used += (size_t)snprintf(out + used, size - used, "%s%s", i ? " " : "",
					 *driver ? driver : "-");
	}
}

static bool has_sound(const struct broker_facts *facts)
{
	for (uint32_t i = 0; facts && i < facts->function_count; i++) {
		/* The two classes of PCI: 0x0401 and, of High Definition Audio, 0x0403. */
		uint32_t class = facts->functions[i].class >> 8;

		if (class == 0x0401 || class == 0x0403) {
			return true;
		}
	}
	return false;
}

struct card_walk {
	struct seat *seat;
	void (*each)(const struct control_card *card, void *each_data);
	void *each_data;
};

static void describe_card(void *data, const struct passthrough_card *card)
{
	const struct card_walk *walk = data;
	struct cards *cards = walk->seat->cards;
	const struct seat_card *own = cards_find(cards, card->name);
	uint64_t now_usec = clock_now_ns() / NSEC_PER_USEC;
	char drivers[BROKER_FUNCTIONS_MAX * 33];

	join_drivers(card->facts, drivers, sizeof(drivers));
	walk->each(&(struct control_card){
			   .name = card->name,
			   .address = card->address,
			   .state = card_state_name(card->state),
			   .owner = card->owner,
			   .target = card->target,
			   .moving = card->moving,
			   .stage = card->stage,
			   .stage_ms = card->moving && now_usec > card->stage_usec
					       ? (unsigned int)((now_usec - card->stage_usec) / 1000)
					       : 0,
			   .asking = card->asking,
			   .drivers = drivers,
			   .only_screen = own && cards_is_only_screen(cards, own),
			   .sound = has_sound(card->facts),
			   .text = card->text,
		   },
		   walk->each_data);
}

static void each_card(void *data, void (*each)(const struct control_card *card, void *each_data),
		      void *each_data)
{
	struct seat *seat = data;
	struct card_walk walk = { seat, each, each_data };

	if (seat->cards) {
		passthrough_each(seat->cards->passthrough, describe_card, &walk);
	}
}

static void each_monitor(void *data,
			 void (*each)(const struct control_monitor *monitor, void *each_data),
			 void *each_data)
{
	struct seat *seat = data;

	monitors_each(seat->cards, each, each_data);
}

static void tell_card(const struct control_card *card, void *data)
{
	control_card_changed(data, card);
}

void seat_tell_card(struct seat *seat, const struct passthrough_card *card)
{
	describe_card(&(struct card_walk){ seat, tell_card, seat->control }, card);
}

static int refuse_without_cards(struct seat *seat, const char **why)
{
	return seat_refuse(seat, why, -ENXIO,
			   "No card is configured to be lent; its file goes into the folder of "
			   "cards, see baton.conf(5).");
}

static int give_card(void *data, const char **card, const char *name, bool dark, const char **why)
{
	struct seat *seat = data;
	struct seat_guest *guest = name ? find(seat, name, why) : NULL;

	if (name && !guest) {
		return -ENOENT;
	}
	return seat->cards ? cards_give(seat->cards, card, guest, dark, why)
			   : refuse_without_cards(seat, why);
}

static int answer_card(void *data, const char *card, const char *answer, const char **why)
{
	struct seat *seat = data;

	return seat->cards ? cards_answer(seat->cards, card, answer, why)
			   : refuse_without_cards(seat, why);
}

/* ---- injected input ---- */

/* At a real seat nobody types but the person who sits there. */
static int inject(struct seat *seat, struct input_event event, const char **why)
{
	if (seat->backend == COMPOSITOR_BACKEND_KMS && !seat->config.automation) {
		return seat_refuse(seat, why, -EPERM,
			      "Input is injected only into a headless seat or a window, or with "
			      "\"automation = yes\" in baton.conf.");
	}
	event.device = SEAT_DEVICE_CONTROL;
	event.time_ns = clock_now_ns();
	input_feed(seat->input, &event);
	return 0;
}

static int inject_key(void *data, uint32_t code, bool pressed, const char **why)
{
	if (code == KEY_RESERVED || code > KEY_MAX) {
		return seat_refuse(data, why, -EINVAL, "%u is no key code; they are 1 to %u.", code,
			      KEY_MAX);
	}
	return inject(data,
		      (struct input_event){
			      .type = INPUT_EVENT_KEY, .code = code, .pressed = pressed },
		      why);
}

static int inject_button(void *data, uint32_t code, bool pressed, const char **why)
{
	if (code < BTN_LEFT || code > BTN_TASK) {
		return seat_refuse(data, why, -EINVAL, "%u is no button code; they are %u to %u.", code,
			      BTN_LEFT, BTN_TASK);
	}
	return inject(data,
		      (struct input_event){
			      .type = INPUT_EVENT_BUTTON, .code = code, .pressed = pressed },
		      why);
}

static int inject_motion(void *data, double dx, double dy, const char **why)
{
	return inject(data,
		      (struct input_event){ .type = INPUT_EVENT_MOTION, .dx = dx, .dy = dy }, why);
}

static int inject_absolute(void *data, double x, double y, const char **why)
{
	if (!(x >= 0 && x <= 1 && y >= 0 && y <= 1)) {
		return seat_refuse(data, why, -EINVAL, "A position is two numbers from 0 to 1.");
	}
	return inject(data, (struct input_event){ .type = INPUT_EVENT_ABSOLUTE, .x = x, .y = y },
		      why);
}

static int inject_wheel(void *data, int32_t v120, int32_t h120, const char **why)
{
	return inject(data,
		      (struct input_event){ .type = INPUT_EVENT_WHEEL, .dx = h120, .dy = v120 },
		      why);
}

static int refuse_automation(struct seat *seat, const char **why)
{
	return seat_refuse(seat, why, -EPERM,
			   "Programs may neither type into guests nor see what is typed; "
			   "\"automation = yes\" in [seat] of baton.conf lets them.");
}

/* False: there is no such thing, or its numbers make no sense. */
static bool event_from_words(const char *what, double a, double b, struct input_event *out)
{
	if (strcmp(what, "key") == 0 || strcmp(what, "button") == 0) {
		bool button = *what == 'b';

		out->type = button ? INPUT_EVENT_BUTTON : INPUT_EVENT_KEY;
		out->code = a >= 1 && a <= KEY_MAX ? (uint32_t)a : 0;
		out->pressed = b != 0;
		return button ? out->code >= BTN_LEFT && out->code <= BTN_TASK : out->code > 0;
	}
	out->dx = out->x = a;
	out->dy = out->y = b;
	if (strcmp(what, "motion") == 0) {
		out->type = INPUT_EVENT_MOTION;
		return true;
	}
	if (strcmp(what, "wheel") == 0) {
		out->type = INPUT_EVENT_WHEEL;
		return true;
	}
	out->type = INPUT_EVENT_ABSOLUTE;
	return strcmp(what, "absolute") == 0 && a >= 0 && a <= 1 && b >= 0 && b <= 1;
}

/* By a device that is that guest's alone. */
static int inject_to(void *data, const char *name, const char *what, double a, double b,
		     const char **why)
{
	struct seat *seat = data;
	struct input_event event = { .time_ns = clock_now_ns() };
	struct seat_guest *guest;

	if (!seat->config.automation) {
		return refuse_automation(seat, why);
	}
	guest = find(seat, name, why);
	if (!guest) {
		return -ENOENT;
	}
	if (!event_from_words(what, a, b, &event)) {
		return seat_refuse(seat, why, -EINVAL,
				   "\"%.20s\" with these numbers is no event of a device.", what);
	}
	event.device = SEAT_DEVICES_OF_GUESTS | guest->id;
	if (input_pin(seat->input, event.device, guest->sink) < 0) {
		return -ENOMEM;
	}
	input_feed(seat->input, &event);
	return 0;
}

static int record(void *data, int fd, const char **why)
{
	struct seat *seat = data;
	int copy;

	if (!seat->config.automation) {
		return refuse_automation(seat, why);
	}
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0) {
		return -errno;
	}
	input_record(seat->input, copy);
	log_info("What is typed and pointed at is recorded for a program");
	return 0;
}

const struct control_actions seat_actions = {
	.describe_seat = describe_seat,
	.each_guest = each_guest,
	.focus = focus_guest,
	.focus_next = focus_next,
	.focus_back = focus_back,
	.switcher = show_switcher,
	.screenshot = screenshot,
	.start = start,
	.shutdown = shut_down,
	.kill = kill_guest,
	.reset = reset,
	.pause = pause_guest,
	.quit = quit,
	.reload = reload,
	.volume = set_volume,
	.microphone = set_microphone,
	.each_card = each_card,
	.each_monitor = each_monitor,
	.give_card = give_card,
	.answer_card = answer_card,
	.inject_key = inject_key,
	.inject_button = inject_button,
	.inject_motion = inject_motion,
	.inject_absolute = inject_absolute,
	.inject_wheel = inject_wheel,
	.inject_to = inject_to,
	.record = record,
	.export_output = export_output,
};
