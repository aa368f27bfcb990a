// SPDX-License-Identifier: MIT
/* Finds what would not work before a guest is started: vm_config_check() of vm_config.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/strv.h"
#include "vm/command_line.h"
#include "vm/vm_config.h"

#define IDE_PORTS 6 /* of q35 */

struct check {
	const struct vm_config *config;
	const char *file; /* of the configuration, or NULL */
	struct ini_report *report;
};

/* Reports a mistake in the index-th line of a key. */
__attribute__((format(printf, 4, 5))) static void mistake(const struct check *check,
							  const char *key, unsigned int index,
							  const char *format, ...)
{
	_cleanup_free_ char *message = NULL;
	va_list args;
	int r, line = check->file ? ini_find_line(check->file, "vm", key, index) : 0;

	va_start(args, format);
	r = vasprintf(&message, format, args);
	va_end(args);
	if (r < 0) {
		message = NULL;
		return;
	}
	ini_report_add(check->report, check->file ? check->file : check->config->name, line, key,
		       "%s", message);
}

enum display_or_sandbox { REFUSED_DISPLAY, REFUSED_SANDBOX, REFUSED_CONTROL };

static const char *const refusals[] = {
	[REFUSED_DISPLAY] = "would set a second display; Baton shows the guest itself",
	[REFUSED_SANDBOX] = "would weaken or replace the sandbox that every guest runs in",
	[REFUSED_CONTROL] = "would take QEMU out of Baton's control",
};

static const struct {
	const char *name;
	enum display_or_sandbox why;
} refused_options[] = {
	{ "display", REFUSED_DISPLAY },	  { "vnc", REFUSED_DISPLAY },
	{ "spice", REFUSED_DISPLAY },	  { "sdl", REFUSED_DISPLAY },
	{ "nographic", REFUSED_DISPLAY }, { "curses", REFUSED_DISPLAY },
	{ "gtk", REFUSED_DISPLAY },	  { "vga", REFUSED_DISPLAY },
	{ "sandbox", REFUSED_SANDBOX },	  { "runas", REFUSED_SANDBOX },
	{ "chroot", REFUSED_SANDBOX },	  { "run-with", REFUSED_SANDBOX },
	{ "readconfig", REFUSED_SANDBOX },
	{ "set", REFUSED_SANDBOX },	  { "daemonize", REFUSED_CONTROL },
	{ "pidfile", REFUSED_CONTROL },	  { "name", REFUSED_CONTROL },
	{ "uuid", REFUSED_CONTROL },
};

/* True when a comma-separated list has the field, as a whole. */
static bool has_field(const char *list, const char *field)
{
	size_t n = strlen(field);

	for (const char *s = list; s; s = strchr(s, ',')) {
		s += *s == ',';
		if (strncmp(s, field, n) == 0 && (s[n] == '\0' || s[n] == ',')) {
			return true;
		}
	}
	return false;
}

/* True for a value that reaches for the sockets or the descriptor of Baton's own connection. */
static bool is_our_socket(const struct vm_config *config, const char *value)
{
	char path[128], user_path[128], descriptor[16];

	snprintf(path, sizeof(path), "%s/" RUN_FILE_QMP, config->name);
	snprintf(user_path, sizeof(user_path), "%s/" RUN_FILE_QMP_USER, config->name);
	snprintf(descriptor, sizeof(descriptor), "fd=%d", QEMU_QMP_FD);
	return strstr(value, path) || strstr(value, user_path) || strstr(value, QEMU_QMP_ID) ||
	       has_field(value, descriptor);
}

/* Which of the key's lines the n-th extra argument stands in. */
static unsigned int line_of_argument(const struct vm_config *config, size_t n)
{
	unsigned int i = 0;

	for (char *const *line = config->qemu_lines; line && *line; line++, i++) {
		_cleanup_strv_ char **words = NULL;

		if (strv_append_words(&words, *line) < 0 || n < strv_length(words)) {
			return i;
		}
		n -= strv_length(words);
	}
	return 0;
}

static void check_argument(const struct check *check, size_t n)
{
	const char *arg = check->config->qemu_args[n];
	const char *name = option_name(arg);

	for (size_t i = 0; name && i < sizeof(refused_options) / sizeof(refused_options[0]); i++) {
		if (strcmp(name, refused_options[i].name) == 0) {
			mistake(check, "qemu-args", line_of_argument(check->config, n),
				"%s %s; remove it", arg, refusals[refused_options[i].why]);
		}
	}
	if (!name && is_our_socket(check->config, arg)) {
		mistake(check, "qemu-args", line_of_argument(check->config, n),
			"%s takes the connection that Baton controls the guest by; use %s in the "
			"guest's runtime folder, which is free",
			arg, RUN_FILE_QMP_USER);
	}
}

static void check_file(const struct check *check, const char *key, unsigned int index,
		       const char *path, int mode)
{
	struct stat st;

	if (!path) {
		return;
	}
	if (stat(path, &st) < 0) {
		mistake(check, key, index, "%s: %s; give the path of a file that is there", path,
			strerror(errno));
	} else if (S_ISDIR(st.st_mode)) {
		mistake(check, key, index, "%s is a folder; give a file", path);
	} else if (access(path, mode) < 0) {
		mistake(check, key, index, "%s cannot be %s: %s; change its permissions", path,
			mode & W_OK ? "written" : "read", strerror(errno));
	}
}

/* A raw disk is never probed, so a qcow2 image under another name would show as garbage. */
static void check_format(const struct check *check, unsigned int index, const char *path)
{
	const char *dot = strrchr(path, '.');
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char magic[4];

	if (dot && strcasecmp(dot, ".qcow2") == 0) {
		return;
	}
	if (fd >= 0 && pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	    memcmp(magic, "QFI\xfb", sizeof(magic)) == 0) {
		mistake(check, "disk", index, "%s is a qcow2 image; rename it to end in .qcow2",
			path);
	}
}

static void check_files(const struct check *check)
{
	const struct vm_config *config = check->config;

	for (unsigned int i = 0; config->disks && config->disks[i]; i++) {
		check_file(check, "disk", i, config->disks[i], R_OK | W_OK);
		check_format(check, i, config->disks[i]);
	}
	for (unsigned int i = 0; config->cdroms && config->cdroms[i]; i++) {
		check_file(check, "cdrom", i, config->cdroms[i], R_OK);
	}
	check_file(check, "kernel", 0, config->kernel, R_OK);
	check_file(check, "initrd", 0, config->initrd, R_OK);
	if (!config->kernel && (config->initrd || config->append)) {
		mistake(check, config->initrd ? "initrd" : "append", 0,
			"is of use only with a kernel; give the key kernel too");
	}
}

static void check_ports(const struct check *check)
{
	size_t disks = strv_length(check->config->disks);
	size_t ide = strv_length(check->config->cdroms);

	if (check->config->os != VM_OS_LINUX) {
		ide += disks;
	}
	if (ide > IDE_PORTS) {
		mistake(check, "disk", 0,
			"%zu SATA disks and CDs are too many; %d is the most (os = linux takes any "
			"number of disks)",
			ide, IDE_PORTS);
	}
}

static bool in_path(const char *program)
{
	const char *path = getenv("PATH");
	_cleanup_free_ char *copy = strdup(path ? path : "/usr/local/bin:/usr/bin:/bin");
	char *rest = copy, *folder;

	while ((folder = strsep(&rest, ":"))) {
		char file[PATH_MAX];

		snprintf(file, sizeof(file), "%s/%s", folder, program);
		if (access(file, X_OK) == 0) {
			return true;
		}
	}
	return false;
}

/* Distributions split QEMU's modules off; a QEMU without a folder of modules has all built in. */
static void check_display_module(const struct check *check)
{
	const char *const folders[] = { getenv("QEMU_MODULE_DIR"),
					"/usr/lib/x86_64-linux-gnu/qemu", "/usr/lib64/qemu" };
	static const char *const modules[] = { "ui-dbus.so", "ui-opengl.so", "audio-dbus.so" };

	for (size_t f = 0; f < sizeof(folders) / sizeof(folders[0]); f++) {
		if (!folders[f] || access(folders[f], X_OK) < 0) {
			continue;
		}
		for (size_t m = 0; m < sizeof(modules) / sizeof(modules[0]); m++) {
			char file[PATH_MAX];

			snprintf(file, sizeof(file), "%s/%s", folders[f], modules[m]);
			if (access(file, R_OK) < 0) {
				mistake(check, NULL, 0,
					"QEMU lacks its D-Bus display (%s); install "
					"qemu-system-modules-opengl",
					file);
				return;
			}
		}
		return;
	}
}

static void check_host(const struct check *check)
{
	if (!in_path(QEMU_BINARY)) {
		mistake(check, NULL, 0, "there is no " QEMU_BINARY "; install qemu-system-x86");
		return;
	}
	check_display_module(check);
	if (check->config->firmware == VM_FIRMWARE_UEFI && !ovmf_find()) {
		mistake(check, "firmware", 0, "there is no UEFI firmware; install ovmf");
	}
}

/* How an attached guest's machine is made is not ours to say. */
static void check_attached(const struct check *check)
{
	if (check->config->shared.mib || *check->config->shared.node) {
		ini_report_add(check->report, check->file ? check->file : check->config->name,
			       check->file ? ini_find_line(check->file, "capture", "shared-memory", 0)
					   : 0,
			       "shared-memory",
			       "a QEMU that runs already gets no other devices; remove this line");
	}
}

int vm_config_check(const struct vm_config *config, const char *file, struct ini_report *report)
{
	struct check check = { .config = config, .file = file, .report = report };
	size_t mistakes = ini_report_count(report);

	if (!config->attach) {
		check_files(&check);
		check_ports(&check);
		for (size_t n = 0; n < strv_length(config->qemu_args); n++) {
			check_argument(&check, n);
		}
		check_host(&check);
	} else {
		check_attached(&check);
	}
	return ini_report_count(report) > mistakes ? -EINVAL : 0;
}
