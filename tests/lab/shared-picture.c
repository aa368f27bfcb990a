// SPDX-License-Identifier: MIT
/*
 * A capture program that does what it is told: pictures by number into the memory that a guest
 * shares with the seat. In a guest (--guest) it finds that memory on the PCI bus and takes its
 * orders from the console /dev/hvc1; else the memory is a file, and the orders come on standard
 * input.
 *
 *   size WIDTH HEIGHT   of the next pictures; answered "size"
 *   draw N              sends picture N, whole; answered "drawn N"
 *   watched             answered "watched 0" or "watched 1": whether somebody reads
 *   lie                 writes what makes no sense; answered "lied"
 *   hang, go            the heartbeat stands still, or goes on; answered with the same word
 *   end                 ends without a word, as by kill -9
 *
 * A pixel is 0xNNXXYY: the picture's number times 16, and its place.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "agent/kvmfr_producer.h"
#include "proto/lgmp.h"

#define CONSOLE "/dev/hvc1"
#define IVSHMEM "0x1af4 0x1110"
#define CONSOLE_WAIT_MS 60000
#define TICK_MS 10

struct program {
	int in;
	FILE *out;
	uint8_t *memory;
	size_t size;
	struct kvmfr_producer *producer;
	uint32_t width, height;
	bool hangs;
	char line[128];
	size_t used;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

__attribute__((noreturn)) static void fail(const char *what)
{
	fprintf(stderr, "shared-picture: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- what it is given ---- */

static bool has_line(const char *folder, const char *name, const char *text)
{
	char path[300], line[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	if (file) {
		if (!fgets(line, sizeof(line), file)) {
			*line = '\0';
		}
		fclose(file);
	}
	line[strcspn(line, "\n")] = '\0';
	return strcmp(line, text) == 0;
}

/* The memory of the guest's ivshmem device; *path is static. */
static const char *find_device(void)
{
	static char path[300];
	glob_t found;

	if (glob("/sys/bus/pci/devices/*", 0, NULL, &found) != 0) {
		return NULL;
	}
	for (size_t i = 0; i < found.gl_pathc; i++) {
		if (has_line(found.gl_pathv[i], "vendor", "0x1af4") &&
		    has_line(found.gl_pathv[i], "device", "0x1110")) {
			snprintf(path, sizeof(path), "%s/resource2", found.gl_pathv[i]);
			return path;
		}
	}
	return NULL;
}

/* Its driver makes it a while after the kernel's start. */
static int wait_for_console(void)
{
	struct pollfd created = { .fd = inotify_init1(IN_CLOEXEC), .events = POLLIN };
	char events[4096];
	int fd;

	inotify_add_watch(created.fd, "/dev", IN_CREATE | IN_ATTRIB);
	while ((fd = open(CONSOLE, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
		if (poll(&created, 1, CONSOLE_WAIT_MS) <= 0 ||
		    read(created.fd, events, sizeof(events)) <= 0) {
			fail(CONSOLE);
		}
	}
	close(created.fd);
	return fd;
}

static void open_console(struct program *program)
{
	struct termios raw;

	program->in = wait_for_console();
	if (tcgetattr(program->in, &raw) == 0) {
		cfmakeraw(&raw);
		tcsetattr(program->in, TCSANOW, &raw);
	}
	program->out = fdopen(dup(program->in), "w");
}

static void map_memory(struct program *program, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		fail(path);
	}
	program->size = (size_t)st.st_size;
	program->memory = mmap(NULL, program->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (program->memory == MAP_FAILED) {
		fail(path);
	}
	close(fd);
}

static void start_producer(struct program *program)
{
	const struct kvmfr_producer_config config = {
		.version = KVMFR_VERSION_B7,
		.seed = (uint32_t)getpid() ^ (uint32_t)now_ms(),
		.producer = "shared-picture",
		.capture = "by hand",
		.os_name = "test",
	};
	int r = kvmfr_producer_create(program->memory, program->size, &config, now_ms(),
				      &program->producer);

	if (r < 0) {
		errno = -r;
		fail("the producer");
	}
}

/* ---- orders ---- */

static void draw(struct program *program, unsigned int n)
{
	const struct kvmfr_picture picture = {
		.format = KVMFR_FORMAT_BGRA,
		.width = program->width,
		.height = program->height,
		.pitch = program->width * 4,
	};
	uint8_t *bytes;
	uint32_t *pixels;
	int r = kvmfr_producer_begin(program->producer, &picture, &bytes);

	if (r < 0) {
		fprintf(program->out, "refused %d\n", -r);
		return;
	}
	pixels = (uint32_t *)(void *)bytes;
	for (uint32_t y = 0; y < program->height; y++) {
		for (uint32_t x = 0; x < program->width; x++) {
			pixels[y * program->width + x] = (n * 16 & 0xff) << 16 | (x & 0xff) << 8 |
							 (y & 0xff);
		}
	}
	kvmfr_producer_end(program->producer);
	fprintf(program->out, "drawn %u\n", n);
}

/* Messages of all queues stand far outside. */
static void lie(struct program *program)
{
	struct lgmp_header *header = (struct lgmp_header *)(void *)program->memory;

	for (int i = 0; i < LGMP_QUEUES_MAX; i++) {
		header->queues[i].position = UINT32_MAX;
	}
	fprintf(program->out, "lied\n");
}

static void obey(struct program *program, const char *line)
{
	unsigned int n, width, height;

	if (sscanf(line, "draw %u", &n) == 1) {
		draw(program, n);
	} else if (sscanf(line, "size %u %u", &width, &height) == 2) {
		program->width = width;
		program->height = height;
		fprintf(program->out, "size\n");
	} else if (strcmp(line, "watched") == 0) {
		fprintf(program->out, "watched %d\n", kvmfr_producer_is_watched(program->producer));
	} else if (strcmp(line, "lie") == 0) {
		lie(program);
	} else if (strcmp(line, "hang") == 0 || strcmp(line, "go") == 0) {
		program->hangs = *line == 'h';
		fprintf(program->out, "%s\n", line);
	} else if (strcmp(line, "end") == 0) {
		_exit(0);
	}
	fflush(program->out);
}

static void take_orders(struct program *program)
{
	ssize_t n = read(program->in, program->line + program->used,
			 sizeof(program->line) - 1 - program->used);
	char *end;

	if (n <= 0) {
		_exit(0);
	}
	program->used += (size_t)n;
	program->line[program->used] = '\0';
	while ((end = strchr(program->line, '\n'))) {
		*end = '\0';
		obey(program, program->line);
		program->used -= (size_t)(end + 1 - program->line);
		memmove(program->line, end + 1, program->used + 1);
	}
	if (program->used == sizeof(program->line) - 1) {
		program->used = 0;
	}
}

/* Who has just come wants the last picture, as a still screen has no next one. */
static void live(struct program *program)
{
	kvmfr_producer_tick(program->producer, now_ms());
	if (kvmfr_producer_has_newcomer(program->producer)) {
		kvmfr_producer_repeat(program->producer);
	}
}

int main(int argc, char **argv)
{
	struct program program = { .in = STDIN_FILENO, .out = stdout, .width = 640, .height = 480 };
	struct pollfd poll_fd;
	const char *path;

	if (argc != 2) {
		fprintf(stderr, "usage: shared-picture FILE|--guest\n");
		return 2;
	}
	path = argv[1];
	if (strcmp(path, "--guest") == 0) {
		open_console(&program);
		path = find_device();
	}
	if (!path) {
		errno = ENODEV;
		fail(IVSHMEM);
	}
	map_memory(&program, path);
	start_producer(&program);
	fprintf(program.out, "ready\n");
	fflush(program.out);
	poll_fd = (struct pollfd){ .fd = program.in, .events = POLLIN };
	for (;;) {
		if (poll(&poll_fd, 1, TICK_MS) > 0) {
			take_orders(&program);
		}
		if (!program.hangs) {
			live(&program);
		}
	}
}
