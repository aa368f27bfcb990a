// SPDX-License-Identifier: MIT
/* Reads monitors/NAME.ini; see monitor_config.h. */
#include "passthrough/monitor_config.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/strv.h"

#define NAME_LENGTH_MAX 31
#define INPUT_MAX 0xff

bool monitor_name_is_valid(const char *name)
{
	size_t n = strlen(name);

	for (const char *c = name; *c; c++) {
		if (!isascii(*c) || (!isalnum((unsigned char)*c) && (*c != '-' || c == name))) {
			return false;
		}
	}
	return n > 0 && n <= NAME_LENGTH_MAX;
}

static int parse_cable(const char *value, void *field, char *expected, size_t size)
{
	for (int cable = 0; cable < DISPLAY_CABLE_COUNT; cable++) {
		if (strcmp(value, display_cable_name((enum display_cable)cable)) == 0) {
			*(enum display_cable *)field = (enum display_cable)cable;
			return 0;
		}
	}
	snprintf(expected, size, "only or also");
	return -EINVAL;
}

static int parse_input(const char *value, void *field, char *expected, size_t size)
{
	char *end;
	unsigned long input = strtoul(value, &end, 0);

	if (!isdigit((unsigned char)*value) || *end || input < 1 || input > INPUT_MAX) {
		snprintf(
			expected, size,
			"a number from 1 to 0x%x, one of those that \"ddcutil capabilities\" lists "
			"for feature 60",
			INPUT_MAX);
		return -EINVAL;
	}
	*(unsigned int *)field = (unsigned int)input;
	return 0;
}

#define KEY(name, field, parse)                                                                    \
	{                                                                                          \
		"monitor", name, offsetof(struct monitor_config, field), parse                     \
	}
static const struct ini_key keys[] = {
	KEY("card", card, ini_parse_string),
	KEY("cable", cable, parse_cable),
	KEY("input-host", input_host, parse_input),
	KEY("input-guest", input_guest, parse_input),
	{ 0 },
};

void monitor_config_destroy(struct monitor_config *config)
{
	if (config) {
		free(config->name);
		free(config->card);
		free(config);
	}
}

DEFINE_CLEANUP(struct monitor_config *, monitor_config_destroy)
#define _cleanup_config_ _cleanup_(monitor_config_destroy_ptr)

static struct monitor_config *config_create(const char *path)
{
	const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
	struct monitor_config *config = calloc(1, sizeof(*config));

	if (!config) {
		return NULL;
	}
	config->name = strndup(file, strlen(file) - strlen(".ini"));
	if (!config->name) {
		monitor_config_destroy(config);
		return NULL;
	}
	return config;
}

static int mistake(struct ini_report *report, const char *path, const char *key, const char *text)
{
	ini_report_add(report, path, ini_find_line(path, "monitor", key, 0), key, "%s", text);
	return -EINVAL;
}

static bool is_card(const char *name, struct card_config *const *cards, size_t n)
{
	size_t i = 0;

	while (i < n && strcmp(cards[i]->name, name) != 0) {
		i++;
	}
	return i < n;
}

static int check_card(const struct monitor_config *config, const char *path,
		      struct card_config *const *cards, size_t n, struct ini_report *report)
{
	if (!config->card) {
		ini_report_add(
			report, path, 0, "card",
			"is missing; it names the card that the monitor is cabled to, a file "
			"in the folder of cards");
		return -EINVAL;
	}
	if (!is_card(config->card, cards, n)) {
		ini_report_add(report, path, ini_find_line(path, "monitor", "card", 0), "card",
			       "there is no card \"%s\"; its file would be cards/%s.ini",
			       config->card, config->card);
		return -EINVAL;
	}
	return 0;
}

static int check_inputs(const struct monitor_config *config, const char *path,
			struct ini_report *report)
{
	if (!config->input_host != !config->input_guest) {
		return mistake(report, path, config->input_host ? "input-host" : "input-guest",
			       "needs the other cable's input too: set both input-host and "
			       "input-guest, or none");
	}
	if (config->input_host && config->input_host == config->input_guest) {
		return mistake(report, path, "input-guest",
			       "is the same as input-host; each cable has its own input");
	}
	if (config->input_host && config->cable == DISPLAY_CABLE_ONLY) {
		return mistake(
			report, path, "input-host",
			"is for a monitor with two cables: set \"cable = also\", or leave the "
			"inputs out");
	}
	return 0;
}

static int check_name(const struct monitor_config *config, const char *path,
		      struct ini_report *report)
{
	if (monitor_name_is_valid(config->name)) {
		return 0;
	}
	ini_report_add(report, path, 0, NULL,
		       "\"%s\" is no connector; call the file as the kernel calls it, such as "
		       "DP-1.ini: see /sys/class/drm",
		       config->name);
	return -EINVAL;
}

static int load_file(const char *path, struct card_config *const *cards, size_t n_cards,
		     struct ini_report *report, struct monitor_config **out)
{
	_cleanup_config_ struct monitor_config *config = config_create(path);
	int r = config ? ini_load(path, keys, config, report) : -ENOMEM;
	int named, carded, switched;

	if (r < 0) {
		return r;
	}
	named = check_name(config, path, report);
	carded = check_card(config, path, cards, n_cards, report);
	switched = check_inputs(config, path, report);
	if (named < 0 || carded < 0 || switched < 0) {
		return -EINVAL;
	}
	*out = take_ptr(config);
	return 0;
}

static int append(struct monitor_config ***list, size_t *n, struct monitor_config *config)
{
	struct monitor_config **grown = reallocarray(*list, *n + 1, sizeof(*grown));

	if (!grown) {
		monitor_config_destroy(config);
		return -ENOMEM;
	}
	grown[(*n)++] = config;
	*list = grown;
	return 0;
}

int monitor_config_load_dir(const char *folder, struct card_config *const *cards, size_t n_cards,
			    struct ini_report *report, struct monitor_config ***out, size_t *n)
{
	char **files = NULL;
	int result;

	if (access(folder, F_OK) < 0 && errno == ENOENT) {
		return 0;
	}
	result = ini_list(folder, report, &files);
	for (char **file = files; file && *file; file++) {
		struct monitor_config *config = NULL;
		int r = load_file(*file, cards, n_cards, report, &config);

		if (r >= 0) {
			r = append(out, n, config);
		}
		result = result < 0 ? result : r;
	}
	strv_free(files);
	return result;
}
