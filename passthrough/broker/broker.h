/* SPDX-License-Identifier: MIT */
/*
 * The broker: the only part of Baton that runs as root. It moves the PCI functions of the cards
 * in its configuration between their host drivers and vfio-pci, lends them to a guest's QEMU, and
 * does nothing else. It speaks proto/broker.h with one seat.
 *
 * One process waits in poll() and touches nothing that may block. Every read or write of sysfs,
 * VFIO, nodes and other processes' procfs is a step of an operation, done by a worker: a forked
 * child that reports through a pipe and is never waited for. A worker that misses its hard
 * deadline is left alone, the card is WEDGED, and when it does end the truth is read anew.
 */
#ifndef PASSTHROUGH_BROKER_BROKER_H
#define PASSTHROUGH_BROKER_BROKER_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/broker.h"

#define ACCOUNTS_MAX (8 + BROKER_GUESTS_MAX)
#define STEPS_MAX (3 * BROKER_FUNCTIONS_MAX + 6) /* a plan of four, a way and its last two */
#define NODES_MAX (48 + BROKER_FUNCTIONS_MAX)    /* and the IOMMU groups' */
#define SEAT_GRACE_MS 10000    /* how long a pooled card waits for a seat to come back */
#define HELLO_MS 30000         /* how long a peer may be silent before it is a seat */
#define JOURNAL_LONG (1 << 20) /* bytes; then it is rewritten */
#define DISPLAY_CLASS 0x03
#define NEVER UINT64_MAX
#define OR_NONE(word) ((word)[0] ? (word) : "-") /* in the journal */
#define _cleanup_(f) __attribute__((cleanup(f)))
#define PRINTF(a, b) __attribute__((format(printf, a, b)))

/* Beside those of enum broker_card_flag. */
#define CARD_POOLED (1u << 16)  /* every function is on vfio-pci */
#define CARD_ON_VFIO (1u << 17) /* a function is */
#define CARD_BRIDGE (1u << 18)  /* a function is one */

/* Beside those of enum broker_verb: as TAKE_BACK, without a line in the journal. */
#define BROKER_RECLAIM BROKER_VERB_COUNT

/* The character devices that processes reach a card by. */
struct node {
	char path[48]; /* from /dev on */
	dev_t device;
	mode_t mode; /* of those that were changed: before that, as the next two */
	uid_t uid;
	gid_t gid;
};
struct nodes {
	unsigned int n;
	struct node all[NODES_MAX];
};

/* What was found before it was changed, so that it can be put back: what the journal of this boot
 * says, filled by journal_read() alone. */
enum changed_nodes { DRAINED_NODES, LENT_NODES, CHANGED_NODES };
struct saved_function {
	bool known;
	char driver[32]; /* the host's; "-": it had none */
	char power[8], d3cold[4];
	uint64_t identity; /* of its configuration space */
};
struct loan {
	pid_t pid;      /* 0: not lent */
	uint64_t start; /* of the process: the pid alone may be another's by now */
	uint64_t bytes; /* by which its limits of locked memory were raised */
};
struct saved {
	struct saved_function functions[BROKER_FUNCTIONS_MAX];
	struct nodes nodes[CHANGED_NODES];
	bool drained;
	struct loan loan;
	struct broker_stage stage; /* the last one */
	off_t read;                /* so far of the file */
};

/* What a worker does. 0 or -errno, with report->text where errno does not say it all. number is
 * that of a function. */
struct card;
struct report;
typedef int step_fn(struct card *card, unsigned int number, struct report *report);
struct step {
	step_fn *run;
	const char *name;
	unsigned int number;
};

/* What a worker tells its parent. */
struct report {
	int32_t error;
	/* Functions that the reset covered; holders, also those that are not told. */
	uint32_t reset_count, n_holders;
	char text[BROKER_TEXT_MAX];
	struct broker_facts facts;
	struct broker_holder holders[BROKER_HOLDERS_MAX];
};

struct worker {
	pid_t pid; /* 0: none */
	int pidfd, pipe;
	struct step step;
	uint64_t soft, hard; /* CLOCK_MONOTONIC, ms; NEVER when over */
};

/* A request being carried out, or something that the broker does by itself (serial 0). */
struct operation {
	struct broker_request request; /* verb 0: none */
	bool asked;                    /* by a seat, which waits for its end */
	int borrower;                  /* pidfd, or -1 */
	struct step steps[STEPS_MAX];
	unsigned int n_steps, at, way; /* way: the first step that changes drivers */
	bool planned, undoing; /* it is permitted; it failed half-way, and is on the way back */
	int error;             /* the first failure */
	char text[BROKER_TEXT_MAX];
	struct worker worker;
};

struct card {
	struct broker *broker;
	struct broker_slot slot;
	char name[16]; /* "0000:01:00" */
	struct saved saved;
	bool rewriting;            /* its journal */
	struct broker_facts facts; /* as of the last look; not yet or no longer, if stale */
	/* stale: is looked at when idle; changed: the facts, since they were last told;
	 * reset_tried: by ourselves, before it goes home. */
	bool stale, changed, clean, reset_tried;
	int borrower;      /* pidfd of whom it is lent to; -1: nobody, or it has ended */
	bool seat_drained; /* by the seat that is connected */
	uint64_t retry;    /* before that, ms, nothing is done unasked; NEVER: it failed */
	struct operation operation, waiting; /* waiting: until what we do unasked is over */
	struct worker stuck;                 /* missed its hard deadline: WEDGED */
	char note[BROKER_TEXT_MAX];          /* what is wrong with the card, or empty */
};

struct broker {
	struct broker_guest accounts[ACCOUNTS_MAX]; /* name "": a user who may ask */
	unsigned int n_accounts, n_cards;
	struct card cards[BROKER_CARDS_MAX];
	const char *journal; /* folder */
	unsigned int hurry;  /* deadlines are divided by it; 1 but in tests */
	int listener, uevents, launcher, seat, seat_pidfd; /* -1: none */
	struct broker_request list;                        /* the LIST under way; verb 0: none */
	/* Since when, ms, NEVER: one has greeted; until when it must greet, NEVER: it has. */
	uint64_t seat_gone, hello;
	char boot_id[40];
};

#define card_for_each(b, card)                                                                     \
	for (struct card *card = (b)->cards; card < (b)->cards + (b)->n_cards; card++)
#define function_for_each(card, f)                                                                 \
	for (const struct broker_function *f = (card)->facts.functions;                            \
	     f < (card)->facts.functions + (card)->facts.function_count; f++)

/* sysfs.c. 0 or -errno; what cannot be read is empty. */
extern const char *system_root;                       /* "" but in tests */
const char *at(const char *format, ...) PRINTF(1, 2); /* a path below it; good for three more */
const char *at_function(const struct card *card, unsigned int number, const char *attribute);
int text_read(const char *path, char *out, size_t size);   /* without its last newline */
uint64_t number_read(const char *path, const char *after); /* 0: there is none */
void link_read(const char *path, char *out, size_t size);  /* the last component */
struct dirent *dir_next(DIR **dir);                    /* without . and ..; closes it at the end */
int kernel_write(const char *path, const char *value); /* nothing else writes to sysfs */
uint64_t now_us(void);
uint64_t now_ms(void);
bool is_readable(int fd);
void close_fd(int *fd); /* and makes it -1 */
void close_file(FILE **file);
int fail(char *text, int error, const char *format, ...) PRINTF(3, 4); /* text[BROKER_TEXT_MAX] */

/* config.c, journal.c, launcher.c, packet.c, seat.c, main.c */
int config_load(struct broker *broker, const char *path, char *text);
/* Of that name ("": who may ask), with that user; NULL: any. NULL: there is none. */
const struct broker_guest *account_find(const struct broker *b, const char *name, const uid_t *uid);
int launcher_start(struct broker *broker, char *text); /* before the sandbox */
int launcher_ask(const struct broker *broker, const struct broker_request *request, char *text);
int journal_append(struct card *card, const char *format, ...) PRINTF(2, 3); /* on disk at 0 */
int journal_stage(struct card *card, const struct broker_stage *stage, uint32_t finished);
int journal_function(struct card *card, unsigned int number, const struct saved_function *function);
int journal_node(struct card *card, enum changed_nodes kind, const struct node *node);
int journal_loan(struct card *card, const struct loan *loan);
void journal_read(struct card *card); /* what is new in it */
void journal_lock(struct card *card); /* until this process ends, and reads it */
/* With what is still of use, while no worker has the card: a new one takes its place, and at any
 * time one of them is whole. If that fails it stays as it is. */
void journal_rewrite(struct card *card);
bool packet_check(const void *packet, size_t size, bool greeted, struct broker_request *out,
		  const char **why);
int seat_listen(struct broker *broker, const char *path, char *text);
void seat_accept(struct broker *broker);
void seat_adopt(struct broker *broker, int fd, int pidfd); /* both are taken */
void seat_read(struct broker *broker);
void seat_close(struct broker *broker, const char *why);
void seat_send(struct broker *broker, const struct broker_message *message);
void seat_done(struct broker *broker, const struct broker_request *request, int error,
	       const char *text);
void seat_facts(struct card *card, uint32_t serial);
void seat_list(struct broker *broker); /* answers the LIST under way when all is known */

/* operation.c, reconcile.c, worker.c */
/* Takes the borrower, unless the card has something else to do. */
int operation_request(struct card *card, const struct broker_request *request, int *borrower,
		      char *text);
void operation_worker(struct card *card, const struct report *report); /* its worker has ended */
void operation_late(struct card *card, uint64_t now);                  /* a deadline has passed */
bool card_idle(const struct card *card);
uint32_t card_flags(const struct card *card);
void card_settle(struct card *card); /* does unasked what has to be done with an idle card */
void card_watch(struct card *card);  /* whom it is lent to */
int worker_start(struct card *card, struct step step);
bool worker_finish(struct card *card, struct worker *worker, struct report *report);

/* The steps. look: reads the facts; save: journals what will be changed; scan: finds holders;
 * close, reopen: nodes, no new openers, as they were (number: which); unload: NVIDIA's modules. Of
 * one function: claim: vfio-pci is to have it, or (disclaim) not; unbind: from its host driver;
 * release: from vfio-pci if it is free; take: probed, vfio-pci has it; give: its host driver has
 * it. */
extern step_fn look_step, save_step, scan_step, close_step, reopen_step, reset_step, lend_step,
	reclaim_step, unload_step, claim_step, disclaim_step, unbind_step, release_step, take_step,
	give_step;
int identity_read(const struct card *card, unsigned int number, uint64_t *out); /* look.c */
int attribute_write(struct card *card, unsigned int number, const char *attribute,
		    const char *value); /* bind.c; journals it first */

#define node_for_each(nodes, node)                                                                 \
	for (const struct node *node = (nodes)->all; node < (nodes)->all + (nodes)->n; node++)
/* nodes.c; loan.c: a card's IOMMU groups. Each is added once. */
void node_add(struct nodes *nodes, const struct node *node);
void node_find(struct nodes *nodes, const char *path, dev_t device); /* 0: whichever it is */
void nodes_find(const struct card *card, struct nodes *out);
void groups_find(const struct card *card, struct nodes *out);
/* holders.c: the one that a descriptor in the folder /proc/PID/fd belongs to, or NULL. */
const struct node *node_open_in(const char *folder, const struct nodes *nodes);
int nodes_change(struct card *card, enum changed_nodes kind, const struct nodes *nodes, mode_t mode,
		 uid_t uid);
struct groups {
	unsigned int n;
	int fds[BROKER_FUNCTIONS_MAX];
};
int groups_open(const struct card *card, struct groups *out, char *text); /* -EBUSY: another has */
void groups_close(struct groups *groups);
bool groups_are_open(const struct card *card, char *text); /* by another */
uint64_t process_start(pid_t pid); /* in ticks after the machine's; 0: it has ended */
pid_t pidfd_pid(int pidfd);

int sandbox_enter(char *text);

#endif
