/* SPDX-License-Identifier: MIT */
/*
 * The broker: the only part of Baton that runs as root. It moves the PCI functions of the cards
 * in its configuration between their host drivers and vfio-pci, lends them to a guest's QEMU, and
 * does nothing else. It speaks proto/broker.h with one seat.
 *
 * One process waits in poll() (main.c) and never touches what may block: every read or write of
 * sysfs, other processes' procfs, VFIO and node modes happens in a worker, a forked child for one
 * step of one operation. The parent waits for its pidfd with two deadlines. A worker that misses
 * the second is left alone, the card is WEDGED, and when the worker does end the truth is read anew.
 *
 *   main.c       options, the loop            operation.c  a request as a list of steps
 *   config.c     who may, which cards         reconcile.c  what nobody asked for: start, lost seat,
 *   seat.c       the connection                            dead borrower
 *   packet.c     is this packet well-formed   worker.c     the disposable child
 *   journal.c    what must outlive us         the steps:   look.c bind.c nodes.c holders.c reset.c
 *   sysfs.c      small files                               loan.c modules.c
 */
#ifndef PASSTHROUGH_BROKER_BROKER_H
#define PASSTHROUGH_BROKER_BROKER_H

#include <dirent.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "proto/broker.h"

#define USERS_MAX 8
#define STEPS_MAX 48
#define SAVED_NODES_MAX 48
#define CONFIG_BYTES 64 /* the header of the configuration space */
#define SEAT_GRACE_MS 10000 /* how long a pooled card waits for a seat to come back */
#define DISPLAY_CLASS 0x03
#define NEVER UINT64_MAX

static inline void close_fd_ptr(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
}
static inline void closedir_ptr(DIR **dir)
{
	if (*dir) {
		closedir(*dir);
	}
}
#define _cleanup_close_ __attribute__((cleanup(close_fd_ptr)))
#define _cleanup_closedir_ __attribute__((cleanup(closedir_ptr)))
#define PRINTF(a, b) __attribute__((format(printf, a, b)))

/* What the journal of this boot says: what was found before it was changed, so that it can be put
 * back. Filled by journal_read() alone. */
struct saved_function {
	bool known; /* driver, power and config are filled in */
	char driver[32]; /* the host's; empty: it had none */
	char power[8], d3cold[4];
	uint8_t config[CONFIG_BYTES];
};
struct saved_node {
	char path[48]; /* from /dev on */
	dev_t device;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	bool loan; /* the VFIO group's, changed by LEND; else one that DRAIN closed */
};
struct loan {
	pid_t pid;      /* 0: not lent */
	uint64_t start; /* of the process, in clock ticks since boot: the pid alone may be reused */
	uint64_t soft, hard; /* bytes by which the memlock limits were raised */
};
struct saved {
	struct saved_function functions[BROKER_FUNCTIONS_MAX];
	struct saved_node nodes[SAVED_NODES_MAX];
	unsigned int n_nodes;
	bool drained;
	struct loan loan;
	struct broker_stage stage; /* the last one */
	off_t read; /* so far of the file */
};

enum step_kind {
	STEP_LOOK,     /* reads the facts */
	STEP_SAVE,     /* journals what DETACH will change */
	STEP_SCAN,     /* finds holders; the operation fails when there are some */
	STEP_LIST,     /* finds holders */
	STEP_CLOSE,    /* nodes: no new openers */
	STEP_REOPEN,   /* nodes: as they were */
	STEP_POWER,    /* one function: awake */
	STEP_UNPOWER,  /* one function: as it was */
	STEP_OVERRIDE, /* one function: vfio-pci is to be its driver */
	STEP_CLEAR,    /* one function: any driver is */
	STEP_UNBIND,   /* one function, from its host driver */
	STEP_RELEASE,  /* one function, from vfio-pci */
	STEP_TAKE,     /* one function: probed, vfio-pci has it */
	STEP_GIVE,     /* one function: probed, its host driver has it */
	STEP_FREE,     /* nobody has the group open */
	STEP_RESET,
	STEP_LEND,
	STEP_TAKE_BACK,
	STEP_UNLOAD, /* one module */
	STEP_KIND_COUNT
};
struct step {
	uint8_t kind;
	uint8_t number; /* of the function or module */
};

/* What a worker tells its parent. */
struct report {
	int32_t error;
	uint32_t reset_count; /* STEP_RESET: functions that the reset covered */
	char text[BROKER_TEXT_MAX];
	struct broker_facts facts; /* STEP_LOOK */
	uint32_t n_holders;        /* STEP_SCAN, STEP_LIST; all of them, also those not told */
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
	uint32_t verb; /* 0: none */
	uint32_t serial;
	uint32_t connection; /* the seat that asked */
	uint64_t started_us;
	uint64_t memory_bytes;
	int borrower; /* pidfd, or -1 */
	struct broker_stage stage;
	struct step steps[STEPS_MAX];
	unsigned int n_steps, at;
	bool permitted; /* the first look is done and it may go on */
	bool undoing;   /* it failed half-way: the steps are those of the way back */
	int error;      /* the first failure */
	char text[BROKER_TEXT_MAX];
	struct worker worker;
};

struct card {
	struct broker *broker;
	struct broker_slot slot;
	char name[16]; /* "0000:01:00" */
	struct saved saved;
	struct broker_facts facts; /* as of the last look; valid if looked */
	bool looked, clean;
	int loan_pidfd; /* of the borrower, or -1 */
	struct operation operation;
	struct broker_request waiting; /* verb 0: none; until what we do by ourselves is over */
	int waiting_borrower;
	struct worker stuck; /* missed its hard deadline: the card is WEDGED */
	char note[BROKER_TEXT_MAX]; /* what is wrong with it, or empty */
	uint32_t reset_count;
	bool listed;   /* by the LIST under way: still to be looked at */
	bool stale;    /* to be looked at when idle */
	bool changed;  /* the facts, since they were last told */
	bool reset_tried; /* by ourselves, before it goes home */
	uint64_t retry; /* what we do by ourselves is not done before, ms; NEVER: it failed */
};

struct broker {
	uid_t users[USERS_MAX];
	unsigned int n_users, n_cards;
	struct card cards[BROKER_CARDS_MAX];
	const char *journal; /* folder */
	char boot_id[40];
	unsigned int hurry; /* deadlines are divided by this; 1 but in tests */
	int listener, uevents, seat, seat_pidfd; /* -1: none */
	bool greeted;
	uint32_t connection; /* counts connections */
	uint32_t list_serial; /* of the LIST under way, or 0 */
	uint64_t list_started_us;
	uint64_t seat_gone; /* since when, ms; NEVER: there is one */
};

/* sysfs.c. Paths are formatted, and stand below system_root: "" but in tests. 0 or -errno. */
extern const char *system_root;
void path_format(char out[256], const char *format, ...) PRINTF(2, 3);
int text_read(char *out, size_t size, const char *format, ...) PRINTF(3, 4); /* without its last newline */
int link_read(char *out, size_t size, const char *format, ...) PRINTF(3, 4); /* last component */
int node_open(int flags, const char *format, ...) PRINTF(2, 3);
DIR *dir_open(const char *format, ...) PRINTF(1, 2); /* NULL: errno */
struct dirent *dir_next(DIR *dir); /* without . and .. */
int kernel_write(const char *path, const char *value); /* the one function that changes sysfs */
/* Journals it first. */
int attribute_write(struct card *card, const char *value, const char *format, ...) PRINTF(3, 4);
uint64_t now_us(void);
uint64_t now_ms(void);
void say(const char *format, ...) PRINTF(1, 2);
/* Writes one sentence of BROKER_TEXT_MAX bytes and returns the error. */
int fail(char *text, int error, const char *format, ...) PRINTF(3, 4);

/* config.c. A mistake is told in text. */
int config_load(struct broker *broker, const char *path, char *text);
int slot_parse(const char *text, struct broker_slot *out);
struct card *card_find(struct broker *broker, const struct broker_slot *slot);

/* journal.c */
int journal_open(struct broker *broker); /* makes the folder, reads the boot id */
int journal_append(struct card *card, const char *format, ...) PRINTF(2, 3); /* on disk at 0 */
int journal_stage(struct card *card, const struct broker_stage *stage, uint32_t finished);
void journal_read(struct card *card); /* what is new since the last time, into card->saved */
void journal_compact(struct card *card); /* when it has become long */
void saved_parse(struct saved *saved, const char *line);

/* packet.c: whether a packet may be obeyed; else *why the connection ends. */
bool packet_check(const void *packet, size_t size, bool greeted, struct broker_request *out,
		  const char **why);
bool name_check(const char *name); /* may stand in the journal */

/* seat.c */
int seat_listen(struct broker *broker, const char *path, char *text);
void seat_accept(struct broker *broker);
void seat_adopt(struct broker *broker, int fd, int pidfd); /* both are taken */
void seat_read(struct broker *broker);
void seat_close(struct broker *broker, const char *why);
void seat_send(struct broker *broker, const struct broker_message *message);
void seat_answer(struct broker *broker, const struct broker_request *request, int error,
		 const char *text);
void seat_facts(struct card *card, uint32_t serial);
void list_continue(struct broker *broker);

/* operation.c */
extern const struct step_type {
	const char *name;
	int (*run)(struct card *card, unsigned int number, struct report *report);
	unsigned int soft_s, hard_s;
} step_types[STEP_KIND_COUNT];
void operation_request(struct card *card, const struct broker_request *request, int borrower);
void operation_start(struct card *card, uint32_t verb, const char *why); /* of our own */
void operation_worker(struct card *card, const struct report *report);
void operation_late(struct card *card, uint64_t now);
bool card_idle(const struct card *card);

/* reconcile.c */
void card_settle(struct card *card); /* an idle card: what has to be done, if anything */
void card_watch_borrower(struct card *card);
bool card_pooled(const struct card *card); /* every function on vfio-pci */

/* worker.c */
int worker_start(struct card *card, struct step step);
bool worker_finish(struct card *card, struct worker *worker, struct report *report);
void worker_where(const struct card *card, const struct worker *worker, char *out, size_t size);

/* Steps, in a worker. 0 or -errno with report->text. */
int look_step(struct card *card, unsigned int number, struct report *report);
int save_step(struct card *card, unsigned int number, struct report *report);
int config_read(const struct card *card, unsigned int number, uint8_t out[CONFIG_BYTES]);
int scan_step(struct card *card, unsigned int number, struct report *report);
int list_step(struct card *card, unsigned int number, struct report *report);
int close_step(struct card *card, unsigned int number, struct report *report);
int reopen_step(struct card *card, unsigned int number, struct report *report);
int power_step(struct card *card, unsigned int number, struct report *report);
int unpower_step(struct card *card, unsigned int number, struct report *report);
int override_step(struct card *card, unsigned int number, struct report *report);
int clear_step(struct card *card, unsigned int number, struct report *report);
int unbind_step(struct card *card, unsigned int number, struct report *report);
int release_step(struct card *card, unsigned int number, struct report *report);
int take_step(struct card *card, unsigned int number, struct report *report);
int give_step(struct card *card, unsigned int number, struct report *report);
int free_step(struct card *card, unsigned int number, struct report *report);
int reset_step(struct card *card, unsigned int number, struct report *report);
int lend_step(struct card *card, unsigned int number, struct report *report);
int take_back_step(struct card *card, unsigned int number, struct report *report);
int unload_step(struct card *card, unsigned int number, struct report *report);

/* nodes.c: the character devices that processes reach a card by. */
struct node {
	char path[48];
	dev_t device;
};
unsigned int nodes_find(const struct card *card, struct node *out, unsigned int max);
/* Journals what it was first. uid -1: keeps its owner. */
int node_change(struct card *card, bool loan, const char *path, mode_t mode, uid_t uid);
int nodes_restore(struct card *card, bool loan);
bool process_has_group(pid_t pid, const struct card *card); /* holders.c */

/* loan.c: the card's IOMMU groups, each once, opened: nobody else can meanwhile. */
struct groups {
	unsigned int n;
	int numbers[BROKER_FUNCTIONS_MAX], fds[BROKER_FUNCTIONS_MAX];
};
void groups_find(const struct card *card, struct groups *out); /* unopened */
int groups_open(const struct card *card, struct groups *out, char *text); /* -EBUSY: somebody has */
void groups_close(struct groups *groups);
int process_start(pid_t pid, uint64_t *out);
pid_t pidfd_pid(int pidfd);

/* sandbox.c */
int sandbox_enter(void);

#endif
