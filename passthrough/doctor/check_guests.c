// SPDX-License-Identifier: MIT
/*
 * The guests' memory. What is lent to a device must be there, locked, from the start of the loan to
 * its end: vm_lockable_bytes() of it.
 */
#include <inttypes.h>
#include <sys/resource.h>

#include "passthrough/broker/broker.h"
#include "passthrough/doctor/doctor.h"
#include "vm/vm.h"

/* Guests that may have a card, their memory together, as much of it as may lie in huge pages, and
 * the one with the most. */
struct lenders {
	unsigned int n;
	uint64_t all_mib, huge_mib, most_mib;
	const char *most;
};

/* A device reaches the memory that is shared with the seat as it does the rest. */
static uint64_t lent_mib(const struct vm_config *guest)
{
	struct vm_config lends = *guest;

	lends.lends = true;
	return guest->memory_mib + vm_config_shared_mib(&lends);
}

static struct lenders find_lenders(const struct doctor *doctor)
{
	struct lenders lenders = { .most = "" };

	for (size_t i = 0; i < doctor->setup.n_guests; i++) {
		const struct vm_config *guest = doctor->setup.guests[i];

		if (!setup_guest_lends(&doctor->setup, i)) {
			continue;
		}
		lenders.n++;
		lenders.all_mib += lent_mib(guest);
		lenders.huge_mib += guest->memory_mib;
		if (lent_mib(guest) > lenders.most_mib) {
			lenders.most_mib = lent_mib(guest);
			lenders.most = guest->name;
		}
	}
	return lenders;
}

void check_configuration(struct doctor *doctor)
{
	const struct setup *setup = &doctor->setup;
	size_t mistakes = ini_report_count(setup->report);
	unsigned int n = find_lenders(doctor).n;

	if (mistakes) {
		finding_add(
			doctor->findings, FINDING_FAIL, "configuration",
			"Run \"baton check-config\", which shows all of them, and mend the files.",
			"The configuration has %zu mistake%s, the first is %s.", mistakes,
			mistakes == 1 ? "" : "s", ini_report_line(setup->report, 0));
	} else if (setup->n_cards && !n) {
		finding_add(doctor->findings, FINDING_WARN, "configuration",
			    "Write on-request = NAME of a card into section [cards] of a guest's "
			    "file.",
			    "Of %zu guests none may have a card, though %zu %s configured.",
			    setup->n_guests, setup->n_cards, setup->n_cards == 1 ? "is" : "are");
	} else {
		finding_pass(doctor->findings, "configuration",
			     "No mistakes in %s: %zu guest%s, of which %u may have a card.",
			     setup->folder, setup->n_guests, setup->n_guests == 1 ? "" : "s", n);
	}
}

/* A line "WORD: 123 kB" of a file of procfs in MiB; 0: there is none. */
static uint64_t memory_mib(const char *word)
{
	char text[4096], *line;

	text_read(at("/proc/meminfo"), text, sizeof(text));
	line = strstr(text, word);
	return line ? strtoull(line + strlen(word), NULL, 10) / 1024 : 0;
}

void check_memory(struct doctor *doctor)
{
	struct lenders lenders = find_lenders(doctor);
	uint64_t total = memory_mib("MemTotal:");

	if (!lenders.n) {
		finding_pass(doctor->findings, "memory",
			     "No guest's memory has to be kept in RAM.");
	} else if (lenders.all_mib + VM_LOCKABLE_SLACK_MIB > total) {
		finding_add(doctor->findings, FINDING_FAIL, "memory",
			    "Give the guests less memory, or cards to fewer of them.",
			    "Guests that may have a card keep all of their memory in RAM, together "
			    "%" PRIu64 " MiB and %d MiB for QEMU, and the machine has %" PRIu64
			    " MiB.",
			    lenders.all_mib, VM_LOCKABLE_SLACK_MIB, total);
	} else {
		finding_pass(doctor->findings, "memory",
			     "Guests that may have a card keep %" PRIu64 " MiB in RAM, of %" PRIu64
			     " MiB.",
			     lenders.all_mib, total);
	}
}

static bool broker_there(const struct doctor *doctor)
{
	return doctor->broker.error == 0;
}

void check_memlock(struct doctor *doctor)
{
	struct lenders lenders = find_lenders(doctor);
	struct rlimit limit = { 0 };
	uint64_t mib, need = lenders.most_mib + VM_LOCKABLE_SLACK_MIB;

	getrlimit(RLIMIT_MEMLOCK, &limit);
	mib = limit.rlim_max >> 20;
	if (!lenders.n) {
		finding_pass(doctor->findings, "memlock", "No guest has to lock its memory.");
	} else if (limit.rlim_max == RLIM_INFINITY || mib >= need) {
		finding_pass(doctor->findings, "memlock",
			     "Each process may lock enough memory for guest %s, %" PRIu64 " MiB.",
			     lenders.most, need);
	} else if (broker_there(doctor)) {
		finding_pass(doctor->findings, "memlock",
			     "Processes may lock %" PRIu64 " MiB; for guest %s the broker raises "
			     "that by %" PRIu64 " MiB while it has a card.",
			     mib, lenders.most, need);
	} else {
		finding_add(doctor->findings, doctor_severity(doctor), "memlock",
			    "Start the broker, which raises the limit for the time of a loan.",
			    "Processes may lock %" PRIu64 " MiB, and guest %s needs %" PRIu64
			    " MiB locked while it has a card.",
			    mib, lenders.most, need);
	}
}

/* ---- huge pages ---- */

static uint64_t read_pages(const char *size, const char *name)
{
	char text[32];

	return text_read(at("/sys/kernel/mm/hugepages/%s/%s", size, name), text, sizeof(text)) < 0
		       ? 0
		       : strtoull(text, NULL, 10);
}

/* Of all sizes in MiB. A running guest has taken its pages already: free ones say too little. */
static uint64_t count_huge_mib(const char *name)
{
	DIR *dir = opendir(at("/sys/kernel/mm/hugepages"));
	struct dirent *entry;
	uint64_t mib = 0;

	while ((entry = dir_next(&dir))) {
		uint64_t kib =
			strtoull(entry->d_name + strcspn(entry->d_name, "0123456789"), NULL, 10);

		mib += read_pages(entry->d_name, name) * kib / 1024;
	}
	return mib;
}

void check_huge_pages(struct doctor *doctor)
{
	struct lenders lenders = find_lenders(doctor);
	uint64_t mib = count_huge_mib("nr_hugepages"), free_mib = count_huge_mib("free_hugepages");
	char remedy[160];

	snprintf(remedy, sizeof(remedy),
		 "If the wait matters, write vm.nr_hugepages = %" PRIu64
		 " into /etc/sysctl.d/baton.conf and start the machine anew.",
		 (lenders.huge_mib + 1) / 2);
	if (!lenders.n) {
		finding_pass(doctor->findings, "huge-pages", "No guest needs any.");
	} else if (mib >= lenders.huge_mib) {
		finding_pass(doctor->findings, "huge-pages",
			     "%" PRIu64 " MiB are reserved (%" PRIu64
			     " MiB of it free), enough for "
			     "the guests that may have a card.",
			     mib, free_mib);
	} else {
		finding_add(doctor->findings, FINDING_WARN, "huge-pages", remedy,
			    "Of the %" PRIu64 " MiB of guests that may have a card, %" PRIu64
			    " MiB can lie in huge pages; with common pages a card comes a little "
			    "later.",
			    lenders.huge_mib, mib);
	}
}
