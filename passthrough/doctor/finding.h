/* SPDX-License-Identifier: MIT */
/* What the doctor found: a list of findings, printed for a person or as JSON. */
#ifndef PASSTHROUGH_DOCTOR_FINDING_H
#define PASSTHROUGH_DOCTOR_FINDING_H

#include <stddef.h>
#include <stdio.h>

/*
 * PASS  what has to be there is there.
 * WARN  it works, but not as well as it could; or it cannot be known; or it is about a card that
 *       nobody wants to lend.
 * FAIL  what Baton is asked to do cannot work.
 */
enum finding_status { FINDING_PASS, FINDING_WARN, FINDING_FAIL, FINDING_STATUS_COUNT };

#define FINDINGS_MAX 192 /* more are dropped; eight cards and everything else make about 100 */

/* All strings are whole sentences without a line's end, but for heading, check and subject. */
struct finding {
	enum finding_status status;
	const char *check; /* a word that never changes: "iommu"; the manual lists them */
	char subject[64];  /* what it is about: "host", "0000:01:00", "guests" */
	char heading[192]; /* what the subject is called in the text */
	char text[768];
	char remedy[384]; /* empty with PASS */
};

struct findings {
	char subject[64], heading[192]; /* of those that are added next */
	size_t n;
	struct finding list[FINDINGS_MAX];
};

/* What the next findings are about. */
__attribute__((format(printf, 3, 4))) void findings_subject(struct findings *findings,
							    const char *subject,
							    const char *heading, ...);
__attribute__((format(printf, 3, 4))) void finding_pass(struct findings *findings,
							const char *check, const char *format, ...);
/* The remedy may hold anything: it is no format. */
__attribute__((format(printf, 5, 6))) void finding_add(struct findings *findings,
						       enum finding_status status,
						       const char *check, const char *remedy,
						       const char *format, ...);

/* 0: all pass, 1: there are warnings, 2: something fails. */
int findings_exit_status(const struct findings *findings);

void findings_print(const struct findings *findings, FILE *out);
/* An array of {check, subject, status, text, remedy}. 0 or -errno. */
int findings_print_json(const struct findings *findings, FILE *out);

#endif
