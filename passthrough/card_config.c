// SPDX-License-Identifier: MIT
/* Reads cards/NAME.ini; see card_config.h. */
#include "passthrough/card_config.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "common/cleanup.h"
#include "passthrough/card.h"
#include "vm/vm_config.h"

#define NAME_LENGTH_MAX 32
#define WINDOW_DEFAULT_MIB 256
#define WINDOW_MAX_MIB (1ull << 20) /* 1 TiB: no card has as much memory */
#define SETTLE_DEFAULT_MS 1500
#define SETTLE_MAX_MS 60000

/* A name is part of an id in QEMU, which takes no other characters. */
static bool name_is_valid(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > NAME_LENGTH_MAX || !isalnum((unsigned char)*name)) {
		return false;
	}
	for (const char *c = name; *c; c++) {
		if (!isascii(*c) || (!isalnum((unsigned char)*c) && !strchr("._-", *c))) {
			return false;
		}
	}
	return true;
}

static int parse_address(const char *value, void *field, char *expected, size_t size)
{
	if (card_slot_parse(value, field) < 0) {
		snprintf(expected, size,
			 "the address of a PCI slot such as 0000:01:00, as \"lspci -D\" shows it");
		return -EINVAL;
	}
	return 0;
}

static int parse_port(const char *value, void *field, char *expected, size_t size)
{
	unsigned int port;

	if (ini_parse_uint(value, &port, expected, size) < 0 || port < 1 || port > VM_PORTS) {
		snprintf(expected, size, "a whole number from 1 to %d", VM_PORTS);
		return -EINVAL;
	}
	*(unsigned int *)field = port;
	return 0;
}

static int parse_window(const char *value, void *field, char *expected, size_t size)
{
	uint64_t mib;

	if (ini_parse_size_mib(value, &mib, expected, size) < 0 || (mib & (mib - 1)) ||
	    mib > WINDOW_MAX_MIB) {
		snprintf(
			expected, size,
			"a size that is a power of two and not less than the card's memory, such as "
			"256M or 16G");
		return -EINVAL;
	}
	*(uint64_t *)field = mib;
	return 0;
}

static int parse_home(const char *value, void *field, char *expected, size_t size)
{
	bool pool = strcmp(value, "pool") == 0;

	if (!pool && strcmp(value, "host") != 0) {
		snprintf(expected, size, "host or pool");
		return -EINVAL;
	}
	*(bool *)field = pool;
	return 0;
}

static int parse_settle(const char *value, void *field, char *expected, size_t size)
{
	unsigned int ms;

	if (ini_parse_uint(value, &ms, expected, size) < 0 || ms > SETTLE_MAX_MS) {
		snprintf(expected, size, "a whole number of milliseconds from 0 to %d",
			 SETTLE_MAX_MS);
		return -EINVAL;
	}
	*(unsigned int *)field = ms;
	return 0;
}

#define KEY(name, field, parse)                                                                    \
	{                                                                                          \
		"card", name, offsetof(struct card_config, field), parse                           \
	}
static const struct ini_key keys[] = {
	KEY("address", slot, parse_address),
	KEY("rom", rom, ini_parse_string),
	KEY("guest-port", guest_port, parse_port),
	KEY("window", window_mib, parse_window),
	KEY("home", home_pool, parse_home),
	KEY("settle-ms", settle_ms, parse_settle),
	{ 0 },
};

void card_config_destroy(struct card_config *config)
{
	if (config) {
		free(config->name);
		free(config->rom);
		free(config);
	}
}

DEFINE_CLEANUP(struct card_config *, card_config_destroy)
#define _cleanup_config_ _cleanup_(card_config_destroy_ptr)

static struct card_config *config_create(const char *file)
{
	struct card_config *config = calloc(1, sizeof(*config));

	if (!config) {
		return NULL;
	}
	config->name = strndup(file, strlen(file) - strlen(".ini"));
	config->window_mib = WINDOW_DEFAULT_MIB;
	config->settle_ms = SETTLE_DEFAULT_MS;
	/* No slot has that address, so it shows whether one was given. */
	config->slot.device = UINT8_MAX;
	if (!config->name) {
		card_config_destroy(config);
		return NULL;
	}
	return config;
}

/* QEMU opens the image by its path: absolute, and readable. */
static int resolve_rom(struct card_config *config, const char *path, struct ini_report *report)
{
	int folder = (int)(strrchr(path, '/') - path);
	_cleanup_free_ char *joined = NULL;
	char *real;

	if (!config->rom) {
		return 0;
	}
	if (asprintf(&joined, "%.*s/%s", folder, path, config->rom) < 0) {
		joined = NULL;
		return -ENOMEM;
	}
	real = realpath(*config->rom == '/' ? config->rom : joined, NULL);
	if (!real || access(real, R_OK) < 0) {
		ini_report_add(report, path, ini_find_line(path, "card", "rom", 0), "rom",
			       "%s cannot be read: %s; name a VBIOS image, or leave the key out",
			       config->rom, strerror(errno));
		free(real);
		return -EINVAL;
	}
	free(config->rom);
	config->rom = real;
	return 0;
}

static int check_config(const struct card_config *config, const char *path,
			struct ini_report *report)
{
	int r = 0;

	if (!name_is_valid(config->name)) {
		ini_report_add(report, path, 0, NULL,
			       "\"%s\" cannot be a card's name; call the file by up to %d letters, "
			       "digits, dots, dashes and underscores, the first a letter or digit",
			       config->name, NAME_LENGTH_MAX);
		r = -EINVAL;
	}
	if (config->slot.device == UINT8_MAX) {
		ini_report_add(report, path, 0, "address",
			       "is missing; \"lspci -D\" shows the addresses of all cards");
		r = -EINVAL;
	}
	return r;
}

static int load_file(const char *folder, const char *file, struct ini_report *report,
		     struct card_config **out)
{
	_cleanup_config_ struct card_config *config = config_create(file);
	_cleanup_free_ char *path = NULL;
	int loaded, checked;

	if (asprintf(&path, "%s/%s", folder, file) < 0) {
		path = NULL;
	}
	if (!config || !path) {
		return -ENOMEM;
	}
	loaded = ini_load(path, keys, config, report);
	if (loaded < 0) {
		return loaded;
	}
	checked = check_config(config, path, report);
	loaded = resolve_rom(config, path, report);
	if (loaded < 0 || checked < 0) {
		return loaded < 0 ? loaded : checked;
	}
	*out = take_ptr(config);
	return 0;
}

/* Two cards at one address are one, and two on one port cannot both be in a guest. */
static int check_conflict(const char *folder, const struct card_config *config,
			  struct card_config *const *others, size_t n, struct ini_report *report)
{
	_cleanup_free_ char *path = NULL;
	int r = 0;

	if (asprintf(&path, "%s/%s.ini", folder, config->name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		if (card_slot_equal(&others[i]->slot, &config->slot)) {
			ini_report_add(report, path, ini_find_line(path, "card", "address", 0),
				       "address", "is that of %s already; remove one of the files",
				       others[i]->name);
			r = -EINVAL;
		}
		if (config->guest_port && others[i]->guest_port == config->guest_port) {
			ini_report_add(report, path, ini_find_line(path, "card", "guest-port", 0),
				       "guest-port",
				       "port %u belongs to %s already; take another one or none",
				       config->guest_port, others[i]->name);
			r = -EINVAL;
		}
	}
	return r;
}

static int append_config(struct card_config ***configs, size_t *n, struct card_config *config)
{
	struct card_config **grown = reallocarray(*configs, *n + 1, sizeof(struct card_config *));

	if (!grown) {
		card_config_destroy(config);
		return -ENOMEM;
	}
	grown[(*n)++] = config;
	*configs = grown;
	return 0;
}

static int load_entry(const char *folder, const char *file, struct ini_report *report,
		      struct card_config ***out, size_t *n)
{
	_cleanup_config_ struct card_config *config = NULL;
	int r = load_file(folder, file, report, &config);

	if (r == 0) {
		r = check_conflict(folder, config, *out, *n, report);
	}
	return r < 0 ? r : append_config(out, n, take_ptr(config));
}

/* The lowest port from first on that nobody has, or VM_PORTS + 1. */
static unsigned int free_port(struct card_config *const *configs, size_t n, unsigned int first)
{
	unsigned int port = first;

	for (size_t i = 0; i < n; i++) {
		if (configs[i]->guest_port == port) {
			return free_port(configs, n, port + 1);
		}
	}
	return port;
}

/* Cards without a port get one; those for which there is none are left out. */
static int assign_ports(const char *folder, struct card_config **configs, size_t *n,
			struct ini_report *report)
{
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++) {
		if (configs[i]->guest_port == 0) {
			configs[i]->guest_port = free_port(configs, *n, 1);
		}
	}
	for (size_t i = 0; i < *n; i++) {
		if (configs[i]->guest_port <= VM_PORTS) {
			configs[kept++] = configs[i];
			continue;
		}
		ini_report_add(report, folder, 0, NULL,
			       "%s.ini is one card too many: a guest has %d ports; remove a file",
			       configs[i]->name, VM_PORTS);
		card_config_destroy(configs[i]);
	}
	if (kept == *n) {
		return 0;
	}
	*n = kept;
	return -EINVAL;
}

static int is_ini_file(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot && strcmp(dot, ".ini") == 0;
}

int card_config_load_dir(const char *path, struct ini_report *report, struct card_config ***out,
			 size_t *n)
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_ini_file, alphasort), result = 0, r;

	if (count < 0) {
		int error = -errno;

		if (error == -ENOENT) {
			return 0;
		}
		ini_report_add(report, path, 0, NULL, "cannot be read: %s", strerror(-error));
		return error;
	}
	for (int i = 0; i < count; i++) {
		r = load_entry(path, entries[i]->d_name, report, out, n);
		result = result ? result : r;
		free(entries[i]);
	}
	free(entries);
	r = assign_ports(path, *out, n, report);
	return result ? result : r;
}
