// SPDX-License-Identifier: MIT
/*
 * Runs a program and watches the system calls of its first thread: which of them last long, and
 * which files they are about.
 *
 *   trace-calls LIMIT_US OUT PROGRAM ARGUMENT…
 *
 * SIGUSR1 begins and empties OUT, SIGUSR2 ends; SIGTERM goes to the program. OUT gets lines:
 *   begun
 *   slow USEC NAME-OR-NUMBER ARGUMENT   a call that lasted longer than the limit, but the loop's
 * wait path PATH                           once for each path that a call named ended CALLS
 * LONGEST_USEC
 *
 * A call lasts as long as it runs, and if it gave up the processor by itself as long as it waited.
 * The time in which the program, or we, were ready to run and a busy machine had no processor for
 * it is not counted: schedstat tells it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/ptrace.h>

enum { PATHS_MAX = 512 };

struct trace {
	pid_t pid;
	FILE *out;
	uint64_t limit_us, longest_us;
	unsigned long calls;
	bool on;
	char *paths[PATHS_MAX]; /* told already */
	unsigned int n_paths;
	int schedstat, own_schedstat, status;
	/* The call under way. */
	bool inside;
	uint64_t number, argument;
	struct account {
		uint64_t now_us, ran_us;
		uint64_t delayed_us; /* the program and we */
		uint64_t given_up;   /* how often the processor was; once at each stop */
	} before;
};

static const struct {
	long number;
	int path; /* which argument names a file; the one before may be a folder */
	bool at;
} path_calls[] = {
#ifdef SYS_open
	{ SYS_open, 0, false },      { SYS_stat, 0, false },     { SYS_lstat, 0, false },
	{ SYS_access, 0, false },    { SYS_readlink, 0, false }, { SYS_unlink, 0, false },
	{ SYS_rename, 0, false },    { SYS_mkdir, 0, false },    { SYS_rmdir, 0, false },
	{ SYS_creat, 0, false },
#endif
	{ SYS_openat, 1, true },     { SYS_openat2, 1, true },   { SYS_newfstatat, 1, true },
	{ SYS_statx, 1, true },      { SYS_faccessat, 1, true }, { SYS_faccessat2, 1, true },
	{ SYS_readlinkat, 1, true }, { SYS_unlinkat, 1, true },  { SYS_renameat2, 1, true },
	{ SYS_mkdirat, 1, true },    { SYS_truncate, 0, false }, { SYS_statfs, 0, false },
	{ SYS_execve, 0, false },
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static const char *file_read(int fd, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* How long a thread ran, and was ready and did not run. */
static void schedstat_read(int fd, uint64_t *ran_us, uint64_t *delayed_us)
{
	char text[96], *end;

	*ran_us = strtoull(file_read(fd, text, sizeof(text)), &end, 10) / 1000;
	*delayed_us = strtoull(end, NULL, 10) / 1000;
}

static struct account account_read(const struct trace *trace)
{
	static const char word[] = "\nvoluntary_ctxt_switches:";
	struct account account;
	uint64_t ran_us, delayed_us;
	char text[4096], *found;

	found = strstr(file_read(trace->status, text, sizeof(text)), word);
	account.given_up = found ? strtoull(found + strlen(word), NULL, 10) : 0;
	schedstat_read(trace->schedstat, &account.ran_us, &account.delayed_us);
	schedstat_read(trace->own_schedstat, &ran_us, &delayed_us);
	account.delayed_us += delayed_us;
	account.now_us = now_us();
	return account;
}

static uint64_t lasted_us(const struct account *before, const struct account *after)
{
	uint64_t wall = after->now_us - before->now_us;
	uint64_t delayed = after->delayed_us - before->delayed_us;

	if (after->given_up - before->given_up <= 1) {
		return after->ran_us - before->ran_us;
	}
	return wall > delayed ? wall - delayed : 0;
}

static bool is_loops_wait(uint64_t number)
{
	return number == SYS_epoll_pwait || number == SYS_epoll_pwait2
#ifdef SYS_epoll_wait
	       || number == SYS_epoll_wait
#endif
		;
}

/* ---- paths ---- */

static void tell_path(struct trace *trace, const char *path)
{
	for (unsigned int i = 0; i < trace->n_paths; i++) {
		if (strcmp(trace->paths[i], path) == 0) {
			return;
		}
	}
	if (trace->n_paths == PATHS_MAX || !(trace->paths[trace->n_paths] = strdup(path))) {
		fprintf(trace->out, "path too-many\n");
		return;
	}
	trace->n_paths++;
	fprintf(trace->out, "path %s\n", path);
}

/* Empty when there is none, as in a call about a descriptor. */
static void read_path(const struct trace *trace, uint64_t address, char *path, size_t size)
{
	size_t length = 0, page;

	/* Page by page: what is behind its end may not be there. */
	while (length < size - 1 && !memchr(path, '\0', length)) {
		struct iovec ours, its;

		page = 4096 - (address + length) % 4096;
		page = page < size - 1 - length ? page : size - 1 - length;
		ours = (struct iovec){ path + length, page };
		its = (struct iovec){ (void *)(uintptr_t)(address + length), page };
		if (process_vm_readv(trace->pid, &ours, 1, &its, 1, 0) != (ssize_t)page) {
			break;
		}
		length += page;
	}
	path[length] = '\0';
}

static void note_path(struct trace *trace, const struct ptrace_syscall_info *info)
{
	char path[PATH_MAX], folder[PATH_MAX] = "", link[64], whole[2 * PATH_MAX];
	ssize_t length;

	for (size_t i = 0; i < sizeof(path_calls) / sizeof(path_calls[0]); i++) {
		if (info->entry.nr != (uint64_t)path_calls[i].number) {
			continue;
		}
		read_path(trace, info->entry.args[path_calls[i].path], path, sizeof(path));
		if (path[0] == '\0') {
			return;
		}
		if (path[0] != '/' && path_calls[i].at && (int)info->entry.args[0] >= 0) {
			snprintf(link, sizeof(link), "/proc/%d/fd/%d", trace->pid,
				 (int)info->entry.args[0]);
			length = readlink(link, folder, sizeof(folder) - 2);
			folder[length < 0 ? 0 : length] = '/';
		}
		snprintf(whole, sizeof(whole), "%s%s", folder, path);
		tell_path(trace, whole);
	}
}

/* ---- calls ---- */

static void call_begins(struct trace *trace, const struct ptrace_syscall_info *info)
{
	trace->inside = true;
	trace->number = info->entry.nr;
	trace->argument = info->entry.args[0];
	if (trace->on) {
		note_path(trace, info);
	}
	trace->before = account_read(trace);
}

static void call_ends(struct trace *trace)
{
	const struct account after = account_read(trace);
	uint64_t lasted = lasted_us(&trace->before, &after);

	if (trace->on && trace->inside && !is_loops_wait(trace->number)) {
		trace->calls++;
		trace->longest_us = lasted > trace->longest_us ? lasted : trace->longest_us;
		if (lasted > trace->limit_us) {
			fprintf(trace->out, "slow %" PRIu64 " %" PRIu64 " %#" PRIx64 "\n", lasted,
				trace->number, trace->argument);
		}
	}
	trace->inside = false;
}

static void call_stops(struct trace *trace)
{
	struct ptrace_syscall_info info = { 0 };

	if (ptrace(PTRACE_GET_SYSCALL_INFO, trace->pid, sizeof(info), &info) < 0) {
		return;
	}
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		call_begins(trace, &info);
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
		call_ends(trace);
	}
}

/* The program has stopped, and goes on. */
static void stopped(struct trace *trace, int status)
{
	int number = WSTOPSIG(status);

	if (number == (SIGTRAP | 0x80)) {
		call_stops(trace);
		number = 0;
	} else if (status >> 16) {
		number = 0; /* an event of ours */
	}
	ptrace(PTRACE_SYSCALL, trace->pid, NULL, (void *)(intptr_t)number);
}

/* ---- begin and end ---- */

static void begin(struct trace *trace)
{
	while (trace->n_paths > 0) {
		free(trace->paths[--trace->n_paths]);
	}
	trace->on = true;
	trace->inside = false;
	trace->calls = 0;
	trace->longest_us = 0;
	rewind(trace->out);
	(void)!ftruncate(fileno(trace->out), 0);
	fprintf(trace->out, "begun\n");
}

static void end(struct trace *trace)
{
	/* What it is in just now, and for how long. */
	if (trace->on) {
		call_ends(trace);
	}
	trace->on = false;
	fprintf(trace->out, "ended %lu %" PRIu64 "\n", trace->calls, trace->longest_us);
}

static void obey(struct trace *trace, int number)
{
	if (number == SIGUSR1) {
		begin(trace);
	} else if (number == SIGUSR2) {
		end(trace);
	} else if (number == SIGTERM) {
		kill(trace->pid, SIGTERM);
	}
}

/* Returns the program's exit status. */
static int follow(struct trace *trace, const sigset_t *signals)
{
	int status;

	for (;;) {
		pid_t pid = waitpid(trace->pid, &status, WNOHANG | __WALL);

		if (pid < 0) {
			return EXIT_FAILURE;
		}
		if (pid == 0) {
			obey(trace, sigwaitinfo(signals, NULL));
		} else if (WIFSTOPPED(status)) {
			stopped(trace, status);
		} else {
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
	}
}

static int open_of_thread(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Stops at once, and once more when it is the program. */
static _Noreturn void run(char **argv, const sigset_t *before)
{
	sigprocmask(SIG_SETMASK, before, NULL);
	raise(SIGSTOP);
	execv(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct trace trace = { 0 };
	sigset_t signals, before;
	int status;

	if (argc < 4 || !(trace.out = fopen(argv[2], "we"))) {
		fprintf(stderr, "usage: trace-calls LIMIT_US OUT PROGRAM ARGUMENT...\n");
		return 2;
	}
	setvbuf(trace.out, NULL, _IOLBF, 0);
	trace.limit_us = strtoull(argv[1], NULL, 10);
	sigemptyset(&signals);
	for (size_t i = 0; i < 4; i++) {
		sigaddset(&signals, (const int[]){ SIGUSR1, SIGUSR2, SIGTERM, SIGCHLD }[i]);
	}
	sigprocmask(SIG_BLOCK, &signals, &before);
	trace.pid = fork();
	if (trace.pid == 0) {
		run(argv + 3, &before);
	}
	if (trace.pid < 0 || waitpid(trace.pid, &status, WUNTRACED) < 0 ||
	    ptrace(PTRACE_SEIZE, trace.pid, NULL,
		   (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) < 0) {
		perror("trace-calls");
		kill(trace.pid, SIGKILL);
		return EXIT_FAILURE;
	}
	trace.status = open_of_thread(trace.pid, "status");
	trace.schedstat = open_of_thread(trace.pid, "schedstat");
	trace.own_schedstat = open_of_thread(getpid(), "schedstat");
	kill(trace.pid, SIGCONT);
	return follow(&trace, &signals);
}
