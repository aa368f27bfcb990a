// SPDX-License-Identifier: MIT
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/machine.h"

#define DEADLINE_MS 60000

/* ---- the folder ---- */

static void path_build(struct machine *machine, char out[PATH_MAX], const char *format,
		       va_list args)
{
	int n = snprintf(out, PATH_MAX, "%s/", machine->root);

	vsnprintf(out + n, (size_t)(PATH_MAX - n), format, args);
}

/* Every folder above it. */
static void make_folders(const char *path)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdir(copy, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
}

static void put_bytes(const char *path, const void *bytes, size_t size)
{
	int fd;

	make_folders(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

void machine_put(struct machine *machine, const char *text, const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;

	va_start(args, format);
	path_build(machine, path, format, args);
	va_end(args);
	put_bytes(path, text, strlen(text));
}

static void put_link(struct machine *machine, const char *target, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void put_link(struct machine *machine, const char *target, const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;

	va_start(args, format);
	path_build(machine, path, format, args);
	va_end(args);
	make_folders(path);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

void machine_remove(struct machine *machine, const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;

	va_start(args, format);
	path_build(machine, path, format, args);
	va_end(args);
	assert_int_equal(remove(path), 0);
}

const char *machine_get(struct machine *machine, const char *format, ...)
{
	static char text[65536];
	char path[PATH_MAX], *slash;
	ssize_t n;
	va_list args;
	int fd;

	va_start(args, format);
	path_build(machine, path, format, args);
	va_end(args);
	n = readlink(path, text, sizeof(text) - 1);
	if (n >= 0) {
		text[n] = '\0';
		slash = strrchr(text, '/');
		return slash ? slash + 1 : text;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	if (fd >= 0) {
		close(fd);
	}
	return text;
}

unsigned int machine_mode(struct machine *machine, const char *path)
{
	char full[PATH_MAX];
	struct stat st;

	snprintf(full, sizeof(full), "%s/%s", machine->root, path);
	assert_int_equal(lstat(full, &st), 0);
	return st.st_mode & 07777;
}

void machine_wrong(struct machine *machine, const char *what)
{
	char path[PATH_MAX];

	if (strncmp(what, "hang.", 5) != 0) {
		machine_put(machine, "", "wrong/%s", what);
		return;
	}
	snprintf(path, sizeof(path), "%s/wrong/%s", machine->root, what);
	assert_int_equal(mkfifo(path, 0600), 0);
}

void machine_right(struct machine *machine, const char *what)
{
	machine_remove(machine, "wrong/%s", what);
}

void machine_release(struct machine *machine, const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/wrong/hang.%s", machine->root, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(write(fd, "!", 1), 1);
	close(fd);
}

void machine_forget_log(struct machine *machine)
{
	machine_put(machine, "", "log");
}

bool machine_log_has(struct machine *machine, const char *line)
{
	return strstr(machine_get(machine, "log"), line) != NULL;
}

const char *machine_drivers(struct machine *machine, const char *card)
{
	static char drivers[128];
	size_t n = 0;

	drivers[0] = '\0';
	for (int f = 0; f < 2; f++) {
		char path[PATH_MAX];
		const char *driver;

		snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s.%d", machine->root, card,
			 f);
		if (access(path, F_OK) < 0) {
			continue;
		}
		driver = machine_get(machine, "sys/bus/pci/devices/%s.%d/driver", card, f);
		n += (size_t)snprintf(drivers + n, sizeof(drivers) - n, "%s%s", n ? " " : "",
				      driver[0] ? driver : "-");
	}
	return drivers;
}

static void machine_executable(struct machine *machine, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", machine->root, name);
	assert_int_equal(chmod(path, 0700), 0);
}

void machine_wait_told(struct machine *machine, const char *text)
{
	for (int ms = 0; strcmp(machine_get(machine, "usr/bin/told"), text) != 0; ms++) {
		assert_true(ms < DEADLINE_MS);
		poll(NULL, 0, 1);
	}
}

void machine_wait_journal(struct machine *machine, const char *card, const char *text)
{
	for (int ms = 0; !strstr(machine_get(machine, "journal/%s.journal", card), text); ms++) {
		assert_true(ms < DEADLINE_MS);
		poll(NULL, 0, 1);
	}
}

/* ---- what is in it ---- */

static void add_function(struct machine *machine, const char *name, const char *class,
			 const char *driver, const char *reset, int group)
{
	uint8_t config[64] = { 0xf4, 0x1a, 0x50, 0x10, [0x0e] = 0x80, [0x10] = 8, [0x13] = 0xfe };
	char path[PATH_MAX], text[64];

	machine_put(machine, class, "sys/bus/pci/devices/%s/class", name);
	machine_put(machine, "0x1af4\n", "sys/bus/pci/devices/%s/vendor", name);
	machine_put(machine, "0x1050\n", "sys/bus/pci/devices/%s/device", name);
	machine_put(machine, "(null)\n", "sys/bus/pci/devices/%s/driver_override", name);
	machine_put(machine, reset, "sys/bus/pci/devices/%s/reset_method", name);
	machine_put(machine, driver, "sys/bus/pci/devices/%s/host_driver", name);
	machine_put(machine, "auto\n", "sys/bus/pci/devices/%s/power/control", name);
	machine_put(machine, "1\n", "sys/bus/pci/devices/%s/d3cold_allowed", name);
	machine_put(machine, "", "sys/bus/pci/drivers/%s/bind", driver);
	snprintf(text, sizeof(text), "../../drivers/%s", driver);
	put_link(machine, text, "sys/bus/pci/devices/%s/driver", name);
	snprintf(text, sizeof(text), "../../../../kernel/iommu_groups/%d", group);
	put_link(machine, text, "sys/bus/pci/devices/%s/iommu_group", name);
	machine_put(machine, "", "sys/kernel/iommu_groups/%d/devices/%s", group, name);
	machine_put(machine, "", "dev/vfio/%d", group);
	snprintf(text, sizeof(text), "243:%d\n", group);
	machine_put(machine, text, "numbers/dev/vfio/%d", group);
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/config", machine->root, name);
	put_bytes(path, config, sizeof(config));
}

void machine_host_driver(struct machine *machine, const char *card, const char *driver)
{
	char target[64];

	snprintf(target, sizeof(target), "../../drivers/%s", driver);
	machine_put(machine, "", "sys/bus/pci/drivers/%s/bind", driver);
	machine_put(machine, driver, "sys/bus/pci/devices/%s.0/host_driver", card);
	put_link(machine, target, "sys/bus/pci/devices/%s.0/driver", card);
}

void machine_node(struct machine *machine, const char *name, const char *device)
{
	char path[PATH_MAX];

	machine_put(machine, "", "dev/%s", name);
	machine_put(machine, device, "numbers/dev/%s", name);
	snprintf(path, sizeof(path), "%s/dev/%s", machine->root, name);
	assert_int_equal(chmod(path, 0660), 0);
}

/* device: that of a node which is there in truth, so that a process can have it open. */
static void add_node(struct machine *machine, const char *function, const char *folder,
		     const char *device, const char *name)
{
	unsigned int major, minor;
	char text[64];

	assert_int_equal(sscanf(device, "%u:%u", &major, &minor), 2);
	snprintf(text, sizeof(text), "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\nDEVTYPE=x\n", major, minor,
		 name);
	machine_put(machine, text, "sys/bus/pci/devices/%s/%s/uevent", function, folder);
	machine_node(machine, name, device);
}

static void know_process(struct machine *machine, pid_t pid)
{
	char real[32];

	snprintf(real, sizeof(real), "/proc/%d", pid);
	put_link(machine, real, "proc/%d", pid);
}

void machine_create(struct machine *machine)
{
	*machine = (struct machine){ .root = "/tmp/baton-machine-XXXXXX", .log = -1, .seat = -1 };
	assert_non_null(mkdtemp(machine->root));
	add_function(machine, DUO ".0", "0x030000\n", "gpudrv", "bus\n", 9);
	add_function(machine, DUO ".1", "0x040300\n", "snddrv", "", 9);
	add_function(machine, UNO ".0", "0x038000\n", "gpudrv", "flr pm bus\n", 8);
	add_function(machine, "0000:03:00.0", "0x060400\n", "pcieport", "", 7);
	add_function(machine, "0000:04:00.0", "0x030000\n", "gpudrv", "", 6);
	add_function(machine, "0000:05:00.0", "0x020000\n", "netdrv", "", 6);
	/* The bridge above a card is no stranger in its group. */
	machine_put(machine, "", "sys/kernel/iommu_groups/9/devices/0000:03:00.0");
	machine_put(machine, "1\n", "sys/bus/pci/devices/" DUO ".0/boot_vga");
	add_node(machine, DUO ".0", "drm/card0", "1:7\n", "dri/card0");
	add_node(machine, DUO ".0", "drm/card0/card0-DP-1/i2c-3/i2c-dev/i2c-3", "89:3\n", "i2c-3");
	add_node(machine, DUO ".1", "sound/card0/controlC0", "116:4\n", "snd/controlC0");
	add_node(machine, DUO ".1", "sound/card0/input5/event5", "1:3\n", "input/event5");
	add_node(machine, UNO ".0", "virtio0/drm/card1", "226:1\n", "dri/card1");
	machine_put(machine, "", "sys/bus/pci/drivers/vfio-pci/bind");
	machine_put(machine, "", "dev/vfio/vfio");
	machine_put(machine, "made-up-boot\n", "proc/sys/kernel/random/boot_id");
	machine_put(machine, "", "wrong/nothing");
	machine_put(machine,
		    "# cards\ncard " DUO "\ncard " UNO "\n\ncard 0000:03:00\n"
		    "card 0000:04:00 # shares\nuser me\nguest A other\n",
		    "broker.conf");
	machine_put(machine, "#!/bin/sh\necho \"$*\" >>\"${0%/*}/told\"\n", "usr/bin/systemctl");
	machine_executable(machine, "usr/bin/systemctl");
	machine_forget_log(machine);
	know_process(machine, getpid());
	broker_start(machine);
	seat_connect(machine);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void machine_destroy(struct machine *machine)
{
	seat_leave(machine);
	broker_kill(machine);
	assert_null(strstr(machine_get(machine, "said"), "runtime error"));
	assert_null(strstr(machine_get(machine, "said"), "Sanitizer"));
	/* A worker of the killed broker may still be writing. */
	for (int ms = 0; nftw(machine->root, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0; ms++) {
		assert_true(ms < DEADLINE_MS);
		poll(NULL, 0, 1);
	}
}

pid_t machine_process(struct machine *machine)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close_range(STDERR_FILENO + 1, UINT_MAX, 0);
		for (;;) {
			pause();
		}
	}
	assert_true(pid > 0);
	know_process(machine, pid);
	return pid;
}

/* ---- the broker ---- */

static void broker_exec(struct machine *machine, int log)
{
	char program[PATH_MAX], config[96], socket[96], hurry[8];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 32);

	program[n < 0 ? 0 : n] = '\0';
	snprintf(strrchr(program, '/'), 32, "/machine_broker");
	snprintf(config, sizeof(config), "%s/broker.conf", machine->root);
	snprintf(socket, sizeof(socket), "%s/socket", machine->root);
	snprintf(hurry, sizeof(hurry), "%d", HURRY);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(log, STDERR_FILENO);
	execl(program, program, "--config", config, "--socket", socket, "--journal", "/journal",
	      "--root", machine->root, "--hurry", hurry, (char *)NULL);
	_exit(99);
}

void broker_start(struct machine *machine)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/said", machine->root);
	if (machine->log >= 0) {
		close(machine->log);
	}
	machine->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(machine->log >= 0);
	machine->broker = fork();
	if (machine->broker == 0) {
		broker_exec(machine, machine->log);
	}
	assert_true(machine->broker > 0);
}

int broker_wait(struct machine *machine)
{
	int status;

	assert_int_equal(waitpid(machine->broker, &status, 0), machine->broker);
	machine->broker = 0;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void broker_kill(struct machine *machine)
{
	if (machine->broker > 0) {
		kill(machine->broker, SIGKILL);
		broker_wait(machine);
	}
	if (machine->log >= 0) {
		close(machine->log);
		machine->log = -1;
	}
}

/* ---- the seat ---- */

/* Until the broker listens: its socket appears after its start. */
int seat_open(struct machine *machine)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", machine->root);
	for (int tries = 0; connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0;
	     tries++) {
		assert_true(tries < DEADLINE_MS);
		poll(NULL, 0, 1);
	}
	return fd;
}

void seat_connect(struct machine *machine)
{
	struct broker_request hello;

	seat_leave(machine);
	machine->seat = seat_open(machine);
	hello = seat_request(machine, BROKER_HELLO, NULL);
	seat_send_request(machine, &hello, -1);
	assert_int_equal(seat_wait_done(machine, hello.serial), 0);
}

void seat_leave(struct machine *machine)
{
	if (machine->seat >= 0) {
		close(machine->seat);
		machine->seat = -1;
	}
}

struct broker_request seat_request(struct machine *machine, uint32_t verb, const char *card)
{
	struct broker_request request = { .verb = verb, .serial = ++machine->serial };
	unsigned int domain, bus, device;

	request.protocol = BROKER_PROTOCOL;
	if (card) {
		assert_int_equal(sscanf(card, "%x:%x:%x", &domain, &bus, &device), 3);
		request.slot =
			(struct broker_slot){ (uint16_t)domain, (uint8_t)bus, (uint8_t)device };
	}
	return request;
}

void seat_send_request(struct machine *machine, const struct broker_request *request, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { (void *)request, sizeof(*request) };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (fd >= 0) {
		header.msg_control = control;
		header.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&header);
		*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
				       .cmsg_level = SOL_SOCKET,
				       .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	assert_int_equal(sendmsg(machine->seat, &header, MSG_NOSIGNAL), sizeof(*request));
}

bool seat_receive(struct machine *machine, int fd, struct broker_message *out)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	assert_int_equal(poll(&poll_fd, 1, DEADLINE_MS), 1);
	n = recv(fd, out, sizeof(*out), 0);
	assert_true(n == sizeof(*out) || n == 0 || (n < 0 && errno == ECONNRESET));
	return n > 0;
}

static void take_message(struct machine *machine, const struct broker_message *message)
{
	switch (message->kind) {
	case BROKER_DONE:
		machine->done = *message;
		break;
	case BROKER_CARD:
		machine->card = *message;
		machine->n_cards++;
		break;
	case BROKER_HOLDER:
		machine->holder = *message;
		machine->n_holders++;
		break;
	case BROKER_GUEST:
		machine->guest = *message;
		break;
	default:
		assert_int_equal(message->kind, BROKER_PROGRESS);
		machine->progress = *message;
		machine->n_progress++;
	}
}

int seat_wait_done(struct machine *machine, uint32_t serial)
{
	struct broker_message message;

	machine->n_cards = machine->n_holders = machine->n_progress = 0;
	do {
		assert_true(seat_receive(machine, machine->seat, &message));
		take_message(machine, &message);
	} while (message.kind != BROKER_DONE || message.serial != serial);
	return message.error;
}

int seat_ask(struct machine *machine, uint32_t verb, const char *card)
{
	struct broker_request request = seat_request(machine, verb, card);

	seat_send_request(machine, &request, -1);
	return seat_wait_done(machine, request.serial);
}

int seat_lend(struct machine *machine, const char *card, pid_t pid, uint64_t bytes)
{
	struct broker_request request = seat_request(machine, BROKER_LEND, card);
	int pidfd = pidfd_open(pid, 0);

	assert_true(pidfd >= 0);
	request.memory_bytes = bytes;
	seat_send_request(machine, &request, pidfd);
	close(pidfd);
	return seat_wait_done(machine, request.serial);
}

static bool is_card(const struct broker_message *message, const char *card)
{
	char name[16];

	snprintf(name, sizeof(name), "%04x:%02x:%02x", message->slot.domain, message->slot.bus,
		 message->slot.device);
	return message->kind == BROKER_CARD && !strcmp(name, card);
}

void seat_wait_news(struct machine *machine, const char *card, uint32_t with, uint32_t without)
{
	struct broker_message message;

	do {
		assert_true(seat_receive(machine, machine->seat, &message));
		take_message(machine, &message);
	} while (!is_card(&message, card) || message.serial != 0 ||
		 (message.facts.flags & with) != with || message.facts.flags & without);
}

struct broker_facts seat_facts_of(struct machine *machine, const char *card)
{
	struct broker_request request = seat_request(machine, BROKER_LIST, NULL);
	struct broker_message message;
	struct broker_facts facts = { 0 };

	seat_send_request(machine, &request, -1);
	do {
		assert_true(seat_receive(machine, machine->seat, &message));
		take_message(machine, &message);
		facts = is_card(&message, card) ? message.facts : facts;
	} while (message.kind != BROKER_DONE || message.serial != request.serial);
	return facts;
}

void seat_bring(struct machine *machine, const char *card, uint32_t last)
{
	static const uint32_t verbs[] = { BROKER_DRAIN, BROKER_DETACH, BROKER_SANITIZE };

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]) && verbs[i] <= last; i++) {
		struct broker_request request = seat_request(machine, verbs[i], card);

		snprintf(request.stage.name, sizeof(request.stage.name), "stage-%u", verbs[i]);
		snprintf(request.stage.to, sizeof(request.stage.to), "guest");
		seat_send_request(machine, &request, -1);
		assert_int_equal(seat_wait_done(machine, request.serial), 0);
	}
}
