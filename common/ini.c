// SPDX-License-Identifier: MIT
/*
 * Configuration files; see ini.h. The reader is our own: a guest's kernel command line or list of
 * QEMU arguments is longer than the 200 bytes a line that the usual library is built for, and its
 * handler is not told the line that a mistake is in.
 */
#include "common/ini.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/strv.h"

/* No settings file is near this; a device node or a disk image named by mistake is over it. */
#define INI_FILE_MAX (256 * 1024)

struct ini_report {
	char **lines;
};

struct ini_report *ini_report_create(void)
{
	return calloc(1, sizeof(struct ini_report));
}

void ini_report_destroy(struct ini_report *report)
{
	if (report) {
		strv_free(report->lines);
		free(report);
	}
}

size_t ini_report_count(const struct ini_report *report)
{
	return strv_length(report->lines);
}

const char *ini_report_line(const struct ini_report *report, size_t i)
{
	return report->lines[i];
}

void ini_report_add(struct ini_report *report, const char *file, int line, const char *key,
		    const char *format, ...)
{
	_cleanup_free_ char *message = NULL;
	char number[16] = "";
	va_list args;
	int r;

	va_start(args, format);
	r = vasprintf(&message, format, args);
	va_end(args);
	if (r < 0) {
		message = NULL;
		return;
	}
	if (line > 0) {
		snprintf(number, sizeof(number), "%d: ", line);
	}
	/* Without memory for the report there is none for anything else: the load fails too. */
	(void)strv_appendf(&report->lines, "%s%s%s%s%s%s", file ? file : "",
			   file ? (line > 0 ? ":" : ": ") : "", number, key ? key : "",
			   key ? ": " : "", message);
}

struct ini_reader {
	const char *path;
	const struct ini_key *keys;
	void *settings;
	struct ini_report *report;
	char section[64];
	bool section_skipped; /* somebody else's, or reported already */
	bool secondary;       /* the table has INI_OTHERS */
	int line;
};

/* The number of edits (insert, delete, replace) between two words, at most INI_DISTANCE_MAX. */
#define INI_DISTANCE_MAX 32
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[INI_DISTANCE_MAX + 1], n = strlen(a), m = strlen(b);

	if (n > INI_DISTANCE_MAX || m > INI_DISTANCE_MAX) {
		return INI_DISTANCE_MAX;
	}
	for (size_t j = 0; j <= m; j++) {
		row[j] = j;
	}
	for (size_t i = 1; i <= n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = diagonal + (tolower((unsigned char)a[i - 1]) !=
						  tolower((unsigned char)b[j - 1]));

			best = row[j] + 1 < best ? row[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[m];
}

/* The known name that name was most likely meant to be; section NULL: among sections. */
static const char *nearest_name(const struct ini_key keys[], const char *section, const char *name)
{
	const char *nearest = NULL;
	size_t best = SIZE_MAX;

	for (const struct ini_key *k = keys; k->section; k++) {
		const char *candidate = section ? k->key : k->section;
		size_t distance = candidate ? edit_distance(name, candidate) : SIZE_MAX;

		if ((!section || strcmp(section, k->section) == 0) && distance < best) {
			best = distance;
			nearest = candidate;
		}
	}
	return nearest;
}

static void open_section(struct ini_reader *reader, const char *name)
{
	bool known = false;

	snprintf(reader->section, sizeof(reader->section), "%s", name);
	reader->section_skipped = true;
	for (const struct ini_key *k = reader->keys; k->section; k++) {
		if (strcmp(k->section, reader->section) == 0) {
			known = true;
			reader->section_skipped = !k->key;
		}
	}
	if (!known && !reader->secondary) {
		ini_report_add(reader->report, reader->path, reader->line, NULL,
			       "there is no section [%s]; did you mean [%s]?", name,
			       nearest_name(reader->keys, NULL, name));
	}
}

static const struct ini_key *find_key(const struct ini_reader *reader, const char *name)
{
	for (const struct ini_key *k = reader->keys; k->section; k++) {
		if (strcmp(k->section, reader->section) == 0 && strcmp(k->key, name) == 0) {
			return k;
		}
	}
	return NULL;
}

static int set_key(struct ini_reader *reader, const char *name, const char *value)
{
	char expected[256] = "another value";
	const struct ini_key *key;
	int r;

	if (reader->section_skipped) {
		return 0;
	}
	key = find_key(reader, name);
	if (!key) {
		ini_report_add(reader->report, reader->path, reader->line, name,
			       "there is no such key in [%s]; did you mean \"%s\"?",
			       reader->section,
			       nearest_name(reader->keys, reader->section, name));
		return 0;
	}
	r = key->parse(value, (char *)reader->settings + key->offset, expected, sizeof(expected));
	if (r == -EINVAL) {
		ini_report_add(reader->report, reader->path, reader->line, name,
			       "\"%s\" is not right; expected %s", value, expected);
		return 0;
	}
	return r;
}

static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t\r");
	n = strlen(s);
	while (n > 0 && strchr(" \t\r", s[n - 1])) {
		s[--n] = '\0';
	}
	return s;
}

static int read_line(struct ini_reader *reader, char *line)
{
	char *s = trim(line), *equals = strchr(s, '=');
	size_t n = strlen(s);

	if (n == 0 || *s == '#' || *s == ';') {
		return 0;
	}
	if (*s == '[' && s[n - 1] == ']') {
		s[n - 1] = '\0';
		open_section(reader, trim(s + 1));
		return 0;
	}
	if (reader->secondary && (!equals || equals == s || !*reader->section)) {
		return 0;
	}
	if (!equals || equals == s) {
		ini_report_add(reader->report, reader->path, reader->line, NULL,
			       "\"%s\" is neither [section] nor key = value nor # comment", s);
		return 0;
	}
	*equals = '\0';
	if (!*reader->section) {
		ini_report_add(reader->report, reader->path, reader->line, trim(s),
			       "a key needs a section before it; put [%s] above",
			       reader->keys->section);
		return 0;
	}
	return set_key(reader, trim(s), trim(equals + 1));
}

static int read_text(struct ini_reader *reader, char *text)
{
	char *line;
	int r = 0;

	if (strncmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3; /* a byte order mark, as some editors write it */
	}
	while (r >= 0 && (line = strsep(&text, "\n"))) {
		reader->line++;
		r = read_line(reader, line);
	}
	return r;
}

/* The whole file with a terminating NUL. Only a regular file: a FIFO would keep us waiting. */
static int read_file(const char *path, char **out)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0) {
		return -errno;
	}
	if (!S_ISREG(st.st_mode)) {
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	}
	if (st.st_size > INI_FILE_MAX) {
		return -EFBIG;
	}
	text = malloc((size_t)st.st_size + 1);
	if (!text) {
		return -ENOMEM;
	}
	n = read(fd, text, (size_t)st.st_size);
	if (n < 0) {
		return -errno;
	}
	text[n] = '\0';
	*out = take_ptr(text);
	return 0;
}

int ini_load(const char *path, const struct ini_key keys[], void *settings,
	     struct ini_report *report)
{
	struct ini_reader reader = {
		.path = path, .keys = keys, .settings = settings, .report = report,
	};
	size_t mistakes = ini_report_count(report);
	_cleanup_free_ char *text = NULL;
	int r = read_file(path, &text);

	for (const struct ini_key *k = keys; k->section; k++) {
		reader.secondary |= strcmp(k->section, INI_OTHERS) == 0;
	}
	if (r < 0 && !reader.secondary) {
		ini_report_add(report, path, 0, NULL, "cannot be read: %s", strerror(-r));
	}
	if (r < 0) {
		return r;
	}
	r = read_text(&reader, text);
	if (r < 0) {
		return r;
	}
	return ini_report_count(report) > mistakes ? -EINVAL : 0;
}

static int is_ini_file(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot && strcmp(dot, ".ini") == 0;
}

int ini_list(const char *folder, struct ini_report *report, char ***files)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_ini_file, alphasort), r = 0;

	if (count < 0) {
		r = -errno;
		if (report) {
			ini_report_add(report, folder, 0, NULL, "cannot be read: %s", strerror(-r));
		}
		return r;
	}
	for (int i = 0; i < count; i++) {
		if (r >= 0) {
			r = strv_appendf(files, "%s/%s", folder, entries[i]->d_name);
		}
		free(entries[i]);
	}
	free(entries);
	return r;
}

int ini_find_line(const char *path, const char *section, const char *key, unsigned int index)
{
	_cleanup_free_ char *text = NULL;
	bool inside = false;
	int number = 0;
	char *rest, *line;

	if (!key || read_file(path, &text) < 0) {
		return 0;
	}
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		char *s = trim(line), *end = strpbrk(s, *s == '[' ? "]" : "=");

		number++;
		if (!end) {
			continue;
		}
		*end = '\0';
		if (*s == '[') {
			inside = strcmp(trim(s + 1), section) == 0;
		} else if (inside && strcmp(trim(s), key) == 0 && index-- == 0) {
			return number;
		}
	}
	return 0;
}

int ini_parse_string(const char *value, void *field, char *expected, size_t size)
{
	char **string = field, *copy;

	if (!*value) {
		snprintf(expected, size, "some text");
		return -EINVAL;
	}
	copy = strdup(value);
	if (!copy) {
		return -ENOMEM;
	}
	free(*string);
	*string = copy;
	return 0;
}

int ini_parse_strings(const char *value, void *field, char *expected, size_t size)
{
	if (!*value) {
		snprintf(expected, size, "some text");
		return -EINVAL;
	}
	return strv_append(field, value);
}

int ini_parse_words(const char *value, void *field, char *expected, size_t size)
{
	int r = strv_append_words(field, value);

	if (r == -EINVAL) {
		snprintf(expected, size, "words with every quote closed");
	}
	return r;
}

int ini_parse_bool(const char *value, void *field, char *expected, size_t size)
{
	static const char *const names[2][4] = {
		{ "no", "false", "off", "0" },
		{ "yes", "true", "on", "1" },
	};

	for (size_t i = 0; i < 8; i++) {
		if (strcasecmp(value, names[i / 4][i % 4]) == 0) {
			*(bool *)field = i / 4;
			return 0;
		}
	}
	snprintf(expected, size, "yes or no");
	return -EINVAL;
}

/* Digits only: strtoull() alone would take blanks, signs and a second number. */
static int parse_number(const char *value, uint64_t *number, const char **rest)
{
	char *end;

	if (!isdigit((unsigned char)*value)) {
		return -EINVAL;
	}
	errno = 0;
	*number = strtoull(value, &end, 10);
	*rest = end;
	return errno ? -EINVAL : 0;
}

int ini_parse_uint(const char *value, void *field, char *expected, size_t size)
{
	const char *rest;
	uint64_t number;

	if (parse_number(value, &number, &rest) < 0 || *rest || number > UINT32_MAX) {
		snprintf(expected, size, "a whole number");
		return -EINVAL;
	}
	*(unsigned int *)field = (unsigned int)number;
	return 0;
}

int ini_parse_size_mib(const char *value, void *field, char *expected, size_t size)
{
	static const struct {
		const char *suffix;
		unsigned int shift;
	} units[] = { { "", 0 },   { "M", 0 },	{ "MB", 0 },  { "MiB", 0 },  { "G", 10 },
		      { "GB", 10 }, { "GiB", 10 }, { "T", 20 }, { "TiB", 20 } };
	const char *rest;
	uint64_t number;

	if (parse_number(value, &number, &rest) == 0 && number > 0 && number < 1ull << 40) {
		rest += strspn(rest, " ");
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
			if (strcasecmp(rest, units[i].suffix) == 0) {
				*(uint64_t *)field = number << units[i].shift;
				return 0;
			}
		}
	}
	snprintf(expected, size, "a size such as 512M or 4G");
	return -EINVAL;
}
