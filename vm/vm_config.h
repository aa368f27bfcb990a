/* SPDX-License-Identifier: MIT */
/* What a guest is made of, as its ini file says it; see baton.conf(5). Plain data. */
#ifndef VM_VM_CONFIG_H
#define VM_VM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ini.h"

enum vm_os { VM_OS_LINUX, VM_OS_WINDOWS, VM_OS_OTHER, VM_OS_COUNT };
enum vm_firmware { VM_FIRMWARE_BIOS, VM_FIRMWARE_UEFI, VM_FIRMWARE_COUNT };

#define VM_SLOT_MAX 9 /* host key + 1..9; 0 is "no slot" */

/* A free root port of the guest's machine, on which a device can come while it runs: the i-th
 * from 0 is called "rp%u" with i + 1. */
#define VM_PORTS 4

struct vm_port {
	uint64_t window_mib; /* kept free for 64-bit memory; a power of two, 0: QEMU's default */
};

#define VM_SHARED_NODE "/dev/kvmfr"
#define VM_SHARED_NODE_MAX (sizeof(VM_SHARED_NODE) + 2)

/* Memory that the guest's programs share with the seat, for the picture of a card of its own. */
struct vm_shared_config {
	bool set;     /* mib counts, 0: none; else it follows from the largest mode, if it lends */
	uint64_t mib; /* a power of two: PCI has no other sizes */
	/* "/dev/kvmfr0": a device of the host that is such memory, and knows its size; or empty */
	char node[VM_SHARED_NODE_MAX];
	uint32_t width, height; /* of the largest mode */
};

/* Whether the guest has a device of a kind. */
enum vm_input_choice {
	VM_INPUT_DEFAULT, /* as the system is: only Linux is sure to have drivers */
	VM_INPUT_NO,
	VM_INPUT_YES,
	VM_INPUT_AUTO, /* when the host has one as the guest starts */
};

struct vm_input_config {
	enum vm_input_choice keyboard, pointer, touch, pen, gamepad;
};

struct vm_config {
	char *file; /* that says all this, or NULL */
	char *name; /* [A-Za-z0-9][A-Za-z0-9._+-]{0,62}: it names folders and units */
	unsigned int slot;
	uint64_t memory_mib;
	unsigned int cpus;
	enum vm_os os;
	enum vm_firmware firmware;
	char **disks;  /* NULL-terminated, may be NULL */
	char **cdroms; /* NULL-terminated, may be NULL */
	char *kernel, *initrd, *append;
	char *net;        /* "user", "none" or "tap:NAME" */
	char **qemu_args;  /* free extra arguments, checked by vm_config_check() */
	char **qemu_lines; /* the lines of the file that they stand in */
	char *attach;     /* QMP socket of a QEMU that runs already, instead of all of the above */
	bool autostart;   /* start with the seat; default yes */
	struct vm_shared_config shared;
	struct vm_input_config input;
	/* Not from the guest's file alone: who lends devices to guests sets them. */
	struct vm_port ports[VM_PORTS];
	bool lends; /* a device may reach all of its memory: that is there from the start on */
};

/* A configuration with every default and the given name (copied); NULL without memory. */
struct vm_config *vm_config_create(const char *name);
void vm_config_destroy(struct vm_config *config);

/* How much memory the guest's machine shares with the seat; 0: none, or that of a device. */
uint64_t vm_config_shared_mib(const struct vm_config *config);
bool vm_config_shares(const struct vm_config *config);
/* Whether that is the path of a device which is shared memory. */
bool vm_shared_is_node(const char *path);

/* The devices that it has for input beside the emulated ones, a bit for each enum input_kind;
 * host: those that the host has. */
uint32_t vm_config_input_kinds(const struct vm_config *config, uint32_t host);

/*
 * Reads [vm], [capture] and [input] of one ini file; a missing name is the file's base name. Relative paths
 * are relative to the file. All mistakes, also of vm_config_check(), go to the report. Returns 0 or
 * -errno.
 */
int vm_config_load(const char *path, struct ini_report *report, struct vm_config **out);

/* Every *.ini of a folder in the order of names; slots that are taken twice are mistakes, guests
 * without a slot get the lowest free one. Appends to *out, an array of *n. */
int vm_config_load_dir(const char *path, struct ini_report *report, struct vm_config ***out,
		       size_t *n);

/*
 * A guest from one file on the command line of "baton run": *.iso boots as a CD, anything else is
 * a disk; its name is derived from the file's.
 */
int vm_config_from_file(const char *path, struct ini_report *report, struct vm_config **out);

/*
 * Finds what would not work before anything is started: files that do not exist or cannot be
 * read, extra arguments that weaken -sandbox or set a second display, absent UEFI firmware.
 */
int vm_config_check(const struct vm_config *config, const char *file, struct ini_report *report);

#endif
