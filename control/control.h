/* SPDX-License-Identifier: MIT */
/*
 * The outside world: the D-Bus API and the seat's configuration. Knows nothing of guests or
 * screens: seat/ hands in a table of actions and plain structs.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#define CONTROL_BUS_NAME "org.baton.Seat1"
#define CONTROL_OBJECT "/org/baton/Seat1"

/* A guest as the API tells it. Strings belong to the caller and live during the call. */
struct control_guest {
	const char *name;
	unsigned int slot;
	const char *state;  /* vm_state_name(), or "hung" */
	const char *reason; /* may be NULL */
	bool focused;
	int pid;
	uint32_t width, height; /* of its picture; 0 without one */
	bool live;              /* its picture follows it */
	uint64_t frames;        /* frames and updates that arrived */
	uint64_t keys_sent, keys_dropped;
};

struct control_seat {
	const char *backend;  /* "kms", "window", "headless" */
	const char *renderer; /* "pixman", "gl" */
	const char *version;
	uint32_t width, height, refresh_mhz;
	bool switcher;
	const char *acceleration; /* "kvm" or "tcg" */
};

/*
 * What can be asked for. Functions return 0 or -errno; on failure they put one sentence (static or
 * owned by the seat until the next call) into *why. They never block.
 */
struct control_actions {
	void (*describe_seat)(void *data, struct control_seat *out);
	/* Calls each for every guest, in slot order. */
	void (*each_guest)(void *data,
			   void (*each)(const struct control_guest *guest, void *each_data),
			   void *each_data);
	int (*focus)(void *data, const char *guest, const char **why);
	int (*focus_next)(void *data, const char **why);
	int (*focus_back)(void *data, const char **why);
	int (*switcher)(void *data, bool open, const char **why);
	/* guest NULL: the screen. PNG into fd (regular file or memfd). */
	int (*screenshot)(void *data, const char *guest, int fd, const char **why);
	int (*start)(void *data, const char *guest, const char **why);
	int (*shutdown)(void *data, const char *guest, const char **why);
	int (*kill)(void *data, const char *guest, const char **why);
	int (*reset)(void *data, const char *guest, const char **why);
	int (*pause)(void *data, const char *guest, bool paused, const char **why);
	int (*quit)(void *data, bool guests, const char **why);
	/* Reads the configuration again; guests that are new appear, gone ones that are stopped go. */
	int (*reload)(void *data, const char **why);
	/* As if a host device had sent it; chords work. Only headless and window, else -EPERM. */
	int (*inject_key)(void *data, uint32_t code, bool pressed, const char **why);
	int (*inject_button)(void *data, uint32_t code, bool pressed, const char **why);
	int (*inject_motion)(void *data, double dx, double dy, const char **why);
	int (*inject_absolute)(void *data, double x, double y, const char **why);
	int (*inject_wheel)(void *data, int32_t v120, int32_t h120, const char **why);
	/* A descriptor of the headless output's memory, still owned by the seat. */
	int (*export_output)(void *data, const char **why);
};

struct control;

/*
 * Serves the API on socket_path (a private socket of mode 0600 in a folder of mode 0700; peers of
 * another uid are refused) and, when one can be reached without waiting, on the session bus or the
 * system bus. Without a bus it works on the socket alone. 0 or -errno, logged.
 */
int control_create(sd_event *event, const char *socket_path, const struct control_actions *actions,
		   void *data, struct control **out);
void control_destroy(struct control *control); /* NULL is legal; removes the socket */

/* Signals. */
void control_focus_changed(struct control *control, const char *guest); /* NULL: none */
void control_guest_changed(struct control *control, const char *guest, const char *state);

/* ---- the seat's configuration: baton.conf(5) ---- */

#include "common/ini.h"

struct seat_config {
	char *backend;     /* "auto", "kms", "window", "headless" */
	char *size;        /* "1280x800": headless and window */
	unsigned int refresh; /* Hz: headless */
	char *renderer;    /* "auto", "pixman", "gl" */
	char *card;
	char *guests;      /* folder of guests' ini files */
	bool toasts;       /* name on each switch; default yes */
	bool software_cursor;
	/* "[chords]": names of keys as in chord_parse_key(); NULL is the default */
	char *host_key, *recent, *back, *switcher, *rescue, *send_host_key;
};

void seat_config_init(struct seat_config *config);
void seat_config_finish(struct seat_config *config);
/* Reads baton.conf and the files in baton.conf.d of a folder in order; a missing one is no mistake. */
int seat_config_load(struct seat_config *config, const char *folder, struct ini_report *report);

#endif
