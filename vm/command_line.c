// SPDX-License-Identifier: MIT
/*
 * Builds a guest's QEMU command line; see command_line.h.
 *
 * Every guest has an emulated and a paravirtual device for each job, so that firmware, installers
 * and finished systems all show a picture and take keys:
 *  - virtio-vga is a standard VGA until a guest's driver starts it, for every kind of guest.
 *  - A PS/2 keyboard and mouse are part of the machine. QEMU sends pointer events to the device
 *    that the guest started last, so the tablet (absolute) stands behind the mouse (relative).
 *  - For windows and other the tablet is a USB one, for which all have drivers. There is no USB
 *    keyboard: firmware would start it and keys would miss a guest that knows only PS/2.
 */
#include "vm/command_line.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "common/strv.h"
#include "proto/agent.h"
#include "proto/guest.h"
#include "proto/input.h"

/*
 * Beside the window for 64-bit memory that a port is configured to have: graphics cards have 16 to
 * 64 MiB of registers that must lie below 4 GiB, and firmware keeps only 2 MiB free there.
 */
#define WINDOW_BELOW_4G "64M"
/* More threads than that fill memory no faster. */
#define PREALLOC_THREADS_MAX 16

static const struct ovmf known_ovmf[] = {
	{ "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd" },
	{ "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd" },
	{ "/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd" },
	{ "/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd" },
};

const struct ovmf *ovmf_find(void)
{
	for (size_t i = 0; i < sizeof(known_ovmf) / sizeof(known_ovmf[0]); i++) {
		if (access(known_ovmf[i].code, R_OK) == 0 &&
		    access(known_ovmf[i].variables, R_OK) == 0) {
			return &known_ovmf[i];
		}
	}
	return NULL;
}

/* An argument vector that remembers its first error, so that it is looked at once, at the end. */
struct builder {
	const struct command_line *input;
	const struct vm_config *config;
	char **argv;
	int error;
};

static void add_taken(struct builder *b, char *s)
{
	int r = strv_append_take(&b->argv, s);

	b->error = b->error ? b->error : r;
}

static void add(struct builder *b, const char *option)
{
	add_taken(b, strdup(option));
}

__attribute__((format(printf, 3, 4))) static void add_option(struct builder *b, const char *option,
							     const char *format, ...)
{
	char *value = NULL;
	va_list args;
	int r;

	va_start(args, format);
	r = vasprintf(&value, format, args);
	va_end(args);
	add(b, option);
	add_taken(b, r < 0 ? NULL : value);
}

/* In QEMU's option lists a comma separates; a doubled one stands for itself. */
static char *escape_commas(const char *s)
{
	char *escaped = malloc(2 * strlen(s) + 1), *out = escaped;

	for (; escaped && *s; s++) {
		if (*s == ',') {
			*out++ = ',';
		}
		*out++ = *s;
	}
	if (escaped) {
		*out = '\0';
	}
	return escaped;
}

/* option, then format with its only %s replaced by the escaped path folder/file. */
__attribute__((format(printf, 5, 0))) static void
add_path(struct builder *b, const char *option, const char *folder, const char *file,
	 const char *format)
{
	_cleanup_free_ char *path = NULL, *escaped = NULL, *value = NULL;

	if (asprintf(&path, "%s%s%s", folder ? folder : "", folder ? "/" : "", file) < 0) {
		path = NULL;
	}
	escaped = path ? escape_commas(path) : NULL;
	if (!escaped || asprintf(&value, format, escaped) < 0) {
		value = NULL;
	}
	add(b, option);
	add_taken(b, take_ptr(value));
}

const char *option_name(const char *arg)
{
	return *arg == '-' ? arg + 1 + (arg[1] == '-') : NULL;
}

bool command_line_has_accel(const struct vm_config *config)
{
	char *const *args = config->qemu_args;

	for (; args && *args; args++) {
		const char *name = option_name(*args);
		bool machine;

		if (!name) {
			continue;
		}
		machine = strcmp(name, "machine") == 0 || strcmp(name, "M") == 0;
		if (strcmp(name, "accel") == 0 || strcmp(name, "enable-kvm") == 0 ||
		    (machine && args[1] && strstr(args[1], "accel="))) {
			return true;
		}
	}
	return false;
}

static void add_identity(struct builder *b)
{
	add(b, QEMU_BINARY);
	add(b, "-nodefaults");
	add(b, "-no-user-config");
	add_option(b, "-name", "guest=%s,debug-threads=on", b->config->name);
	add_option(b, "-uuid", "%s", b->input->uuid);
	add_option(b, "-sandbox", QEMU_SANDBOX);
	/* A guest that ends ends its QEMU; one that panics or hangs stays to be looked at. */
	add_option(b, "-action", "reboot=reset,shutdown=poweroff,panic=pause,watchdog=pause");
}

static void add_cpu(struct builder *b)
{
	static const char hyperv[] =
		",hv-relaxed=on,hv-vapic=on,hv-spinlocks=0x1fff,hv-vpindex=on,hv-runtime=on,"
		"hv-time=on,hv-synic=on,hv-stimer=on,hv-frequencies=on,hv-reset=on,hv-tlbflush=on,"
		"hv-ipi=on";

	add_option(b, "-smp", "%u,sockets=1,cores=%u", b->config->cpus, b->config->cpus);
	if (command_line_has_accel(b->config)) {
		return;
	}
	add_option(b, "-accel", "%s", accel_name(b->input->accel));
	if (b->input->accel == ACCEL_KVM) {
		/* TCG has none of Hyper-V's features. */
		add_option(b, "-cpu", "host%s", b->config->os == VM_OS_WINDOWS ? hyperv : "");
	}
}

/*
 * A device that is lent to the guest reaches all of its memory, which has to be there then. Nearly
 * all of the time that lending would take goes into clearing that memory: it is done at the start.
 */
static void add_memory(struct builder *b)
{
	char pages[64] = "", fill[64] = "";

	if (b->config->lends) {
		snprintf(fill, sizeof(fill), ",prealloc=on,prealloc-threads=%u",
			 b->config->cpus < PREALLOC_THREADS_MAX ? b->config->cpus
								: PREALLOC_THREADS_MAX);
	}
	if (b->config->lends && b->input->huge_page_kib) {
		snprintf(pages, sizeof(pages), ",hugetlb=on,hugetlbsize=%" PRIu64 "K",
			 b->input->huge_page_kib);
	}
	add_option(b, "-object", "memory-backend-memfd,id=ram,size=%" PRIu64 "M,share=on%s%s",
		   b->config->memory_mib, pages, fill);
}

static void add_machine(struct builder *b)
{
	bool windows = b->config->os == VM_OS_WINDOWS;

	/* A guest that finds a HPET may leave it ticking: 250 wakeups a second in QEMU were seen. */
	add_option(b, "-machine", "q35,memory-backend=ram,hpet=off");
	add_option(b, "-m", "%" PRIu64 "M", b->config->memory_mib);
	add_memory(b);
	add_option(b, "-rtc", windows ? "base=localtime,driftfix=slew" : "base=utc");
}

static void add_control(struct builder *b)
{
	const char *dir = b->input->run_dir;

	add_option(b, "-chardev", "socket,id=" QEMU_QMP_ID ",fd=%d,server=on,wait=off",
		   QEMU_QMP_FD);
	add_option(b, "-mon", "chardev=" QEMU_QMP_ID ",mode=control");
	if (b->input->handed) {
		add_option(b, "-chardev", "socket,id=" QEMU_QMP_ID "-user,fd=%d,server=on,wait=off",
			   GUEST_FIRST_FD + GUEST_QMP_USER);
		add_option(b, "-mon", "chardev=" QEMU_QMP_ID "-user,mode=control");
		return;
	}
	add_path(b, "-qmp", dir, RUN_FILE_QMP_USER, "unix:%s,server=on,wait=off");
	/* Not through add_path(): the whole argument is the path. */
	add_option(b, "-pidfile", "%s/%s", dir, RUN_FILE_PID);
}

static void add_firmware(struct builder *b)
{
	const struct ovmf *ovmf;

	if (b->config->firmware != VM_FIRMWARE_UEFI) {
		return;
	}
	ovmf = ovmf_find();
	if (!ovmf) {
		b->error = b->error ? b->error : -ENOENT;
		return;
	}
	add_path(b, "-drive", NULL, ovmf->code, "if=pflash,unit=0,format=raw,readonly=on,file=%s");
	if (b->input->handed) {
		add_option(b, "-add-fd", "fd=%d,set=%d", GUEST_FIRST_FD + GUEST_UEFI, GUEST_UEFI);
		/* By itself QEMU opens it for reading first, and the set has no such descriptor. */
		add_option(b, "-drive",
			   "if=pflash,unit=1,format=raw,file=/dev/fdset/%d,auto-read-only=off",
			   GUEST_UEFI);
		return;
	}
	add_path(b, "-drive", b->input->state_dir, STATE_FILE_UEFI,
		 "if=pflash,unit=1,format=raw,file=%s");
}

/* Places for devices that come while the guest runs. */
static void add_ports(struct builder *b)
{
	for (int i = 1; i <= VM_PORTS; i++) {
		uint64_t window = b->config->ports[i - 1].window_mib;
		char reserve[64] = "";

		if (window) {
			snprintf(reserve, sizeof(reserve),
				 ",pref64-reserve=%" PRIu64 "M,mem-reserve=" WINDOW_BELOW_4G,
				 window);
		}
		add_option(b, "-device", "pcie-root-port,id=rp%d,chassis=%d,slot=%d%s", i, i, i,
			   reserve);
	}
	add_option(b, "-device", "qemu-xhci,id=xhci,p2=15,p3=15");
}

static void add_seat_devices(struct builder *b)
{
	add_option(b, "-audiodev", "dbus,id=sound");
	add_option(b, "-display", "dbus,p2p=yes,audiodev=sound");
	add_option(b, "-device", "virtio-vga,id=display");
	add_option(b, "-device", "intel-hda");
	add_option(b, "-device", "hda-duplex,audiodev=sound");
	if (b->config->os == VM_OS_LINUX) {
		add_option(b, "-device", "virtio-keyboard-pci");
		add_option(b, "-device", "virtio-mouse-pci");
		add_option(b, "-device", "virtio-tablet-pci");
		add_option(b, "-device", "virtio-rng-pci");
		add_option(b, "-device", "pvpanic");
	} else {
		add_option(b, "-device", "usb-tablet,bus=xhci.0");
	}
}

/* A raw disk is never probed: a guest could write another format's header into it. */
static const char *image_format(const char *path)
{
	static const char *const formats[] = { "qcow2", "vmdk", "vdi", "vhdx" };
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcasecmp(dot + 1, formats[i]) == 0) {
			return formats[i];
		}
	}
	return "raw";
}

/* QEMU boots a kernel that it is given as the first. */
static unsigned int first_bootindex(const struct builder *b)
{
	return b->config->kernel ? 1 : 0;
}

static void add_disk(struct builder *b, const char *path, unsigned int i, unsigned int *port)
{
	_cleanup_free_ char *escaped = escape_commas(path);
	unsigned int bootindex = first_bootindex(b) + i;

	if (!escaped) {
		b->error = -ENOMEM;
		return;
	}
	add_option(b, "-drive", "if=none,id=disk%u,format=%s,discard=unmap,file=%s", i,
		   image_format(path), escaped);
	if (b->config->os == VM_OS_LINUX) {
		add_option(b, "-device", "virtio-blk-pci,drive=disk%u,bootindex=%u", i,
			   bootindex);
	} else {
		add_option(b, "-device", "ide-hd,drive=disk%u,bus=ide.%u,bootindex=%u", i,
			   (*port)++, bootindex);
	}
}

static void add_disks(struct builder *b)
{
	unsigned int n = (unsigned int)strv_length(b->config->disks), port = 0;

	for (unsigned int i = 0; i < n; i++) {
		add_disk(b, b->config->disks[i], i, &port);
	}
	for (unsigned int i = 0; b->config->cdroms && b->config->cdroms[i]; i++) {
		_cleanup_free_ char *escaped = escape_commas(b->config->cdroms[i]);

		if (!escaped) {
			b->error = -ENOMEM;
			return;
		}
		add_option(b, "-drive", "if=none,id=cd%u,format=raw,media=cdrom,readonly=on,file=%s",
			   i, escaped);
		add_option(b, "-device", "ide-cd,drive=cd%u,bus=ide.%u,bootindex=%u", i, port++,
			   first_bootindex(b) + n + i);
	}
}

static void add_kernel(struct builder *b)
{
	if (!b->config->kernel) {
		return;
	}
	add_option(b, "-kernel", "%s", b->config->kernel);
	if (b->config->initrd) {
		/* A comma would separate several files. */
		add_path(b, "-initrd", NULL, b->config->initrd, "%s");
	}
	if (b->config->append) {
		add_option(b, "-append", "%s", b->config->append);
	}
}

/* The address is stable as the UUID is, and differs between guests on one network. */
static void add_network(struct builder *b)
{
	const char *net = b->config->net, *uuid = b->input->uuid;
	const char *tail = uuid + strlen(uuid) - 6;

	if (strcmp(net, "none") == 0) {
		return;
	}
	if (strncmp(net, "tap:", 4) == 0) {
		add_option(b, "-netdev", "tap,id=net0,ifname=%s,script=no,downscript=no", net + 4);
	} else {
		add_option(b, "-netdev", "user,id=net0");
	}
	add_option(b, "-device", "%s,netdev=net0,mac=52:54:00:%.2s:%.2s:%.2s%s",
		   b->config->os == VM_OS_LINUX ? "virtio-net-pci" : "e1000e", tail, tail + 2,
		   tail + 4, b->config->kernel ? ",romfile=" : "");
}

/*
 * Where the picture of a card of the guest's own comes from. QEMU takes a file by its path alone;
 * so one that it is handed is opened through its descriptor. A card's driver in the host reaches it
 * as it reaches the guest's memory, and has it filled; a device that is memory is full.
 */
static void add_shared_memory(struct builder *b)
{
	bool fill = b->config->lends && !*b->config->shared.node;
	char object[128];

	if (!b->input->shared_mib) {
		return;
	}
	snprintf(object, sizeof(object),
		 "memory-backend-file,id=baton-shared,size=%" PRIu64 "M,share=on%s,mem-path=%%s",
		 b->input->shared_mib, fill ? ",prealloc=on" : "");
	if (b->input->handed) {
		char path[32];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", GUEST_FIRST_FD + GUEST_SHARED);
		add_path(b, "-object", NULL, path, object);
	} else {
		add_path(b, "-object", b->input->run_dir, RUN_FILE_SHARED, object);
	}
	add_option(b, "-device", "ivshmem-plain,memdev=baton-shared");
}

bool command_line_has_agent(const struct vm_config *config)
{
	return config->os == VM_OS_LINUX && (config->lends || vm_config_shares(config));
}

static void add_agent(struct builder *b)
{
	if (!command_line_has_agent(b->config)) {
		return;
	}
	if (b->input->handed) {
		add_option(b, "-chardev", "socket,id=baton-agent,fd=%d,server=on,wait=off",
			   GUEST_FIRST_FD + GUEST_AGENT);
	} else {
		add_path(b, "-chardev", b->input->run_dir, RUN_FILE_AGENT,
			 "socket,id=baton-agent,server=on,wait=off,path=%s");
	}
	add_option(b, "-device", "virtio-serial-pci,id=baton-serial,max_ports=2");
	add_option(b, "-device",
		   "virtserialport,bus=baton-serial.0,chardev=baton-agent,id=baton-agent,name=" AGENT_PORT);
}

/*
 * Devices of the guest's own, whose events do not pass through QEMU's main loop. The emulated ones
 * above stay: firmware and systems without virtio know no other.
 */
static void add_input(struct builder *b)
{
	int first = b->input->handed ? GUEST_FIRST_FD + GUEST_INPUT : QEMU_INPUT_FD;

	for (int kind = 0; kind < INPUT_KINDS; kind++) {
		if (b->input->input_kinds >> kind & 1) {
			add_option(b, "-chardev", "socket,id=baton-input-%d,fd=%d", kind,
				   first + kind);
			add_option(b, "-device", "vhost-user-input-pci,chardev=baton-input-%d",
				   kind);
		}
	}
}

int command_line_build(const struct command_line *input, char ***argv)
{
	struct builder b = { .input = input, .config = input->config };

	add_identity(&b);
	add_cpu(&b);
	add_machine(&b);
	add_control(&b);
	add_firmware(&b);
	add_ports(&b);
	add_seat_devices(&b);
	add_disks(&b);
	add_kernel(&b);
	add_network(&b);
	/* Last: the places of the others in the machine stay. */
	add_shared_memory(&b);
	add_agent(&b);
	add_input(&b);
	if (!b.error) {
		b.error = strv_extend(&b.argv, input->config->qemu_args);
	}
	if (b.error) {
		strv_free(b.argv);
		return b.error;
	}
	*argv = b.argv;
	return 0;
}
