// SPDX-License-Identifier: MIT
/*
 * NVIDIA's driver waits in its unbind for users that no scan may show; its modules' reference
 * counts refuse instead. So they are unloaded first, from the top, each only when it is unused.
 */
#include "passthrough/broker/broker.h"

#include <sys/syscall.h>

int unload_step(struct card *card, unsigned int number, struct report *report)
{
	static const char *const names[] = { "nvidia_uvm", "nvidia_drm", "nvidia_modeset",
					     "nvidia" };

	if (syscall(SYS_delete_module, names[number], O_NONBLOCK) < 0 && errno != ENOENT) {
		return fail(report->text, errno == EWOULDBLOCK ? -EBUSY : -errno,
			    "%s cannot be unloaded: %s; end what uses an NVIDIA card",
			    names[number], strerror(errno));
	}
	return 0;
}
