/*
 * The monitor of the virtual PC: a client of QEMU's D-Bus display that prints what the card shows.
 *
 * usage: display-probe FD
 * FD is one end of a socket pair whose other end went to QEMU (getfd, add_client @dbus-display).
 * Commands, one a line on standard input; answers and events, one a line on standard output:
 *   listen N             listener on console N       -> listening N | error N TEXT
 *   unlisten N                                       -> unlistened N
 *   ui N WIDTH HEIGHT MM size of the monitor in pixels and its width in mm, 0 0 unplugs it
 *                                                    -> ui N | error N TEXT
 *   cursor N PATH        writes the last cursor image as PAM    -> cursor N WIDTH HEIGHT | error N TEXT
 *   updates N            updates since the last question        -> updates N COUNT
 *   lamps N              the keyboard's: 1 scroll, 2 num, 4 caps -> lamps N SUM | error N TEXT
 * Events: scanout N WIDTH HEIGHT map|bytes|dmabuf, disable N,
 *   define N WIDTH HEIGHT HOT_X HOT_Y OPAQUE   (OPAQUE: number of pixels with alpha)
 *   move N X Y ON
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#define CONSOLES 4
#define CURSOR_MAX 512
#define LISTENER_PATH "/org/qemu/Display1/Listener"
#define LISTENER_NAME "org.qemu.Display1.Listener"
#define MAP_NAME "org.qemu.Display1.Listener.Unix.Map"
#define CONSOLE_NAME "org.qemu.Display1.Console"

struct console {
	unsigned int number;
	sd_bus *bus;		/* the listener's own connection, NULL when there is none */
	uint64_t updates;
	int32_t cursor_width;
	int32_t cursor_height;
	uint8_t *cursor;	/* ARGB words as they came */
};

struct probe {
	sd_bus *bus;
	struct console consoles[CONSOLES];
};

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static int reply_empty(sd_bus_message *message)
{
	if (sd_bus_message_get_expect_reply(message) == 0) {
		return 1;
	}
	return sd_bus_reply_method_return(message, NULL);
}

static int on_scanout_map(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct console *console = userdata;
	uint32_t offset, width, height, stride, format;
	int fd;
	int r;

	(void)error;
	r = sd_bus_message_read(message, "huuuuu", &fd, &offset, &width, &height, &stride, &format);
	if (r < 0) {
		return r;
	}
	say("scanout %u %u %u map", console->number, width, height);
	return reply_empty(message);
}

static int on_scanout_bytes(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct console *console = userdata;
	uint32_t width, height, stride, format;
	int r;

	(void)error;
	r = sd_bus_message_read(message, "uuuu", &width, &height, &stride, &format);
	if (r < 0) {
		return r;
	}
	say("scanout %u %u %u bytes", console->number, width, height);
	return reply_empty(message);
}

static int on_scanout_dmabuf(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct console *console = userdata;

	(void)error;
	say("scanout %u 0 0 dmabuf", console->number);
	return reply_empty(message);
}

static int on_update(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct console *console = userdata;

	(void)error;
	console->updates++;
	return reply_empty(message);
}

static int on_disable(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct console *console = userdata;

	(void)error;
	say("disable %u", console->number);
	return reply_empty(message);
}

static int on_mouse_set(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct console *console = userdata;
	int32_t x, y, on;
	int r;

	(void)error;
	r = sd_bus_message_read(message, "iii", &x, &y, &on);
	if (r < 0) {
		return r;
	}
	say("move %u %d %d %d", console->number, x, y, on);
	return reply_empty(message);
}

static unsigned int opaque_count(const uint8_t *argb, size_t size)
{
	unsigned int count = 0;
	size_t i;

	for (i = 0; i + 4 <= size; i += 4) {
		if (argb[i + 3] != 0) {
			count++;
		}
	}
	return count;
}

static int on_cursor_define(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct console *console = userdata;
	int32_t width, height, hot_x, hot_y;
	const void *data;
	uint8_t *copy;
	size_t size;
	int r;

	(void)error;
	r = sd_bus_message_read(message, "iiii", &width, &height, &hot_x, &hot_y);
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_read_array(message, 'y', &data, &size);
	if (r < 0) {
		return r;
	}
	if (width < 1 || height < 1 || width > CURSOR_MAX || height > CURSOR_MAX ||
	    size != (size_t)width * (size_t)height * 4) {
		return -EBADMSG;
	}
	copy = malloc(size);
	if (!copy) {
		return -ENOMEM;
	}
	memcpy(copy, data, size);
	free(console->cursor);
	console->cursor = copy;
	console->cursor_width = width;
	console->cursor_height = height;
	say("define %u %d %d %d %d %u", console->number, width, height, hot_x, hot_y,
	    opaque_count(copy, size));
	return reply_empty(message);
}

static int get_interfaces(sd_bus *bus, const char *path, const char *interface, const char *property,
			  sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	(void)bus;
	(void)path;
	(void)interface;
	(void)property;
	(void)userdata;
	(void)error;
	return sd_bus_message_append(reply, "as", 1, MAP_NAME);
}

#define METHOD(name, signature, handler) \
	SD_BUS_METHOD(name, signature, NULL, handler, SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable listener_vtable[] = {
	SD_BUS_VTABLE_START(0),
	METHOD("Scanout", "uuuuay", on_scanout_bytes),
	METHOD("Update", "iiiiuuay", on_update),
	METHOD("ScanoutDMABUF", "huuuutb", on_scanout_dmabuf),
	METHOD("UpdateDMABUF", "iiii", on_update),
	METHOD("Disable", NULL, on_disable),
	METHOD("MouseSet", "iii", on_mouse_set),
	METHOD("CursorDefine", "iiiiay", on_cursor_define),
	SD_BUS_PROPERTY("Interfaces", "as", get_interfaces, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_VTABLE_END
};

static const sd_bus_vtable map_vtable[] = {
	SD_BUS_VTABLE_START(0),
	METHOD("ScanoutMap", "huuuuu", on_scanout_map),
	METHOD("UpdateMap", "iiii", on_update),
	SD_BUS_VTABLE_END
};

/* We are the client of this connection, although QEMU is the one who calls. Takes over fd. */
static int bus_open(sd_bus **out, int fd)
{
	sd_bus *bus = NULL;
	int r;

	r = sd_bus_new(&bus);
	if (r < 0) {
		close(fd);
		return r;
	}
	r = sd_bus_set_fd(bus, fd, fd);
	if (r >= 0) {
		r = sd_bus_negotiate_fds(bus, 1);
	}
	if (r < 0) {
		sd_bus_unref(bus);
		return r;
	}
	*out = bus;
	return 0;
}

/* Prints the answer to a call about a console: what was asked, or the error. */
static int answer_print(sd_bus_message *message, const struct console *console, const char *what)
{
	const sd_bus_error *error = sd_bus_message_get_error(message);

	if (error) {
		say("error %u %s: %s", console->number, what, error->message);
	} else {
		say("%s %u", what, console->number);
	}
	return 1;
}

static int on_registered(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	(void)error;
	return answer_print(message, userdata, "listening");
}

static int on_ui_set(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	(void)error;
	return answer_print(message, userdata, "ui");
}

static int on_lamps(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct console *console = userdata;
	uint32_t lamps;

	(void)error;
	if (sd_bus_message_is_method_error(message, NULL)) {
		return answer_print(message, console, "lamps");
	}
	if (sd_bus_message_read(message, "v", "u", &lamps) < 0) {
		return -EBADMSG;
	}
	say("lamps %u %u", console->number, lamps);
	return 1;
}

static int console_lamps(struct probe *probe, struct console *console)
{
	char path[64];

	snprintf(path, sizeof(path), "/org/qemu/Display1/Console_%u", console->number);
	return sd_bus_call_method_async(probe->bus, NULL, NULL, path,
					"org.freedesktop.DBus.Properties", "Get", on_lamps, console,
					"ss", "org.qemu.Display1.Keyboard", "Modifiers");
}

static void console_close(struct console *console)
{
	console->bus = sd_bus_close_unref(console->bus);
}

/* Sends the other end of the listener's connection to QEMU; asynchronous, since QEMU calls back. */
static int listener_register(struct probe *probe, struct console *console, int fd)
{
	sd_bus_message *call = NULL;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/org/qemu/Display1/Console_%u", console->number);
	r = sd_bus_message_new_method_call(probe->bus, &call, NULL, path, CONSOLE_NAME,
					   "RegisterListener");
	if (r >= 0) {
		r = sd_bus_message_append(call, "h", fd);
	}
	if (r >= 0) {
		r = sd_bus_call_async(probe->bus, NULL, call, on_registered, console, 0);
	}
	sd_bus_message_unref(call);
	return r;
}

static int listener_export(struct console *console)
{
	int r;

	r = sd_bus_add_object_vtable(console->bus, NULL, LISTENER_PATH, LISTENER_NAME,
				     listener_vtable, console);
	if (r < 0) {
		return r;
	}
	r = sd_bus_add_object_vtable(console->bus, NULL, LISTENER_PATH, MAP_NAME, map_vtable,
				     console);
	if (r < 0) {
		return r;
	}
	return sd_bus_start(console->bus);
}

static int console_listen(struct probe *probe, struct console *console)
{
	int pair[2];
	int r;

	console_close(console);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		return -errno;
	}
	r = bus_open(&console->bus, pair[0]);
	if (r >= 0) {
		r = listener_export(console);
	}
	if (r >= 0) {
		r = listener_register(probe, console, pair[1]);
	}
	close(pair[1]);
	return r;
}

static int console_ui(struct probe *probe, struct console *console, unsigned int width,
		      unsigned int height, unsigned int mm)
{
	char path[64];

	snprintf(path, sizeof(path), "/org/qemu/Display1/Console_%u", console->number);
	return sd_bus_call_method_async(probe->bus, NULL, NULL, path, CONSOLE_NAME, "SetUIInfo",
					on_ui_set, console, "qqiiuu", mm, mm * 5 / 8, 0, 0, width,
					height);
}

/* PAM, since it has an alpha channel and needs no library. */
static int cursor_write(const struct console *console, const char *path)
{
	size_t count = (size_t)console->cursor_width * (size_t)console->cursor_height;
	size_t i;
	FILE *file;

	if (!console->cursor) {
		return -ENODATA;
	}
	file = fopen(path, "we");
	if (!file) {
		return -errno;
	}
	fprintf(file, "P7\nWIDTH %d\nHEIGHT %d\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n",
		console->cursor_width, console->cursor_height);
	for (i = 0; i < count; i++) {
		const uint8_t *argb = console->cursor + i * 4;
		const uint8_t rgba[4] = { argb[2], argb[1], argb[0], argb[3] };

		fwrite(rgba, sizeof(rgba), 1, file);
	}
	if (fclose(file) != 0) {
		return -errno;
	}
	say("cursor %u %d %d", console->number, console->cursor_width, console->cursor_height);
	return 0;
}

static void command_run(struct probe *probe, const char *line)
{
	struct console *console;
	unsigned int number, width, height, mm;
	char verb[16], path[256];
	int r = -EINVAL;

	if (sscanf(line, "%15s %u", verb, &number) != 2 || number >= CONSOLES) {
		say("error 0 not a command: %s", line);
		return;
	}
	console = &probe->consoles[number];
	if (strcmp(verb, "listen") == 0) {
		r = console_listen(probe, console);
	} else if (strcmp(verb, "unlisten") == 0) {
		console_close(console);
		say("unlistened %u", number);
		r = 0;
	} else if (strcmp(verb, "ui") == 0 &&
		   sscanf(line, "%*s %*u %u %u %u", &width, &height, &mm) == 3) {
		r = console_ui(probe, console, width, height, mm);
	} else if (strcmp(verb, "lamps") == 0) {
		r = console_lamps(probe, console);
	} else if (strcmp(verb, "cursor") == 0 && sscanf(line, "%*s %*u %255s", path) == 1) {
		r = cursor_write(console, path);
	} else if (strcmp(verb, "updates") == 0) {
		say("updates %u %llu", number, (unsigned long long)console->updates);
		console->updates = 0;
		r = 0;
	}
	if (r < 0) {
		say("error %u %s", number, strerror(-r));
	}
}

/*
 * Runs until nothing is left: an answer and QEMU's first call can arrive in one read, and what stays
 * in sd-bus' buffer makes no descriptor readable.
 */
static int bus_pump(sd_bus *bus)
{
	int r;

	do {
		r = sd_bus_process(bus, NULL);
	} while (r > 0);
	return r;
}

static int buses_pump(struct probe *probe)
{
	int r;
	int i;

	r = bus_pump(probe->bus);
	if (r < 0) {
		return r;
	}
	for (i = 0; i < CONSOLES; i++) {
		struct console *console = &probe->consoles[i];

		if (console->bus && bus_pump(console->bus) < 0) {
			say("error %d listener lost", i);
			console_close(console);
		}
	}
	return 0;
}

/* Reads what is there of standard input and runs each complete line; false at its end. */
static bool input_read(struct probe *probe, char *buffer, size_t size, size_t *used)
{
	ssize_t got = read(STDIN_FILENO, buffer + *used, size - *used - 1);
	char *line = buffer;
	char *end;

	if (got <= 0) {
		return got < 0 && errno == EINTR;
	}
	*used += (size_t)got;
	buffer[*used] = '\0';
	while ((end = strchr(line, '\n'))) {
		*end = '\0';
		command_run(probe, line);
		line = end + 1;
	}
	*used -= (size_t)(line - buffer);
	memmove(buffer, line, *used);
	return *used < size - 1;
}

static int loop_run(struct probe *probe)
{
	char buffer[1024];
	size_t used = 0;

	for (;;) {
		struct pollfd fds[CONSOLES + 2] = { { .fd = STDIN_FILENO, .events = POLLIN } };
		nfds_t count = 1;
		int i;
		int r;

		r = buses_pump(probe);
		if (r < 0) {
			return r;
		}
		for (i = -1; i < CONSOLES; i++) {
			sd_bus *bus = i < 0 ? probe->bus : probe->consoles[i].bus;

			if (bus) {
				fds[count].fd = sd_bus_get_fd(bus);
				fds[count++].events = (short)sd_bus_get_events(bus);
			}
		}
		if (poll(fds, count, -1) < 0 && errno != EINTR) {
			return -errno;
		}
		if (fds[0].revents && !input_read(probe, buffer, sizeof(buffer), &used)) {
			return 0;
		}
	}
}

int main(int argc, char **argv)
{
	struct probe probe = { 0 };
	unsigned int i;
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: display-probe FD\n");
		return 2;
	}
	for (i = 0; i < CONSOLES; i++) {
		probe.consoles[i].number = i;
	}
	r = bus_open(&probe.bus, atoi(argv[1]));
	if (r >= 0) {
		r = sd_bus_start(probe.bus);
	}
	if (r >= 0) {
		r = loop_run(&probe);
	}
	for (i = 0; i < CONSOLES; i++) {
		console_close(&probe.consoles[i]);
		free(probe.consoles[i].cursor);
	}
	sd_bus_close_unref(probe.bus);
	if (r < 0) {
		fprintf(stderr, "display-probe: %s\n", strerror(-r));
		return 1;
	}
	return 0;
}
