/* SPDX-License-Identifier: MIT */
/* What a person says of single host devices: "devices/NAME.ini"; see baton.conf(5). Plain data. */
#ifndef INPUT_DEVICE_RULES_H
#define INPUT_DEVICE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ini.h"

enum device_choice { DEVICE_DEFAULT, DEVICE_NO, DEVICE_YES };

struct device_rule {
	char *match; /* the device's name with wildcards, or VENDOR:PRODUCT */
	char *guest; /* whose it is, whoever is in front; NULL: nobody's */
	enum device_choice ignore, tap, natural_scroll, left_handed, middle_emulation,
		disable_while_typing;
	unsigned int speed; /* of a touchpad's pointer, in percent of the fastest; 0: the default */
};

struct device_rules {
	struct device_rule *rules; /* the first that matches counts */
	size_t n;
};

/* Reads every *.ini of a folder in the order of names; mistakes go to the report. A folder that is
 * not there has none. 0 or -errno. */
int device_rules_load(const char *folder, struct ini_report *report, struct device_rules *out);
void device_rules_finish(struct device_rules *rules);

/* The rule for a device, or NULL. */
const struct device_rule *device_rules_find(const struct device_rules *rules, const char *name,
					    uint32_t vendor, uint32_t product);

#endif
