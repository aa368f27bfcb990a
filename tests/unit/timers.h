/* SPDX-License-Identifier: MIT */
/*
 * Whether this process has a timer that will go off, as the kernel tells it: "idle costs nothing"
 * is then proved without waiting for a wakeup that does not come. Include test.h first.
 */
#ifndef TESTS_UNIT_TIMERS_H
#define TESTS_UNIT_TIMERS_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The time left of one descriptor's timer, in milliseconds; 0: it has gone off and nobody has seen
 * it; -1: it is none, or not armed. */
static inline long timer_left_ms(const char *fd)
{
	unsigned long long ticks, sec, nsec;
	char path[300], line[128];
	FILE *info;
	long left = -1;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%s", fd);
	info = fopen(path, "re");
	while (info && fgets(line, sizeof(line), info)) {
		if (sscanf(line, "ticks: %llu", &ticks) == 1 && ticks > 0) {
			left = 0;
		}
		if (sscanf(line, "it_value: (%llu, %llu)", &sec, &nsec) == 2 && sec + nsec > 0) {
			left = (long)(sec * 1000 + nsec / 1000000);
		}
	}
	if (info) {
		fclose(info);
	}
	return left;
}

/* The time until the first of all timers goes off, or -1: none will. */
static inline long timers_left_ms(void)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;
	long first = -1;

	assert_non_null(folder);
	while ((entry = readdir(folder))) {
		long left = timer_left_ms(entry->d_name);

		if (left >= 0 && (first < 0 || left < first)) {
			first = left;
		}
	}
	closedir(folder);
	return first;
}

#endif
