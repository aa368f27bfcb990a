/* SPDX-License-Identifier: MIT */
/* NULL-terminated arrays of allocated strings, as execve() takes them. NULL is the empty array. */
#ifndef COMMON_STRV_H
#define COMMON_STRV_H

#include <stddef.h>

#include "common/cleanup.h"

size_t strv_length(char *const *v);

/* Appends a copy. Returns 0 or -ENOMEM; the array is unchanged on failure. */
int strv_append(char ***v, const char *s);

/* Appends s itself and owns it from then on, also on failure (then it is freed). */
int strv_append_take(char ***v, char *s);

__attribute__((format(printf, 2, 3))) int strv_appendf(char ***v, const char *format, ...);

/* Appends copies of all strings of other. On failure some may have been appended. */
int strv_extend(char ***v, char *const *other);

/*
 * Appends the words of a line, split as a shell would: blanks separate, single quotes keep all,
 * in double quotes a backslash keeps the next " or \, elsewhere it keeps the next byte. Nothing
 * is expanded. Returns 0, -ENOMEM or -EINVAL when a quote is not closed (nothing appended).
 */
int strv_append_words(char ***v, const char *line);

void strv_free(char **v);
DEFINE_CLEANUP(char **, strv_free)
#define _cleanup_strv_ _cleanup_(strv_free_ptr)

#endif
