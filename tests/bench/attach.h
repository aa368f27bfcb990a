/* SPDX-License-Identifier: MIT */
/*
 * How long a display listener takes to get a picture from QEMU, at its barest: no seat, no
 * checks, nothing kept. It is what a switch's way to live content is compared with.
 */
#ifndef BENCH_ATTACH_H
#define BENCH_ATTACH_H

#include <stdint.h>
#include <systemd/sd-bus.h>

/*
 * Starts a connection on a socket that QEMU was given with add_client "@dbus-display". Takes the
 * descriptor. 0 or -errno.
 */
int attach_connect(int fd, sd_bus **out);

/* RegisterListener -> first ScanoutMap, in nanoseconds; the listener is closed then. 0 or -errno,
 * -EOPNOTSUPP when the picture does not come as shared memory. */
int attach_measure(sd_bus *display, uint64_t *ns);

#endif
