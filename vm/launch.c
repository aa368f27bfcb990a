// SPDX-License-Identifier: MIT
/* Starts QEMU processes; see launch.h. */
#include "vm/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/strv.h"
#include "vm/command_line.h"

/* Descriptors that the child gets are first moved up here, so that none overwrites another. */
#define HIGH_FD 64
#define PRELOAD "baton-qemu.so"

extern char **environ;

/* What the service manager told the seat about the seat: QEMU must not answer in its name. And
 * LD_PRELOAD, which launch_preload() writes anew. */
static const char *const private_variables[] = {
	"LD_PRELOAD=",
	"NOTIFY_SOCKET=", "WATCHDOG_PID=", "WATCHDOG_USEC=", "LISTEN_PID=",	  "LISTEN_FDS=",
	"LISTEN_FDNAMES=", "MAINPID=",	   "INVOCATION_ID=", "JOURNAL_STREAM=", "FDSTORE=",
};

char *launch_find(const char *built, const char *installed, int mode)
{
	char program[PATH_MAX], *path;
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

	program[n < 0 ? 0 : n] = '\0';
	if (asprintf(&path, "%s/../%s", dirname(program), built) < 0) {
		return NULL;
	}
	if (access(path, mode) == 0) {
		return path;
	}
	free(path);
	return access(installed, mode) == 0 ? strdup(installed) : NULL;
}

/* What vm/preload/ mends in QEMU, before whatever the user preloads. */
int launch_preload(char **out)
{
	_cleanup_free_ char *path =
		launch_find("vm/preload/" PRELOAD, BATON_LIBDIR "/" PRELOAD, R_OK);
	const char *others = getenv("LD_PRELOAD");

	*out = NULL;
	if (!path && !others) {
		return 0;
	}
	if (asprintf(out, "LD_PRELOAD=%s%s%s", path ? path : "", path && others ? ":" : "",
		     others ? others : "") < 0) {
		*out = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int add_preload(char ***environment)
{
	char *variable;
	int r = launch_preload(&variable);

	return r < 0 || !variable ? r : strv_append_take(environment, variable);
}

static int build_environment(bool preload, char ***out)
{
	_cleanup_strv_ char **copy = NULL;
	int r = preload ? add_preload(&copy) : 0;

	if (r < 0) {
		return r;
	}
	for (char **variable = environ; *variable; variable++) {
		bool private = false;

		for (size_t i = 0; i < sizeof(private_variables) / sizeof(char *); i++) {
			private |= strncmp(*variable, private_variables[i],
					   strlen(private_variables[i])) == 0;
		}
		if (!private && strv_append(&copy, *variable) < 0) {
			return -ENOMEM;
		}
	}
	*out = take_ptr(copy);
	return 0;
}

/* Opens the output file anew; the output of the run before stays beside it. */
int launch_log_open(const char *path)
{
	_cleanup_free_ char *old = NULL;
	_cleanup_close_ int fd = -1;
	int high;

	if (asprintf(&old, "%s.old", path) < 0) {
		old = NULL;
		return -ENOMEM;
	}
	if (rename(path, old) < 0 && errno != ENOENT) {
		return -errno;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return -errno;
	}
	high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
	return high < 0 ? -errno : high;
}

/* posix_spawn functions return positive errors. */
static int set_descriptors(posix_spawn_file_actions_t *actions, int log_fd,
			   const struct launch_fds *fds)
{
	int end = LAUNCH_FIRST_FD + (int)fds->n;
	int r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	r = r ? r : posix_spawn_file_actions_adddup2(actions, log_fd, STDOUT_FILENO);
	r = r ? r : posix_spawn_file_actions_adddup2(actions, log_fd, STDERR_FILENO);
	for (size_t i = 0; i < fds->n && r == 0; i++) {
		int number = LAUNCH_FIRST_FD + (int)i;

		r = fds->fds[i] >= 0
			    ? posix_spawn_file_actions_adddup2(actions, fds->fds[i], number)
			    : posix_spawn_file_actions_addclose(actions, number);
	}
	return r ? r : posix_spawn_file_actions_addclosefrom_np(actions, end);
}

/* A session of its own, and no signal blocked, ignored or caught that we do. */
static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawnattr_setsigmask(attributes, &none);
	r = r ? r : posix_spawnattr_setsigdefault(attributes, &all);
	return r ? r
		 : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID |
								POSIX_SPAWN_SETSIGMASK |
								POSIX_SPAWN_SETSIGDEF);
}

static int spawn(char *const argv[], char *const environment[], int log_fd,
		 const struct launch_fds *fds, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = posix_spawn_file_actions_init(&actions);

	if (r) {
		return -r;
	}
	r = posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = set_descriptors(&actions, log_fd, fds);
		r = r ? r : set_attributes(&attributes);
		r = r ? r : posix_spawnp(pid, argv[0], &actions, &attributes, argv, environment);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* A process is confined as the thread that starts it, and a thread is confined for good: so this
 * one does nothing else. */
struct confined_spawn {
	char *const *argv, *const *environment;
	int log_fd;
	const struct launch_fds *fds;
	const struct confinement *walls;
	pid_t *pid;
	int confined, result;
};

static void *run_confined(void *data)
{
	struct confined_spawn *job = data;

	job->confined = job->walls ? confine_thread(job->walls) : 0;
	job->result = spawn(job->argv, job->environment, job->log_fd, job->fds, job->pid);
	return NULL;
}

static int spawn_confined(struct confined_spawn *job)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, run_confined, job);

	if (r) {
		return -r;
	}
	pthread_join(thread, NULL);
	if (job->confined < 0) {
		log_warning("A guest's QEMU can reach all that this user can: %s%s",
			    job->confined == -EOPNOTSUPP
				    ? "Landlock is not in force; switch it on by lsm= on the "
				      "kernel's command line"
				    : "Landlock does not confine it: ",
			    job->confined == -EOPNOTSUPP ? "" : strerror(-job->confined));
	}
	return job->result;
}

static void close_high(struct launch_fds *fds)
{
	for (size_t i = 0; i < fds->n; i++) {
		close_fd_ptr(&fds->fds[i]);
	}
}

/* Above all numbers that they are to get. What the seat has is closed in every program. */
static int move_high(const struct launch_fds *fds, struct launch_fds *high)
{
	for (high->n = 0; high->n < fds->n; high->n++) {
		int fd = fds->fds[high->n], moved = -1;

		if (fd >= 0) {
			moved = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
			if (moved < 0) {
				return -errno;
			}
		}
		high->fds[high->n] = moved;
	}
	return 0;
}

static int launch(struct confined_spawn *job, const struct launch_fds *fds, const char *log_file,
		  bool preload)
{
	_cleanup_strv_ char **environment = NULL;
	_cleanup_close_ int log_fd = launch_log_open(log_file);
	_cleanup_(close_high) struct launch_fds high = { 0 };
	int r = log_fd < 0 ? log_fd : move_high(fds, &high);

	r = r < 0 ? r : build_environment(preload, &environment);
	if (r < 0) {
		return r;
	}
	job->environment = environment;
	job->log_fd = log_fd;
	job->fds = &high;
	return spawn_confined(job);
}

int launch_qemu(char *const argv[], const struct launch_fds *fds, const char *log_file,
		const struct confinement *walls, pid_t *pid)
{
	return launch(&(struct confined_spawn){ .argv = argv, .walls = walls, .pid = pid }, fds,
		      log_file, true);
}

int launch_helper(char *const argv[], const struct launch_fds *fds, const char *log_file,
		  pid_t *pid)
{
	return launch(&(struct confined_spawn){ .argv = argv, .pid = pid }, fds, log_file, false);
}

void launch_last_words(const char *log_file, char *words, size_t size)
{
	static const char *const prefixes[] = { QEMU_BINARY ": ", "baton-guest: " };
	char tail[4096], *rest = tail, *line;

	words[0] = '\0';
	if (file_read_tail(log_file, tail, sizeof(tail)) < 0) {
		return;
	}
	while ((line = strsep(&rest, "\n"))) {
		size_t skip = 0;

		for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
			size_t n = strlen(prefixes[i]);

			skip = strncmp(line, prefixes[i], n) == 0 ? n : skip;
		}
		line[strcspn(line, "\r")] = '\0';
		if (line[skip]) {
			snprintf(words, size, "%s", line + skip);
		}
	}
}
