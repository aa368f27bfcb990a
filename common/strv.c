// SPDX-License-Identifier: MIT
/* Arrays of strings; see strv.h. */
#include "common/strv.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

size_t strv_length(char *const *v)
{
	size_t n = 0;

	while (v && v[n]) {
		n++;
	}
	return n;
}

int strv_append_take(char ***v, char *s)
{
	size_t n = strv_length(*v);
	char **grown = s ? reallocarray(*v, n + 2, sizeof(*grown)) : NULL;

	if (!grown) {
		free(s);
		return -ENOMEM;
	}
	grown[n] = s;
	grown[n + 1] = NULL;
	*v = grown;
	return 0;
}

int strv_append(char ***v, const char *s)
{
	return strv_append_take(v, strdup(s));
}

int strv_appendf(char ***v, const char *format, ...)
{
	char *s = NULL;
	va_list args;
	int r;

	va_start(args, format);
	r = vasprintf(&s, format, args);
	va_end(args);
	return strv_append_take(v, r < 0 ? NULL : s);
}

int strv_extend(char ***v, char *const *other)
{
	int r = 0;

	for (size_t i = 0; other && other[i] && r >= 0; i++) {
		r = strv_append(v, other[i]);
	}
	return r;
}

/* Copies one word from *line to word and moves *line behind it. */
static int word_scan(const char **line, char *word)
{
	const char *s = *line;
	char quote = 0;

	for (; *s && (quote || !strchr(" \t\r\n", *s)); s++) {
		if (quote ? *s == quote : *s == '"' || *s == '\'') {
			quote = quote ? 0 : *s;
		} else if (*s == '\\' && s[1] && (!quote || (quote == '"' && strchr("\"\\", s[1])))) {
			*word++ = *++s;
		} else {
			*word++ = *s;
		}
	}
	*word = '\0';
	*line = s;
	return quote ? -EINVAL : 0;
}

int strv_append_words(char ***v, const char *line)
{
	_cleanup_strv_ char **words = NULL;
	_cleanup_free_ char *word = malloc(strlen(line) + 1);
	int r = word ? 0 : -ENOMEM;

	while (r >= 0 && *(line += strspn(line, " \t\r\n"))) {
		r = word_scan(&line, word);
		if (r >= 0) {
			r = strv_append(&words, word);
		}
	}
	return r < 0 ? r : strv_extend(v, words);
}

void strv_free(char **v)
{
	for (size_t i = 0; v && v[i]; i++) {
		free(v[i]);
	}
	free(v);
}
