/* SPDX-License-Identifier: MIT */
/*
 * Configuration files: "[section]", "key = value" and comment lines that begin with # or ;, read
 * against a table of known keys. A value goes on to the end of its line, whatever its length; a
 * comment behind it would be part of it. Every mistake is collected with its file, line, key and
 * what would be right, so that one run of check-config shows them all. Knows no key itself: the
 * folder that owns the settings owns the table.
 */
#ifndef COMMON_INI_H
#define COMMON_INI_H

#include <stddef.h>

struct ini_report;

/*
 * Parses value into *field (the key's offset in the settings struct). On failure returns -EINVAL
 * after writing to expected what would be right, e.g. "a whole number from 1 to 9".
 */
typedef int (*ini_parse_fn)(const char *value, void *field, char *expected, size_t size);

struct ini_key {
	const char *section;
	const char *key;
	size_t offset;
	ini_parse_fn parse;
};

/* Collected mistakes, for printing one a line. */
struct ini_report *ini_report_create(void);
void ini_report_destroy(struct ini_report *report);
size_t ini_report_count(const struct ini_report *report);
/* "FILE:LINE: KEY: message"; a line 0, a NULL file or key is left out. Lives as the report. */
const char *ini_report_line(const struct ini_report *report, size_t i);
__attribute__((format(printf, 5, 6))) void ini_report_add(struct ini_report *report,
							  const char *file, int line,
							  const char *key, const char *format, ...);

/*
 * Reads a file into settings. keys ends with an entry whose section is NULL; one whose key is NULL
 * names a section that somebody else reads with a table of his own: it is skipped. With INI_OTHERS
 * for that section all but the sections of this table is somebody else's, who also tells the
 * mistakes of the file as such. Unknown sections and keys are mistakes, with the nearest known name
 * as the remedy. Returns 0, -EINVAL when mistakes were added to the report, or -errno when the file
 * cannot be read (also added).
 */
#define INI_OTHERS "*"
int ini_load(const char *path, const struct ini_key keys[], void *settings,
	     struct ini_report *report);

/*
 * The paths of all NAME.ini of a folder in the order of names, appended to *files, which the caller
 * frees with strv_free(). 0 or -errno; a folder that cannot be read goes to the report, unless
 * that is NULL.
 */
int ini_list(const char *folder, struct ini_report *report, char ***files);

/* The line of the index-th (from 0) occurrence of a key, for mistakes that are found later; 0 when
 * there is none. */
int ini_find_line(const char *path, const char *section, const char *key, unsigned int index);

/* Field parsers. Strings are allocated; the settings struct owns and frees them. */
int ini_parse_string(const char *value, void *field, char *expected, size_t size);  /* char * */
int ini_parse_strings(const char *value, void *field, char *expected, size_t size); /* char **,
	NULL-terminated: each occurrence of the key appends one string */
int ini_parse_words(const char *value, void *field, char *expected, size_t size);   /* char **,
	NULL-terminated: split as a shell would (quotes, backslash), appends */
int ini_parse_bool(const char *value, void *field, char *expected, size_t size);    /* bool:
	yes|no|true|false|on|off|1|0 */
int ini_parse_uint(const char *value, void *field, char *expected, size_t size);    /* unsigned */
int ini_parse_size_mib(const char *value, void *field, char *expected, size_t size); /* uint64_t in
	MiB from "512M", "4G" or a plain number of MiB */

#endif
