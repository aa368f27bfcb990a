// SPDX-License-Identifier: MIT
/*
 * The journal of a card, DIR/0000:01:00.journal: append-only lines of text, each on disk before
 * what it announces is done.
 *
 *   BOOT-ID TIME STAGE FROM TO intent|done|failed     a stage; "-" is the host or nobody
 *   BOOT-ID TIME @WORD …                              our own notes: what was found before a change
 *
 * The kernel is the truth; the journal says what to put back, and which way to finish. Lines of
 * another boot mean nothing: nodes, drivers and limits do not survive one. When it is long and the
 * card idle it is rewritten with what is still of use.
 */
#include "passthrough/broker/broker.h"

#include <inttypes.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/sysmacros.h>

static const char *const finished_names[] = { "intent", "done", "failed" };

/* Beside the journal: "new", which will be it, and "lock", which is never replaced. */
static const char *file_path(const struct card *card, const char *kind)
{
	return at("%s/%s.%s", card->broker->journal, card->name, kind);
}

int journal_append(struct card *card, const char *format, ...)
{
	const char *kind = card->rewriting ? "new" : "journal";
	_cleanup_(close_file) FILE *file = fopen(file_path(card, kind), "ae");
	va_list args;

	if (!file) {
		return -errno;
	}
	/* It stays in the buffer until it is whole: a line is one write. */
	fprintf(file, "%s %" PRIu64 " ", card->broker->boot_id, now_us());
	va_start(args, format);
	vfprintf(file, format, args);
	va_end(args);
	fputc('\n', file);
	return fflush(file) < 0 || fsync(fileno(file)) < 0 ? -errno : 0;
}

int journal_stage(struct card *card, const struct broker_stage *stage, uint32_t finished)
{
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
	_cleanup_(close_file) FILE *file = fopen(file_path(card, "journal"), "re");
	char line[512], id[40];
	int start = 0;

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
	flock(open(file_path(card, "lock"), O_RDONLY | O_CREAT | O_CLOEXEC, 0600), LOCK_EX);
	journal_read(card);
}

/* All that is saved, into the new one. */
static int write_saved(struct card *card)
{
	const struct saved *saved = &card->saved;
	const struct broker_stage *stage = &saved->stage;
	int r = journal_append(card, "@rewritten");

	for (unsigned int i = 0; i < BROKER_FUNCTIONS_MAX && r == 0; i++) {
		r = saved->functions[i].known ? journal_function(card, i, &saved->functions[i]) : 0;
	}
	for (unsigned int kind = 0; kind < CHANGED_NODES; kind++) {
		node_for_each(&saved->nodes[kind], node)
		{
			r = r ?: journal_node(card, kind, node);
		}
	}
	r = r ?: saved->drained ? journal_append(card, "@drained") : 0;
	r = r ?: saved->loan.pid ? journal_loan(card, &saved->loan) : 0;
	return r || !stage->name[0] ? r : journal_stage(card, stage, stage->finished);
}

void journal_rewrite(struct card *card)
{
	_cleanup_(close_fd) int folder =
		open(at("%s", card->broker->journal), O_RDONLY | O_CLOEXEC);
	_cleanup_(close_fd) int lock =
		open(file_path(card, "lock"), O_RDONLY | O_CREAT | O_CLOEXEC, 0600);

	/* A worker that an earlier broker has left may still write into the old one. */
	card->rewriting = flock(lock, LOCK_EX | LOCK_NB) == 0;
	unlink(file_path(card, "new"));
	if (card->rewriting && write_saved(card) == 0 &&
	    rename(file_path(card, "new"), file_path(card, "journal")) == 0) {
		fsync(folder);
		card->saved = (struct saved){ 0 };
		journal_read(card);
	}
	card->rewriting = false;
}
