// SPDX-License-Identifier: MIT
/* Reads devices/NAME.ini; see device_rules.h. */
#include "input/device_rules.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/strv.h"

static int parse_choice(const char *value, void *field, char *expected, size_t size)
{
	bool on;
	int r = ini_parse_bool(value, &on, expected, size);

	if (r >= 0) {
		*(enum device_choice *)field = on ? DEVICE_YES : DEVICE_NO;
	}
	return r;
}

static int parse_speed(const char *value, void *field, char *expected, size_t size)
{
	unsigned int percent;

	if (ini_parse_uint(value, &percent, expected, size) < 0 || percent < 1 || percent > 100) {
		snprintf(expected, size, "a whole number from 1 to 100");
		return -EINVAL;
	}
	*(unsigned int *)field = percent;
	return 0;
}

#define KEY(name, field, parse)                                                                    \
	{                                                                                          \
		"device", name, offsetof(struct device_rule, field), parse                         \
	}
static const struct ini_key keys[] = {
	KEY("match", match, ini_parse_string),
	KEY("guest", guest, ini_parse_string),
	KEY("ignore", ignore, parse_choice),
	KEY("tap", tap, parse_choice),
	KEY("natural-scroll", natural_scroll, parse_choice),
	KEY("left-handed", left_handed, parse_choice),
	KEY("middle-emulation", middle_emulation, parse_choice),
	KEY("disable-while-typing", disable_while_typing, parse_choice),
	KEY("speed", speed, parse_speed),
	{ 0 },
};

static void rule_finish(struct device_rule *rule)
{
	free(rule->match);
	free(rule->guest);
}

static int load_file(const char *path, struct ini_report *report, struct device_rules *out)
{
	struct device_rule rule = { 0 }, *grown;
	int r = ini_load(path, keys, &rule, report);

	if (r >= 0 && !rule.match) {
		ini_report_add(report, path, 0, "match",
			       "is missing: say which device, by its name in \"libinput "
			       "list-devices\" or its numbers in \"lsusb\"");
		r = -EINVAL;
	}
	grown = r < 0 ? NULL : reallocarray(out->rules, out->n + 1, sizeof(*grown));
	if (!grown) {
		rule_finish(&rule);
		return r < 0 ? r : -ENOMEM;
	}
	grown[out->n++] = rule;
	out->rules = grown;
	return 0;
}

int device_rules_load(const char *folder, struct ini_report *report, struct device_rules *out)
{
	_cleanup_strv_ char **files = NULL;
	int result = ini_list(folder, access(folder, F_OK) == 0 ? report : NULL, &files);

	if (result == -ENOENT) {
		return 0;
	}
	for (char **file = files; file && *file; file++) {
		int r = load_file(*file, report, out);

		result = result ? result : r;
	}
	return result;
}

void device_rules_finish(struct device_rules *rules)
{
	for (size_t i = 0; i < rules->n; i++) {
		rule_finish(&rules->rules[i]);
	}
	free(rules->rules);
	*rules = (struct device_rules){ 0 };
}

const struct device_rule *device_rules_find(const struct device_rules *rules, const char *name,
					    uint32_t vendor, uint32_t product)
{
	char numbers[24];

	snprintf(numbers, sizeof(numbers), "%04x:%04x", vendor, product);
	for (size_t i = 0; i < rules->n; i++) {
		const char *match = rules->rules[i].match;

		if (strcasecmp(match, numbers) == 0 || fnmatch(match, name, FNM_CASEFOLD) == 0) {
			return &rules->rules[i];
		}
	}
	return NULL;
}
