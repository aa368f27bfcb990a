// SPDX-License-Identifier: MIT
/* QEMU and PipeWire. */
#include <ctype.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "passthrough/broker/broker.h"
#include "passthrough/doctor/child.h"
#include "passthrough/doctor/doctor.h"
#include "vm/command_line.h"

#define QEMU_MAJOR_MIN 10
#define QEMU_MS 20000

/* What each guest's command line needs; Debian's packages by name, others say it alike. */
static const struct {
	const char *option, *word, *module, *package;
} parts[] = {
	{ "-display", "\ndbus", "ui-dbus", "qemu-system-modules-opengl" },
	{ "-audiodev", "\ndbus", "audio-dbus", "qemu-system-modules-opengl" },
	{ "-device", "\"virtio-vga\"", "hw-display-virtio-vga", "qemu-system-common" },
	{ "-device", "\"vfio-pci\"", "vfio-pci", "qemu-system-x86" },
};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

/* "QEMU emulator version 10.0.2 (Debian …)" */
static int check_version(struct doctor *doctor)
{
	char *const argv[] = { QEMU_BINARY, "--version", NULL };
	char text[512], *version;
	int r = child_program(argv, text, sizeof(text), QEMU_MS);

	version = r == 0 ? strstr(text, "version ") : NULL;
	if (!version) {
		finding_add(doctor->findings, FINDING_FAIL, "qemu-version",
			    "Install QEMU 10.0 or newer (Debian: qemu-system-x86).", "%s.",
			    r == 127 ? "There is no " QEMU_BINARY " in PATH"
				     : QEMU_BINARY " does not tell its version");
		return -ENOENT;
	}
	version += strlen("version ");
	version[strcspn(version, " \n")] = '\0';
	if (strtol(version, NULL, 10) < QEMU_MAJOR_MIN) {
		finding_add(doctor->findings, FINDING_FAIL, "qemu-version",
			    "Install QEMU 10.0 or newer (Debian 12: from bookworm-backports).",
			    "QEMU is %s, and guests need %d.0 at least.", version, QEMU_MAJOR_MIN);
		return -EINVAL;
	}
	finding_pass(doctor->findings, "qemu-version", "QEMU is %s.", version);
	return 0;
}

static bool qemu_knows(const char *option, const char *word)
{
	char *const argv[] = { QEMU_BINARY, (char *)option, "help", NULL };
	static char text[256 * 1024];

	return child_program(argv, text, sizeof(text), QEMU_MS) == 0 && strstr(text, word);
}

static void check_modules(struct doctor *doctor)
{
	char missing[128] = "", remedy[160];

	for (size_t i = 0; i < PARTS; i++) {
		size_t used = strlen(missing);

		if (qemu_knows(parts[i].option, parts[i].word)) {
			continue;
		}
		if (!used) {
			snprintf(remedy, sizeof(remedy),
				 "Install the part of QEMU that has %s (Debian: %s).",
				 parts[i].module, parts[i].package);
		}
		snprintf(missing + used, sizeof(missing) - used, "%s%s", used ? ", " : "",
			 parts[i].module);
	}
	if (missing[0]) {
		finding_add(doctor->findings, FINDING_FAIL, "qemu-modules", remedy,
			    "QEMU lacks what every guest is started with: %s.", missing);
	} else {
		finding_pass(doctor->findings, "qemu-modules",
			     "QEMU has the D-Bus display and sound, virtio-vga and vfio-pci.");
	}
}

void check_qemu(struct doctor *doctor)
{
	if (check_version(doctor) == 0) {
		check_modules(doctor);
	}
}

/* ---- PipeWire ---- */

/* As PipeWire's own clients find it. */
static void pipewire_path(char *out, size_t size)
{
	const char *folder = getenv("PIPEWIRE_RUNTIME_DIR"), *name = getenv("PIPEWIRE_REMOTE");
	char fallback[64];

	snprintf(fallback, sizeof(fallback), "/run/user/%u", geteuid());
	folder = folder ? folder : getenv("XDG_RUNTIME_DIR");
	name = name ? name : "pipewire-0";
	if (*name == '/') {
		snprintf(out, size, "%s", name);
	} else {
		snprintf(out, size, "%s/%s", folder ? folder : fallback, name);
	}
}

void check_pipewire(struct doctor *doctor)
{
	char path[256];
	_cleanup_close_ int fd = -1;

	pipewire_path(path, sizeof(path));
	fd = unix_connect(path);
	if (fd < 0) {
		finding_add(doctor->findings, FINDING_WARN, "pipewire",
			    "Install pipewire and wireplumber, and run \"systemctl --user enable "
			    "--now pipewire wireplumber\" as the seat's user.",
			    "PipeWire does not answer on %s (%s), so guests cannot be heard.", path,
			    strerror(-fd));
	} else {
		finding_pass(doctor->findings, "pipewire", "PipeWire answers.");
	}
}
