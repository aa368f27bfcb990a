// SPDX-License-Identifier: MIT
/* baton-doctor: options, and the exit status. */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "passthrough/doctor/doctor.h"

#define EXIT_NOT_RUN 3

static const char usage[] =
	"usage: baton-doctor [OPTION...]\n"
	"\n"
	"Says what Baton needs and what of it is there. Changes nothing.\n"
	"\n"
	"      --json              an array of {check, subject, status, text, remedy}\n"
	"  -c, --config=DIR        folder of baton.conf\n"
	"  -g, --guests=DIR        folder of guests' ini files\n"
	"      --cards=DIR         folder of cards' ini files\n"
	"  -r, --runtime=DIR       folder of the seat's sockets\n"
	"      --broker=PATH       socket of the broker\n"
	"      --broker-config=FILE\n"
	"  -h, --help\n"
	"  -V, --version\n"
	"\n"
	"Exit status: 0 all passed, 1 warnings, 2 something failed, 3 it could not run.\n";

enum { OPTION_JSON = 256, OPTION_CARDS, OPTION_BROKER, OPTION_BROKER_CONFIG };

static const struct option long_options[] = {
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "config", required_argument, NULL, 'c' },
	{ "guests", required_argument, NULL, 'g' },
	{ "cards", required_argument, NULL, OPTION_CARDS },
	{ "runtime", required_argument, NULL, 'r' },
	{ "broker", required_argument, NULL, OPTION_BROKER },
	{ "broker-config", required_argument, NULL, OPTION_BROKER_CONFIG },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

/* Where the value of an option goes, or NULL. */
static const char **option_field(struct doctor_options *options, int c)
{
	switch (c) {
	case 'c':
		return &options->folders.config;
	case 'g':
		return &options->folders.guests;
	case OPTION_CARDS:
		return &options->folders.cards;
	case 'r':
		return &options->runtime_dir;
	case OPTION_BROKER:
		return &options->broker_socket;
	case OPTION_BROKER_CONFIG:
		return &options->broker_config;
	default:
		return NULL;
	}
}

/* 1: go on; else what to exit with, negated. */
static int parse(struct doctor_options *options, bool *json, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "c:g:r:hV", long_options, NULL)) != -1) {
		const char **field = option_field(options, c);

		if (field) {
			*field = optarg;
		} else if (c == OPTION_JSON) {
			*json = true;
		} else if (c == 'h' || c == 'V') {
			fputs(c == 'h' ? usage : "baton-doctor " BATON_VERSION "\n", stdout);
			return 0;
		} else {
			return -EXIT_NOT_RUN;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "baton-doctor: \"%s\" is too much; try --help\n", argv[optind]);
		return -EXIT_NOT_RUN;
	}
	return 1;
}

int main(int argc, char **argv)
{
	static struct findings findings;
	struct doctor_options options = { 0 };
	bool json = false;
	int r = parse(&options, &json, argc, argv);

	if (r <= 0) {
		return -r;
	}
	r = doctor_run(&options, &findings);
	if (r == 0 && json) {
		r = findings_print_json(&findings, stdout);
	} else if (r == 0) {
		findings_print(&findings, stdout);
	}
	if (r < 0 || fflush(stdout) == EOF) {
		fprintf(stderr, "baton-doctor: %s\n", strerror(r < 0 ? -r : errno));
		return EXIT_NOT_RUN;
	}
	return findings_exit_status(&findings);
}
