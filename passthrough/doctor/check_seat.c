// SPDX-License-Identifier: MIT
/*
 * Whether baton can have screen and keyboard from here, and how far apart guests and seat are.
 *
 * To open a seat takes it from whoever has it, so it is only asked who would give it: seatd by its
 * socket, logind by this process' session.
 */
#include <grp.h>
#include <pwd.h>
#include <systemd/sd-login.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "control/paths.h"
#include "passthrough/broker/broker.h"
#include "passthrough/doctor/doctor.h"
#include "vm/command_line.h"
#include "vm/confine.h"

#define SEATD_SOCKET "/run/seatd.sock"

static const char *seatd_path(void)
{
	const char *path = getenv("SEATD_SOCK");

	return path && *path ? path : SEATD_SOCKET;
}

static bool backend_wanted(const char *name)
{
	const char *backend = getenv("LIBSEAT_BACKEND");

	return !backend || !strcmp(backend, name);
}

/* The session's seat, or NULL; allocated. type: "tty", "wayland", … or NULL; allocated. */
static char *session_seat(char **type)
{
	_cleanup_free_ char *session = NULL;
	char *seat = NULL;

	*type = NULL;
	if (sd_pid_get_session(0, &session) < 0 && sd_uid_get_display(geteuid(), &session) < 0) {
		return NULL;
	}
	if (sd_session_get_seat(session, &seat) < 0) {
		return NULL;
	}
	sd_session_get_type(session, type);
	return seat;
}

static bool check_logind(struct doctor *doctor)
{
	_cleanup_free_ char *type = NULL, *seat = session_seat(&type);

	if (!seat) {
		return false;
	}
	if (type && strcmp(type, "tty") != 0) {
		finding_pass(doctor->findings, "seat",
			     "logind knows this session on %s. A desktop (%s) has its screen, so "
			     "baton runs in a window; on a text console it has the screen itself.",
			     seat, type);
	} else {
		finding_pass(doctor->findings, "seat",
			     "logind gives this session the screen and the keyboard of %s.", seat);
	}
	return true;
}

/* The socket is there, but not for us. */
static void report_denied(struct doctor *doctor)
{
	struct stat st;
	const struct group *group = NULL;
	char remedy[160];

	if (stat(seatd_path(), &st) == 0) {
		group = getgrgid(st.st_gid);
	}
	snprintf(remedy, sizeof(remedy), "Run \"usermod -aG %s USER\" as root, and log in anew.",
		 group ? group->gr_name : "GROUP");
	finding_add(doctor->findings, FINDING_FAIL, "seat", remedy,
		    "seatd does not let this user in.");
}

void check_seat(struct doctor *doctor)
{
	_cleanup_close_ int fd = backend_wanted("seatd") ? unix_connect(seatd_path()) : -ENOENT;

	if (fd >= 0) {
		finding_pass(doctor->findings, "seat", "seatd answers on %s.", seatd_path());
	} else if (backend_wanted("logind") && check_logind(doctor)) {
		return;
	} else if (fd == -EACCES) {
		report_denied(doctor);
	} else {
		finding_add(doctor->findings, FINDING_WARN, "seat",
			    "Start baton on a text console of this machine, or install seatd.",
			    "Neither seatd nor logind would give screen and keyboard to a program "
			    "started from here, as is usual over the network.");
	}
}

/* ---- isolation ---- */

struct running {
	uid_t seat;          /* its user: who owns the folder */
	unsigned int n;      /* guests' QEMUs */
	unsigned int others; /* of these with another user than the seat */
	char loose[64];      /* one that is not in a group of its own, or empty */
	char mixed[64];      /* one that runs as the seat's user and has one of its own, or empty */
	char levels[512];    /* "work as baton-work, play as the seat's user" */
	struct broker *conf; /* what broker.conf says */
};

static void note_level(struct running *running, const char *guest, uid_t uid)
{
	const struct passwd *user = uid == running->seat ? NULL : getpwuid(uid);
	size_t n = strlen(running->levels);
	char number[16];

	snprintf(number, sizeof(number), "user %u", uid);
	snprintf(running->levels + n, sizeof(running->levels) - n, "%s%.63s as %.32s",
		 n ? ", " : "", guest,
		 uid == running->seat ? "the seat's user"
		 : user               ? user->pw_name
				      : number);
	if (uid != running->seat) {
		running->others++;
	} else if (account_find(running->conf, guest, NULL)) {
		snprintf(running->mixed, sizeof(running->mixed), "%.63s", guest);
	}
}

static void look_at_qemu(struct running *running, const char *guest, const char *pid)
{
	char text[2048];
	const char *uid, *group;
	uid_t user;

	if (text_read(at("/proc/%s/status", pid), text, sizeof(text)) < 0) {
		return;
	}
	running->n++;
	uid = strstr(text, "\nUid:");
	user = uid ? (uid_t)strtoul(uid + 5, NULL, 10) : running->seat;
	note_level(running, guest, user);
	text_read(at("/proc/%s/cgroup", pid), text, sizeof(text));
	group = strstr(text, "/baton-");
	if (!group || (!strstr(group, ".scope") && !strstr(group, ".service"))) {
		snprintf(running->loose, sizeof(running->loose), "%.63s", guest);
	}
}

/* QEMU writes its pid into its guest's folder; what an earlier one left there may be anybody's. */
static bool is_qemu(const char *pid)
{
	char name[32];

	return text_read(at("/proc/%s/comm", pid), name, sizeof(name)) == 0 &&
	       !strncmp(name, "qemu-system", 11);
}

static void find_running(const struct doctor *doctor, struct running *running)
{
	_cleanup_free_ char *folder =
		doctor->options->runtime_dir ? strdup(doctor->options->runtime_dir) : runtime_dir();
	DIR *dir = folder ? opendir(folder) : NULL;
	struct dirent *entry;
	struct stat st;
	char path[512], pid[16];

	running->seat = dir && fstat(dirfd(dir), &st) == 0 ? st.st_uid : geteuid();
	while ((entry = dir_next(&dir))) {
		snprintf(path, sizeof(path), "%.240s/%.240s/%s", folder, entry->d_name,
			 RUN_FILE_PID);
		if (text_read(path, pid, sizeof(pid)) > -1 && *pid && is_qemu(pid)) {
			look_at_qemu(running, entry->d_name, pid);
		}
	}
}

static void report_levels(struct doctor *doctor, const struct running *running)
{
	if (running->others == running->n && running->n) {
		finding_pass(doctor->findings, "isolation",
			     "Installed level: each of %u guests runs as a user of its own (%s).",
			     running->n, running->levels);
	} else if (running->others) {
		finding_pass(doctor->findings, "isolation",
			     "Installed level for %u of %u guests (%s).", running->others,
			     running->n, running->levels);
	} else if (confine_version() == 0) {
		finding_add(doctor->findings, FINDING_WARN, "isolation",
			    "Add landlock to lsm= on the kernel's command line.",
			    "User level without Landlock: who breaks out of a guest reaches all that "
			    "the seat's user can.");
	} else {
		finding_pass(doctor->findings, "isolation",
			     "User level: guests run as the user of the seat, in QEMU's sandbox and "
			     "behind Landlock%s%s.",
			     confine_version() < CONFINE_SOCKETS
				     ? " (for files; for sockets from Linux 7.1 on)"
				     : "",
			     running->n ? ", in control groups of their own" : "; none runs now");
	}
}

void check_isolation(struct doctor *doctor)
{
	static struct broker broker;
	struct running running = { .conf = &broker };
	char text[BROKER_TEXT_MAX];

	broker = (struct broker){ 0 };
	if (config_load(&broker, doctor_broker_config(doctor), text) < 0) {
		broker.n_accounts = 0;
	}
	find_running(doctor, &running);
	if (running.loose[0]) {
		finding_add(
			doctor->findings, FINDING_WARN, "isolation",
			"Run systemd's user manager for this user (\"loginctl enable-linger\"), "
			"then restart the guest.",
			"User level, and guest %s is not in a control group of its own: the "
			"broker could not tell its QEMU from the seat.",
			running.loose);
	} else if (running.mixed[0]) {
		finding_add(doctor->findings, FINDING_WARN, "isolation",
			    "End the guest and start it again while the broker runs.",
			    "Guest %s has a user of its own in broker.conf and runs as the seat's, "
			    "so it gets no card (%s).",
			    running.mixed, running.levels);
	} else {
		report_levels(doctor, &running);
	}
}
