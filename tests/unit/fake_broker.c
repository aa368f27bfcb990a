// SPDX-License-Identifier: MIT
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "passthrough/card.h"
#include "tests/unit/fake_broker.h"

#define HELD_MAX 32

struct fake_card {
	struct broker_slot slot;
	struct broker_facts facts;
	const char *note;
	bool open; /* somebody has its group open, whether the flag says so or not */
};

struct fake_broker {
	sd_event *event;
	char path[108];
	int listen_fd, fd, lent_fd;
	sd_event_source *listen_io, *io;
	bool refuses;
	struct broker_message farewell;
	struct fake_card cards[BROKER_CARDS_MAX];
	unsigned int n_cards, connections;
	int errors[BROKER_VERB_COUNT];
	const char *texts[BROKER_VERB_COUNT];
	bool holds[BROKER_VERB_COUNT];
	unsigned int counts[BROKER_VERB_COUNT], refusals[BROKER_VERB_COUNT];
	struct broker_request last[BROKER_VERB_COUNT];
	struct broker_request held[HELD_MAX];
	unsigned int n_held;
	const char *holder;
	char journal[8192];
};

static struct fake_card *find_card(struct fake_broker *broker, const struct broker_slot *slot)
{
	for (unsigned int i = 0; i < broker->n_cards; i++) {
		if (memcmp(&broker->cards[i].slot, slot, sizeof(*slot)) == 0) {
			return &broker->cards[i];
		}
	}
	return NULL;
}

void fake_broker_send(struct fake_broker *broker, const void *bytes, size_t size)
{
	if (broker->fd >= 0) {
		(void)!send(broker->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
}

static void send_message(struct fake_broker *broker, const struct broker_message *message)
{
	fake_broker_send(broker, message, sizeof(*message));
}

static void send_done(struct fake_broker *broker, const struct broker_request *request, int error,
		      const char *text)
{
	struct broker_message message = {
		.kind = BROKER_DONE,
		.serial = request->serial,
		.slot = request->slot,
		.error = error,
	};

	snprintf(message.text, sizeof(message.text), "%s", text ? text : "");
	send_message(broker, &message);
}

static void send_card(struct fake_broker *broker, const struct fake_card *card, uint32_t serial)
{
	struct broker_message message = {
		.kind = BROKER_CARD,
		.serial = serial,
		.slot = card->slot,
		.facts = card->facts,
	};

	snprintf(message.text, sizeof(message.text), "%s", card->note ? card->note : "");
	send_message(broker, &message);
}

/* Who lends, or resets, does not look. */
static void look(struct fake_card *card)
{
	card->facts.flags &= ~(uint32_t)BROKER_CARD_OPEN;
	card->facts.flags |= card->open ? BROKER_CARD_OPEN : 0;
}

static void send_holder(struct fake_broker *broker, const struct broker_request *request)
{
	struct broker_message message = {
		.kind = BROKER_HOLDER,
		.serial = request->serial,
		.slot = request->slot,
		.holder = { .pid = 42, .node = "/dev/dri/card0" },
	};

	snprintf(message.holder.command, sizeof(message.holder.command), "%s", broker->holder);
	send_message(broker, &message);
}

static void note_stage(struct fake_broker *broker, struct fake_card *card,
		       const struct broker_stage *stage, uint32_t finished)
{
	static const char *const marks[] = { "", "=", "!" };
	size_t length = strlen(broker->journal);

	if (stage->name[0] == '\0') {
		return;
	}
	card->facts.stage = *stage;
	card->facts.stage.finished = finished;
	assert_true(length + 32 < sizeof(broker->journal));
	snprintf(broker->journal + length, sizeof(broker->journal) - length, "%s%s%s",
		 length ? " " : "", stage->name, marks[finished]);
}

static void set_drivers(struct broker_facts *facts, const char *display, const char *other)
{
	for (uint32_t i = 0; i < facts->function_count; i++) {
		snprintf(facts->functions[i].driver, sizeof(facts->functions[i].driver), "%s",
			 i == 0 ? display : other);
	}
}

static bool is_pooled(const struct broker_facts *facts)
{
	return strcmp(facts->functions[0].driver, "vfio-pci") == 0;
}

/* Whether the real broker would do it. */
static int permit(const struct broker_facts *facts, uint32_t verb)
{
	bool lent = facts->flags & BROKER_CARD_LENT;

	switch (verb) {
	case BROKER_DRAIN:
		return is_pooled(facts) ? -EINVAL : 0;
	case BROKER_DETACH:
		return facts->flags & BROKER_CARD_DRAINED ? 0 : -EINVAL;
	case BROKER_SANITIZE:
		return is_pooled(facts) && !lent ? 0 : -EINVAL;
	case BROKER_LEND:
		return is_pooled(facts) && !lent && (facts->flags & BROKER_CARD_CLEAN) ? 0
										       : -EINVAL;
	case BROKER_TAKE_BACK:
		return 0;
	case BROKER_RETURN:
		return lent ? -EBUSY : 0;
	default:
		return 0;
	}
}

/* What a request changes in the machine. Returns 0 or -errno. */
static int change_card(struct fake_broker *broker, struct fake_card *card,
		       const struct broker_request *request)
{
	struct broker_facts *facts = &card->facts;
	int r = permit(facts, request->verb);

	if (r < 0) {
		broker->refusals[request->verb]++;
		return r;
	}
	switch (request->verb) {
	case BROKER_DRAIN:
		facts->flags |= BROKER_CARD_DRAINED;
		return broker->holder ? -EBUSY : 0;
	case BROKER_UNDRAIN:
		facts->flags &= ~(uint32_t)BROKER_CARD_DRAINED;
		break;
	case BROKER_DETACH:
		look(card);
		set_drivers(facts, "vfio-pci", "vfio-pci");
		facts->flags &= ~(uint32_t)BROKER_CARD_CLEAN;
		break;
	case BROKER_SANITIZE:
		if (card->open) {
			return -EBUSY;
		}
		look(card);
		facts->flags |= BROKER_CARD_CLEAN;
		break;
	case BROKER_LEND:
		facts->flags |= BROKER_CARD_LENT;
		facts->flags &= ~(uint32_t)BROKER_CARD_CLEAN;
		facts->lent_pid = (int32_t)(request->memory_bytes - (3ull << 30));
		break;
	case BROKER_TAKE_BACK:
		if (card->open) {
			return -EBUSY;
		}
		look(card);
		facts->flags &= ~(uint32_t)BROKER_CARD_LENT;
		facts->lent_pid = 0;
		break;
	case BROKER_RETURN:
		set_drivers(facts, "bochs-drm", "snd_hda_intel");
		facts->flags &= ~(uint32_t)(BROKER_CARD_CLEAN | BROKER_CARD_DRAINED);
		break;
	}
	return 0;
}

static void answer_card(struct fake_broker *broker, const struct broker_request *request)
{
	struct fake_card *card = find_card(broker, &request->slot);
	int error = broker->errors[request->verb];
	const char *text;

	if (!card) {
		send_done(broker, request, -ENODEV, "this card is not on the list");
		return;
	}
	if (request->verb == BROKER_RECORD) {
		note_stage(broker, card, &request->stage, request->stage.finished);
		send_done(broker, request, error, broker->texts[request->verb]);
		return;
	}
	if (error == 0) {
		error = change_card(broker, card, request);
	}
	note_stage(broker, card, &request->stage, error < 0 ? 2 : 1);
	if (broker->holder && (request->verb == BROKER_DRAIN || request->verb == BROKER_HOLDERS)) {
		send_holder(broker, request);
	}
	send_card(broker, card, request->serial);
	text = error == 0                      ? NULL
	       : broker->errors[request->verb] ? broker->texts[request->verb]
	       : broker->holder                ? "Xorg (process 42) has /dev/dri/card0 open"
					       : "the broker does not do that now";
	send_done(broker, request, error, text);
}

static void answer(struct fake_broker *broker, const struct broker_request *request)
{
	if (request->verb == BROKER_LIST) {
		for (unsigned int i = 0; i < broker->n_cards; i++) {
			look(&broker->cards[i]);
			send_card(broker, &broker->cards[i], request->serial);
		}
	}
	if (request->verb == BROKER_HELLO || request->verb == BROKER_LIST) {
		send_done(broker, request, broker->errors[request->verb],
			  broker->texts[request->verb]);
		return;
	}
	answer_card(broker, request);
}

/* A card has one request at a time; what only writes is none. */
static bool is_busy(const struct fake_broker *broker, const struct broker_request *request)
{
	for (unsigned int i = 0; i < broker->n_held; i++) {
		const struct broker_request *held = &broker->held[i];

		if (held->verb >= BROKER_DRAIN && request->verb >= BROKER_DRAIN &&
		    card_slot_equal(&held->slot, &request->slot)) {
			return true;
		}
	}
	return false;
}

static void take_request(struct fake_broker *broker, const struct broker_request *request)
{
	struct fake_card *card = find_card(broker, &request->slot);

	assert_true(request->verb >= BROKER_HELLO && request->verb < BROKER_VERB_COUNT);
	assert_int_not_equal(request->serial, 0);
	broker->counts[request->verb]++;
	broker->last[request->verb] = *request;
	if (is_busy(broker, request)) {
		send_done(broker, request, -EBUSY, "the card has a request under way");
		return;
	}
	if (card && request->verb != BROKER_RECORD) {
		note_stage(broker, card, &request->stage, 0);
	}
	if (broker->holds[request->verb]) {
		assert_true(broker->n_held < HELD_MAX);
		broker->held[broker->n_held++] = *request;
		return;
	}
	answer(broker, request);
}

static void take_fd_of(struct fake_broker *broker, struct msghdr *header)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(header);

	if (control && control->cmsg_type == SCM_RIGHTS) {
		if (broker->lent_fd >= 0) {
			close(broker->lent_fd);
		}
		memcpy(&broker->lent_fd, CMSG_DATA(control), sizeof(int));
	}
}

static int handle_io(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct fake_broker *broker = data;
	struct broker_request request;
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { .iov_base = &request, .iov_len = sizeof(request) };
	struct msghdr header = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n <= 0) {
		fake_broker_hang_up(broker);
		return 0;
	}
	assert_int_equal(n, sizeof(request));
	take_fd_of(broker, &header);
	take_request(broker, &request);
	return 0;
}

static int handle_connection(sd_event_source *source, int listen_fd, uint32_t revents, void *data)
{
	struct fake_broker *broker = data;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	assert_true(fd >= 0);
	broker->connections++;
	if (broker->refuses || broker->fd >= 0) {
		if (broker->farewell.kind) {
			(void)!send(fd, &broker->farewell, sizeof(broker->farewell), MSG_NOSIGNAL);
		}
		close(fd);
		return 0;
	}
	broker->fd = fd;
	assert_true(sd_event_add_io(broker->event, &broker->io, fd, EPOLLIN, handle_io, broker) >=
		    0);
	return 0;
}

struct fake_broker *fake_broker_create(sd_event *event, const char *path)
{
	struct fake_broker *broker = calloc(1, sizeof(*broker));

	assert_non_null(broker);
	assert_true(strlen(path) < sizeof(broker->path));
	snprintf(broker->path, sizeof(broker->path), "%s", path);
	broker->event = sd_event_ref(event);
	broker->fd = broker->listen_fd = broker->lent_fd = -1;
	return broker;
}

void fake_broker_listen(struct fake_broker *broker)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	memcpy(address.sun_path, broker->path, sizeof(broker->path));
	(void)unlink(broker->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	broker->listen_fd = fd;
	assert_true(sd_event_add_io(broker->event, &broker->listen_io, fd, EPOLLIN,
				    handle_connection, broker) >= 0);
}

void fake_broker_hang_up(struct fake_broker *broker)
{
	broker->io = sd_event_source_disable_unref(broker->io);
	if (broker->fd >= 0) {
		close(broker->fd);
	}
	broker->fd = -1;
	broker->n_held = 0;
}

void fake_broker_vanish(struct fake_broker *broker)
{
	fake_broker_hang_up(broker);
	broker->listen_io = sd_event_source_disable_unref(broker->listen_io);
	if (broker->listen_fd >= 0) {
		close(broker->listen_fd);
		(void)unlink(broker->path);
	}
	broker->listen_fd = -1;
}

void fake_broker_destroy(struct fake_broker *broker)
{
	fake_broker_vanish(broker);
	if (broker->lent_fd >= 0) {
		close(broker->lent_fd);
	}
	sd_event_unref(broker->event);
	free(broker);
}

void fake_broker_refuse(struct fake_broker *broker, bool refuses, const char *why)
{
	broker->refuses = refuses;
	broker->farewell =
		(struct broker_message){ .kind = why ? BROKER_DONE : 0, .error = -EACCES };
	snprintf(broker->farewell.text, sizeof(broker->farewell.text), "%s", why ? why : "");
}

bool fake_broker_listens(const struct fake_broker *broker)
{
	return broker->listen_fd >= 0;
}

bool fake_broker_is_connected(const struct fake_broker *broker)
{
	return broker->fd >= 0;
}

unsigned int fake_broker_connections(const struct fake_broker *broker)
{
	return broker->connections;
}

void fake_broker_hang(struct fake_broker *broker, bool hangs)
{
	assert_non_null(broker->io);
	assert_true(sd_event_source_set_enabled(broker->io, hangs ? SD_EVENT_OFF : SD_EVENT_ON) >=
		    0);
}

struct broker_facts *fake_broker_add_card(struct fake_broker *broker, const char *slot,
					  unsigned int functions)
{
	struct fake_card *card = &broker->cards[broker->n_cards++];

	assert_true(broker->n_cards <= BROKER_CARDS_MAX && functions <= BROKER_FUNCTIONS_MAX);
	assert_int_equal(card_slot_parse(slot, &card->slot), 0);
	card->facts = (struct broker_facts){
		.flags = BROKER_CARD_PRESENT | BROKER_CARD_VIABLE | BROKER_CARD_HAD_HOST,
		.group = 10 + (int)broker->n_cards,
		.function_count = functions,
	};
	for (unsigned int i = 0; i < functions; i++) {
		card->facts.functions[i].number = (uint8_t)i;
		card->facts.functions[i].class = i == 0 ? 0x030000 : 0x040300;
	}
	set_drivers(&card->facts, "bochs-drm", "snd_hda_intel");
	return &card->facts;
}

static struct fake_card *card_of(struct fake_broker *broker, const char *slot)
{
	struct broker_slot parsed;
	struct fake_card *card;

	assert_int_equal(card_slot_parse(slot, &parsed), 0);
	card = find_card(broker, &parsed);
	assert_non_null(card);
	return card;
}

void fake_broker_set_open(struct fake_broker *broker, const char *slot, bool open)
{
	card_of(broker, slot)->open = open;
}

void fake_broker_tell(struct fake_broker *broker, const char *slot)
{
	look(card_of(broker, slot));
	send_card(broker, card_of(broker, slot), 0);
}

void fake_broker_set_note(struct fake_broker *broker, const char *slot, const char *note)
{
	card_of(broker, slot)->note = note;
}

void fake_broker_fail(struct fake_broker *broker, enum broker_verb verb, int error,
		      const char *text)
{
	broker->errors[verb] = error;
	broker->texts[verb] = text;
}

void fake_broker_hold(struct fake_broker *broker, enum broker_verb verb, bool holds)
{
	unsigned int n = broker->n_held, kept = 0;

	broker->holds[verb] = holds;
	for (unsigned int i = 0; i < n && !holds; i++) {
		if (broker->held[i].verb == verb) {
			answer(broker, &broker->held[i]);
		} else {
			broker->held[kept++] = broker->held[i];
		}
	}
	broker->n_held = holds ? n : kept;
}

void fake_broker_set_holder(struct fake_broker *broker, const char *command)
{
	broker->holder = command;
}

void fake_broker_progress(struct fake_broker *broker, const char *slot, const char *text)
{
	struct broker_message message = {
		.kind = BROKER_PROGRESS,
		.serial = broker->n_held ? broker->held[0].serial : 0,
		.slot = card_of(broker, slot)->slot,
	};

	snprintf(message.text, sizeof(message.text), "%s", text);
	send_message(broker, &message);
}

unsigned int fake_broker_count(const struct fake_broker *broker, enum broker_verb verb)
{
	return broker->counts[verb];
}

unsigned int fake_broker_refusals(const struct fake_broker *broker, enum broker_verb verb)
{
	return broker->refusals[verb];
}

const struct broker_request *fake_broker_last(const struct fake_broker *broker,
					      enum broker_verb verb)
{
	assert_true(broker->counts[verb] > 0);
	return &broker->last[verb];
}

int fake_broker_lent_fd(const struct fake_broker *broker)
{
	return broker->lent_fd;
}

const char *fake_broker_journal(const struct fake_broker *broker)
{
	return broker->journal;
}

void fake_broker_forget(struct fake_broker *broker)
{
	broker->journal[0] = '\0';
}
