// SPDX-License-Identifier: MIT
/* Collects and prints findings; see finding.h. */
#include "passthrough/doctor/finding.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>

#include "control/text.h"

#define COLUMNS 80
#define TEXT_COLUMN 26

static const char *const status_names[FINDING_STATUS_COUNT] = {
	[FINDING_PASS] = "PASS",
	[FINDING_WARN] = "WARN",
	[FINDING_FAIL] = "FAIL",
};

void findings_subject(struct findings *findings, const char *subject, const char *heading, ...)
{
	va_list args;

	va_start(args, heading);
	vsnprintf(findings->heading, sizeof(findings->heading), heading, args);
	va_end(args);
	snprintf(findings->subject, sizeof(findings->subject), "%s", subject);
}

static void add(struct findings *findings, enum finding_status status, const char *check,
		const char *remedy, const char *format, va_list args)
{
	struct finding *finding = &findings->list[findings->n];
	char text[sizeof(finding->text)];

	if (findings->n == FINDINGS_MAX) {
		return;
	}
	*finding = (struct finding){ .status = status, .check = check };
	vsnprintf(text, sizeof(text), format, args);
	/* Names of processes, files and devices come from anywhere. */
	text_clean(text, finding->text, sizeof(finding->text));
	text_clean(remedy, finding->remedy, sizeof(finding->remedy));
	text_clean(findings->subject, finding->subject, sizeof(finding->subject));
	text_clean(findings->heading, finding->heading, sizeof(finding->heading));
	findings->n++;
}

void finding_pass(struct findings *findings, const char *check, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(findings, FINDING_PASS, check, "", format, args);
	va_end(args);
}

void finding_add(struct findings *findings, enum finding_status status, const char *check,
		 const char *remedy, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(findings, status, check, remedy, format, args);
	va_end(args);
}

static size_t findings_count(const struct findings *findings, enum finding_status status)
{
	size_t n = 0;

	for (size_t i = 0; i < findings->n; i++) {
		n += findings->list[i].status == status;
	}
	return n;
}

int findings_exit_status(const struct findings *findings)
{
	return findings_count(findings, FINDING_FAIL)   ? 2
	       : findings_count(findings, FINDING_WARN) ? 1
							: 0;
}

/* ---- for a person ---- */

/* Broken between words; every line but the first begins in the column of the text. */
static void print_wrapped(const char *text, FILE *out)
{
	size_t column = TEXT_COLUMN;

	while (*text) {
		size_t length = strcspn(text, " ");

		if (column + length > COLUMNS && column > TEXT_COLUMN) {
			fprintf(out, "\n%*s", TEXT_COLUMN, "");
			column = TEXT_COLUMN;
		}
		fprintf(out, "%.*s", (int)length, text);
		column += length + 1;
		text += length;
		text += *text == ' ';
		/* The blank stands before the next word, never at a line's end. */
		if (*text && column + strcspn(text, " ") <= COLUMNS) {
			fputc(' ', out);
		}
	}
	fputc('\n', out);
}

static void print_finding(const struct finding *finding, FILE *out)
{
	fprintf(out, "%-6s%-*s", status_names[finding->status], TEXT_COLUMN - 6, finding->check);
	print_wrapped(finding->text, out);
	if (finding->remedy[0]) {
		fprintf(out, "%*s", TEXT_COLUMN, "To do: ");
		print_wrapped(finding->remedy, out);
	}
}

void findings_print(const struct findings *findings, FILE *out)
{
	const char *heading = "";

	for (size_t i = 0; i < findings->n; i++) {
		const struct finding *finding = &findings->list[i];

		if (strcmp(heading, finding->heading) != 0) {
			fprintf(out, "%s%s\n", i ? "\n" : "", finding->heading);
			heading = finding->heading;
		}
		print_finding(finding, out);
	}
	fprintf(out, "\n%zu passed, %zu warnings, %zu failed.\n",
		findings_count(findings, FINDING_PASS), findings_count(findings, FINDING_WARN),
		findings_count(findings, FINDING_FAIL));
}

/* ---- for a program ---- */

int findings_print_json(const struct findings *findings, FILE *out)
{
	json_t *list = json_array();
	int r = list ? 0 : -ENOMEM;

	for (size_t i = 0; i < findings->n && r == 0; i++) {
		const struct finding *finding = &findings->list[i];
		json_t *object =
			json_pack("{ss ss ss ss ss}", "check", finding->check, "subject",
				  finding->subject, "status", status_names[finding->status], "text",
				  finding->text, "remedy", finding->remedy);

		r = json_array_append_new(list, object) < 0 ? -ENOMEM : 0;
	}
	if (r == 0 && (json_dumpf(list, out, JSON_INDENT(2)) < 0 || fputc('\n', out) == EOF)) {
		r = -EIO;
	}
	json_decref(list);
	return r;
}
