// SPDX-License-Identifier: MIT
/*
 * The journal of a card, DIR/0000:01:00.journal: append-only lines of text, each on disk before
 * what it announces is done.
 *
 *   BOOT-ID TIME STAGE FROM TO intent|done|failed     a stage; "-" is the host or nobody
 *   BOOT-ID TIME @WORD …                              our own notes: what was found before a change
 *
 * The kernel is the truth; the journal says what to put back, and which way to finish. Lines of
 * another boot mean nothing: nodes, drivers and limits do not survive one.
 */
#include "passthrough/broker/broker.h"

#include <inttypes.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/sysmacros.h>

#define LONG_BYTES 65536 /* then it is begun anew, when nothing in it is of use any more */

static const char *const finished_names[] = { "intent", "done", "failed" };

static int file_open(const struct card *card, int flags)
{
	char path[256];

	snprintf(path, sizeof(path), "%.200s/%s.journal", card->broker->journal, card->name);
	return open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

int journal_append(struct card *card, const char *format, ...)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "%s %" PRIu64 " ", card->broker->boot_id, now_us());
	_cleanup_(close_fd) int fd = file_open(card, O_WRONLY | O_APPEND | O_CREAT);
	va_list args;

	va_start(args, format);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	va_end(args);
	n = n < (int)sizeof(line) ? n : (int)sizeof(line) - 1;
	line[n++] = '\n';
	errno = fd < 0 ? errno : ENOSPC; /* as after a write that is cut short */
	return fd < 0 || write(fd, line, (size_t)n) != n || fsync(fd) < 0 ? -errno : 0;
}

int journal_stage(struct card *card, const struct broker_stage *stage, uint32_t finished)
{
	struct saved *saved = &card->saved;
	int fd = -1;

	if (saved->read > LONG_BYTES && !saved->drained && !saved->loan.pid &&
	    !saved->functions[0].known) {
		fd = file_open(card, O_WRONLY | O_TRUNC);
		saved->read = 0;
		close_fd(&fd);
	}
	return journal_append(card, "%s %s %s %s", OR_NONE(stage->name), OR_NONE(stage->from),
			      OR_NONE(stage->to), finished_names[finished]);
}

int journal_function(struct card *card, unsigned int number, const struct saved_function *function)
{
	return journal_append(card, "@function %u %s %s %s %" PRIx64, number,
			      OR_NONE(function->driver), OR_NONE(function->power),
			      OR_NONE(function->d3cold), function->identity);
}

int journal_node(struct card *card, enum changed_nodes kind, const struct node *node)
{
	return journal_append(card, "@node %u %s %u:%u %o %u %u", kind, node->path,
			      major(node->device), minor(node->device), node->mode, node->uid,
			      node->gid);
}

int journal_loan(struct card *card, const struct loan *loan)
{
	return journal_append(card, "@lent %d %" PRIu64 " %" PRIu64, loan->pid, loan->start,
			      loan->bytes);
}

/* Their parts, as they are written above. A node that stands here keeps what was found first. */
static void parse_found(struct saved *saved, const char *line)
{
	struct saved_function function = { .known = true };
	unsigned int number, major, minor;
	struct node node;
	struct loan loan;

	if (sscanf(line, "@function %u %31s %7s %3s %" SCNx64, &number, function.driver,
		   function.power, function.d3cold, &function.identity) == 5 &&
	    number < BROKER_FUNCTIONS_MAX) {
		saved->functions[number] = function;
	} else if (sscanf(line, "@node %u %47s %u:%u %o %u %u", &number, node.path, &major, &minor,
			  &node.mode, &node.uid, &node.gid) == 7 &&
		   number < CHANGED_NODES) {
		node.device = makedev(major, minor);
		node_add(&saved->nodes[number], &node);
	} else if (sscanf(line, "@lent %d %" SCNu64 " %" SCNu64, &loan.pid, &loan.start,
			  &loan.bytes) == 3) {
		saved->loan = loan;
	}
}

static void parse_stage(struct saved *saved, const char *line)
{
	struct broker_stage stage = { 0 };
	char finished[7];

	if (sscanf(line, "%23s %63s %63s %6s", stage.name, stage.from, stage.to, finished) == 4) {
		stage.from[0] *= strcmp(stage.from, "-") != 0;
		stage.to[0] *= strcmp(stage.to, "-") != 0;
		stage.finished = finished[0] == 'd' ? 1 : finished[0] == 'f' ? 2 : 0;
		saved->stage = stage;
	}
}

static void parse(struct saved *saved, const char *line)
{
	if (line[0] != '@') {
		parse_stage(saved, line);
	} else if (!strcmp(line, "@drained")) {
		saved->drained = true;
	} else if (!strcmp(line, "@reopened")) {
		saved->drained = false;
		saved->nodes[DRAINED_NODES].n = 0;
	} else if (!strcmp(line, "@reclaimed")) {
		saved->loan.pid = 0;
		saved->nodes[LENT_NODES].n = 0;
	} else if (!strcmp(line, "@returned")) {
		memset(saved->functions, 0, sizeof(saved->functions));
	} else {
		parse_found(saved, line);
	}
}

void journal_read(struct card *card)
{
	int fd = file_open(card, O_RDONLY), start = 0;
	_cleanup_(close_file) FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	char line[512], id[40];

	if (!file || fseeko(file, card->saved.read, SEEK_SET) < 0) {
		return;
	}
	/* A line that is still being written has no end yet: it is read the next time. */
	while (fgets(line, sizeof(line), file) && strchr(line, '\n')) {
		card->saved.read = ftello(file);
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%39s %*u %n", id, &start) == 1 && start &&
		    !strcmp(id, card->broker->boot_id)) {
			parse(&card->saved, line + start);
		}
	}
}

/* Waits for a worker of a broker that was killed: what it still does must be seen. */
void journal_lock(struct card *card)
{
	flock(file_open(card, O_RDONLY | O_CREAT), LOCK_EX);
	journal_read(card);
}
