// SPDX-License-Identifier: MIT
/* Whether a guest's display is emulated; see display_mode.h. */
#include "capture/display_mode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* QEMU may answer late while a guest keeps its main loop busy; then the next frame asks again. */
#define ANSWER_USEC (10 * 1000 * 1000ull)

struct display_mode {
	struct vm *vm;
	struct vm_observer vm_observer;
	struct frame_source_observer display_observer;
	bool asking;   /* QEMU has not answered yet … */
	bool outdated; /* … and there was another frame since */
	bool started;  /* the guest's driver was seen, or QEMU cannot tell */
	bool emulated;
};

static bool driver_is_ok(const json_t *result)
{
	const json_t *status = json_object_get(result, "status"), *word;
	size_t i;

	json_array_foreach(json_object_get(status, "statuses"), i, word)
	{
		if (json_is_string(word) && strstr(json_string_value(word), "DRIVER_OK")) {
			return true;
		}
	}
	return false;
}

static void mode_ask(struct display_mode *mode);

static void take_status(void *data, int error, const json_t *result, const char *text)
{
	struct display_mode *mode = data;
	bool outdated = mode->outdated;

	(void)text;
	mode->asking = mode->outdated = false;
	/* An answer of this QEMU that is none: it is too old for the question. */
	mode->started = error == -EREMOTEIO || (error == 0 && driver_is_ok(result));
	mode->emulated = error == 0 && !mode->started;
	if (outdated) {
		mode_ask(mode);
	}
}

static void mode_ask(struct display_mode *mode)
{
	if (mode->started) {
		return;
	}
	mode->outdated = mode->asking;
	if (!mode->asking) {
		mode->asking = vm_command(mode->vm, "x-query-virtio-status",
					  json_pack("{s:s}", "path", VM_DISPLAY_PATH),
					  ANSWER_USEC, take_status, mode) >= 0;
	}
}

static void handle_frame(struct frame_source *display, void *data)
{
	(void)display;
	mode_ask(data);
}

static void handle_event(struct vm *vm, void *data, const char *name, const json_t *args)
{
	struct display_mode *mode = data;

	(void)vm, (void)args;
	if (strcmp(name, "RESET") == 0) {
		mode->started = false;
		mode_ask(mode);
	}
}

static void handle_control_up(struct vm *vm, void *data)
{
	(void)vm;
	mode_ask(data);
}

/* Answers that were due do not come; the next QEMU is another. */
static void handle_control_down(struct vm *vm, void *data)
{
	struct display_mode *mode = data;

	vm_command_cancel(vm, mode);
	mode->asking = mode->outdated = mode->started = false;
}

int display_mode_create(struct vm *vm, struct frame_source *display, struct display_mode **out)
{
	static const struct vm_observer_ops vm_ops = {
		.control_up = handle_control_up,
		.control_down = handle_control_down,
		.event = handle_event,
	};
	static const struct frame_source_observer_ops display_ops = {
		.frame_changed = handle_frame,
	};
	struct display_mode *mode = calloc(1, sizeof(*mode));

	if (!mode) {
		return -ENOMEM;
	}
	mode->vm = vm;
	mode->vm_observer.ops = &vm_ops;
	mode->vm_observer.data = mode;
	mode->display_observer.ops = &display_ops;
	mode->display_observer.data = mode;
	vm_add_observer(vm, &mode->vm_observer);
	frame_source_observe(display, &mode->display_observer);
	mode_ask(mode);
	*out = mode;
	return 0;
}

void display_mode_destroy(struct display_mode *mode)
{
	if (!mode) {
		return;
	}
	frame_source_unobserve(&mode->display_observer);
	vm_remove_observer(&mode->vm_observer);
	vm_command_cancel(mode->vm, mode);
	free(mode);
}

bool display_mode_is_emulated(const struct display_mode *mode)
{
	return mode && mode->emulated;
}
