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

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define COMPACT_BYTES 131072

static const char *const finished_names[] = { "intent", "done", "failed" };

int journal_open(struct broker *broker)
{
	if (mkdir(broker->journal, 0700) < 0 && errno != EEXIST) {
		return -errno;
	}
	return text_read(broker->boot_id, sizeof(broker->boot_id),
			 "/proc/sys/kernel/random/boot_id");
}

static void journal_path(const struct card *card, const char *ending, char out[256])
{
	snprintf(out, 256, "%.200s/%s.journal%s", card->broker->journal, card->name, ending);
}

static int append_line(const char *path, const char *line)
{
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	size_t n = strlen(line);

	if (fd < 0 || write(fd, line, n) != (ssize_t)n || fsync(fd) < 0) {
		return errno ? -errno : -ENOSPC;
	}
	return 0;
}

int journal_append(struct card *card, const char *format, ...)
{
	char path[256], line[512];
	va_list args;
	int n = snprintf(line, sizeof(line), "%s %" PRIu64 " ", card->broker->boot_id, now_us());

	va_start(args, format);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
	va_end(args);
	if (n > (int)sizeof(line) - 2) {
		return -E2BIG;
	}
	line[n] = '\n';
	line[n + 1] = '\0';
	journal_path(card, "", path);
	return append_line(path, line);
}

int journal_stage(struct card *card, const struct broker_stage *stage, uint32_t finished)
{
	return journal_append(card, "%s %s %s %s", stage->name[0] ? stage->name : "-",
			      stage->from[0] ? stage->from : "-", stage->to[0] ? stage->to : "-",
			      finished_names[finished]);
}

static void parse_function(struct saved *saved, const char *line)
{
	struct saved_function found = { .known = true };
	char hex[2 * CONFIG_BYTES + 1];
	unsigned int number;

	if (sscanf(line, "@function %u %31s %7s %3s %128s", &number, found.driver, found.power,
		   found.d3cold, hex) != 5 ||
	    number >= BROKER_FUNCTIONS_MAX || strlen(hex) != 2 * CONFIG_BYTES) {
		return;
	}
	for (size_t i = 0; i < CONFIG_BYTES; i++) {
		char pair[] = { hex[2 * i], hex[2 * i + 1], '\0' };

		found.config[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	if (!strcmp(found.driver, "-")) {
		found.driver[0] = '\0';
	}
	saved->functions[number] = found;
}

/* A node that stands here already keeps what was found first. */
static void parse_node(struct saved *saved, const char *line)
{
	struct saved_node node;
	unsigned int major, minor;
	char kind[6];

	if (saved->n_nodes == SAVED_NODES_MAX ||
	    sscanf(line, "@node %5s %47s %u:%u %o %u %u", kind, node.path, &major, &minor,
		   &node.mode, &node.uid, &node.gid) != 7) {
		return;
	}
	node.device = makedev(major, minor);
	node.loan = !strcmp(kind, "loan");
	for (unsigned int i = 0; i < saved->n_nodes; i++) {
		if (!strcmp(saved->nodes[i].path, node.path)) {
			return;
		}
	}
	saved->nodes[saved->n_nodes++] = node;
}

static void forget_nodes(struct saved *saved, bool loan)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < saved->n_nodes; i++) {
		if (saved->nodes[i].loan != loan) {
			saved->nodes[kept++] = saved->nodes[i];
		}
	}
	saved->n_nodes = kept;
}

static void parse_stage(struct saved *saved, const char *line)
{
	struct broker_stage stage = { 0 };
	char finished[7];

	if (sscanf(line, "%23s %63s %63s %6s", stage.name, stage.from, stage.to, finished) != 4) {
		return;
	}
	stage.from[0] = strcmp(stage.from, "-") ? stage.from[0] : '\0';
	stage.to[0] = strcmp(stage.to, "-") ? stage.to[0] : '\0';
	stage.finished = !strcmp(finished, "done") ? 1 : !strcmp(finished, "failed") ? 2 : 0;
	saved->stage = stage;
}

/* One line without boot id and time. */
void saved_parse(struct saved *saved, const char *line)
{
	struct loan loan;

	if (line[0] != '@') {
		parse_stage(saved, line);
	} else if (!strncmp(line, "@function ", 10)) {
		parse_function(saved, line);
	} else if (!strncmp(line, "@node ", 6)) {
		parse_node(saved, line);
	} else if (sscanf(line, "@lent %d %" SCNu64 " %" SCNu64 " %" SCNu64, &loan.pid, &loan.start,
			  &loan.soft, &loan.hard) == 4) {
		saved->loan = loan;
	} else if (!strcmp(line, "@drained")) {
		saved->drained = true;
	} else if (!strcmp(line, "@reopened")) {
		saved->drained = false;
		forget_nodes(saved, false);
	} else if (!strcmp(line, "@taken-back")) {
		saved->loan = (struct loan){ 0 };
		forget_nodes(saved, true);
	} else if (!strcmp(line, "@returned")) {
		memset(saved->functions, 0, sizeof(saved->functions));
	}
}

void journal_read(struct card *card)
{
	size_t id = strlen(card->broker->boot_id);
	char path[256], line[512];
	FILE *file;

	journal_path(card, "", path);
	file = fopen(path, "re");
	if (!file || fseeko(file, card->saved.read, SEEK_SET) < 0) {
		if (file) {
			fclose(file);
		}
		return;
	}
	/* A line that is still being written has no end yet, and is read the next time. */
	while (fgets(line, sizeof(line), file) && strchr(line, '\n')) {
		char *rest = line + id + 1;

		card->saved.read = ftello(file);
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, card->broker->boot_id, id) && line[id] == ' ' &&
		    strchr(rest, ' ')) {
			saved_parse(&card->saved, strchr(rest, ' ') + 1);
		}
	}
	fclose(file);
}

/* Only what is still of use is written to a new file: lines that saved_parse() made no use of, or
 * whose subject is over, are lost. Done while nothing is under way. */
static int write_compacted(struct card *card, FILE *out)
{
	const struct saved *saved = &card->saved;
	const char *id = card->broker->boot_id;

	for (unsigned int i = 0; i < BROKER_FUNCTIONS_MAX; i++) {
		const struct saved_function *f = &saved->functions[i];

		if (f->known) {
			fprintf(out, "%s 0 @function %u %s %s %s ", id, i,
				f->driver[0] ? f->driver : "-", f->power, f->d3cold);
			for (size_t k = 0; k < CONFIG_BYTES; k++) {
				fprintf(out, "%02x", f->config[k]);
			}
			fprintf(out, "\n");
		}
	}
	for (unsigned int i = 0; i < saved->n_nodes; i++) {
		const struct saved_node *n = &saved->nodes[i];

		fprintf(out, "%s 0 @node %s %s %u:%u %o %u %u\n", id, n->loan ? "loan" : "drain",
			n->path, major(n->device), minor(n->device), n->mode, n->uid, n->gid);
	}
	if (saved->drained) {
		fprintf(out, "%s 0 @drained\n", id);
	}
	if (saved->loan.pid) {
		fprintf(out, "%s 0 @lent %d %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", id,
			saved->loan.pid, saved->loan.start, saved->loan.soft, saved->loan.hard);
	}
	return fflush(out) || fsync(fileno(out)) ? -errno : 0;
}

void journal_compact(struct card *card)
{
	char path[256], next[256];
	FILE *out;
	int r;

	if (card->saved.read < COMPACT_BYTES) {
		return;
	}
	journal_path(card, "", path);
	journal_path(card, ".new", next);
	out = fopen(next, "we");
	if (!out) {
		return;
	}
	r = write_compacted(card, out);
	fclose(out);
	if (r == 0 && rename(next, path) == 0) {
		const struct broker_stage stage = card->saved.stage;

		card->saved = (struct saved){ 0 };
		journal_stage(card, &stage, stage.finished);
		journal_read(card);
	}
}
