// SPDX-License-Identifier: MIT
/* Reads the command line; see options.h. */
#include "seat/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"Usage: baton [OPTION…] [run DISK|ISO…]\n"
	"       baton [OPTION…] check-config\n"
	"\n"
	"Shows virtual machines full-screen on one screen, one keyboard. Without files the guests\n"
	"are those of the configuration. Hold the host key (right Ctrl) to see all chords.\n"
	"\n"
	"  -b, --backend=kms|window|headless  where to show; default: what is there\n"
	"  -g, --guests=DIR     folder of guests' ini files\n"
	"      --cards=DIR      folder of the ini files of cards that guests may have\n"
	"  -c, --config=DIR     folder of baton.conf\n"
	"  -r, --runtime=DIR    folder of sockets and of guests' logs\n"
	"  -s, --size=WxH       size of a headless screen or of the window\n"
	"      --refresh=HZ     rate of a headless screen\n"
	"      --renderer=auto|pixman|gl\n"
	"      --card=PATH      one graphics card alone, e.g. /dev/dri/card1\n"
	"      --no-toasts      no guest's name on a switch\n"
	"      --software-cursor  draw the pointer into the picture\n"
	"  -v, --verbose        say more\n"
	"  -h, --help\n"
	"  -V, --version\n";

enum {
	OPTION_REFRESH = 256,
	OPTION_RENDERER,
	OPTION_CARD,
	OPTION_CARDS,
	OPTION_NO_TOASTS,
	OPTION_CURSOR
};

static const struct option long_options[] = {
	{ "backend", required_argument, NULL, 'b' },
	{ "guests", required_argument, NULL, 'g' },
	{ "config", required_argument, NULL, 'c' },
	{ "runtime", required_argument, NULL, 'r' },
	{ "size", required_argument, NULL, 's' },
	{ "refresh", required_argument, NULL, OPTION_REFRESH },
	{ "renderer", required_argument, NULL, OPTION_RENDERER },
	{ "card", required_argument, NULL, OPTION_CARD },
	{ "cards", required_argument, NULL, OPTION_CARDS },
	{ "no-toasts", no_argument, NULL, OPTION_NO_TOASTS },
	{ "software-cursor", no_argument, NULL, OPTION_CURSOR },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static int parse_verb(struct seat_options *options, int argc, char **argv)
{
	if (optind == argc) {
		return 0;
	}
	if (strcmp(argv[optind], "check-config") == 0 && optind + 1 == argc) {
		options->verb = SEAT_VERB_CHECK_CONFIG;
		return 0;
	}
	if (strcmp(argv[optind], "run") == 0) {
		options->files = optind + 1 < argc ? &argv[optind + 1] : NULL;
		return 0;
	}
	fprintf(stderr, "baton: \"%s\" is not a command; try \"baton run %s\" or \"baton --help\".\n",
		argv[optind], argv[optind]);
	return -EINVAL;
}

static int parse_option(struct seat_options *options, int c)
{
	switch (c) {
	case 'b':
		options->backend = optarg;
		return 0;
	case 'g':
		options->guests = optarg;
		return 0;
	case 'c':
		options->config_dir = optarg;
		return 0;
	case 'r':
		options->runtime_dir = optarg;
		return 0;
	case 's':
		options->size = optarg;
		return 0;
	case OPTION_REFRESH:
		options->refresh = optarg;
		return 0;
	case OPTION_RENDERER:
		options->renderer = optarg;
		return 0;
	case OPTION_CARD:
		options->card = optarg;
		return 0;
	case OPTION_CARDS:
		options->cards = optarg;
		return 0;
	case OPTION_NO_TOASTS:
		options->no_toasts = true;
		return 0;
	case OPTION_CURSOR:
		options->software_cursor = true;
		return 0;
	case 'v':
		options->verbose = true;
		return 0;
	case 'h':
		fputs(usage, stdout);
		return 1;
	case 'V':
		puts("baton " BATON_VERSION);
		return 1;
	default:
		fputs("Try \"baton --help\".\n", stderr);
		return -EINVAL;
	}
}

int seat_options_parse(struct seat_options *options, int argc, char **argv)
{
	int c, r;

	*options = (struct seat_options){ .verb = SEAT_VERB_RUN };
	while ((c = getopt_long(argc, argv, "b:g:c:r:s:vhV", long_options, NULL)) != -1) {
		r = parse_option(options, c);
		if (r != 0) {
			return r;
		}
	}
	return parse_verb(options, argc, argv);
}
