// SPDX-License-Identifier: MIT
/* The program baton-agent: its options, what it finds in the guest, its end. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/cards.h"
#include "agent/drm_card.h"
#include "agent/kvmfr_producer.h"
#include "agent/machine.h"
#include "agent/port.h"
#include "agent/region.h"
#include "agent/uevents.h"
#include "common/clock.h"
#include "common/log.h"

#define DEVICES "/sys/bus/pci/devices"
#define PORTS "/sys/class/virtio-ports"

struct options {
	const char *card;   /* NULL: the first that is not the firmware's */
	const char *memory; /* NULL: the virtual machine's */
	const char *port;   /* NULL: the virtio port */
	enum copy_way copy;
	bool look_for_readers;
	bool b6;
	bool counts;
};

/* All that lives until the end. */
struct program {
	struct options options;
	int signals, uevents;
	struct region region;
	struct kvmfr_producer *producer;
	struct drm_card *card;
	struct agent *agent;
};

static void usage(FILE *to)
{
	fputs("usage: baton-agent [OPTION...]\n"
	      "Shows the picture of a graphics card of this guest to the host.\n\n"
	      "  --card=CARD           card1, /dev/dri/card1 or 0000:01:00; default: the first\n"
	      "                        that is not the firmware's display\n"
	      "  --memory=FILE         shared memory; default: that of the virtual machine\n"
	      "  --port=FILE           the port to the host; default: org.baton.agent\n"
	      "  --copy=WHO            who reads the screen's memory: processor, card, or auto\n"
	      "  --look-for-readers    also for readers that do not ring\n"
	      "  --b6                  as release B6 of Looking Glass writes; default: B7\n"
	      "  --counts              at the end, say what was read and written\n"
	      "  -v, --verbose\n"
	      "      --version\n"
	      "  -h, --help\n",
	      to);
}

enum {
	OPTION_CARD = 256,
	OPTION_MEMORY,
	OPTION_PORT,
	OPTION_COPY,
	OPTION_LOOK,
	OPTION_B6,
	OPTION_COUNTS,
	OPTION_VERSION
};

static const struct option long_options[] = {
	{ "card", required_argument, NULL, OPTION_CARD },
	{ "memory", required_argument, NULL, OPTION_MEMORY },
	{ "port", required_argument, NULL, OPTION_PORT },
	{ "copy", required_argument, NULL, OPTION_COPY },
	{ "look-for-readers", no_argument, NULL, OPTION_LOOK },
	{ "b6", no_argument, NULL, OPTION_B6 },
	{ "counts", no_argument, NULL, OPTION_COUNTS },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int parse_copy(const char *text, enum copy_way *out)
{
	static const char *const names[] = {
		[COPY_AUTO] = "auto", [COPY_PROCESSOR] = "processor", [COPY_CARD] = "card"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(text, names[i])) {
			*out = (enum copy_way)i;
			return 1;
		}
	}
	fprintf(stderr, "baton-agent: --copy is one of auto, processor and card\n");
	return 2;
}

/* 1: go on; else the status to end with, negative for 0. */
static int parse_option(int option, struct options *out)
{
	switch (option) {
	case OPTION_CARD:
		out->card = optarg;
		return 1;
	case OPTION_MEMORY:
		out->memory = optarg;
		return 1;
	case OPTION_PORT:
		out->port = optarg;
		return 1;
	case OPTION_COPY:
		return parse_copy(optarg, &out->copy);
	case OPTION_LOOK:
		out->look_for_readers = true;
		return 1;
	case OPTION_B6:
		out->b6 = true;
		return 1;
	case OPTION_COUNTS:
		out->counts = true;
		return 1;
	case 'v':
		log_set_level(LOG_LEVEL_DEBUG);
		return 1;
	case OPTION_VERSION:
		puts("baton-agent " BATON_VERSION);
		return -1;
	case 'h':
		usage(stdout);
		return -1;
	default:
		usage(stderr);
		return 2;
	}
}

static int parse_options(int argc, char **argv, struct options *out)
{
	int option, r = 1;

	while (r == 1 && (option = getopt_long(argc, argv, "vh", long_options, NULL)) != -1) {
		r = parse_option(option, out);
	}
	if (r == 1 && optind < argc) {
		usage(stderr);
		r = 2;
	}
	return r;
}

/* ---- the card ---- */

static unsigned int list_cards(struct agent_message *out, unsigned int size, void *data)
{
	struct pci_card cards[CARDS_MAX];
	unsigned int count = cards_list(DEVICES, cards);

	for (unsigned int i = 0; i < count && i < size; i++) {
		struct agent_card *card = &out[i].card;

		out[i].slot = cards[i].slot;
		card->state = *cards[i].driver ? AGENT_CARD_DARK : AGENT_CARD_NO_DRIVER;
		card->vendor = cards[i].vendor;
		card->device = cards[i].device;
		memcpy(card->driver, cards[i].driver, sizeof(card->driver));
		memcpy(card->node, cards[i].node, sizeof(card->node));
	}
	return count < size ? count : size;
}

/* 0; 1: there is none, or none for us, which is no trouble; -errno. */
static int find_card(struct program *program, struct agent_slot *slot)
{
	struct pci_card cards[CARDS_MAX];
	unsigned int count = cards_list(DEVICES, cards);
	const struct pci_card *card = cards_choose(cards, count, program->options.card);
	char node[64];

	if (!card) {
		log_info("there is no graphics card%s%s to capture",
			 program->options.card ? " " : "",
			 program->options.card ? program->options.card : "");
		return 1;
	}
	*slot = card->slot;
	snprintf(node, sizeof(node), "/dev/dri/%s", card->node);
	log_info("card %s in slot %04x:%02x:%02x, driver %s", card->node, card->slot.domain,
		 card->slot.bus, card->slot.device, card->driver);
	return drm_card_create(node, program->options.copy, &program->card);
}

/* ---- shared memory ---- */

static int make_producer(struct program *program)
{
	struct machine machine;
	struct kvmfr_producer_config config = {
		.version = program->options.b6 ? KVMFR_VERSION_B6 : KVMFR_VERSION_B7,
		.producer = "baton-agent " BATON_VERSION,
		.capture = "DRM",
		.os = KVMFR_OS_LINUX,
	};
	int r;

	machine_read(&machine);
	config.uuid = machine.has_uuid ? machine.uuid : NULL;
	config.os_name = machine.system;
	if (getrandom(&config.seed, sizeof(config.seed), GRND_NONBLOCK) < 0) {
		config.seed = (uint32_t)clock_now_ns();
	}
	r = kvmfr_producer_create(program->region.memory, program->region.size, &config,
				  clock_now_ns() / NSEC_PER_MSEC, &program->producer);
	if (r < 0) {
		log_error("the shared memory cannot be used: %s; give the guest a larger one",
			  strerror(-r));
	}
	return r;
}

/* Without shared memory cards can still be released. 1: another agent has it. */
static int open_memory(struct program *program)
{
	int r = region_open(program->options.memory, DEVICES, &program->region);

	if (r == -ENODEV) {
		log_warning(
			"this virtual machine shares no memory for pictures; set shared-memory in "
			"the guest's section [capture], or add an ivshmem device");
		return 0;
	}
	if (r == -EBUSY) {
		log_info("another baton-agent shows another card already");
		return 1;
	}
	return r < 0 ? r : make_producer(program);
}

/* -1: there is none. */
static int open_port(const char *path)
{
	int fd = path ? open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
		      : port_find(PORTS, AGENT_PORT);

	fd = path && fd < 0 ? -errno : fd;
	if (fd < 0 && fd != -ENODEV) {
		log_warning(
			"port %s: %s; the host is not told of pictures, and looks for them itself",
			path ? path : AGENT_PORT, strerror(-fd));
	}
	return fd < 0 ? -1 : fd;
}

/* ---- the loop ---- */

static void signal_ready(void *data)
{
	struct program *program = data;
	struct signalfd_siginfo info;

	if (read(program->signals, &info, sizeof(info)) > 0) {
		agent_stop(program->agent);
	}
}

static void uevent_ready(void *data)
{
	struct program *program = data;

	if (uevents_drain(program->uevents)) {
		agent_look_at_cards(program->agent);
	}
}

static int watch_signals(struct program *program)
{
	sigset_t signals;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	program->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return program->signals < 0
		       ? -errno
		       : agent_watch(program->agent, program->signals, signal_ready, program);
}

static int make_agent(struct program *program, struct agent_slot slot)
{
	struct agent_config config = {
		.ops = &drm_card_ops,
		.card = program->card,
		.producer = program->producer,
		.port = open_port(program->options.port),
		.slot = slot,
		.roots = { DEVICES, "/proc" },
		.list = list_cards,
		.data = program,
	};
	int r;

	config.look_for_readers = program->options.look_for_readers || config.port < 0;
	r = agent_create(&config, &program->agent);
	r = r < 0 ? r : watch_signals(program);
	program->uevents = uevents_open();
	if (r == 0 && program->uevents >= 0) {
		r = agent_watch(program->agent, program->uevents, uevent_ready, program);
	}
	return r;
}

/* 0; 1: there is nothing to do; -errno. */
static int set_up(struct program *program)
{
	struct agent_slot slot;
	int r = find_card(program, &slot);

	r = r != 0 ? r : open_memory(program);
	r = r != 0 ? r : make_agent(program, slot);
	return r;
}

static void say_counts(const struct program *program)
{
	const struct relay_counts *counts = agent_counts(program->agent);

	log_info("looks %llu, reads %llu, pictures %llu, pointers %llu, bytes read %llu, "
		 "bytes written %llu, bytes changed %llu",
		 (unsigned long long)counts->looks, (unsigned long long)counts->reads,
		 (unsigned long long)counts->pictures, (unsigned long long)counts->pointers,
		 (unsigned long long)counts->bytes_read, (unsigned long long)counts->bytes_written,
		 (unsigned long long)counts->bytes_changed);
}

static void tear_down(struct program *program)
{
	agent_destroy(program->agent);
	drm_card_destroy(program->card);
	kvmfr_producer_destroy(program->producer);
	region_close(&program->region);
	close_fd_ptr(&program->signals);
	close_fd_ptr(&program->uevents);
}

int main(int argc, char **argv)
{
	struct program program = { .signals = -1, .uevents = -1 };
	int r = parse_options(argc, argv, &program.options);

	if (r != 1) {
		return r < 0 ? 0 : r;
	}
	r = set_up(&program);
	if (r == 0) {
		r = agent_run(program.agent);
		if (program.options.counts && program.producer) {
			say_counts(&program);
		}
	}
	tear_down(&program);
	return r < 0 ? 1 : 0;
}
