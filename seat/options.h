/* SPDX-License-Identifier: MIT */
/* The command line of baton(1). */
#ifndef SEAT_OPTIONS_H
#define SEAT_OPTIONS_H

#include <stdbool.h>

enum seat_verb { SEAT_VERB_RUN, SEAT_VERB_CHECK_CONFIG };

/* Strings point into argv or are static; NULL where nothing was said. */
struct seat_options {
	enum seat_verb verb;
	char **files;        /* NULL-terminated: disks and CDs to run; NULL without any */
	const char *backend; /* over the configuration's */
	const char *size;
	const char *refresh;
	const char *renderer;
	const char *card;
	const char *guests;
	const char *cards;
	const char *config_dir;
	const char *runtime_dir;
	bool no_toasts;
	bool software_cursor;
	bool verbose;
};

/* Returns 0 to go on, 1 when all is done (help, version), -EINVAL after saying what is wrong. */
int seat_options_parse(struct seat_options *options, int argc, char **argv);

#endif
