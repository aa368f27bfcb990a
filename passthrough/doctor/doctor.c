// SPDX-License-Identifier: MIT
/* The order of the checks, and what they share; see doctor.h. */
#include "passthrough/doctor/doctor.h"

#include "passthrough/card.h"

bool allow_list_has(const struct allow_list *list, const struct broker_slot *slot)
{
	for (unsigned int i = 0; i < list->n; i++) {
		if (card_slot_equal(&list->slots[i], slot)) {
			return true;
		}
	}
	return false;
}

bool doctor_lends(const struct doctor *doctor, const struct broker_slot *slot)
{
	return setup_find_card(&doctor->setup, slot) || allow_list_has(&doctor->allowed, slot);
}

enum finding_status doctor_severity(const struct doctor *doctor)
{
	return doctor->setup.n_cards || doctor->allowed.n ? FINDING_FAIL : FINDING_WARN;
}

static void check_all(struct doctor *doctor)
{
	struct findings *findings = doctor->findings;

	findings_subject(findings, "host", "This machine");
	check_virtualisation(doctor);
	check_iommu(doctor);
	check_interrupt_remapping(doctor);
	check_vfio(doctor);
	check_cards(doctor);
	findings_subject(findings, "guests", "Guests");
	check_configuration(doctor);
	check_memory(doctor);
	check_memlock(doctor);
	check_huge_pages(doctor);
	findings_subject(findings, "seat", "The seat and what it works with");
	check_qemu(doctor);
	check_seat(doctor);
	check_pipewire(doctor);
	check_broker(doctor);
	check_allow_list(doctor);
	check_isolation(doctor);
}

int doctor_run(const struct doctor_options *options, struct findings *findings)
{
	struct doctor doctor = { .options = options, .findings = findings };
	int r = setup_load(&doctor.setup, &options->folders);

	if (r == 0) {
		broker_ask(options->broker_socket ? options->broker_socket : BROKER_SOCKET,
			   &doctor.broker);
		allow_list_load(&doctor);
		check_all(&doctor);
	}
	setup_finish(&doctor.setup);
	return r;
}
