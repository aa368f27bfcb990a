/* SPDX-License-Identifier: MIT */
/* Where a seat and those who talk to it find each other. */
#ifndef CONTROL_PATHS_H
#define CONTROL_PATHS_H

/*
 * The runtime folder: $BATON_RUNTIME_DIR, else $XDG_RUNTIME_DIR/baton, else /run/user/UID/baton
 * when /run/user/UID is there, else /tmp/baton-UID. Allocated; NULL without memory. Whoever
 * creates it makes it private with mkdir_private(), which refuses one that somebody else laid out.
 */
char *runtime_dir(void);

/* What the user sets, and what outlives a reboot: $XDG_CONFIG_HOME/baton, else ~/.config/baton;
 * $XDG_STATE_HOME/baton, else ~/.local/state/baton. Allocated; NULL without memory. */
char *config_dir(void);
char *state_dir(void);

#endif
