// SPDX-License-Identifier: MIT
/* The keys of baton.conf and what their values may be. */
#include "control/seat_config.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "control/key_names.h"

#define SIZE_MIN 64
#define SIZE_MAX_PIXELS 16384
#define REFRESH_MAX 1000

static int parse_word(const char *value, const char *const words[], void *field, char *expected,
		      size_t size)
{
	size_t used = 0;

	for (size_t i = 0; words[i]; i++) {
		if (!strcmp(value, words[i])) {
			return ini_parse_string(value, field, expected, size);
		}
	}
	for (size_t i = 0; words[i] && used < size; i++) {
		used += (size_t)snprintf(expected + used, size - used, "%s%s",
					 i == 0         ? ""
					 : words[i + 1] ? ", "
							: " or ",
					 words[i]);
	}
	return -EINVAL;
}

static int parse_backend(const char *value, void *field, char *expected, size_t size)
{
	static const char *const words[] = { "auto", "kms", "window", "headless", NULL };

	return parse_word(value, words, field, expected, size);
}

static int parse_renderer(const char *value, void *field, char *expected, size_t size)
{
	static const char *const words[] = { "auto", "pixman", "gl", NULL };

	return parse_word(value, words, field, expected, size);
}

static int parse_size(const char *value, void *field, char *expected, size_t size)
{
	unsigned int width, height;
	int end = 0;

	if (sscanf(value, "%5ux%5u%n", &width, &height, &end) != 2 || value[end] ||
	    width < SIZE_MIN || height < SIZE_MIN || width > SIZE_MAX_PIXELS ||
	    height > SIZE_MAX_PIXELS) {
		snprintf(expected, size, "WIDTHxHEIGHT in pixels, each %d to %d, such as 1280x800",
			 SIZE_MIN, SIZE_MAX_PIXELS);
		return -EINVAL;
	}
	return ini_parse_string(value, field, expected, size);
}

static int parse_refresh(const char *value, void *field, char *expected, size_t size)
{
	unsigned int hz;

	if (ini_parse_uint(value, &hz, expected, size) < 0 || hz < 1 || hz > REFRESH_MAX) {
		snprintf(expected, size, "a whole number of Hz from 1 to %d", REFRESH_MAX);
		return -EINVAL;
	}
	*(unsigned int *)field = hz;
	return 0;
}

static int parse_card(const char *value, void *field, char *expected, size_t size)
{
	if (strncmp(value, "/dev/dri/", 9)) {
		snprintf(expected, size, "a device such as /dev/dri/card0");
		return -EINVAL;
	}
	return ini_parse_string(value, field, expected, size);
}

static int parse_key(const char *value, void *field, char *expected, size_t size)
{
	if (key_by_name(value) < 0) {
		snprintf(expected, size,
			 "the name of a key as in linux/input-event-codes.h without KEY_, such as "
			 "RIGHTCTRL, F12 or O");
		return -EINVAL;
	}
	return ini_parse_string(value, field, expected, size);
}

#define FIELD(name) offsetof(struct seat_config, name)

static const struct ini_key keys[] = {
	{ "seat", "backend", FIELD(backend), parse_backend },
	{ "seat", "size", FIELD(size), parse_size },
	{ "seat", "refresh", FIELD(refresh), parse_refresh },
	{ "seat", "renderer", FIELD(renderer), parse_renderer },
	{ "seat", "card", FIELD(card), parse_card },
	{ "seat", "guests", FIELD(guests), ini_parse_string },
	{ "seat", "cards", FIELD(cards), ini_parse_string },
	{ "seat", "toasts", FIELD(toasts), ini_parse_bool },
	{ "seat", "software-cursor", FIELD(software_cursor), ini_parse_bool },
	{ "seat", "automation", FIELD(automation), ini_parse_bool },
	{ "chords", "host-key", FIELD(host_key), parse_key },
	{ "chords", "recent", FIELD(recent), parse_key },
	{ "chords", "back", FIELD(back), parse_key },
	{ "chords", "switcher", FIELD(switcher), parse_key },
	{ "chords", "rescue", FIELD(rescue), parse_key },
	{ "chords", "card", FIELD(card_key), parse_key },
	{ "chords", "louder", FIELD(louder), parse_key },
	{ "chords", "softer", FIELD(softer), parse_key },
	{ "chords", "mute", FIELD(mute), parse_key },
	{ "chords", "send-host-key", FIELD(send_host_key), parse_key },
	{ NULL, NULL, 0, NULL },
};

void seat_config_init(struct seat_config *config)
{
	*config = (struct seat_config){ .refresh = 60, .toasts = true };
}

void seat_config_finish(struct seat_config *config)
{
	free(config->backend);
	free(config->size);
	free(config->renderer);
	free(config->card);
	free(config->guests);
	free(config->cards);
	free(config->host_key);
	free(config->recent);
	free(config->back);
	free(config->switcher);
	free(config->rescue);
	free(config->card_key);
	free(config->louder);
	free(config->softer);
	free(config->mute);
	free(config->send_host_key);
	*config = (struct seat_config){ 0 };
}

/* ---- what no single line shows ---- */

/* Keys that mean something after the host key whatever the configuration says. */
static bool is_fixed_chord(int code)
{
	static const char *const names[] = { "1",  "2",  "3",  "4",  "5",   "6",   "7",
					     "8",  "9",  "F1", "F2", "F3",  "F4",  "F5",
					     "F6", "F7", "F8", "F9", "F10", "F11", "F12",
					     "W",  "R",  "K",  "A",  "ENTER", "N" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (key_by_name(names[i]) == code) {
			return true;
		}
	}
	return false;
}

static void check_chords(const struct seat_config *config, const char *folder,
			 struct ini_report *report)
{
	const struct {
		const char *chord, *key;
	} chords[] = {
		{ "host-key", config->host_key ? config->host_key : "RIGHTCTRL" },
		{ "recent", config->recent ? config->recent : "TAB" },
		{ "back", config->back ? config->back : "GRAVE" },
		{ "switcher", config->switcher ? config->switcher : "O" },
		{ "rescue", config->rescue ? config->rescue : "ESC" },
		{ "card", config->card_key ? config->card_key : "G" },
		{ "louder", config->louder ? config->louder : "UP" },
		{ "softer", config->softer ? config->softer : "DOWN" },
		{ "mute", config->mute ? config->mute : "M" },
		{ "send-host-key", config->send_host_key ? config->send_host_key : "BACKSPACE" },
	};

	for (size_t i = 0; i < sizeof(chords) / sizeof(chords[0]); i++) {
		int code = key_by_name(chords[i].key);

		if (is_fixed_chord(code)) {
			ini_report_add(report, folder, 0, chords[i].chord,
				       "%s already chooses a slot or a virtual terminal, or answers "
				       "a question; choose another key",
				       chords[i].key);
		}
		for (size_t k = 0; k < i; k++) {
			if (key_by_name(chords[k].key) == code) {
				ini_report_add(report, folder, 0, chords[i].chord,
					       "%s is the key of %s too; choose another key",
					       chords[i].key, chords[k].chord);
			}
		}
	}
}

/* A relative folder is relative to the folder of the configuration. NULL stays. */
static int resolve_folder(char **path, const char *folder)
{
	char *resolved;

	if (!*path || **path == '/') {
		return 0;
	}
	if (asprintf(&resolved, "%s/%s", folder, *path) < 0) {
		return -ENOMEM;
	}
	free(*path);
	*path = resolved;
	return 0;
}

/* ---- files ---- */

static int load_file(struct seat_config *config, const char *folder, const char *name,
		     struct ini_report *report)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (access(path, F_OK) < 0 && errno == ENOENT) {
		return 0;
	}
	return ini_load(path, keys, config, report);
}

static int is_conf(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return *entry->d_name != '.' && length > 5 && !strcmp(entry->d_name + length - 5, ".conf");
}

/* By bytes, so that the order is the same in every locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Every file is read, also after a mistake in one before. */
static int load_dropins(struct seat_config *config, const char *folder, struct ini_report *report)
{
	_cleanup_free_ struct dirent **entries = NULL;
	_cleanup_free_ char *path = NULL;
	int n, result = 0;

	if (asprintf(&path, "%s/baton.conf.d", folder) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	n = scandir(path, &entries, is_conf, by_name);
	if (n < 0 && errno != ENOENT) {
		result = -errno;
		ini_report_add(report, path, 0, NULL, "cannot be read: %s", strerror(errno));
		return result;
	}
	for (int i = 0; i < n; i++) {
		int r = load_file(config, path, entries[i]->d_name, report);

		result = result < 0 ? result : r;
		free(entries[i]);
	}
	return result;
}

int seat_config_load(struct seat_config *config, const char *folder, struct ini_report *report)
{
	size_t before = ini_report_count(report);
	int r, r_dropins;

	r = load_file(config, folder, "baton.conf", report);
	r_dropins = load_dropins(config, folder, report);
	if (r >= 0) {
		r = r_dropins;
	}
	check_chords(config, folder, report);
	if (r >= 0) {
		r = resolve_folder(&config->guests, folder);
	}
	if (r >= 0) {
		r = resolve_folder(&config->cards, folder);
	}
	return r >= 0 && ini_report_count(report) > before ? -EINVAL : r;
}
