/* SPDX-License-Identifier: MIT */
/*
 * What was learned of a monitor's input switch, in NAME.ini of a folder of the seat's state. A
 * monitor that does not do what it is told is not told again; to try anew, remove its file, or give
 * it other inputs.
 */
#ifndef PASSTHROUGH_MONITOR_MEMORY_H
#define PASSTHROUGH_MONITOR_MEMORY_H

enum monitor_side { MONITOR_HOST, MONITOR_GUEST, MONITOR_SIDES };

/*
 * UNKNOWN  nobody has tried.
 * WORKS    the last time the input went there: it was seen, or the monitor answers on the input
 *          that it shows alone, and was silent.
 * FAILS    it did not, several times in a row.
 */
enum monitor_trust { MONITOR_UNKNOWN, MONITOR_WORKS, MONITOR_FAILS, MONITOR_TRUSTS };

struct monitor_memory {
	unsigned int inputs[MONITOR_SIDES];      /* that it was learned with */
	enum monitor_trust trust[MONITOR_SIDES]; /* of the way there */
};

/* For these inputs. Everything is unknown where there is no file, or where it speaks of others.
 * Reads a disk: not for the loop. */
void monitor_memory_load(const char *folder, const char *monitor,
			 const unsigned int inputs[MONITOR_SIDES], struct monitor_memory *out);

/* Replaces the file at once or not at all; folder is a descriptor. 0 or -errno. In any thread but
 * the loop's: waits for the disk. */
int monitor_memory_save(int folder, const char *monitor, const struct monitor_memory *memory);

#endif
