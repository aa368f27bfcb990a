// SPDX-License-Identifier: MIT
/* baton-broker: options, and the one loop. */
#include "passthrough/broker/broker.h"

#include <linux/netlink.h>
#include <signal.h>
#include <sys/socket.h>

#define BROKER_JOURNAL "/run/baton/journal"
#define RETRY_MS 1000 /* after no worker could be started */

/* Each turn's descriptors: those of the broker, then three of each card. */
enum { LISTENER, UEVENTS, SEAT, SEAT_PIDFD, CARDS };
enum { WORKER, STUCK, BORROWER, CARD_FDS };

/* "bind@/devices/…/0000:01:00.0": the function itself, not what is below it. */
static void uevents_read(struct broker *broker)
{
	char text[2048];
	ssize_t n;

	/* ENOBUFS: some were lost, of any card. */
	while ((n = recv(broker->uevents, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0 ||
	       errno == ENOBUFS) {
		text[MAX(n, 0)] = '\0';
		card_for_each(broker, card) {
			const char *found = strstr(text, card->name);

			card->stale |= n < 0 || (found && strlen(found) == strlen(card->name) + 2);
		}
	}
}

static void card_ready(struct card *card, const struct pollfd *fds)
{
	struct worker *worker = &card->operation.worker;
	struct report report;

	if (fds[WORKER].revents && worker_finish(card, worker, &report)) {
		operation_worker(card, &report);
	}
	/* What was stuck came back: the truth is read anew. */
	if (fds[STUCK].revents && worker_finish(card, &card->stuck, &report)) {
		card->stale = card->changed = true;
		card->retry = 0;
	}
	/* It has ended: what follows opens its pidfd no more. */
	card->retry = fds[BORROWER].revents ? 0 : card->retry;
	if (worker->pid && now_ms() >= MIN(worker->soft, worker->hard)) {
		operation_late(card, now_ms());
	}
}

/* Until a worker's deadline, or what card_settle() will do with time alone, ms; -1: nothing. */
static int time_left(struct broker *broker)
{
	uint64_t now = now_ms(), next = broker->seat_gone + SEAT_GRACE_MS / broker->hurry;

	next = MIN(broker->hello, broker->seat_gone == NEVER || next <= now ? NEVER : next);
	card_for_each(broker, card) {
		const struct worker *worker = &card->operation.worker;

		if (worker->pid) {
			next = MIN(next, MIN(worker->soft, worker->hard));
		} else if (card_idle(card)) {
			next = MIN(next, card->stale ? now + RETRY_MS : NEVER);
			next = MIN(next, card->retry > now ? card->retry : NEVER);
		}
	}
	return next == NEVER ? -1 : next <= now ? 0 : (int)(next - now);
}

static void turn(struct broker *broker)
{
	struct pollfd fds[CARDS + CARD_FDS * BROKER_CARDS_MAX], *next = fds;

	card_for_each(broker, card) {
		card_settle(card);
	}
	seat_list(broker);
	*next++ = (struct pollfd){ broker->listener, POLLIN, 0 };
	*next++ = (struct pollfd){ broker->uevents, POLLIN, 0 };
	*next++ = (struct pollfd){ broker->seat, POLLIN, 0 };
	*next++ = (struct pollfd){ broker->seat_pidfd, POLLIN, 0 };
	card_for_each(broker, card) {
		const struct worker *worker = &card->operation.worker;

		*next++ = (struct pollfd){ worker->pid ? worker->pidfd : -1, POLLIN, 0 };
		*next++ = (struct pollfd){ card->stuck.pid ? card->stuck.pidfd : -1, POLLIN, 0 };
		*next++ = (struct pollfd){ card_idle(card) ? card->borrower : -1, POLLIN, 0 };
	}
	poll(fds, (nfds_t)(next - fds), time_left(broker));
	card_for_each(broker, card) {
		card_ready(card, fds + CARDS + CARD_FDS * (card - broker->cards));
	}
	uevents_read(broker);
	if (fds[SEAT].revents && broker->seat >= 0) {
		seat_read(broker);
	} else if (broker->seat >= 0 && (fds[SEAT_PIDFD].revents || now_ms() >= broker->hello)) {
		seat_close(broker, "its process has ended, or has not said HELLO");
	}
	if (fds[LISTENER].revents) {
		seat_accept(broker);
	}
}

static int broker_start(struct broker *broker, const char *config, const char *path, char *text)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int r = config_load(broker, config, text);

	if (r < 0) {
		return r;
	}
	if (mkdir(at("%s", broker->journal), 0700) < 0 && errno != EEXIST) {
		return fail(text, -errno, "%s: %s", broker->journal, strerror(errno));
	}
	r = launcher_start(broker, text);
	text_read(at("/proc/sys/kernel/random/boot_id"), broker->boot_id, sizeof(broker->boot_id));
	card_for_each(broker, card) {
		journal_read(card);
		card_watch(card);
	}
	/* The kernel tells of devices that come, go, and change their driver. */
	broker->uevents = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	bind(broker->uevents, (struct sockaddr *)&kernel, sizeof(kernel));
	broker->seat_gone = now_ms();
	broker->hello = NEVER;
	r = r < 0 ? r : seat_listen(broker, path, text);
	return r < 0 ? r : sandbox_enter(text);
}

int main(int argc, char **argv)
{
	static struct broker broker = { .seat = -1, .seat_pidfd = -1, .journal = BROKER_JOURNAL };
	const char *config = BROKER_CONFIG, *socket = BROKER_SOCKET, *hurry = "1";
	/* The last two are for tests: where /sys, /proc and /dev are; what divides deadlines. */
	const char *const names[] = { "--config", "--socket", "--journal", "--root", "--hurry" };
	const char **const values[] = { &config, &socket, &broker.journal, &system_root, &hurry };
	char text[BROKER_TEXT_MAX];
	unsigned int option;

	for (int i = 1; i < argc; i += 2) {
		for (option = 0; option < 5 && strcmp(names[option], argv[i]); option++) {
		}
		if (option == 5 || i + 1 == argc) {
			fputs("usage: baton-broker [--config FILE] [--socket PATH] [--journal DIR]\n",
			      stderr);
			return 2;
		}
		*values[option] = argv[i + 1];
	}
	broker.hurry = (unsigned int)strtoul(hurry, NULL, 10) ?: 1;
	signal(SIGPIPE, SIG_IGN);
	if (broker_start(&broker, config, socket, text) < 0) {
		fprintf(stderr, "%s\n", text);
		return 1;
	}
	for (;;) {
		turn(&broker);
	}
}
