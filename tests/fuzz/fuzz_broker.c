// SPDX-License-Identifier: MIT
/*
 * What may come in on the broker's socket, in any order, while workers end well, badly and late.
 * The input is a list of commands of three characters each; see run_command(). No worker is
 * started and no journal written.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "passthrough/broker/broker.h"
#include "tests/fuzz/fuzz.h"

#define CARDS 2
#define SERIALS_MAX 256
#define DESCRIPTORS_MAX 64

int __wrap_worker_start(struct card *card, struct step step);
int __wrap_journal_append(struct card *card, const char *format, ...);
int __wrap_journal_stage(struct card *card, const struct broker_stage *stage, uint32_t finished);
void __wrap_journal_read(struct card *card);

const char *const fuzz_seeds[] = {
	"v1_S__v2_S__w0_w1_",
	"v1_S__c0_v5_S__w0_w0_w0_w0_v7_S__w0_w0_w0_w0_w0_w0_w0_",
	"v1_S__c0_v7_S__w0_l0!v4_S__w0_w0_",
	"v1_S__c1_v8_S__w1_w1_v9_D__w1_v:_S__w1_v;_S__w1_w1_w1_w1_w1_w1_",
	"v1_S__c0_v3_oaAS__o(\nS__",
	"v1_t9_S__X__v1_D__X__",
	"v1_S__c3_v5_S__v?_S__v0_S__",
	"v1_S__c0_v4_S__v4_S__w0Ev4_S__w0h",
	"v1_S__w0_w1_v2_S__v9_D__X__w0_w1_",
	"v1_S__g_Av=_S__v>_S__g_Bv=_S__v?_S__",
	NULL,
};

static struct {
	struct broker broker;
	int seat; /* our end */
	struct broker_request request;
	uint32_t serials;
	uint8_t answers[SERIALS_MAX];
} stage;

int __wrap_worker_start(struct card *card, struct step step)
{
	/* No process has this pid: a scan that is late is killed. */
	card->operation.worker = (struct worker){
		.pid = INT_MAX, .pidfd = -1, .pipe = -1, .step = step, .hard = 2, .soft = 1
	};
	return 0;
}

int __wrap_journal_append(struct card *card, const char *format, ...)
{
	return 0;
}

int __wrap_journal_stage(struct card *card, const struct broker_stage *s, uint32_t finished)
{
	card->saved.stage = *s;
	return 0;
}

void __wrap_journal_read(struct card *card)
{
}

/* Each request is answered at most once, and nothing else than messages comes. */
static void read_answers(void)
{
	struct broker_message message;
	ssize_t n;

	while ((n = recv(stage.seat, &message, sizeof(message), MSG_DONTWAIT)) > 0) {
		if (n != sizeof(message) || !memchr(message.text, '\0', sizeof(message.text))) {
			abort();
		}
		if (message.kind == BROKER_DONE && message.serial < SERIALS_MAX &&
		    message.serial != 0 && ++stage.answers[message.serial] > 1) {
			abort();
		}
	}
}

static void connect_seat(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		abort();
	}
	seat_adopt(&stage.broker, pair[0], -1);
	stage.seat = pair[1];
	memset(stage.answers, 0, sizeof(stage.answers));
	stage.serials = 0;
}

static void leave(void)
{
	if (stage.broker.seat >= 0) {
		seat_close(&stage.broker, "");
	}
	close(stage.seat);
}

static void settle(void)
{
	for (int i = 0; i < 64 && stage.broker.seat >= 0; i++) {
		seat_read(&stage.broker);
	}
	card_for_each(&stage.broker, card) {
		card_settle(card);
	}
	seat_list(&stage.broker);
	read_answers();
	if (stage.broker.seat < 0) {
		leave();
		connect_seat();
	}
}

static void send_request(size_t size, bool descriptor)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { &stage.request, size };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (descriptor) {
		header.msg_control = control;
		header.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&header);
		*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
				       .cmsg_level = SOL_SOCKET,
				       .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(c), &(int){ STDERR_FILENO }, sizeof(int));
	}
	stage.request.serial = stage.request.serial ? ++stage.serials : 0;
	if (sendmsg(stage.seat, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EPIPE) {
		abort();
	}
	stage.request.serial = 1;
}

/* A card whose functions are where the last step should have brought them, or not. */
static void end_worker(struct card *card, uint8_t how)
{
	struct report report = { .error = how == 'E' ? -EIO : how == 'B' ? -EBUSY : 0 };
	struct worker *worker = &card->operation.worker;

	if (!worker->pid) {
		return;
	}
	worker->pid = 0;
	report.n_holders = how >= 'a' && how <= 'z' ? how - 'a' + 1u : 0;
	report.facts.flags = how == 'L' ? 0 : BROKER_CARD_PRESENT | BROKER_CARD_VIABLE;
	report.facts.function_count = how == 'L' ? 0 : BROKER_FUNCTIONS_MAX;
	for (uint8_t i = 0; i < report.facts.function_count; i++) {
		report.facts.functions[i].number = i;
		report.facts.functions[i].class = i ? 0x040300 : 0x030000;
		if (how & 1 || (how & 2 && i)) {
			strcpy(report.facts.functions[i].driver, "vfio-pci");
		}
	}
	card->saved.drained = how & 4;
	card->saved.loan.pid = how & 8 ? 1 : 0;
	operation_worker(card, &report);
}

static void run_command(const uint8_t c[3])
{
	struct card *card = &stage.broker.cards[c[1] % CARDS];

	switch (c[0]) {
	case 'v': /* this verb */
		stage.request.verb = (uint32_t)(c[1] - '0');
		break;
	case 'c': /* this card, or one that is not listed */
		stage.request.slot.bus = c[1] - '0';
		break;
	case 'g': /* this guest */
		stage.request.stage.to[0] = (char)c[2];
		break;
	case 'o': /* any byte of the packet */
		((uint8_t *)&stage.request)[c[1] * 3u % sizeof(stage.request)] = c[2];
		break;
	case 'S': /* sent whole, */
		send_request(sizeof(stage.request), false);
		break;
	case 'D': /* with a descriptor, */
		send_request(sizeof(stage.request), true);
		break;
	case 't': /* or cut */
		send_request(c[1] % sizeof(stage.request), false);
		break;
	case 'w': /* the worker ends */
		end_worker(card, c[2]);
		break;
	case 'l': /* is late, softly or not */
		if (card->operation.worker.pid) {
			operation_late(card, c[2] & 1 ? 1 : 2);
		}
		break;
	case 'u': /* what was stuck came back */
		card->stuck.pid = 0;
		card->stale = true;
		card->retry = 0;
		break;
	case 'X': /* another seat */
		leave();
		connect_seat();
		break;
	default:
		return;
	}
	settle();
}

static unsigned int count_descriptors(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
		n += fcntl(fd, F_GETFD) >= 0;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	static int launcher[2];
	struct broker_request order;
	unsigned int before;

	if (!nowhere) {
		nowhere = fopen("/dev/null", "we");
		stderr = nowhere;
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, launcher) < 0) {
			abort();
		}
	}
	before = count_descriptors();
	memset(&stage, 0, sizeof(stage));
	stage.broker =
		(struct broker){ .n_cards = CARDS,
				 .hurry = 1,
				 .seat = -1,
				 .seat_pidfd = -1,
				 .launcher = launcher[1],
				 .n_accounts = 2,
				 .accounts = { { .user = "me" }, { .name = "A", .user = "a" } } };
	for (int i = 0; i < CARDS; i++) {
		stage.broker.cards[i] = (struct card){ .broker = &stage.broker,
						       .slot.bus = (uint8_t)i,
						       .borrower = -1,
						       .operation.borrower = -1,
						       .waiting.borrower = -1 };
	}
	stage.request = (struct broker_request){ .serial = 1, .protocol = BROKER_PROTOCOL };
	connect_seat();
	for (size_t i = 0; i + 3 <= size; i += 3) {
		run_command(data + i);
	}
	leave();
	/* The launcher hears of known guests alone. */
	while (recv(launcher[0], &order, sizeof(order), MSG_DONTWAIT) > 0) {
		if (strcmp(order.stage.to, "A") != 0 || order.verb < BROKER_START_GUEST) {
			abort();
		}
	}
	card_for_each(&stage.broker, card) {
		close_fd(&card->operation.borrower);
		close_fd(&card->waiting.borrower);
		close_fd(&card->borrower);
	}
	/* Every descriptor that came was closed. */
	if (count_descriptors() != before) {
		abort();
	}
	return 0;
}
