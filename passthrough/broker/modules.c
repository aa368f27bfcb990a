// SPDX-License-Identifier: MIT
/*
 * NVIDIA's driver waits in its unbind for users that no scan may show; its modules' reference
 * counts refuse instead. So they are unloaded first, from the top, each only when it is unused.
 */
#include "passthrough/broker/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

static const char *const modules[] = { "nvidia_uvm", "nvidia_drm", "nvidia_modeset", "nvidia" };

int unload_step(struct card *card, unsigned int number, struct report *report)
{
	int r = journal_append(card, "@unload %s", modules[number]);

	if (r < 0) {
		return fail(report->text, r, "the journal cannot be written: %s", strerror(-r));
	}
	if (syscall(SYS_delete_module, modules[number], O_NONBLOCK) < 0 && errno != ENOENT) {
		return fail(report->text, errno == EWOULDBLOCK ? -EBUSY : -errno,
			    "the module %s cannot be unloaded: %s; end what uses an NVIDIA card",
			    modules[number], strerror(errno));
	}
	return 0;
}
