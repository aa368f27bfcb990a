// SPDX-License-Identifier: MIT
/*
 * The made-up kernel below a broker that is tested: linked into it, it answers writes to sysfs,
 * VFIO and limits by changing the made-up machine's folder, which machine.c made. What goes wrong
 * is said by files in its folder "wrong"; what happened is appended to its file "log".
 *
 *   wrong/busy               the VFIO groups are open elsewhere
 *   wrong/busy.GROUP         this one is
 *   wrong/foreign            a hot reset would reach another device too
 *   wrong/no-hot-reset       there is none
 *   wrong/no-container       VFIO has a node but no module
 *   wrong/reset              a reset fails
 *   wrong/damage             a reset changes the configuration space
 *   wrong/unbind.NAME        the driver does not let go of NAME
 *   wrong/probe.NAME         no driver takes NAME
 *   wrong/hang.NAME          a FIFO: the unbind of NAME waits until somebody writes into it
 *   wrong/in-use             a module is in use
 *   wrong/limits             they cannot be set
 *   wrong/die.N              the broker is killed before the N-th write to sysfs
 *   wrong/die-after.N        the same, after it
 *   wrong/cut.N              it is killed while it rewrites a journal: before the new file is on
 * disk, before it is renamed, before the folder is on disk, and after
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "passthrough/broker/broker.h"

int __wrap_kernel_write(const char *path, const char *value);
int __wrap_sandbox_enter(char *text);
int __wrap_fsync(int fd);
int __real_fsync(int fd);
int __wrap_rename(const char *from, const char *to);
int __real_rename(const char *from, const char *to);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_open64(const char *path, int flags, ...);
int __real_open64(const char *path, int flags, ...);
int __wrap_lstat64(const char *path, struct stat *st);
int __real_lstat64(const char *path, struct stat *st);
int __wrap_prlimit64(pid_t pid, int resource, const struct rlimit *new, struct rlimit *old);
struct passwd *__wrap_getpwnam(const char *name);
long __wrap_syscall(long number, ...);

/* Without at(), whose paths the broker may still need. */
static bool is_there(const char *folder, const char *name, const char *kind)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s/%s%s%s", system_root, folder, name, kind[0] ? "." : "",
		 kind);
	return access(path, F_OK) == 0;
}

static bool is_wrong(const char *what)
{
	return is_there("wrong", what, "");
}

static bool is_wrong_of(const char *what, const char *name)
{
	return is_there("wrong", what, name);
}

static void append(const char *text)
{
	int fd = __real_open64(at("/log"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || dprintf(fd, "%s\n", text) < 0) {
		abort();
	}
	close(fd);
}

static int put(const char *path, const char *value)
{
	int fd = __real_open64(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0) {
		return -errno;
	}
	close(fd);
	return 0;
}

static void unbind(const char *name)
{
	char byte;

	if (is_wrong_of("hang", name)) {
		int fd = __real_open64(at("/wrong/hang.%s", name), O_RDONLY | O_CLOEXEC);

		if (fd < 0 || read(fd, &byte, 1) != 1) {
			abort();
		}
		close(fd);
	}
	if (!is_wrong_of("unbind", name)) {
		unlink(at("/sys/bus/pci/devices/%s/driver", name));
	}
}

/* The driver is the override, else the one of the machine's file host_driver; its module is there
 * when its folder is. */
static void probe(const char *name)
{
	char driver[32], target[64];

	text_read(at("/sys/bus/pci/devices/%s/driver_override", name), driver, sizeof(driver));
	if (!driver[0] || !strcmp(driver, "(null)")) {
		text_read(at("/sys/bus/pci/devices/%s/host_driver", name), driver, sizeof(driver));
	}
	snprintf(target, sizeof(target), "../../drivers/%s", driver);
	if (driver[0] && !is_wrong_of("probe", name) &&
	    access(at("/sys/bus/pci/drivers/%s", driver), F_OK) == 0 &&
	    symlink(target, at("/sys/bus/pci/devices/%s/driver", name)) < 0 && errno != EEXIST) {
		abort();
	}
}

static void load_module(const char *name)
{
	char driver[32];

	text_read(at("/sys/bus/pci/devices/%s/host_driver", name), driver, sizeof(driver));
	mkdir(at("/sys/bus/pci/drivers/%s", driver), 0700);
	probe(name);
}

static int reset(void)
{
	if (is_wrong("reset")) {
		return -EIO;
	}
	if (is_wrong("damage")) {
		int fd = __real_open64(at("/sys/bus/pci/devices/0000:01:00.0/config"), O_WRONLY);

		if (fd < 0 || pwrite(fd, "\1\2\3\4", 4, 0x10) != 4) {
			abort();
		}
		close(fd);
	}
	return 0;
}

/* Counts over all workers: the number of lines of the log that are writes. */
static unsigned int count_writes(void)
{
	char line[256];
	unsigned int n = 0;
	FILE *log = fopen(at("/log"), "re");

	while (log && fgets(line, sizeof(line), log)) {
		n += !strncmp(line, "write ", 6);
	}
	if (log) {
		fclose(log);
	}
	return n;
}

static void die_at(const char *what, unsigned int n, pid_t pid)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", n);
	if (is_wrong_of(what, name)) {
		kill(pid, SIGKILL);
	}
}

static int obey(const char *name, const char *attribute, const char *path, const char *value)
{
	if (!strcmp(attribute, "driver/unbind")) {
		unbind(name);
	} else if (!strcmp(attribute, "subsystem/drivers_probe")) {
		probe(name);
	} else if (!strcmp(attribute, "uevent")) {
		load_module(name);
	} else if (!strcmp(attribute, "driver_override")) {
		return put(path, value[0] == '\n' ? "(null)" : value);
	} else if (!strcmp(attribute, "reset")) {
		return reset();
	} else {
		return put(path, value);
	}
	return 0;
}

int __wrap_kernel_write(const char *path, const char *value)
{
	static const char folder[] = "/sys/bus/pci/devices/";
	const char *inside = path + strlen(system_root) + strlen(folder);
	char name[16], line[256];
	unsigned int n;
	int r;

	if (strncmp(path + strlen(system_root), folder, strlen(folder)) != 0 ||
	    strlen(inside) < 14) {
		abort();
	}
	snprintf(name, sizeof(name), "%.12s", inside);
	snprintf(line, sizeof(line), "write %s %s %s", name, inside + 13,
		 value[0] == '\n' ? "" : value);
	append(line);
	n = count_writes();
	die_at("die", n, getppid());
	r = obey(name, inside + 13, path, value);
	die_at("die-after", n, getppid());
	return r;
}

int __wrap_sandbox_enter(char *text)
{
	return 0;
}

/* ---- files of the broker's own ---- */

int __wrap_fsync(int fd)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0) {
		abort();
	}
	die_at("cut",
	       S_ISDIR(st.st_mode)                        ? 3
	       : is_there("journal", "0000:01:00", "new") ? 1
							  : 0,
	       getpid());
	r = __real_fsync(fd);
	die_at("cut", S_ISDIR(st.st_mode) ? 4 : 0, getpid());
	return r;
}

int __wrap_rename(const char *from, const char *to)
{
	die_at("cut", 2, getpid());
	return __real_rename(from, to);
}

/* ---- VFIO ---- */

int __wrap_open64(const char *path, int flags, ...)
{
	const char *inside = path + strlen(system_root);
	unsigned int mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & O_CREAT) {
		mode = va_arg(args, unsigned int);
	}
	va_end(args);
	if (is_wrong("no-container") && !strcmp(inside, "/dev/vfio/vfio")) {
		errno = ENODEV;
		return -1;
	}
	if (!strncmp(path, system_root, strlen(system_root)) &&
	    !strncmp(inside, "/dev/vfio/", 10) && strcmp(inside, "/dev/vfio/vfio") &&
	    (is_wrong("busy") || is_wrong_of("busy", inside + 10))) {
		append("group is open");
		errno = EBUSY;
		return -1;
	}
	return __real_open64(path, flags, mode);
}

/* Files below /dev are nodes; which ones is said below /numbers. */
int __wrap_lstat64(const char *path, struct stat *st)
{
	const char *inside = path + strlen(system_root);
	unsigned int major, minor;
	char number[32];
	int r = __real_lstat64(path, st);

	if (r == 0 && !strncmp(path, system_root, strlen(system_root)) &&
	    !strncmp(inside, "/dev/", 5)) {
		text_read(at("/numbers%s", inside), number, sizeof(number));
		if (sscanf(number, "%u:%u", &major, &minor) != 2) {
			abort();
		}
		st->st_mode = S_IFCHR | (st->st_mode & 07777);
		st->st_rdev = makedev(major, minor);
	}
	return r;
}

static int get_hot_reset_info(struct vfio_pci_hot_reset_info *info)
{
	static const struct vfio_pci_dependent_device devices[] = {
		{ .segment = 0, .bus = 1, .devfn = 0 },
		{ .segment = 0, .bus = 1, .devfn = 1 },
		{ .segment = 0, .bus = 2, .devfn = 0 },
	};

	if (is_wrong("no-hot-reset")) {
		errno = ENODEV;
		return -1;
	}
	info->count = is_wrong("foreign") ? 3 : 2;
	memcpy(info->devices, devices, info->count * sizeof(devices[0]));
	return 0;
}

static int hot_reset(const struct vfio_pci_hot_reset *request)
{
	char line[64];
	int r = reset();

	snprintf(line, sizeof(line), "hot reset with %u groups", request->count);
	append(line);
	errno = -r;
	return r < 0 ? -1 : 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	void *argument;
	va_list args;

	va_start(args, request);
	argument = va_arg(args, void *);
	va_end(args);
	switch (request) {
	case VFIO_GROUP_SET_CONTAINER:
	case VFIO_SET_IOMMU:
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		append("device opened");
		return __real_open64("/dev/null", O_RDWR | O_CLOEXEC);
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return get_hot_reset_info(argument);
	case VFIO_DEVICE_PCI_HOT_RESET:
		return hot_reset(argument);
	default:
		abort();
	}
}

/* ---- modules, limits and users ---- */

/* Only delete_module. The functions of a driver lose it with its module. */
long __wrap_syscall(long number, ...)
{
	DIR *devices = opendir(at("/sys/bus/pci/devices"));
	struct dirent *entry;
	const char *module;
	char driver[32];
	va_list args;

	va_start(args, number);
	module = va_arg(args, const char *);
	va_end(args);
	if (number != SYS_delete_module || is_wrong("in-use")) {
		closedir(devices);
		errno = EWOULDBLOCK;
		return -1;
	}
	while ((entry = dir_next(&devices))) {
		link_read(at("/sys/bus/pci/devices/%s/driver", entry->d_name), driver,
			  sizeof(driver));
		if (!strcmp(driver, module)) {
			unlink(at("/sys/bus/pci/devices/%s/driver", entry->d_name));
		}
	}
	append(module);
	return 0;
}

/* Those of a process are in the file limits.PID, and begin with 1000 and none. */
int __wrap_prlimit64(pid_t pid, int resource, const struct rlimit *new, struct rlimit *old)
{
	unsigned long long soft = 1000, hard = RLIM_INFINITY;
	char text[64];
	int fd;

	if (text_read(at("/limits.%d", pid), text, sizeof(text)) == 0 &&
	    sscanf(text, "%llu %llu", &soft, &hard) != 2) {
		abort();
	}
	if (old) {
		*old = (struct rlimit){ .rlim_cur = soft, .rlim_max = hard };
	}
	if (new && (is_wrong("limits") || new->rlim_cur > new->rlim_max)) {
		append("limits refused");
		errno = EPERM;
		return -1;
	}
	if (new) {
		fd = __real_open64(at("/limits.%d", pid), O_WRONLY | O_TRUNC | O_CREAT, 0600);
		if (fd < 0 || dprintf(fd, "%llu %llu\n", (unsigned long long)new->rlim_cur,
				      (unsigned long long)new->rlim_max) < 0) {
			abort();
		}
		close(fd);
	}
	return 0;
}

struct passwd *__wrap_getpwnam(const char *name)
{
	static struct passwd me, other, root;

	me.pw_uid = getuid();
	other.pw_uid = getuid() + 1;
	return !strcmp(name, "me")      ? &me
	       : !strcmp(name, "other") ? &other
	       : !strcmp(name, "root")  ? &root
					: NULL;
}
