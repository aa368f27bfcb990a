// SPDX-License-Identifier: MIT
/*
 * Every graphics card: what it is, whether its IOMMU group lets it go, how it is reset, who drives
 * it. One that stays with the host gets one line when there are others to lend.
 */
#include "passthrough/broker/broker.h"
#include "passthrough/card.h"
#include "passthrough/doctor/card_view.h"
#include "passthrough/doctor/reset_plan.h"

static const char *class_name(uint32_t class)
{
	static const struct {
		uint32_t class;
		const char *name;
	} names[] = {
		{ 0x0300, "display" }, { 0x0302, "display" }, { 0x0380, "display" },
		{ 0x0403, "sound" },   { 0x0c03, "USB" },     { 0x0c80, "serial bus (UCSI)" },
		{ 0x0604, "bridge" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].class == class >> 8) {
			return names[i].name;
		}
	}
	return class >> 16 == 3 ? "display" : "other";
}

/* "function 0 display 1234:1111 with bochs-drm, …" */
static void list_functions(const struct card_look *look, char *out, size_t size)
{
	size_t used = 0;

	*out = '\0';
	for (unsigned int i = 0; i < look->facts.function_count && used < size; i++) {
		const struct broker_function *f = &look->facts.functions[i];

		used += (size_t)snprintf(out + used, size - used, "%s%s (%04x:%04x, %s%s)",
					 i ? ", " : "", class_name(f->class), f->vendor, f->device,
					 f->driver[0] ? "driver " : "no driver", f->driver);
	}
}

static void check_functions(const struct card_view *view)
{
	char text[512];

	list_functions(view->look, text, sizeof(text));
	finding_pass(view->doctor->findings, "functions", "%u function%s: %s.",
		     view->look->facts.function_count,
		     view->look->facts.function_count == 1 ? "" : "s, which go together", text);
}

/* ---- group ---- */

/* Foreign ones, but for bridges; how many. */
static unsigned int list_strangers(const struct card_look *look, char *out, size_t size)
{
	unsigned int n = 0;
	size_t used = 0;

	*out = '\0';
	for (unsigned int i = 0; i < look->n_members && used < size; i++) {
		const struct group_member *member = &look->members[i];

		if (!member->bridge) {
			used += (size_t)snprintf(out + used, size - used, "%s%s%s%s%s",
						 n++ ? ", " : "", member->address,
						 member->driver[0] ? " (" : "", member->driver,
						 member->driver[0] ? ")" : "");
		}
	}
	return n;
}

static void check_group(const struct card_view *view)
{
	const struct card_look *look = view->look;
	struct findings *findings = view->doctor->findings;
	char strangers[256];

	if (look->facts.group < 0) {
		finding_add(findings, view->bad, "group",
			    "Switch the IOMMU on, as the check iommu of this machine says.",
			    "It is in no IOMMU group, so no guest can have it.");
	} else if (list_strangers(look, strangers, sizeof(strangers))) {
		finding_add(findings, view->bad, "group",
			    "Put the card, or the other device, into another slot of the board; "
			    "which slots have a group of their own is in the board's manual, if "
			    "anywhere.",
			    "It shares IOMMU group %d with %s, which could not be kept from the "
			    "guest.",
			    look->facts.group, strangers);
	} else {
		finding_pass(findings, "group", "IOMMU group %d has nothing else in it%s.",
			     look->facts.group,
			     look->n_members ? " but the bridge above the card" : "");
	}
}

/* ---- reset ---- */

static void check_reset(const struct card_view *view)
{
	const struct card_look *look = view->look;
	struct findings *findings = view->doctor->findings;
	unsigned int n = look->facts.function_count;
	uint32_t proved = view->broker ? view->broker->facts.hot_reset_count : 0;

	switch (reset_plan(look)) {
	case RESET_PLAN_OWN:
		finding_pass(findings, "reset", "Between two users it is reset by %.*s.",
			     (int)strcspn(look->facts.functions[0].reset, " "),
			     look->facts.functions[0].reset);
		return;
	case RESET_PLAN_HOT:
		finding_pass(findings, "reset",
			     "Between two users %s reset through the bridge above (VFIO hot "
			     "reset)%s.",
			     n == 1 ? "it is" : "all its functions are",
			     proved == n ? "; it has been done since the last start" : "");
		return;
	case RESET_PLAN_OWN_EACH:
		finding_pass(
			findings, "reset",
			"Between two users each function is reset by itself, since %s is below "
			"the same bridge.",
			look->neighbour);
		return;
	case RESET_PLAN_NONE:
		break;
	}
	if (look->neighbour[0]) {
		finding_add(findings, view->bad, "reset",
			    "Put the card into a slot where it is alone.",
			    "It cannot be reset between two users: it has no reset of its own, and "
			    "one through the bridge above would hit %s too.",
			    look->neighbour);
	} else {
		finding_add(findings, view->bad, "reset",
			    "Lend another card; one that is built into the processor can rarely be "
			    "lent.",
			    "It cannot be reset between two users: it has no reset of its own, and "
			    "no bridge above it.");
	}
}

/* ---- drivers ---- */

static unsigned int count_driver(const struct card_look *look, const char *driver)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < look->facts.function_count; i++) {
		n += !strcmp(look->facts.functions[i].driver, driver);
	}
	return n;
}

/* A function that is told to take another driver than it has. */
static const struct broker_function *stale_override(const struct card_look *look)
{
	for (unsigned int i = 0; i < look->facts.function_count; i++) {
		const struct broker_function *f = &look->facts.functions[i];

		if (f->override[0] && strcmp(f->override, f->driver) != 0) {
			return f;
		}
	}
	return NULL;
}

static void check_pooled(const struct card_view *view)
{
	const struct broker_facts *facts = view->broker ? &view->broker->facts : NULL;

	if (facts && facts->flags & BROKER_CARD_LENT) {
		finding_pass(view->doctor->findings, "drivers",
			     "It is on vfio-pci and lent to process %d.", facts->lent_pid);
	} else {
		finding_pass(view->doctor->findings, "drivers", "It is on vfio-pci, %s.",
			     facts ? "and no guest has it" : "ready for a guest or with one");
	}
}

static void check_bound(const struct card_view *view)
{
	const struct broker_function *f = stale_override(view->look);
	struct findings *findings = view->doctor->findings;
	char remedy[160];

	if (f) {
		snprintf(remedy, sizeof(remedy),
			 "Start baton-broker, or run \"echo > "
			 "/sys/bus/pci/devices/%s.%u/driver_override\" as root.",
			 view->look->name, f->number);
		finding_add(findings, FINDING_WARN, "drivers", remedy,
			    "Function %u has %s but is told to take %s when it is probed again.",
			    f->number, f->driver[0] ? f->driver : "no driver", f->override);
	} else if (count_driver(view->look, "nvidia") && view->nvidia > 1) {
		finding_add(
			findings, FINDING_WARN, "drivers",
			"End what uses the other NVIDIA card before a handoff, or lend a card of "
			"another make.",
			"NVIDIA's driver serves %u cards and is unloaded before one is lent, which "
			"works only while none of them is in use.",
			view->nvidia);
	} else if (!view->look->facts.functions[0].driver[0]) {
		finding_add(findings, FINDING_WARN, "drivers",
			    "Load the card's driver, or let the card rest in the pool with home = "
			    "pool in its file.",
			    "No driver of the host has its display function, so it shows nothing "
			    "while no guest has it.");
	} else {
		finding_pass(findings, "drivers", "The host's drivers have it.");
	}
}

static void check_drivers(const struct card_view *view)
{
	unsigned int vfio = count_driver(view->look, "vfio-pci");

	if (vfio == view->look->facts.function_count) {
		check_pooled(view);
	} else if (vfio) {
		finding_add(
			view->doctor->findings, view->bad, "drivers",
			"Start baton-broker, which finishes what was begun; without it, start "
			"the machine anew.",
			"%u of %u functions are on vfio-pci: the card is on its way, or stopped "
			"half-way.",
			vfio, view->look->facts.function_count);
	} else {
		check_bound(view);
	}
}

/* ---- the host's screen ---- */

static void check_screen(const struct card_view *view)
{
	bool boot = view->look->facts.flags & BROKER_CARD_BOOT_VGA;

	if (view->others == 0) {
		finding_add(
			view->doctor->findings, FINDING_WARN, "screen",
			"Use it as it is, the rescue chord brings the card back, or add a second "
			"card; the processor's own will do.",
			"It is the only graphics card: the host's screen is dark while a guest "
			"has it.");
	} else {
		finding_pass(view->doctor->findings, "screen",
			     "%u other graphics card%s can light the host's screen%s.",
			     view->others, view->others == 1 ? "" : "s",
			     boot ? "; this one is the firmware's, which shows the text console"
				  : "");
	}
}

/* What a guest's port has to reserve is the smallest power of two that holds all of it. */
static void check_window(const struct card_view *view)
{
	uint64_t mib = (view->look->prefetch_bytes + (1 << 20) - 1) >> 20, window = 1;
	char remedy[96];

	while (window < mib) {
		window *= 2;
	}
	if (!view->config) {
		return;
	}
	if (view->config->window_mib < mib) {
		snprintf(remedy, sizeof(remedy), "Write window = %lluM into %s.ini.",
			 (unsigned long long)window, view->config->name);
		finding_add(view->doctor->findings, view->bad, "window", remedy,
			    "Its memory takes %llu MiB of addresses, and guests keep only %llu MiB "
			    "free for it.",
			    (unsigned long long)mib, (unsigned long long)view->config->window_mib);
	} else if (mib == 0) {
		finding_pass(
			view->doctor->findings, "window",
			"It has no large memory, so guests need not keep addresses free for it.");
	} else {
		finding_pass(view->doctor->findings, "window",
			     "Guests keep %llu MiB of addresses free for its %llu MiB.",
			     (unsigned long long)view->config->window_mib, (unsigned long long)mib);
	}
}

/* ---- all cards ---- */

static void check_unanswered(const struct card_view *view)
{
	bool told = view->broker && view->broker->text[0];

	finding_add(view->doctor->findings, view->bad, "functions",
		    "End the process that the broker's log names, or start the machine anew.",
		    "The kernel does not answer about this card: %s",
		    told ? view->broker->text : "a driver hangs.");
}

static void check_absent(const struct card_view *view)
{
	finding_add(
		view->doctor->findings, view->bad, "functions",
		"Compare the address with what \"lspci -D\" shows; a card that was there and is "
		"gone needs the machine switched off and on.",
		"There is no such card on the bus, or it does not answer.");
}

static void check_host_card(const struct card_view *view)
{
	char text[512], group[32] = "no IOMMU group";

	list_functions(view->look, text, sizeof(text));
	if (view->look->facts.group >= 0) {
		snprintf(group, sizeof(group), "IOMMU group %d", view->look->facts.group);
	}
	finding_pass(
		view->doctor->findings, "functions",
		"Stays with the host, since neither the configuration nor the broker names it: "
		"%s, %s.",
		text, group);
}

static void check_card(const struct card_view *view)
{
	bool lends = doctor_lends(view->doctor, &view->look->slot);

	if (!view->answered) {
		check_unanswered(view);
	} else if (!(view->look->facts.flags & BROKER_CARD_PRESENT)) {
		check_absent(view);
	} else if (!lends && doctor_severity(view->doctor) == FINDING_FAIL) {
		check_host_card(view);
	} else {
		check_functions(view);
		check_group(view);
		check_reset(view);
		check_drivers(view);
		check_screen(view);
		check_window(view);
		check_holders(view);
	}
}

/* "Card 0000:01:00 "gpu", Red Hat, Inc. Virtio 1.0 GPU" */
static void head(const struct card_view *view)
{
	const struct card_look *look = view->look;
	char name[48] = "", model[128] = "";

	if (view->config) {
		snprintf(name, sizeof(name), " \"%s\"", view->config->name);
	}
	if (view->answered && look->facts.function_count) {
		memcpy(model, ", ", 3);
		card_describe(&look->facts.functions[0], model + 2, sizeof(model) - 2);
	}
	findings_subject(view->doctor->findings, look->name, "Card %s%s%s", look->name, name,
			 model);
}

static unsigned int add_slot(struct broker_slot *slots, unsigned int n,
			     const struct broker_slot *slot)
{
	unsigned int i = 0;

	while (i < n && !card_slot_equal(&slots[i], slot)) {
		i++;
	}
	if (i == n && n < LOOK_CARDS_MAX) {
		slots[n++] = *slot;
	}
	return n;
}

/* Those on the bus, then those that are only named somewhere. */
static unsigned int all_slots(const struct doctor *doctor, struct broker_slot *slots)
{
	unsigned int n = cards_list(slots);

	for (size_t i = 0; i < doctor->setup.n_cards; i++) {
		n = add_slot(slots, n, &doctor->setup.cards[i]->slot);
	}
	for (unsigned int i = 0; i < doctor->allowed.n; i++) {
		n = add_slot(slots, n, &doctor->allowed.slots[i]);
	}
	return n;
}

/* A card with which a kernel write is stuck is not touched: we would be stuck as well. */
static bool look_at(const struct doctor *doctor, const struct broker_slot *slot,
		    struct card_look *out)
{
	const struct broker_card_answer *broker = broker_answer_find(&doctor->broker, slot);

	if (broker && broker->facts.flags & BROKER_CARD_WEDGED) {
		*out = (struct card_look){ .slot = *slot };
		card_slot_format(slot, out->name, sizeof(out->name));
		return false;
	}
	return card_look(slot, out) == 0;
}

void check_cards(struct doctor *doctor)
{
	static struct card_look looks[LOOK_CARDS_MAX];
	struct broker_slot slots[LOOK_CARDS_MAX];
	unsigned int on_bus = cards_list(slots), n = all_slots(doctor, slots), nvidia = 0;
	bool answered[LOOK_CARDS_MAX];

	for (unsigned int i = 0; i < n; i++) {
		answered[i] = look_at(doctor, &slots[i], &looks[i]);
		nvidia += count_driver(&looks[i], "nvidia") > 0;
	}
	for (unsigned int i = 0; i < n; i++) {
		struct card_view view = {
			.doctor = doctor,
			.config = setup_find_card(&doctor->setup, &slots[i]),
			.broker = broker_answer_find(&doctor->broker, &slots[i]),
			.others = on_bus - (i < on_bus),
			.nvidia = nvidia,
			.bad = doctor_lends(doctor, &slots[i]) ? FINDING_FAIL : FINDING_WARN,
			.look = &looks[i],
			.answered = answered[i],
		};

		head(&view);
		check_card(&view);
	}
	if (n == 0) {
		finding_add(doctor->findings, FINDING_WARN, "functions",
			    "Nothing, if none is to be lent; else look whether \"lspci\" shows it.",
			    "There is no graphics card on the PCI bus.");
	}
}
