// SPDX-License-Identifier: MIT
/* A guest's settings file with any content: mistakes are told, a guest that is read is whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/fd.h"
#include "tests/fuzz/fuzz.h"
#include "vm/vm_config.h"

const char *const fuzz_seeds[] = {
	"[vm]\nname = work\nslot = 3\nmemory = 4G\ncpus = 8\nos = windows\nfirmware = bios\n",
	"# comment\n[vm]\nnet = tap:tap0\nappend = quiet a=b\nkernel = /dev/null\n",
	"[vm]\nqemu-args = -device 'virtio-serial-pci' \"-serial\" file:\\ x\nautostart = no\n",
	"[vm]\nattach = qmp.sock\n; end\n",
	"[vm]\nname = a/b\n",
	NULL,
};

static void check_config(const struct vm_config *config)
{
	if (!config->name || !*config->name || strchr(config->name, '/') || !config->net ||
	    config->cpus == 0 || config->memory_mib == 0 || config->slot > VM_SLOT_MAX) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[64];
	static int fd = -1;
	struct ini_report *report = ini_report_create();
	struct vm_config *config = NULL;
	int r;

	if (fd < 0) {
		fd = memfd_create("guest.ini", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	if (fd < 0 || !report || ftruncate(fd, 0) < 0 ||
	    pwrite(fd, data, size, 0) != (ssize_t)size) {
		abort();
	}
	r = vm_config_load(path, report, &config);
	if ((r < 0) != (ini_report_count(report) > 0) || (r < 0) != !config) {
		abort();
	}
	if (config) {
		check_config(config);
	}
	vm_config_destroy(config);
	ini_report_destroy(report);
	return 0;
}
