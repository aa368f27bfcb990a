// SPDX-License-Identifier: MIT
/*
 * The D-Bus API over a real private socket: a child process plays the seat, the test is its client
 * through sd-bus or through bare bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "control/control.h"
#include "control/text.h"
#include "tests/unit/fake_seat.h"

#define DEADLINE_MS 60000

static int setup(void **state)
{
	static struct fake_seat_process seat;

	fake_seat_start(&seat);
	*state = &seat;
	return 0;
}

static int teardown(void **state)
{
	fake_seat_stop(*state);
	return 0;
}

static int socket_open(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static sd_bus *client_open(struct fake_seat_process *seat)
{
	sd_bus *bus;
	int fd = socket_open(seat->socket);

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_true(sd_bus_new(&bus) >= 0);
	assert_true(sd_bus_set_fd(bus, fd, fd) >= 0);
	assert_true(sd_bus_negotiate_fds(bus, true) >= 0);
	assert_true(sd_bus_start(bus) >= 0);
	sd_bus_set_method_call_timeout(bus, DEADLINE_MS * 1000ull);
	return bus;
}

static void client_close(sd_bus *bus)
{
	sd_bus_close(bus);
	sd_bus_unref(bus);
}

/* 0 or more, or -errno with the error's name and words. */
static int call(sd_bus *bus, const char *method, sd_bus_error *error, sd_bus_message **reply,
		const char *types, ...)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	va_list args;
	int r;

	r = sd_bus_message_new_method_call(bus, &m, NULL, CONTROL_OBJECT, CONTROL_INTERFACE,
					   method);
	assert_true(r >= 0);
	if (types) {
		va_start(args, types);
		assert_true(sd_bus_message_appendv(m, types, args) >= 0);
		va_end(args);
	}
	return sd_bus_call(bus, m, 0, error, reply);
}

/* The next signal; fails the test when none comes in time. */
static sd_bus_message *next_signal(sd_bus *bus)
{
	uint64_t end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;
	sd_bus_message *m = NULL;

	while (clock_now_ns() < end) {
		int r = sd_bus_process(bus, &m);

		assert_true(r >= 0);
		if (m && sd_bus_message_is_signal(m, CONTROL_INTERFACE, NULL)) {
			return m;
		}
		m = sd_bus_message_unref(m);
		if (r == 0) {
			assert_true(sd_bus_wait(bus, DEADLINE_MS * 1000ull) >= 0);
		}
	}
	fail_msg("no signal came");
	return NULL;
}

static void expect_told(sd_bus *bus, const char *what, const char *detail)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = next_signal(bus);
	const char *got_what, *got_detail;

	assert_string_equal(sd_bus_message_get_member(m), "GuestChanged");
	assert_true(sd_bus_message_read(m, "ss", &got_what, &got_detail) >= 0);
	assert_string_equal(got_what, what);
	assert_string_equal(got_detail, detail);
}

static void expect_error(sd_bus *bus, const char *method, const char *guest, const char *name,
			 const char *words)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

	assert_true(call(bus, method, &error, NULL, "s", guest) < 0);
	assert_string_equal(error.name, name);
	assert_string_equal(error.message, words);
}

/* Waits until the other side hangs up, without reading anything. */
static void expect_hangup(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
}

/* The seat answers a newcomer: it neither died nor waits for anybody. */
static void expect_alive(struct fake_seat_process *seat)
{
	sd_bus *bus = client_open(seat);
	uint64_t start = clock_now_ns();

	assert_true(call(bus, "Status", NULL, NULL, NULL) >= 0);
	assert_true(clock_now_ns() - start < DEADLINE_MS * NSEC_PER_MSEC);
	client_close(bus);
}

/* ---- every method ---- */

static void test_plain_methods(void **state)
{
	sd_bus *bus = client_open(*state);

	assert_true(call(bus, "Next", NULL, NULL, NULL) >= 0);
	expect_told(bus, "next", "");
	assert_true(call(bus, "Back", NULL, NULL, NULL) >= 0);
	expect_told(bus, "back", "");
	assert_true(call(bus, "Reload", NULL, NULL, NULL) >= 0);
	expect_told(bus, "reload", "");
	assert_true(call(bus, "Start", NULL, NULL, "s", "beta") >= 0);
	expect_told(bus, "start", "beta");
	assert_true(call(bus, "Reset", NULL, NULL, "s", "gamma") >= 0);
	expect_told(bus, "reset", "gamma");
	assert_true(call(bus, "Pause", NULL, NULL, "sb", "beta", 1) >= 0);
	expect_told(bus, "pause", "beta");
	assert_true(call(bus, "Pause", NULL, NULL, "sb", "beta", 0) >= 0);
	expect_told(bus, "resume", "beta");
	client_close(bus);
}

static void test_errors_have_names_and_words(void **state)
{
	sd_bus *bus = client_open(*state);

	expect_error(bus, "Focus", "delta", CONTROL_ERROR_NO_GUEST, "no such guest here");
	expect_error(bus, "Shutdown", "alpha", CONTROL_ERROR_WRONG_STATE,
		     "alpha is stopped already");
	expect_error(bus, "Kill", "alpha", CONTROL_ERROR_FAILED, strerror(EIO));
	expect_error(bus, "Status", "alpha", SD_BUS_ERROR_INVALID_ARGS,
		     "Invalid arguments 's' to call " CONTROL_INTERFACE ".Status(), expecting ''.");
	client_close(bus);
}

static void test_input(void **state)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus *bus = client_open(*state);

	assert_true(call(bus, "InjectKey", NULL, NULL, "ub", 30u, 1) >= 0);
	expect_told(bus, "key", "30 1");
	assert_true(call(bus, "InjectMotion", NULL, NULL, "dd", -1.5, 2.0) >= 0);
	expect_told(bus, "motion", "-1.5 2");
	assert_true(call(bus, "InjectAbsolute", NULL, NULL, "dd", 0.25, 1.0) >= 0);
	expect_told(bus, "absolute", "0.25 1");
	assert_true(call(bus, "InjectWheel", NULL, NULL, "ii", -120, 15) >= 0);
	expect_told(bus, "wheel", "-120 15");
	assert_true(call(bus, "InjectButton", &error, NULL, "ub", 0x110u, 1) < 0);
	assert_string_equal(error.name, CONTROL_ERROR_NOT_PERMITTED);
	client_close(bus);
}

static void test_positions_are_checked(void **state)
{
	const double bad[] = { 0.0 / 0.0, 1.0 / 0.0, 1.001, -1e300 };
	sd_bus *bus = client_open(*state);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

		assert_true(call(bus, "InjectAbsolute", &error, NULL, "dd", 0.5, bad[i]) < 0);
		assert_string_equal(error.name, CONTROL_ERROR_INVALID);
	}
	client_close(bus);
}

/* The value of one key of the dictionary that the message stands in. */
static void expect_entry(sd_bus_message *m, const char *key, const char *type, uint64_t number,
			 const char *text)
{
	union {
		const char *s;
		uint32_t u;
		uint64_t t;
	} value = { 0 };
	const char *got;

	assert_true(sd_bus_message_enter_container(m, 'e', "sv") > 0);
	assert_true(sd_bus_message_read(m, "s", &got) > 0);
	assert_string_equal(got, key);
	assert_true(sd_bus_message_read(m, "v", type, &value) > 0);
	assert_true(sd_bus_message_exit_container(m) >= 0);
	if (text) {
		assert_string_equal(value.s, text);
	} else {
		assert_int_equal(*type == 't' ? value.t : value.u, number);
	}
}

static void test_list_guests(void **state)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	sd_bus *bus = client_open(*state);

	assert_true(call(bus, "ListGuests", NULL, &m, NULL) >= 0);
	assert_true(sd_bus_message_enter_container(m, 'a', "a{sv}") > 0);
	for (unsigned int i = 0; i < 3; i++) {
		static const char *const names[] = { "alpha", "beta", "gamma" };

		assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
		expect_entry(m, "name", "s", 0, names[i]);
		expect_entry(m, "slot", "u", i + 1, NULL);
		expect_entry(m, "state", "s", 0, "running");
		/* What no message and no terminal may hold is masked, the rest is as it was. */
		expect_entry(m, "reason", "s", 0, i == 2 ? "bad ??[2J \xc3\xa4" : "");
		expect_entry(m, "focused", "b", i == 0, NULL);
		expect_entry(m, "pid", "i", 100 + i, NULL);
		expect_entry(m, "width", "u", 320, NULL);
		expect_entry(m, "height", "u", 200, NULL);
		expect_entry(m, "live", "b", true, NULL);
		expect_entry(m, "frames", "t", 1ull << 40, NULL);
		expect_entry(m, "keys_sent", "t", 7, NULL);
		expect_entry(m, "keys_dropped", "t", 2, NULL);
		assert_true(sd_bus_message_exit_container(m) >= 0);
	}
	assert_int_equal(sd_bus_message_at_end(m, false), 1);
	client_close(bus);
}

static void test_status(void **state)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	sd_bus *bus = client_open(*state);

	assert_true(call(bus, "Switcher", NULL, NULL, "b", 1) >= 0);
	assert_true(call(bus, "Status", NULL, &m, NULL) >= 0);
	assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	expect_entry(m, "version", "s", 0, "9.9");
	expect_entry(m, "backend", "s", 0, "headless");
	expect_entry(m, "renderer", "s", 0, "pixman");
	expect_entry(m, "acceleration", "s", 0, "tcg");
	expect_entry(m, "width", "u", 640, NULL);
	expect_entry(m, "height", "u", 480, NULL);
	expect_entry(m, "refresh_mhz", "u", 60000, NULL);
	expect_entry(m, "switcher", "b", true, NULL);
	expect_entry(m, "focused", "s", 0, "alpha");
	expect_entry(m, "guests", "u", 3, NULL);
	client_close(bus);
}

static void expect_content(int fd, const char *content)
{
	char buffer[64] = "";

	assert_true(pread(fd, buffer, sizeof(buffer) - 1, 0) >= 0);
	assert_string_equal(buffer, content);
}

static void test_screenshot_goes_into_memory_alone(void **state)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_close_ int memory = memfd_create("picture", MFD_CLOEXEC);
	_cleanup_close_ int second = memfd_create("picture", MFD_CLOEXEC);
	sd_bus *bus = client_open(*state);
	int pipe_fds[2];

	assert_true(call(bus, "Screenshot", NULL, NULL, "sh", "beta", memory) >= 0);
	expect_content(memory, "PNG of beta");
	assert_true(call(bus, "Screenshot", NULL, NULL, "sh", "", second) >= 0);
	expect_content(second, "PNG of the screen");
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_true(call(bus, "Screenshot", &error, NULL, "sh", "beta", pipe_fds[1]) < 0);
	assert_string_equal(error.name, CONTROL_ERROR_INVALID);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	client_close(bus);
}

static void test_export_output(void **state)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	sd_bus *bus = client_open(*state);
	int fd;

	assert_true(call(bus, "ExportOutput", NULL, &m, NULL) >= 0);
	assert_true(sd_bus_message_read(m, "h", &fd) > 0);
	expect_content(fd, "pixels");
	client_close(bus);
}

static void test_quit_answers_and_removes_the_socket(void **state)
{
	struct fake_seat_process *seat = *state;
	sd_bus *bus = client_open(seat);

	assert_true(call(bus, "Quit", NULL, NULL, "b", 1) >= 0);
	expect_told(bus, "quit", "guests");
	assert_int_equal(fake_seat_wait(seat), FAKE_SEAT_QUIT_GUESTS);
	assert_int_equal(access(seat->socket, F_OK), -1);
	client_close(bus);
}

/* ---- properties and introspection ---- */

static int get_all(sd_bus *bus, const char *path, const char *interface, const char *method,
		   sd_bus_message **reply, const char *argument)
{
	return sd_bus_call_method(bus, NULL, path, interface, method, NULL, reply,
				  argument ? "s" : NULL, argument);
}

static void test_introspection(void **state)
{
	static const char *const members[] = {
		"ListGuests",   "Status",       "Focus",          "Next",        "Back",
		"Switcher",     "Screenshot",   "Start",          "Shutdown",    "Kill",
		"Reset",        "Pause",        "Quit",           "Reload",      "InjectKey",
		"InjectButton", "InjectMotion", "InjectAbsolute", "InjectWheel", "ExportOutput",
		"FocusChanged", "GuestChanged", "Version",        "Backend",     "Focused"
	};
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	sd_bus *bus = client_open(*state);
	const char *xml;

	assert_true(get_all(bus, CONTROL_OBJECT, "org.freedesktop.DBus.Introspectable",
			    "Introspect", &m, NULL) >= 0);
	assert_true(sd_bus_message_read(m, "s", &xml) > 0);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		char quoted[64];

		snprintf(quoted, sizeof(quoted), " name=\"%s\"", members[i]);
		if (!strstr(xml, quoted)) {
			fail_msg("%s is not in the introspection", members[i]);
		}
	}
	client_close(bus);
}

static void test_properties(void **state)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	sd_bus *bus = client_open(*state);

	assert_true(get_all(bus, CONTROL_OBJECT, "org.freedesktop.DBus.Properties", "GetAll", &m,
			    CONTROL_INTERFACE) >= 0);
	assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	expect_entry(m, "Version", "s", 0, "9.9");
	expect_entry(m, "Backend", "s", 0, "headless");
	expect_entry(m, "Focused", "s", 0, "alpha");
	client_close(bus);
}

static int note_property(sd_bus_message *m, void *data, sd_bus_error *error)
{
	const char *interface;

	assert_true(sd_bus_message_read(m, "s", &interface) > 0);
	assert_string_equal(interface, CONTROL_INTERFACE);
	assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	expect_entry(m, "Focused", "s", 0, "gamma");
	*(bool *)data = true;
	return 0;
}

static void test_focus_is_signalled_to_everyone(void **state)
{
	sd_bus *watcher = client_open(*state), *actor = client_open(*state);
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	bool changed = false;
	const char *guest;

	assert_true(sd_bus_match_signal(watcher, NULL, NULL, CONTROL_OBJECT,
					"org.freedesktop.DBus.Properties", "PropertiesChanged",
					note_property, &changed) >= 0);
	assert_true(call(watcher, "Status", NULL, NULL, NULL) >= 0);
	assert_true(call(actor, "Focus", NULL, NULL, "s", "gamma") >= 0);
	m = next_signal(watcher);
	assert_string_equal(sd_bus_message_get_member(m), "FocusChanged");
	assert_true(sd_bus_message_read(m, "s", &guest) > 0);
	assert_string_equal(guest, "gamma");
	assert_true(call(actor, "Next", NULL, NULL, NULL) >= 0);
	expect_told(watcher, "next", ""); /* behind the change of the property */
	assert_true(changed);
	client_close(actor);
	client_close(watcher);
}

/* ---- many, rude and foreign clients ---- */

static void test_twenty_clients_at_once(void **state)
{
	sd_bus *clients[20];

	for (size_t i = 0; i < 20; i++) {
		clients[i] = client_open(*state);
	}
	for (size_t i = 0; i < 20; i++) {
		assert_true(call(clients[i], "Status", NULL, NULL, NULL) >= 0);
	}
	assert_true(call(clients[7], "Next", NULL, NULL, NULL) >= 0);
	for (size_t i = 0; i < 20; i++) {
		expect_told(clients[i], "next", "");
	}
	for (size_t i = 0; i < 20; i++) {
		client_close(clients[i]);
	}
}

static void test_number_of_clients_is_bounded(void **state)
{
	struct fake_seat_process *seat = *state;
	int fds[64];

	for (size_t i = 0; i < 64; i++) {
		fds[i] = socket_open(seat->socket);
	}
	expect_hangup(fds[63]);
	for (size_t i = 0; i < 64; i++) {
		close(fds[i]);
	}
	/* The seat learns of that by and by; from then on there is room again. */
	for (uint64_t end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;;) {
		sd_bus *bus = client_open(seat);
		int r = call(bus, "Status", NULL, NULL, NULL);

		client_close(bus);
		if (r >= 0) {
			return;
		}
		assert_true(clock_now_ns() < end);
	}
}

static void test_files_are_private(void **state)
{
	struct fake_seat_process *seat = *state;
	struct stat st;

	assert_int_equal(stat(seat->folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(seat->socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_a_client_of_another_user_is_refused(void **state)
{
	struct fake_seat_process foreign = { .foreign = true };
	int fd;

	fake_seat_start(&foreign);
	fd = socket_open(foreign.socket);
	expect_hangup(fd);
	close(fd);
	fake_seat_stop(&foreign);
}

/* The same with a real other user, which takes root. The modes are opened, so that it is the check
 * of the peer which refuses. */
static void test_another_user_is_refused(void **state)
{
	struct fake_seat_process *seat = *state;
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		skip();
	}
	assert_int_equal(chmod(seat->dir, 0755), 0);
	assert_int_equal(chmod(seat->folder, 0755), 0);
	assert_int_equal(chmod(seat->socket, 0666), 0);
	pid = fork();
	if (pid == 0) {
		struct pollfd p = { .events = POLLIN };
		char byte;

		if (setresuid(65534, 65534, 65534) < 0) {
			_exit(2);
		}
		p.fd = socket_open(seat->socket);
		if (write(p.fd, "\0AUTH EXTERNAL 3635353334\r\n", 28) < 0 && errno != EPIPE) {
			_exit(3);
		}
		/* Nothing but the end, or the reset that bytes nobody read bring about. */
		_exit(poll(&p, 1, DEADLINE_MS) == 1 && read(p.fd, &byte, 1) <= 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	expect_alive(seat);
}

static void write_all(int fd, const void *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = send(fd, (const char *)bytes + done, size - done, MSG_NOSIGNAL);

		if (n < 0) {
			return; /* cut off: what the caller waits for */
		}
		done += (size_t)n;
	}
}

static void test_garbage_instead_of_a_greeting(void **state)
{
	struct fake_seat_process *seat = *state;
	char garbage[70000];
	int fd = socket_open(seat->socket);

	memset(garbage, 'x', sizeof(garbage));
	write_all(fd, garbage, sizeof(garbage));
	expect_hangup(fd);
	close(fd);
	expect_alive(seat);
}

/* Greets as a client does, by hand; returns the connected descriptor. */
static int greet(struct fake_seat_process *seat)
{
	char hello[128], uid[16], hex[40] = "", answers[256];
	int fd = socket_open(seat->socket), used = 0;

	snprintf(uid, sizeof(uid), "%u", geteuid());
	for (size_t i = 0; uid[i]; i++) {
		used += snprintf(hex + used, sizeof(hex) - (size_t)used, "%02x", uid[i]);
	}
	used = snprintf(hello + 1, sizeof(hello) - 1, "AUTH EXTERNAL %s\r\nNEGOTIATE_UNIX_FD\r\n",
			hex);
	hello[0] = 0;
	write_all(fd, hello, (size_t)used + 1);
	used = 0;
	do {
		ssize_t n = read(fd, answers + used, sizeof(answers) - 1 - (size_t)used);

		assert_true(n > 0);
		used += (int)n;
		answers[used] = 0;
	} while (!strstr(answers, "AGREE_UNIX_FD\r\n"));
	write_all(fd, "BEGIN\r\n", 7);
	return fd;
}

static void test_garbage_after_the_greeting(void **state)
{
	struct fake_seat_process *seat = *state;
	char garbage[4096];
	int fd = greet(seat);

	memset(garbage, 'x', sizeof(garbage));
	write_all(fd, garbage, sizeof(garbage));
	expect_hangup(fd);
	close(fd);
	expect_alive(seat);
}

/* A header that announces the greatest message there is, and then silence. */
static void test_an_announced_giant_costs_nothing(void **state)
{
	struct fake_seat_process *seat = *state;
	const unsigned char header[16] = { 'l', 1, 0, 1, 0, 0, 0, 7, 1, 0, 0, 0, 0x10 };
	int fd = greet(seat);

	write_all(fd, header, sizeof(header));
	expect_alive(seat);
	close(fd);
	expect_alive(seat);
}

static void test_silence_is_cut_off(void **state)
{
	struct fake_seat_process *seat = *state;
	int fd = socket_open(seat->socket);

	expect_hangup(fd);
	close(fd);
}

/* One Peer.Ping as it lies on the wire, so that a flood costs the test nothing to make. */
static size_t make_ping(struct fake_seat_process *seat, unsigned char *out, size_t size)
{
	static const char *const fields[] = { "/", "org.freedesktop.DBus.Peer", "Ping" };
	static const char codes[] = { 1, 2, 3 }, *const types[] = { "o", "s", "s" };
	size_t at = 16;
	uint32_t n;

	assert_true(size >= 128);
	memset(out, 0, size);
	memcpy(out, (unsigned char[]){ 'l', 1, 0, 1 }, 4);
	out[8] = 1; /* serial */
	for (size_t i = 0; i < 3; i++) {
		n = (uint32_t)strlen(fields[i]);
		at = (at + 7) & ~(size_t)7;
		out[at++] = (unsigned char)codes[i];
		out[at++] = 1;
		out[at++] = (unsigned char)types[i][0];
		out[at++] = 0;
		memcpy(out + at, &n, 4);
		memcpy(out + at + 4, fields[i], n);
		at += 4 + n + 1;
	}
	n = (uint32_t)(at - 16);
	memcpy(out + 12, &n, 4);
	return (at + 7) & ~(size_t)7;
}

static void test_who_never_reads_is_cut_off(void **state)
{
	struct fake_seat_process *seat = *state;
	unsigned char ping[128];
	size_t size = make_ping(seat, ping, sizeof(ping));
	int fd = greet(seat);

	for (size_t i = 0; i < 5000; i++) {
		write_all(fd, ping, size);
	}
	expect_hangup(fd);
	close(fd);
	expect_alive(seat);
}

static void test_who_never_reads_signals_is_cut_off(void **state)
{
	struct fake_seat_process *seat = *state;
	int fd = greet(seat);
	sd_bus *actor = client_open(seat);

	for (size_t i = 0; i < 2000; i++) {
		_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

		assert_true(call(actor, "Next", NULL, NULL, NULL) >= 0);
		m = next_signal(actor);
	}
	expect_hangup(fd);
	close(fd);
	client_close(actor);
}

#define ANSWER_SIZE 24 /* of a Ping's, on the wire */

/* Sends n questions and reads the answers; the number of those that came. */
static size_t ask(int fd, const unsigned char *ping, size_t size, size_t n)
{
	char answers[4096];
	size_t got = 0;

	for (size_t i = 0; i < n; i++) {
		write_all(fd, ping, size);
	}
	while (got < n * ANSWER_SIZE) {
		ssize_t r = read(fd, answers, sizeof(answers));

		if (r <= 0) {
			break;
		}
		got += (size_t)r;
	}
	return got / ANSWER_SIZE;
}

/* Reads its answers, but asks without end: the seat serves others too, and then hangs up. */
static void test_flood_is_cut_off(void **state)
{
	struct fake_seat_process *seat = *state;
	uint64_t end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;
	unsigned char ping[128];
	size_t size = make_ping(seat, ping, sizeof(ping)), total = 0, n;
	int fd = greet(seat);

	do {
		n = ask(fd, ping, size, 64);
		total += n;
		if (total == 640) {
			expect_alive(seat);
		}
	} while (n == 64 && clock_now_ns() < end);
	assert_int_equal(total, 20000);
	expect_hangup(fd);
	close(fd);
	expect_alive(seat);
}

/* ---- text ---- */

static void test_text_clean(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain", "plain" },
		{ "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
		  "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "\x1b[31m", "?[31m" },
		{ "a\nb\x7f", "a?b?" },
		{ "\xc0\xaf", "??" },           /* overlong */
		{ "\xed\xa0\x80", "???" },      /* a surrogate */
		{ "\xf4\x90\x80\x80", "????" }, /* beyond the last */
		{ "\xc2\x9b", "??" },           /* a control character of two bytes */
		{ "cut \xe2\x82", "cut ??" },
	};
	char out[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		text_clean(cases[i].in, out, sizeof(out));
		assert_string_equal(out, cases[i].out);
	}
	text_clean("ab\xe2\x82\xac", out, 5);
	assert_string_equal(out, "ab");
}

#define SEAT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SEAT_TEST(test_plain_methods),
		SEAT_TEST(test_errors_have_names_and_words),
		SEAT_TEST(test_input),
		SEAT_TEST(test_positions_are_checked),
		SEAT_TEST(test_list_guests),
		SEAT_TEST(test_status),
		SEAT_TEST(test_screenshot_goes_into_memory_alone),
		SEAT_TEST(test_export_output),
		SEAT_TEST(test_quit_answers_and_removes_the_socket),
		SEAT_TEST(test_introspection),
		SEAT_TEST(test_properties),
		SEAT_TEST(test_focus_is_signalled_to_everyone),
		SEAT_TEST(test_twenty_clients_at_once),
		SEAT_TEST(test_number_of_clients_is_bounded),
		SEAT_TEST(test_files_are_private),
		cmocka_unit_test(test_a_client_of_another_user_is_refused),
		SEAT_TEST(test_another_user_is_refused),
		SEAT_TEST(test_garbage_instead_of_a_greeting),
		SEAT_TEST(test_garbage_after_the_greeting),
		SEAT_TEST(test_an_announced_giant_costs_nothing),
		SEAT_TEST(test_silence_is_cut_off),
		SEAT_TEST(test_who_never_reads_is_cut_off),
		SEAT_TEST(test_who_never_reads_signals_is_cut_off),
		SEAT_TEST(test_flood_is_cut_off),
		cmocka_unit_test(test_text_clean),
	};

	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
