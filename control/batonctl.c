// SPDX-License-Identifier: MIT
/* batonctl: the command line of a running seat; see batonctl(1). */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "control/control.h"
#include "control/ctl.h"
#include "control/paths.h"

static const struct ctl_command *const tables[] = { ctl_seat_commands, ctl_gpu_commands,
						    ctl_sound_commands, ctl_input_commands,
						    ctl_doctor_commands };

#define N_TABLES (sizeof(tables) / sizeof(tables[0]))

/* ---- words ---- */

/* Words from "--" on are no options. */
static int end_of_options(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--")) {
			return i;
		}
	}
	return argc;
}

static void drop_words(int *argc, char **argv, int at, int n)
{
	memmove(argv + at, argv + at + n, (size_t)(*argc - at - n) * sizeof(*argv));
	*argc -= n;
}

bool ctl_take_flag(int *argc, char **argv, const char *option)
{
	int end = end_of_options(*argc, argv);

	for (int i = 0; i < end; i++) {
		if (!strcmp(argv[i], option)) {
			drop_words(argc, argv, i, 1);
			return true;
		}
	}
	return false;
}

const char *ctl_take_value(int *argc, char **argv, const char *option, bool *bad)
{
	int end = end_of_options(*argc, argv);
	size_t length = strlen(option);
	const char *value;

	for (int i = 0; i < end; i++) {
		if (!strncmp(argv[i], option, length) && argv[i][length] == '=') {
			value = argv[i] + length + 1;
			drop_words(argc, argv, i, 1);
			return value;
		}
		if (strcmp(argv[i], option)) {
			continue;
		}
		if (i + 1 >= end) {
			ctl_fail(CTL_USAGE, "%s wants a value", option);
			*bad = true;
			return NULL;
		}
		value = argv[i + 1];
		drop_words(argc, argv, i, 2);
		return value;
	}
	return NULL;
}

void ctl_end_options(int *argc, char **argv)
{
	int end = end_of_options(*argc, argv);

	if (end < *argc) {
		drop_words(argc, argv, end, 1);
	}
}

/* ---- commands ---- */

static void print_help(void)
{
	printf("usage: batonctl [--socket PATH] [--json] COMMAND\n\n");
	for (size_t t = 0; t < N_TABLES; t++) {
		for (const struct ctl_command *c = tables[t]; c->name; c++) {
			printf("  %s%s%s\n        %s\n", c->name, *c->words ? " " : "", c->words,
			       c->help);
		}
	}
	printf("\nThe seat is found at $BATON_RUNTIME_DIR/" CONTROL_SOCKET
	       " or $XDG_RUNTIME_DIR/baton/" CONTROL_SOCKET ".\n");
}

static const struct ctl_command *find_command(const char *name)
{
	for (size_t t = 0; t < N_TABLES; t++) {
		for (const struct ctl_command *c = tables[t]; c->name; c++) {
			if (!strcmp(c->name, name)) {
				return c;
			}
		}
	}
	return NULL;
}

static enum ctl_status run_command(struct ctl *ctl, const struct ctl_command *command, int argc,
				   char **argv)
{
	int end = end_of_options(argc, argv);
	enum ctl_status status = CTL_OK;

	if (argc - (end < argc) < command->least || argc - (end < argc) > command->most) {
		return ctl_fail(CTL_USAGE, "usage: batonctl %s%s%s", command->name,
				*command->words ? " " : "", command->words);
	}
	if (!command->offline) {
		status = ctl_connect(ctl);
	}
	return status != CTL_OK ? status : command->run(ctl, argc, argv);
}

static char *default_socket(void)
{
	_cleanup_free_ char *folder = runtime_dir();
	char *path;

	return folder && asprintf(&path, "%s/" CONTROL_SOCKET, folder) >= 0 ? path : NULL;
}

static enum ctl_status run(struct ctl *ctl, int argc, char **argv)
{
	const struct ctl_command *command;
	bool bad = false;
	const char *socket = ctl_take_value(&argc, argv, "--socket", &bad);

	ctl->json = ctl_take_flag(&argc, argv, "--json");
	if (bad) {
		return CTL_USAGE;
	}
	if (ctl_take_flag(&argc, argv, "--help") || ctl_take_flag(&argc, argv, "-h")) {
		print_help();
		return CTL_OK;
	}
	if (ctl_take_flag(&argc, argv, "--version")) {
		printf("batonctl %s\n", BATON_VERSION);
		return CTL_OK;
	}
	if (!argc) {
		return ctl_fail(CTL_USAGE, "no command is given; \"batonctl --help\" shows them");
	}
	command = find_command(argv[0]);
	if (!command) {
		return ctl_fail(CTL_USAGE, "\"%s\" is no command; \"batonctl --help\" shows them",
				argv[0]);
	}
	ctl->socket_path = socket ? strdup(socket) : default_socket();
	if (!ctl->socket_path) {
		return ctl_fail(CTL_FAILED, "out of memory");
	}
	return run_command(ctl, command, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	struct ctl ctl = { 0 };
	enum ctl_status status = run(&ctl, argc - 1, argv + 1);

	sd_bus_flush_close_unref(ctl.bus);
	free(ctl.socket_path);
	if (fflush(stdout) == EOF && status == CTL_OK) {
		status = CTL_FAILED;
	}
	return status;
}
