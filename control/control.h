/* SPDX-License-Identifier: MIT */
/*
 * The outside world: the D-Bus API. Knows nothing of guests or screens: seat/ hands in a table of
 * actions and plain structs. The seat's configuration is in control/seat_config.h.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#define CONTROL_BUS_NAME "org.baton.Seat1"
#define CONTROL_OBJECT "/org/baton/Seat1"
#define CONTROL_INTERFACE "org.baton.Seat1"
#define CONTROL_SOCKET "control.sock" /* in the runtime folder */

#define CONTROL_ERROR_NO_GUEST CONTROL_INTERFACE ".Error.NoSuchGuest"
#define CONTROL_ERROR_NO_CARD CONTROL_INTERFACE ".Error.NoSuchCard"
#define CONTROL_ERROR_NOT_PERMITTED CONTROL_INTERFACE ".Error.NotPermitted"
#define CONTROL_ERROR_INVALID CONTROL_INTERFACE ".Error.Invalid"
#define CONTROL_ERROR_WRONG_STATE CONTROL_INTERFACE ".Error.WrongState"
#define CONTROL_ERROR_FAILED CONTROL_INTERFACE ".Error.Failed"

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
	const char *source;     /* where that comes from: "virtio", "card", "none" */
	const char *capture;    /* one sentence why not from its card; NULL: it does, or has none */
	const char *monitors;   /* its path to each that a card drives: "DP-1 owned, DP-2 absent" */
	uint64_t frames;        /* frames and updates that arrived */
	uint64_t keys_sent, keys_dropped;
	const char *input;      /* devices that take its keys: "emulated", or those of its own */
	const char *sound;      /* "plays", "silent", … */
	unsigned int underruns; /* samples that came too late */
	unsigned int volume;    /* percent, as somebody set it */
	bool muted;             /* by somebody */
	bool microphone;        /* it hears the host's */
	const char *recording;  /* what it records: "nothing", "silence", "microphone", … */
};

struct control_seat {
	const char *backend;  /* "kms", "window", "headless" */
	const char *renderer; /* "pixman", "gl" */
	const char *version;
	uint32_t width, height, refresh_mhz;
	bool switcher;
	const char *acceleration; /* "kvm" or "tcg" */
	const char *sound;        /* where it goes, or why it cannot */
	unsigned int cards;       /* that can be lent */
	const char *card_trouble; /* one sentence why none can be at the moment, or NULL */
};

/* A graphics card that guests may have, as the API tells it. Strings live during the call, and
 * those that say nothing are NULL. */
struct control_card {
	const char *name, *address, *state;
	const char *owner;      /* the guest that has it */
	const char *target;     /* the guest that it is on the way to */
	bool moving;            /* it is on the way, to a guest or back */
	const char *stage;      /* of that way … */
	unsigned int stage_ms;  /* … and for how long */
	bool asking;            /* a guest does not let go: answer_card() is waited for */
	const char *drivers;    /* of its functions, in their order */
	bool only_screen;       /* the host has no picture without it */
	bool sound;             /* it has a sound device; that is its guest's alone */
	const char *text;       /* what goes on, or went wrong */
};

/* A monitor that a card which guests may have drives, or can drive. Strings live during the call. */
struct control_monitor {
	const char *name;       /* its connector */
	const char *card;
	const char *cable;      /* "only" to that card, or "also" to one that stays with the host */
	const char *path;       /* "composited", "owned" or "absent" */
	const char *guest;      /* that owns it; NULL: none */
	uint32_t width, height; /* as the host lit it last; 0: never */
	const char *text;       /* what goes wrong; NULL: nothing */
};

/*
 * Work that takes too long for the loop; made by an action, owned by control. write is called at
 * most once, then destroy; both in a thread that is not the loop's, while the loop runs, or destroy
 * alone in the loop's. So they touch nothing but the job.
 */
struct control_job {
	int (*write)(struct control_job *job, int fd); /* 0 or -errno */
	void (*destroy)(struct control_job *job);
};

/*
 * What can be asked for; every function must be there. They return 0 or -errno; on failure they
 * put one sentence (static or owned by the seat until the next call) into *why, which is NULL
 * before. -ENOENT means that there is no such guest, -ENXIO no such card, -EPERM that this seat
 * never does it. They
 * never block and never destroy the control object; quit only asks the loop to end.
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
	/* guest NULL: the screen. Only takes the picture; the job writes it as PNG. */
	int (*screenshot)(void *data, const char *guest, struct control_job **job,
			  const char **why);
	int (*start)(void *data, const char *guest, const char **why);
	int (*shutdown)(void *data, const char *guest, const char **why);
	int (*kill)(void *data, const char *guest, const char **why);
	int (*reset)(void *data, const char *guest, const char **why);
	int (*pause)(void *data, const char *guest, bool paused, const char **why);
	int (*quit)(void *data, bool guests, const char **why);
	/* Reads the configuration again; guests that are new appear, gone ones that are stopped go.
	 */
	int (*reload)(void *data, const char **why);
	/* As if a host device had sent it; chords work. Only headless and window, else -EPERM. */
	int (*inject_key)(void *data, uint32_t code, bool pressed, const char **why);
	int (*inject_button)(void *data, uint32_t code, bool pressed, const char **why);
	int (*inject_motion)(void *data, double dx, double dy, const char **why);
	int (*inject_absolute)(void *data, double x, double y, const char **why);
	int (*inject_wheel)(void *data, int32_t v120, int32_t h120, const char **why);
	/* percent 0 to 100, else -EINVAL. */
	int (*volume)(void *data, const char *guest, unsigned int percent, bool muted,
		      const char **why);
	/* "allow", "deny", or "ask": what its file says. */
	int (*microphone)(void *data, const char *guest, const char *answer, const char **why);
	/*
	 * The same past chords and whoever is in front, into one guest: what is "key" or "button"
	 * (a: its code, b: pressed), "motion", "absolute" or "wheel" as above. And a record of what
	 * goes to the guest in front, into a socket; the descriptor stays the caller's. Only where
	 * the seat's settings allow it, else -EPERM.
	 */
	int (*inject_to)(void *data, const char *guest, const char *what, double a, double b,
			 const char **why);
	int (*record)(void *data, int fd, const char **why);
	void (*each_card)(void *data,
			  void (*each)(const struct control_card *card, void *each_data),
			  void *each_data);
	void (*each_monitor)(void *data,
			     void (*each)(const struct control_monitor *monitor, void *each_data),
			     void *each_data);
	/*
	 * Begins to give a card to a guest (NULL: back to the host). *card NULL: the only one, or
	 * the one that the guest's file names first; on success it is the one's name. dark: also
	 * when the host has no picture without it, else -EBUSY then.
	 */
	int (*give_card)(void *data, const char **card, const char *guest, bool dark,
			 const char **why);
	/* "wait", "reset", "kill" or "abort". */
	int (*answer_card)(void *data, const char *card, const char *answer, const char **why);
	/* A descriptor of the headless output's memory, still owned by the seat, or -errno. */
	int (*export_output)(void *data, const char **why);
};

struct control;

/*
 * Serves the API on socket_path and, when one can be reached without waiting, on the session bus
 * or the system bus; it works on the socket alone. The socket has mode 0600, its folder is made
 * with mode 0700 when it is missing and made private when it is there, and peers of another uid
 * are refused. The caller holds the lock of the runtime folder: a socket that a dead seat left is
 * replaced. A client that floods, does not read its answers or does not finish its greeting is cut
 * off; no client can make the loop wait. Returns 0 or -errno, logged.
 */
int control_create(sd_event *event, const char *socket_path, const struct control_actions *actions,
		   void *data, struct control **out);
/*
 * Removes the socket: nobody new is served. Those who are connected take the end of their
 * connection, in control_destroy(), for the end of the seat, and may start the next one at once.
 * NULL is legal.
 */
void control_close(struct control *control);
/*
 * control_close(), and ends every connection. NULL is legal; not legal inside an action. A job
 * that runs has a second to end; one that takes longer goes on with what it owns, until it ends or
 * the program does.
 */
void control_destroy(struct control *control);

/*
 * Signals; call them when the change is in force, since property Focused is read from each_guest()
 * then. guest NULL: nobody is in front. control NULL: there is no API (yet), nothing happens.
 */
void control_focus_changed(struct control *control, const char *guest);
void control_guest_changed(struct control *control, const char *guest, const char *state);
void control_card_changed(struct control *control, const struct control_card *card);

#endif
