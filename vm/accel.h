/* SPDX-License-Identifier: MIT */
/*
 * What runs the guests' instructions: KVM where it works, else TCG (software, 10 to 50 times
 * slower). Found out once per process, in a child, so that a kernel that never comes back from
 * /dev/kvm stops nobody. The child also counts huge pages, whose numbers the loop does not read
 * itself.
 */
#ifndef VM_ACCEL_H
#define VM_ACCEL_H

#include <systemd/sd-event.h>

#include "vm/huge_pages.h"

enum accel { ACCEL_UNKNOWN, ACCEL_KVM, ACCEL_TCG };

/* The finding, or ACCEL_UNKNOWN before the first probe has ended. */
enum accel accel_get(void);

const char *accel_name(enum accel accel);

struct accel_probe;
typedef void (*accel_probe_fn)(void *data, enum accel accel);

/*
 * Finds out and calls done once from the loop, at the latest after ACCEL_PROBE_DEADLINE_USEC; logs
 * when it is TCG. What is known already is not tried out again. done may destroy the probe. Returns
 * 0 or -errno.
 */
int accel_probe_create(sd_event *event, accel_probe_fn done, void *data, struct accel_probe **out);
void accel_probe_destroy(struct accel_probe *probe);

/* What it has counted, from done on; lives as long as the probe. */
const struct huge_pages_free *accel_probe_pages(const struct accel_probe *probe);

#define ACCEL_PROBE_DEADLINE_USEC (3 * 1000 * 1000)

#endif
