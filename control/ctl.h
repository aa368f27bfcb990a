/* SPDX-License-Identifier: MIT */
/*
 * batonctl's inside: one connection, one command, one exit status. Unlike the seat it may wait:
 * its calls are synchronous.
 */
#ifndef CONTROL_CTL_H
#define CONTROL_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <systemd/sd-bus.h>

/* Exit statuses; batonctl(1) documents them. */
enum ctl_status {
	CTL_OK = 0,
	CTL_FAILED = 1,   /* the seat or the machine said no */
	CTL_USAGE = 2,    /* the command line is wrong; nothing was asked */
	CTL_NO_SEAT = 3,  /* no seat answers on the socket */
	CTL_NO_GUEST = 4, /* there is no guest of that name or slot, or no card of that name */
};

struct ctl {
	sd_bus *bus;
	char *socket_path;
	bool json;
};

/* A command takes its words without options of all commands, and returns an exit status. */
typedef enum ctl_status (*ctl_run_fn)(struct ctl *ctl, int argc, char **argv);

struct ctl_command {
	const char *name;
	int least, most; /* number of words behind the name, options included */
	ctl_run_fn run;
	const char *words; /* for the help */
	const char *help;
	bool offline; /* needs no seat: it is run without a connection */
};

/* Ends with an entry without a name. */
extern const struct ctl_command ctl_seat_commands[];
extern const struct ctl_command ctl_gpu_commands[];
extern const struct ctl_command ctl_sound_commands[];
extern const struct ctl_command ctl_input_commands[];
extern const struct ctl_command ctl_doctor_commands[];

/* One sentence on stderr. Returns status, so that it can stand behind return. */
__attribute__((format(printf, 2, 3))) enum ctl_status ctl_fail(enum ctl_status status,
							       const char *format, ...);

/* Connects to the seat's private socket. */
enum ctl_status ctl_connect(struct ctl *ctl);

/* Calls a method and waits for its answer; reply may be NULL. A failure is printed. */
enum ctl_status ctl_call(struct ctl *ctl, sd_bus_message **reply, const char *method,
			 const char *types, ...);

/* The answers of ListGuests, ListCards, ListMonitors and Status as JSON; a new reference in *out. */
enum ctl_status ctl_get_guests(struct ctl *ctl, json_t **out);
enum ctl_status ctl_get_cards(struct ctl *ctl, json_t **out);
enum ctl_status ctl_get_monitors(struct ctl *ctl, json_t **out);
enum ctl_status ctl_get_status(struct ctl *ctl, json_t **out);

/* A field of such an object: "" and false when it has none. */
const char *ctl_string(const json_t *object, const char *key);
bool ctl_is_true(const json_t *object, const char *key);
/* Prints it for --json; CTL_OK. */
enum ctl_status ctl_print_json(const json_t *json);

/* ctl_monitors.c: the line of status and the table of gpu list, neither without a monitor; and into
 * each card's object an array of its monitors. */
void ctl_print_monitors_line(const json_t *monitors);
void ctl_print_monitors(const json_t *monitors);
void ctl_add_monitors(json_t *cards, const json_t *monitors);

/* The name of the guest that word names, by its name or else by its slot. Allocated in *out. */
enum ctl_status ctl_find_guest(struct ctl *ctl, const char *word, char **out);

/* Takes the option out of the words, if it is among them before a "--". */
bool ctl_take_flag(int *argc, char **argv, const char *option);
/* The same for an option with a value ("--x V" or "--x=V"); NULL when it is not there. A value
 * that is missing is told and sets *bad. */
const char *ctl_take_value(int *argc, char **argv, const char *option, bool *bad);
/* Drops the "--" when a command has taken its options. */
void ctl_end_options(int *argc, char **argv);

static inline void json_unref_ptr(json_t **json)
{
	json_decref(*json);
}
#define _cleanup_json_ __attribute__((cleanup(json_unref_ptr)))

#endif
