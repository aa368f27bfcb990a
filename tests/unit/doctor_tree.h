/* SPDX-License-Identifier: MIT */
/*
 * A made-up PC for baton-doctor, with which all is well: a folder with sysfs, procfs, nodes,
 * configuration, sockets and a QEMU. It becomes the working folder. The broker is the real one, on
 * the made-up kernel of machine.h.
 *
 *   0000:00:02.0  the processor's own display, which stays with the host
 *   0000:01:00    below the bridge 0000:00:01.0: a display and a sound function, reset together
 *   0000:02:00    below the bridge 0000:00:03.0: one display function with flr; not configured
 *
 * "card" names the first of the latter two, with the guest "work" that may have it.
 */
#ifndef TESTS_UNIT_DOCTOR_TREE_H
#define TESTS_UNIT_DOCTOR_TREE_H

#include <sys/resource.h>

#include "passthrough/doctor/doctor.h"
#include "tests/unit/machine.h"
#include "vm/confine.h"
#include "vm/kvm_probe.h"

#define TREE_CARD "0000:01:00"
#define TREE_SPARE "0000:02:00"

extern const char *system_root; /* of passthrough/broker/broker.h */

struct doctor_tree {
	struct machine machine;
	int pipewire, seatd; /* who listens there */
	struct doctor_options options;
	struct findings findings; /* of the last tree_ask() */
};

void tree_create(struct doctor_tree *tree);
void tree_destroy(struct doctor_tree *tree);

void tree_put(struct doctor_tree *tree, const char *path, const char *text);
void tree_link(struct doctor_tree *tree, const char *path, const char *target);
void tree_remove(struct doctor_tree *tree, const char *path);
/* One PCI function below a bridge ("" for none), with its driver ("" for none) and group. */
void tree_function(struct doctor_tree *tree, const char *address, const char *bridge,
		   const char *class, const char *driver, const char *reset, int group);
/* A process that has a node open whose number is that of /dev/full: that of the card. */
void tree_holder(struct doctor_tree *tree, int pid, const char *command);
/* What QEMU's --version says. */
void tree_qemu(struct doctor_tree *tree, const char *version, const char *displays);

/* Without an IOMMU there are no groups and no remapped interrupts either. */
void tree_remove_iommu(struct doctor_tree *tree);

/* What no folder can make up: what KVM does, and how much each process may lock, in bytes. */
extern enum kvm_probe tree_probe;
extern rlim_t tree_memlock;
extern int tree_landlock; /* its version; 0: none */

/* cmocka's: a tree, a KVM that works and 8 MiB. */
int tree_setup(void **state);
int tree_teardown(void **state);
#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

/* Starts the broker and waits until it answers. */
void tree_broker(struct doctor_tree *tree);

/* Runs the doctor; its exit status. */
int tree_ask(struct doctor_tree *tree);
/* The finding of the last run, which must be there. */
const struct finding *tree_find(const struct doctor_tree *tree, const char *check,
				const char *subject);
/* It has this status, and these words in text or remedy. */
void tree_expect(const struct doctor_tree *tree, const char *check, const char *subject,
		 enum finding_status status, const char *words);

#endif
