// SPDX-License-Identifier: MIT
/* baton(1). */
#include <stdlib.h>

#include "common/log.h"
#include "seat/options.h"
#include "seat/restart.h"
#include "seat/seat.h"

int main(int argc, char **argv)
{
	struct seat_options options;
	struct seat *seat;
	char *restart;
	int status, r;

	r = seat_options_parse(&options, argc, argv);
	if (r != 0) {
		return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	if (options.verbose) {
		log_set_level(LOG_LEVEL_DEBUG);
	}
	if (options.verb == SEAT_VERB_CHECK_CONFIG) {
		return seat_check_config(&options);
	}
	if (seat_create(&options, &seat) < 0) {
		return EXIT_FAILURE;
	}
	status = seat_run(seat);
	restart = seat_take_restart(seat);
	seat_destroy(seat);
	if (restart) {
		restart_execute(argv, restart);
		free(restart);
		status = EXIT_FAILURE;
	}
	return status;
}
