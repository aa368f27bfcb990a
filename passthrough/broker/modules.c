// SPDX-License-Identifier: MIT
/*
 * NVIDIA's driver waits in its unbind for users that no scan may show; its modules' reference
 * counts refuse instead. So they are unloaded first, from the top, each only when it is unused, and
 * none before all have been asked: with half of them gone the rest would be of no use.
 */
#include "passthrough/broker/broker.h"

#include <sys/syscall.h>

int unload_step(struct card *card, unsigned int unused, struct report *report)
{
	static const char *const all[] = { "nvidia_uvm", "nvidia_drm", "nvidia_modeset", "nvidia" };
	uint64_t users = 0;

	/* Each of these modules is a user of those that it needs. */
	for (int i = 0; i < 4 * 4; i++) {
		const char *name = all[i / 4];

		users += i % 4 ? 0 : number_read(at("/sys/module/%s/refcnt", name), "");
		users -= access(at("/sys/module/%s/holders/%s", name, all[i % 4]), F_OK) == 0;
	}
	errno = EWOULDBLOCK;
	for (int i = 0; i < 4; i++) {
		if (users > 0 ||
		    (syscall(SYS_delete_module, all[i], O_NONBLOCK) < 0 && errno != ENOENT)) {
			return fail(report->text, errno == EWOULDBLOCK ? -EBUSY : -errno,
				    "%s cannot be unloaded: %s; end what uses an NVIDIA card",
				    all[i], strerror(errno));
		}
	}
	return 0;
}
