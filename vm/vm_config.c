// SPDX-License-Identifier: MIT
/* Reads what guests are made of; see vm_config.h. */
#include "vm/vm_config.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>

#include "common/list.h"
#include "common/strv.h"
#include "proto/input.h"

#define NAME_MAX_LENGTH 63
#define CPUS_MAX 255
#define MEMORY_MIN_MIB 16
#define MEMORY_DEFAULT_MIB 2048
#define CPUS_DEFAULT 2
#define SHARED_MIN_MIB 16
#define SHARED_MAX_MIB 1024
#define SHARED_OVERHEAD (10 << 20) /* bytes, of the capture programs that there are */
#define MODE_DEFAULT_WIDTH 3840
#define MODE_DEFAULT_HEIGHT 2160
#define MODE_SIDE_MAX 16384

static const char *const os_names[VM_OS_COUNT] = {
	[VM_OS_LINUX] = "linux",
	[VM_OS_WINDOWS] = "windows",
	[VM_OS_OTHER] = "other",
};

static const char *const firmware_names[VM_FIRMWARE_COUNT] = {
	[VM_FIRMWARE_BIOS] = "bios",
	[VM_FIRMWARE_UEFI] = "uefi",
};

/* The index of value among n names, or -1. */
static int find_name(const char *value, const char *const names[], int n)
{
	for (int i = 0; i < n; i++) {
		if (strcmp(value, names[i]) == 0) {
			return i;
		}
	}
	return -1;
}

static int parse_os(const char *value, void *field, char *expected, size_t size)
{
	int i = find_name(value, os_names, VM_OS_COUNT);

	if (i < 0) {
		snprintf(expected, size, "linux, windows or other");
		return -EINVAL;
	}
	*(enum vm_os *)field = (enum vm_os)i;
	return 0;
}

static int parse_firmware(const char *value, void *field, char *expected, size_t size)
{
	int i = find_name(value, firmware_names, VM_FIRMWARE_COUNT);

	if (i < 0) {
		snprintf(expected, size, "bios or uefi");
		return -EINVAL;
	}
	*(enum vm_firmware *)field = (enum vm_firmware)i;
	return 0;
}

static bool is_name_char(char c)
{
	return isascii(c) && (isalnum((unsigned char)c) || strchr("._+-", c));
}

static bool name_is_valid(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > NAME_MAX_LENGTH || !isalnum((unsigned char)*name)) {
		return false;
	}
	for (const char *c = name; *c; c++) {
		if (!is_name_char(*c)) {
			return false;
		}
	}
	return true;
}

#define NAME_EXPECTED                                                                              \
	"up to 63 letters, digits, dots, dashes, underscores and pluses, the first a letter or "   \
	"digit"

static int parse_name(const char *value, void *field, char *expected, size_t size)
{
	if (!name_is_valid(value)) {
		snprintf(expected, size, NAME_EXPECTED);
		return -EINVAL;
	}
	return ini_parse_string(value, field, expected, size);
}

static int parse_range(const char *value, unsigned int *field, unsigned int min, unsigned int max,
		       char *expected, size_t size)
{
	unsigned int number;

	if (ini_parse_uint(value, &number, expected, size) < 0 || number < min || number > max) {
		snprintf(expected, size, "a whole number from %u to %u", min, max);
		return -EINVAL;
	}
	*field = number;
	return 0;
}

static int parse_slot(const char *value, void *field, char *expected, size_t size)
{
	return parse_range(value, field, 1, VM_SLOT_MAX, expected, size);
}

static int parse_cpus(const char *value, void *field, char *expected, size_t size)
{
	return parse_range(value, field, 1, CPUS_MAX, expected, size);
}

static int parse_memory(const char *value, void *field, char *expected, size_t size)
{
	uint64_t mib;

	if (ini_parse_size_mib(value, &mib, expected, size) < 0 || mib < MEMORY_MIN_MIB ||
	    mib > 1ull << 30) {
		snprintf(expected, size, "a size of at least %dM, such as 512M or 4G",
			 MEMORY_MIN_MIB);
		return -EINVAL;
	}
	*(uint64_t *)field = mib;
	return 0;
}

bool vm_shared_is_node(const char *path)
{
	size_t prefix = strlen(VM_SHARED_NODE), length = strlen(path);

	return length > prefix && length < VM_SHARED_NODE_MAX &&
	       strncmp(path, VM_SHARED_NODE, prefix) == 0 &&
	       strspn(path + prefix, "0123456789") == length - prefix;
}

static int parse_shared(const char *value, void *field, char *expected, size_t size)
{
	struct vm_shared_config *shared = field;
	bool node = vm_shared_is_node(value);
	uint64_t mib = 0;

	if (!node && strcmp(value, "off") != 0 &&
	    (ini_parse_size_mib(value, &mib, expected, size) < 0 || mib < SHARED_MIN_MIB ||
	     mib > SHARED_MAX_MIB || (mib & (mib - 1)))) {
		snprintf(expected, size,
			 "off, a power of two from %dM to %dM, or a device such as " VM_SHARED_NODE
			 "0", SHARED_MIN_MIB, SHARED_MAX_MIB);
		return -EINVAL;
	}
	snprintf(shared->node, sizeof(shared->node), "%s", node ? value : "");
	shared->set = true;
	shared->mib = mib;
	return 0;
}

static int parse_mode(const char *value, void *field, char *expected, size_t size)
{
	struct vm_shared_config *shared = field;
	uint32_t width, height;
	char end;

	if (sscanf(value, "%5ux%5u%c", &width, &height, &end) != 2 || width == 0 || height == 0 ||
	    width > MODE_SIDE_MAX || height > MODE_SIDE_MAX ||
	    (uint64_t)width * height * 8 + SHARED_OVERHEAD > (uint64_t)SHARED_MAX_MIB << 20) {
		snprintf(expected, size, "WIDTHxHEIGHT in pixels, such as 2560x1440, and not more "
					 "than fits into %dM", SHARED_MAX_MIB);
		return -EINVAL;
	}
	shared->width = width;
	shared->height = height;
	return 0;
}

static int parse_choice(const char *value, void *field, char *expected, size_t size)
{
	bool on;

	if (strcmp(value, "auto") == 0) {
		*(enum vm_input_choice *)field = VM_INPUT_AUTO;
		return 0;
	}
	if (ini_parse_bool(value, &on, expected, size) < 0) {
		snprintf(expected, size, "yes, no or auto");
		return -EINVAL;
	}
	*(enum vm_input_choice *)field = on ? VM_INPUT_YES : VM_INPUT_NO;
	return 0;
}

static int parse_net(const char *value, void *field, char *expected, size_t size)
{
	bool tap = strncmp(value, "tap:", 4) == 0 && value[4] && !strpbrk(value, ", \t/") &&
		   strlen(value) < 4 + IF_NAMESIZE;

	if (!tap && strcmp(value, "user") != 0 && strcmp(value, "none") != 0) {
		snprintf(expected, size, "user, none or tap:NAME with the name of an interface");
		return -EINVAL;
	}
	return ini_parse_string(value, field, expected, size);
}

/* The lines are kept too: a mistake that is found later names its own. */
static int parse_qemu_args(const char *value, void *field, char *expected, size_t size)
{
	struct vm_config *config = container_of(field, struct vm_config, qemu_args);
	int r = ini_parse_words(value, field, expected, size);

	return r < 0 ? r : strv_append(&config->qemu_lines, value);
}

#define KEY(name, field, parse) { "vm", name, offsetof(struct vm_config, field), parse }
static const struct ini_key keys[] = {
	KEY("name", name, parse_name),
	KEY("slot", slot, parse_slot),
	KEY("memory", memory_mib, parse_memory),
	KEY("cpus", cpus, parse_cpus),
	KEY("os", os, parse_os),
	KEY("firmware", firmware, parse_firmware),
	KEY("disk", disks, ini_parse_strings),
	KEY("cdrom", cdroms, ini_parse_strings),
	KEY("kernel", kernel, ini_parse_string),
	KEY("initrd", initrd, ini_parse_string),
	KEY("append", append, ini_parse_string),
	KEY("net", net, parse_net),
	KEY("qemu-args", qemu_args, parse_qemu_args),
	KEY("attach", attach, ini_parse_string),
	KEY("autostart", autostart, ini_parse_bool),
	{ "capture", "shared-memory", offsetof(struct vm_config, shared), parse_shared },
	{ "capture", "largest-mode", offsetof(struct vm_config, shared), parse_mode },
	{ "input", "keyboard", offsetof(struct vm_config, input.keyboard), parse_choice },
	{ "input", "pointer", offsetof(struct vm_config, input.pointer), parse_choice },
	{ "input", "touch", offsetof(struct vm_config, input.touch), parse_choice },
	{ "input", "pen", offsetof(struct vm_config, input.pen), parse_choice },
	{ "input", "gamepad", offsetof(struct vm_config, input.gamepad), parse_choice },
	{ .section = "cards" }, /* which devices it may have: not a vm's business */
	{ .section = "audio" }, /* nor how it is heard */
	{ 0 },
};

struct vm_config *vm_config_create(const char *name)
{
	struct vm_config *config = calloc(1, sizeof(*config));

	if (!config) {
		return NULL;
	}
	config->name = strdup(name);
	config->net = strdup("user");
	config->memory_mib = MEMORY_DEFAULT_MIB;
	config->cpus = CPUS_DEFAULT;
	config->autostart = true;
	config->shared.width = MODE_DEFAULT_WIDTH;
	config->shared.height = MODE_DEFAULT_HEIGHT;
	if (!config->name || !config->net) {
		vm_config_destroy(config);
		return NULL;
	}
	return config;
}

void vm_config_destroy(struct vm_config *config)
{
	if (!config) {
		return;
	}
	free(config->file);
	free(config->name);
	strv_free(config->disks);
	strv_free(config->cdroms);
	free(config->kernel);
	free(config->initrd);
	free(config->append);
	free(config->net);
	strv_free(config->qemu_args);
	strv_free(config->qemu_lines);
	free(config->attach);
	free(config);
}

/* Two pictures of four bytes a pixel, and what a capture program needs beside them. */
static uint64_t mode_mib(uint32_t width, uint32_t height)
{
	uint64_t needed = (uint64_t)width * height * 4 * 2 + SHARED_OVERHEAD, mib = SHARED_MIN_MIB;

	while (mib << 20 < needed) {
		mib *= 2;
	}
	return mib;
}

uint64_t vm_config_shared_mib(const struct vm_config *config)
{
	const struct vm_shared_config *shared = &config->shared;

	if (shared->set || !config->lends) {
		return shared->set ? shared->mib : 0;
	}
	return mode_mib(shared->width, shared->height);
}

bool vm_config_shares(const struct vm_config *config)
{
	return *config->shared.node || vm_config_shared_mib(config) > 0;
}

static bool has_input(const struct vm_config *config, enum vm_input_choice choice,
		      enum vm_input_choice usual, bool host)
{
	if (choice == VM_INPUT_DEFAULT) {
		choice = config->os == VM_OS_LINUX ? usual : VM_INPUT_NO;
	}
	return choice == VM_INPUT_YES || (choice == VM_INPUT_AUTO && host);
}

uint32_t vm_config_input_kinds(const struct vm_config *config, uint32_t host)
{
	const struct vm_input_config *input = &config->input;
	const struct {
		enum input_kind kind;
		enum vm_input_choice choice, usual;
	} rules[] = {
		{ INPUT_KIND_KEYBOARD, input->keyboard, VM_INPUT_YES },
		{ INPUT_KIND_POINTER, input->pointer, VM_INPUT_YES },
		{ INPUT_KIND_TABLET, input->pointer, VM_INPUT_YES }, /* the same pointer */
		{ INPUT_KIND_TOUCH, input->touch, VM_INPUT_YES },
		{ INPUT_KIND_PEN, input->pen, VM_INPUT_AUTO },
		{ INPUT_KIND_GAMEPAD, input->gamepad, VM_INPUT_AUTO },
	};
	uint32_t kinds = 0;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (has_input(config, rules[i].choice, rules[i].usual,
			      host >> rules[i].kind & 1)) {
			kinds |= 1u << rules[i].kind;
		}
	}
	return kinds;
}

DEFINE_CLEANUP(struct vm_config *, vm_config_destroy)
#define _cleanup_config_ _cleanup_(vm_config_destroy_ptr)

/* Makes *path absolute: what is relative is relative to the folder of file. NULL stays. */
static int resolve_path(char **path, const char *file)
{
	const char *slash = strrchr(file, '/');
	_cleanup_free_ char *folder = NULL, *joined = NULL;

	if (!*path || **path == '/') {
		return 0;
	}
	folder = slash ? strndup(file, (size_t)(slash - file) + 1) : strdup("./");
	if (!folder || asprintf(&joined, "%s%s", folder, *path) < 0) {
		joined = NULL;
		return -ENOMEM;
	}
	if (*joined != '/') {
		_cleanup_free_ char *here = getcwd(NULL, 0);
		char *absolute;

		if (!here || asprintf(&absolute, "%s/%s", here, joined) < 0) {
			return -ENOMEM;
		}
		free(joined);
		joined = absolute;
	}
	free(*path);
	*path = take_ptr(joined);
	return 0;
}

static int resolve_paths(struct vm_config *config, const char *file)
{
	char **lists[] = { config->disks, config->cdroms };
	char **single[] = { &config->kernel, &config->initrd, &config->attach };
	int r = 0;

	for (size_t l = 0; l < 2; l++) {
		for (char **path = lists[l]; path && *path && r >= 0; path++) {
			r = resolve_path(path, file);
		}
	}
	for (size_t i = 0; i < 3 && r >= 0; i++) {
		r = resolve_path(single[i], file);
	}
	return r;
}

/* The last part of a path without its suffix; the caller frees it. */
static char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	const char *dot = strrchr(base, '.');

	return strndup(base, dot && dot > base ? (size_t)(dot - base) : strlen(base));
}

int vm_config_load(const char *path, struct ini_report *report, struct vm_config **out)
{
	_cleanup_free_ char *name = base_name(path);
	_cleanup_config_ struct vm_config *config = name ? vm_config_create(name) : NULL;
	int loaded, r;

	if (!config) {
		return -ENOMEM;
	}
	loaded = ini_load(path, keys, config, report);
	if (loaded < 0 && loaded != -EINVAL) {
		return loaded;
	}
	if (!name_is_valid(config->name)) {
		ini_report_add(report, path, 0, "name",
			       "\"%s\" (from the file's name) is not right; give the key name with "
			       NAME_EXPECTED, config->name);
		loaded = -EINVAL;
	}
	r = resolve_paths(config, path);
	if (r >= 0) {
		config->file = strdup(path);
		r = config->file ? 0 : -ENOMEM;
	}
	if (r < 0) {
		return r;
	}
	r = vm_config_check(config, path, report);
	if (r < 0 || loaded < 0) {
		return r < 0 ? r : loaded;
	}
	*out = take_ptr(config);
	return 0;
}

/* The position of another guest with the same name or slot, or n. */
static size_t find_conflict(struct vm_config *const *configs, size_t n, const struct vm_config *c)
{
	size_t i = 0;

	while (i < n && strcmp(configs[i]->name, c->name) != 0 &&
	       (c->slot == 0 || configs[i]->slot != c->slot)) {
		i++;
	}
	return i;
}

static int append_config(struct vm_config ***configs, size_t *n, struct vm_config *config,
			 const char *path, struct ini_report *report)
{
	size_t other = find_conflict(*configs, *n, config);
	struct vm_config **grown;

	if (other < *n) {
		bool name = strcmp((*configs)[other]->name, config->name) == 0;

		if (name) {
			ini_report_add(report, path, ini_find_line(path, "vm", "name", 0), "name",
				       "another guest has the name %s already; give each its own",
				       config->name);
		} else {
			ini_report_add(report, path, ini_find_line(path, "vm", "slot", 0), "slot",
				       "slot %u belongs to %s already; take another one or none",
				       config->slot, (*configs)[other]->name);
		}
		vm_config_destroy(config);
		return -EINVAL;
	}
	grown = reallocarray(*configs, *n + 1, sizeof(struct vm_config *));
	if (!grown) {
		vm_config_destroy(config);
		return -ENOMEM;
	}
	grown[(*n)++] = config;
	*configs = grown;
	return 0;
}

/* Gives guests without a slot the lowest free one; with all taken they stay without. */
static void assign_slots(struct vm_config **configs, size_t n)
{
	bool taken[VM_SLOT_MAX + 1] = { true };
	unsigned int next = 1;

	for (size_t i = 0; i < n; i++) {
		taken[configs[i]->slot] = true;
	}
	for (size_t i = 0; i < n; i++) {
		while (next <= VM_SLOT_MAX && taken[next]) {
			next++;
		}
		if (configs[i]->slot == 0 && next <= VM_SLOT_MAX) {
			configs[i]->slot = next++;
		}
	}
}

static int load_entry(const char *path, struct ini_report *report, struct vm_config ***out,
		      size_t *n)
{
	struct vm_config *config = NULL;
	int r = vm_config_load(path, report, &config);

	return r < 0 ? r : append_config(out, n, config, path, report);
}

int vm_config_load_dir(const char *path, struct ini_report *report, struct vm_config ***out,
		       size_t *n)
{
	_cleanup_strv_ char **files = NULL;
	int result = ini_list(path, report, &files);

	if (result < 0) {
		return result;
	}
	for (char **file = files; file && *file; file++) {
		int r = load_entry(*file, report, out, n);

		result = result ? result : r;
	}
	assign_slots(*out, *n);
	return result;
}

/* Turns a file's name into a legal guest name: "My Disk (1)" becomes "My-Disk--1-". */
static void make_name_valid(char *name)
{
	if (!*name || !isalnum((unsigned char)*name)) {
		*name = 'x';
	}
	for (char *c = name; *c; c++) {
		if (!is_name_char(*c)) {
			*c = '-';
		}
	}
	if (strlen(name) > NAME_MAX_LENGTH) {
		name[NAME_MAX_LENGTH] = '\0';
	}
}

int vm_config_from_file(const char *path, struct ini_report *report, struct vm_config **out)
{
	const char *dot = strrchr(path, '.');
	bool iso = dot && strcasecmp(dot, ".iso") == 0;
	_cleanup_free_ char *name = base_name(path);
	_cleanup_config_ struct vm_config *config = NULL;
	int r;

	if (name) {
		make_name_valid(name);
		config = vm_config_create(name);
	}
	if (!config) {
		return -ENOMEM;
	}
	/* Nobody said what is in it: devices that every system has drivers for. */
	config->os = VM_OS_OTHER;
	r = strv_append(iso ? &config->cdroms : &config->disks, path);
	if (r >= 0) {
		r = resolve_paths(config, "");
	}
	if (r >= 0) {
		r = vm_config_check(config, NULL, report);
	}
	if (r < 0) {
		return r;
	}
	*out = take_ptr(config);
	return 0;
}
