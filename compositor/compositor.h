/* SPDX-License-Identifier: MIT */
/*
 * Frames to screens. The compositor owns the session (on kms), the outputs, the renderer and the
 * scene, and shows what it is told: one guest, or the switcher's grid of all of them, with overlay
 * lines on top. It asks no guest and waits for none: at each vblank it shows what is there.
 */
#ifndef COMPOSITOR_COMPOSITOR_H
#define COMPOSITOR_COMPOSITOR_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "capture/frame_source.h"

enum compositor_backend {
	COMPOSITOR_BACKEND_KMS,
	COMPOSITOR_BACKEND_WINDOW,
	COMPOSITOR_BACKEND_HEADLESS,
	COMPOSITOR_BACKEND_COUNT
};

/* Plain data; strings are copied. */
struct compositor_options {
	enum compositor_backend backend;
	uint32_t width, height; /* headless and window; 0: a default */
	uint32_t refresh_mhz;   /* headless; 0: 60000 */
	const char *renderer;   /* kms: "auto", "pixman" or "gl"; NULL is "auto" */
	const char *card;       /* kms: the only one to be used, e.g. /dev/dri/card1; NULL: all */
	bool software_cursor;   /* kms: never use the cursor plane */
	bool allow_no_card;     /* kms: start without a card too, and wait for one */
	const char *released_cards; /* kms: slots, as after compositor_release_card(); or NULL */
	const char *desk_hint;  /* the line on an empty desk, e.g. which keys open the switcher */
};

/*
 * What the back end reports. Codes are evdev's (linux/input-event-codes.h), times are
 * CLOCK_MONOTONIC in nanoseconds, positions are pixels of the output, wheel steps are 120ths of a
 * click. kms reports only active and outputs_changed: its input comes through libinput in input/.
 */
struct compositor_handlers {
	void (*key)(void *data, uint32_t code, bool pressed, uint64_t time_ns);
	void (*button)(void *data, uint32_t code, bool pressed, uint64_t time_ns);
	void (*motion)(void *data, double x, double y, double dx, double dy, uint64_t time_ns);
	void (*wheel)(void *data, int32_t vertical, int32_t horizontal, uint64_t time_ns);
	void (*keyboard_lost)(void *data);          /* the window lost the keyboard */
	void (*close_requested)(void *data);        /* the window was closed */
	void (*active)(void *data, bool active);    /* the session got or lost its screen (VT) */
	void (*outputs_changed)(void *data);        /* plugged, unplugged, another mode */
	void (*presented)(void *data, uint64_t vblank_ns, uint64_t sequence); /* may be NULL */
	/* Answers of compositor_release_card() and compositor_regain_card(); may be NULL. */
	void (*card_released)(void *data, const char *slot, int error);
	void (*card_regained)(void *data, const char *slot, int error);
};

/* One guest as the scene shows it. Strings are copied, the source is not owned and must be taken
 * out with compositor_remove_guest() before it dies. */
struct scene_guest {
	const char *name;
	unsigned int slot;
	struct frame_source *source; /* may be NULL */
	const char *state;           /* "running", "paused", … shown in the switcher */
	const char *reason;          /* why it is not alive, or NULL; a guest with a reason is grey */
};

struct compositor;

/* Fails with one logged sentence and -errno, nothing half-started. */
int compositor_create(sd_event *event, const struct compositor_options *options,
		      const struct compositor_handlers *handlers, void *data,
		      struct compositor **out);
void compositor_destroy(struct compositor *compositor); /* NULL is legal */

/* Guests are known by an id of the caller's choosing (not 0). */
int compositor_set_guest(struct compositor *compositor, uint32_t id,
			 const struct scene_guest *guest);
void compositor_remove_guest(struct compositor *compositor, uint32_t id);

/* Shows this guest on every output from the next vblank on; 0 shows an empty desk. */
void compositor_show_guest(struct compositor *compositor, uint32_t id);

/* Opens or closes the switcher over all guests; keys and pointer for it come in by
 * compositor_switcher_*(). */
void compositor_show_switcher(struct compositor *compositor, bool open);
bool compositor_switcher_open(const struct compositor *compositor);
/* Moves the selection by columns and rows. */
void compositor_switcher_move(struct compositor *compositor, int dx, int dy);
void compositor_switcher_select(struct compositor *compositor, uint32_t id);
/* Type-to-filter: the text so far, UTF-8; NULL clears it. */
void compositor_switcher_filter(struct compositor *compositor, const char *text);
/* Pointer over the switcher, in output pixels; returns the guest under it or 0. */
uint32_t compositor_switcher_pointer(struct compositor *compositor, double x, double y);
/* The selected guest that the filter lets through, or 0. */
uint32_t compositor_switcher_selected(const struct compositor *compositor);

/* A short line that goes by itself (name toast, notices); NULL takes it away. */
void compositor_toast(struct compositor *compositor, const char *text);
/* A line that stays until it is replaced or cleared with NULL, e.g. why the guest gets no keys. */
void compositor_notice(struct compositor *compositor, const char *text);
/* Another such line, at the same time: how far something has come that takes its time. */
void compositor_progress(struct compositor *compositor, const char *text);
/* The table of all chords, as lines "keys\tmeaning\n"; NULL hides it. */
void compositor_help(struct compositor *compositor, const char *lines);

/* Where the guest in front is: its picture's rectangle in pixels of the first output and the size
 * of its frame, for the pointer. Without an output as on the last one, since the guest may be seen
 * elsewhere. False while it shows no frame. */
struct compositor_placement {
	int32_t x, y;
	uint32_t width, height;
	uint32_t frame_width, frame_height;
};
bool compositor_placement(const struct compositor *compositor, struct compositor_placement *out);

/* Size of the first output, or of the last one that there was, or a default. */
void compositor_output_size(const struct compositor *compositor, uint32_t *width,
			    uint32_t *height);

/* For status: "kms", "window" or "headless"; "pixman" or "gl"; of the first output, 0: none. */
const char *compositor_backend_name(const struct compositor *compositor);
const char *compositor_renderer_name(const struct compositor *compositor);
uint32_t compositor_refresh_mhz(const struct compositor *compositor);
/* Bytes written into the buffers of all outputs since the start. */
uint64_t compositor_bytes_written(const struct compositor *compositor);

/*
 * window: keeps the desktop's pointer in the window, unseen, or lets it go. While it is locked
 * motion is reported without end as dx and dy, and x and y stay. Nothing happens elsewhere.
 */
void compositor_lock_pointer(struct compositor *compositor, bool lock);

/* Switches the virtual terminal (kms). -ENOTSUP elsewhere. */
int compositor_switch_vt(struct compositor *compositor, unsigned int vt);

/* Opens an input node through the session (kms), for libinput; -errno. The device is closed by
 * compositor_close_device(). -ENOTSUP elsewhere. */
int compositor_open_device(struct compositor *compositor, const char *path);
void compositor_close_device(struct compositor *compositor, int fd);
const char *compositor_seat_name(const struct compositor *compositor); /* "seat0", … */

/*
 * A graphics card is known by its PCI slot, such as "0000:01:00". On kms every card of the seat
 * with a monitor is in use; it may be given away, and come back, while everything else goes on,
 * without any screen if need be. Elsewhere nothing of a card is held, and the answers come at once.
 */

/*
 * Lets go of the card: its outputs go dark and away, then everything of it is closed, and from now
 * on it is left alone, whatever udev says. The handler card_released() tells when that is done,
 * from here or later, once for any number of calls: 0, also when nothing of it was open; -EBUSY
 * (logged) when a library keeps something open, which only a new process mends, with
 * released_cards; or -errno. Not to be called from a handler.
 */
void compositor_release_card(struct compositor *compositor, const char *slot);
/*
 * It may be used again: as soon as udev knows the card it is opened and its outputs come, perhaps
 * under another node's name. The handler card_regained() tells, later, once: 0 when it is in use,
 * has no monitor or will be looked at when the session has its screens again; or -errno (logged).
 * Before the release is over, it comes after that.
 */
void compositor_regain_card(struct compositor *compositor, const char *slot);
/* Whether there are outputs on this card, and whether there are no others. */
bool compositor_uses_card(const struct compositor *compositor, const char *slot, bool *only);

/* What is lit, the first output first. Strings live during the call. */
struct compositor_output {
	const char *name; /* the connector's on kms, "DP-1" */
	const char *slot; /* of its card; NULL: of none */
	uint32_t width, height;
};
void compositor_each_output(const struct compositor *compositor,
			    void (*each)(void *data, const struct compositor_output *output),
			    void *data);

/*
 * A copy of what the first output shows now (id 0), or of one guest's last picture alone, without
 * overlays. Taking it costs the loop one copy of the pixels. 0 or -errno: -ENODEV without an
 * output, -ENODATA without a picture of this guest, -EFBIG when that is much larger than 8K. The
 * picture is the caller's, is tied to nothing and may be used and destroyed in any one thread at a
 * time.
 */
struct picture;
int compositor_picture_take(struct compositor *compositor, uint32_t id, struct picture **out);
/* Encodes (tens of milliseconds) and writes to fd; waits when writing does. 0 or -errno. */
int picture_write_png(const struct picture *picture, int fd);
void picture_destroy(struct picture *picture); /* NULL is legal */

/* headless: a memfd, to be duplicated by the caller, that holds struct headless_export
 * (compositor/headless_export.h) followed by the pixels; -ENOTSUP elsewhere. */
int compositor_export_fd(struct compositor *compositor);

#endif
