// SPDX-License-Identifier: MIT
/* baton-broker: options, and the one loop; see broker.h. */
#include "passthrough/broker/broker.h"

#include <errno.h>
#include <getopt.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SOURCES_MAX (4 + 3 * BROKER_CARDS_MAX)
#define RETRY_MS 1000 /* after no worker could be started */

struct source {
	void (*ready)(struct broker *broker, struct card *card);
	struct card *card;
};
struct sources {
	unsigned int n;
	struct pollfd fds[SOURCES_MAX];
	struct source sources[SOURCES_MAX];
};

/* The kernel tells of devices that come, go, and change their driver. */
static int uevents_open(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void uevents_read(struct broker *broker, struct card *unused)
{
	char text[2048];
	ssize_t n;

	while ((n = recv(broker->uevents, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0) {
		text[n] = '\0';
		for (unsigned int i = 0; i < broker->n_cards; i++) {
			struct card *card = &broker->cards[i];
			const char *found = strstr(text, card->name);

			/* "bind@/devices/…/0000:01:00.0", the function itself and not what is
			 * below. */
			if (found && strlen(found) == strlen(card->name) + 2) {
				card->stale = true;
			}
		}
	}
}

static void accept_ready(struct broker *broker, struct card *unused)
{
	seat_accept(broker);
}

static void seat_ready(struct broker *broker, struct card *unused)
{
	if (broker->seat >= 0) {
		seat_read(broker);
	}
}

static void seat_died(struct broker *broker, struct card *unused)
{
	if (broker->seat >= 0) {
		seat_close(broker, "its process has ended");
	}
}

static void worker_ready(struct broker *broker, struct card *card)
{
	struct report report;

	if (card->operation.worker.pid && worker_finish(card, &card->operation.worker, &report)) {
		operation_worker(card, &report);
	}
}

/* The truth is read anew. */
static void stuck_ready(struct broker *broker, struct card *card)
{
	struct report report;

	if (worker_finish(card, &card->stuck, &report)) {
		say("%s: what was stuck came back", card->name);
		card->stale = card->changed = true;
		card->retry = 0;
	}
}

/* Seen by card_settle(). */
static void borrower_died(struct broker *broker, struct card *card)
{
}

static void add(struct sources *sources, int fd, void (*ready)(struct broker *, struct card *),
		struct card *card)
{
	if (fd >= 0) {
		sources->fds[sources->n] = (struct pollfd){ .fd = fd, .events = POLLIN };
		sources->sources[sources->n++] = (struct source){ ready, card };
	}
}

static void collect(struct broker *broker, struct sources *sources)
{
	sources->n = 0;
	add(sources, broker->listener, accept_ready, NULL);
	add(sources, broker->uevents, uevents_read, NULL);
	add(sources, broker->seat, seat_ready, NULL);
	add(sources, broker->seat_pidfd, seat_died, NULL);
	for (unsigned int i = 0; i < broker->n_cards; i++) {
		struct card *card = &broker->cards[i];

		add(sources, card->operation.worker.pid ? card->operation.worker.pidfd : -1,
		    worker_ready, card);
		add(sources, card->stuck.pid ? card->stuck.pidfd : -1, stuck_ready, card);
		add(sources, card_idle(card) && card->retry == 0 ? card->loan_pidfd : -1,
		    borrower_died, card);
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Deadlines of workers, and what card_settle() will do with time alone. */
static uint64_t next_time(const struct broker *broker, uint64_t now)
{
	uint64_t home = broker->seat_gone == NEVER
				? NEVER
				: broker->seat_gone + SEAT_GRACE_MS / broker->hurry;
	uint64_t next = home > now ? home : NEVER;

	for (unsigned int i = 0; i < broker->n_cards; i++) {
		const struct card *card = &broker->cards[i];

		if (card->operation.worker.pid) {
			next = earlier(next, earlier(card->operation.worker.soft,
						     card->operation.worker.hard));
		} else if (card_idle(card) && (!card->looked || card->stale)) {
			next = earlier(next, now + RETRY_MS);
		} else if (card_idle(card) && card->retry > now) {
			next = earlier(next, card->retry);
		}
	}
	return next;
}

static void turn(struct broker *broker)
{
	struct sources sources;
	uint64_t now, next;
	int n;

	for (unsigned int i = 0; i < broker->n_cards; i++) {
		card_settle(&broker->cards[i]);
	}
	list_continue(broker);
	collect(broker, &sources);
	now = now_ms();
	next = next_time(broker, now);
	n = poll(sources.fds, sources.n, next == NEVER ? -1 : next <= now ? 0 : (int)(next - now));
	for (unsigned int i = 0; i < sources.n && n > 0; i++) {
		if (sources.fds[i].revents) {
			sources.sources[i].ready(broker, sources.sources[i].card);
		}
	}
	now = now_ms();
	for (unsigned int i = 0; i < broker->n_cards; i++) {
		const struct worker *worker = &broker->cards[i].operation.worker;

		if (worker->pid && (now >= worker->soft || now >= worker->hard)) {
			operation_late(&broker->cards[i], now);
		}
	}
}

static int broker_start(struct broker *broker, const char *config, const char *socket, char *text)
{
	int r = config_load(broker, config, text);

	if (r < 0) {
		return r;
	}
	r = journal_open(broker);
	if (r < 0) {
		return fail(text, r, "%s: %s", broker->journal, strerror(-r));
	}
	for (unsigned int i = 0; i < broker->n_cards; i++) {
		journal_read(&broker->cards[i]);
		card_watch_borrower(&broker->cards[i]);
	}
	broker->uevents = uevents_open();
	return seat_listen(broker, socket, text);
}

static _Noreturn void usage(int status)
{
	puts("usage: baton-broker [--config FILE] [--socket PATH] [--journal DIR]");
	exit(status);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "socket", required_argument, NULL, 's' },
		{ "journal", required_argument, NULL, 'j' },
		{ "root", required_argument, NULL, 'r' },
		{ "hurry", required_argument, NULL, 'u' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	static struct broker broker = { .listener = -1,
					.uevents = -1,
					.seat = -1,
					.seat_pidfd = -1,
					.journal = "/run/baton/journal",
					.hurry = 1 };
	const char *config = "/etc/baton/broker.conf", *socket = BROKER_SOCKET;
	char text[BROKER_TEXT_MAX];
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			config = optarg;
			break;
		case 's':
			socket = optarg;
			break;
		case 'j':
			broker.journal = optarg;
			break;
		case 'r': /* for tests: sysfs, procfs and nodes below this folder */
			system_root = optarg;
			break;
		case 'u': /* for tests: deadlines divided by this */
			broker.hurry = (unsigned int)strtoul(optarg, NULL, 10) ?: 1;
			break;
		default:
			usage(option != 'h');
		}
	}
	signal(SIGPIPE, SIG_IGN);
	broker.seat_gone = now_ms();
	if (broker_start(&broker, config, socket, text) < 0 || sandbox_enter() < 0) {
		say("%s", text);
		return 1;
	}
	say("%u cards, %u users", broker.n_cards, broker.n_users);
	for (;;) {
		turn(&broker);
	}
}
