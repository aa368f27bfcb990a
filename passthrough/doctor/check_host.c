// SPDX-License-Identifier: MIT
/* The machine itself: virtualisation, IOMMU, interrupt remapping, the kernel's VFIO. */
#include <ctype.h>

#include "common/cleanup.h"
#include "passthrough/broker/broker.h"
#include "passthrough/doctor/child.h"
#include "passthrough/doctor/doctor.h"
#include "vm/kvm_probe.h"

#define PROBE_MS 5000

/* ---- virtualisation ---- */

static void probe(const void *data, void *out)
{
	*(enum kvm_probe *)out = kvm_probe();
}

/* Whether a file of procfs has the word anywhere. */
static bool proc_has(const char *path, const char *word)
{
	_cleanup_fclose_ FILE *file = fopen(at("%s", path), "re");
	_cleanup_free_ char *line = NULL;
	bool found = false;
	size_t size = 0;

	while (file && !found && getline(&line, &size, file) > 0) {
		found = strstr(line, word);
	}
	return found;
}

/* "/dev/kvm opens but … (switch on …)": the cause, and in parentheses what to do. */
static void add_probe(struct doctor *doctor, const char *found)
{
	const char *remedy = strstr(found, " (");
	size_t cause = remedy ? (size_t)(remedy - found) : strlen(found);
	char text[160] = "Boot the machine anew; if that does not help, ask the kernel's log why";

	if (remedy) {
		snprintf(text, sizeof(text), "%.*s", (int)strlen(remedy) - 3, remedy + 2);
		text[0] = (char)toupper((unsigned char)text[0]);
	}
	strncat(text, ".", sizeof(text) - strlen(text) - 1);
	finding_add(doctor->findings, FINDING_FAIL, "cpu-virtualisation", text,
		    "%c%.*s, so guests run in software and slowly.",
		    toupper((unsigned char)found[0]), (int)cause - 1, found + 1);
}

void check_virtualisation(struct doctor *doctor)
{
	enum kvm_probe found = KVM_PROBE_NO_VM;
	int r = child_call(probe, NULL, &found, sizeof(found), PROBE_MS);

	if (r < 0) {
		found = r == -ETIME ? KVM_PROBE_NO_ANSWER : KVM_PROBE_NO_RUN;
	}
	if (found == KVM_PROBE_USABLE) {
		finding_pass(doctor->findings, "cpu-virtualisation",
			     "KVM works: it has just run a few instructions.");
	} else {
		add_probe(doctor, kvm_probe_text(found));
	}
}

/* ---- IOMMU ---- */

static unsigned int folder_count(const char *path)
{
	DIR *dir = opendir(at("%s", path));
	unsigned int n = 0;

	while (dir_next(&dir)) {
		n++;
	}
	return n;
}

static bool is_amd(void)
{
	return proc_has("/proc/cpuinfo", "AuthenticAMD");
}

static const char *iommu_remedy(void)
{
	if (is_amd()) {
		return "Switch the IOMMU (AMD-Vi) on in the firmware's settings, and take amd_iommu=off "
		       "and iommu=off from the kernel's command line.";
	}
	if (proc_has("/proc/cmdline", "intel_iommu=on")) {
		return "Switch VT-d on in the firmware's settings: the kernel's command line has "
		       "intel_iommu=on already.";
	}
	return "Switch VT-d on in the firmware's settings, and add intel_iommu=on to the kernel's "
	       "command line.";
}

void check_iommu(struct doctor *doctor)
{
	unsigned int n = folder_count("/sys/class/iommu");
	unsigned int groups = folder_count("/sys/kernel/iommu_groups");

	if (groups) {
		finding_pass(doctor->findings, "iommu",
			     "The IOMMU is on: %u unit%s, devices in %u group%s.", n,
			     n == 1 ? "" : "s", groups, groups == 1 ? "" : "s");
	} else {
		finding_add(doctor->findings, doctor_severity(doctor), "iommu", iommu_remedy(),
			    "The IOMMU is off%s, so no card can be given to a guest.",
			    n ? " for devices, though there is one" : "");
	}
}

/* ---- interrupt remapping ---- */

/* Bit 3 of an Intel unit's extended capabilities; true where that cannot be read (AMD has it). */
static bool units_can_remap(void)
{
	DIR *dir = opendir(at("/sys/class/iommu"));
	struct dirent *entry;
	char text[32];
	bool can = true;

	while ((entry = dir_next(&dir))) {
		if (text_read(at("/sys/class/iommu/%s/intel-iommu/ecap", entry->d_name), text,
			      sizeof(text)) == 0) {
			can &= strtoull(text, NULL, 16) >> 3 & 1;
		}
	}
	return can;
}

/* VFIO's own way out, for those who trust their guests. */
static bool unsafe_allowed(void)
{
	char text[4];

	return text_read(at("/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"),
			 text, sizeof(text)) == 0 &&
	       text[0] == 'Y';
}

/* The kernel writes IR- before the names of interrupt controllers that it remaps for. */
void check_interrupt_remapping(struct doctor *doctor)
{
	static const char check[] = "interrupt-remapping";

	if (proc_has("/proc/interrupts", " IR-")) {
		finding_pass(doctor->findings, check, "Interrupts of devices are remapped.");
	} else if (unsafe_allowed()) {
		finding_add(doctor->findings, FINDING_WARN, check,
			    "Take allow_unsafe_interrupts=1 away, unless you trust every guest.",
			    "Interrupts are not remapped, and VFIO was told to do without: a guest "
			    "with a card can send interrupts of its choice to the host.");
	} else if (!folder_count("/sys/kernel/iommu_groups")) {
		finding_add(doctor->findings, doctor_severity(doctor), check,
			    "Switch the IOMMU on first, then ask again.",
			    "Interrupts are not remapped, which the IOMMU would do.");
	} else if (units_can_remap()) {
		finding_add(doctor->findings, doctor_severity(doctor), check,
			    "Take nointremap and intremap=off from the kernel's command line, and "
			    "look for interrupt remapping or x2APIC in the firmware's settings.",
			    "Interrupts are not remapped, though the IOMMU can do it, so VFIO "
			    "refuses to lend a card.");
	} else {
		finding_add(doctor->findings, doctor_severity(doctor), check,
			    "Use a machine that can; where every guest is trusted, "
			    "vfio_iommu_type1.allow_unsafe_interrupts=1 does without.",
			    "This machine's IOMMU cannot remap interrupts, so VFIO refuses to lend "
			    "a card.");
	}
}

/* ---- VFIO ---- */

void check_vfio(struct doctor *doctor)
{
	static const struct {
		const char *path, *module;
	} parts[] = {
		{ "/sys/bus/pci/drivers/vfio-pci", "vfio-pci" },
		{ "/sys/module/vfio_iommu_type1", "vfio_iommu_type1" },
	};
	char missing[64] = "";

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t used = strlen(missing);

		if (access(at("%s", parts[i].path), F_OK) < 0) {
			snprintf(missing + used, sizeof(missing) - used, "%s%s",
				 used ? " and " : "", parts[i].module);
		}
	}
	if (missing[0]) {
		finding_add(doctor->findings, doctor_severity(doctor), "vfio",
			    "Run \"modprobe -a vfio-pci vfio_iommu_type1\" as root, and write both "
			    "names into /etc/modules-load.d/baton.conf for the next start.",
			    "The kernel's VFIO is not complete without %s.", missing);
	} else {
		finding_pass(doctor->findings, "vfio", "vfio-pci and vfio_iommu_type1 are loaded.");
	}
}
