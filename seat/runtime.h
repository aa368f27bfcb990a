/* SPDX-License-Identifier: MIT */
/*
 * The folders of a running seat. The runtime folder is the seat's identity: whoever starts there
 * again finds the guests that still run, and only one seat can be in it at a time.
 */
#ifndef SEAT_RUNTIME_H
#define SEAT_RUNTIME_H

struct runtime {
	char *dir;     /* sockets, logs, lock; mode 0700 */
	char *state;   /* what outlives a reboot: UEFI variables */
	char *config;  /* baton.conf and guests/ */
	char *socket;  /* the control socket */
	int lock;      /* descriptor that holds the lock, or -1; the file says who is in front */
};

/*
 * Works out the folders (the arguments win over the environment and may be NULL), creates them
 * and takes the lock. -EBUSY when another seat has it. Logs one sentence when it fails.
 */
int runtime_open(struct runtime *runtime, const char *dir, const char *config);
void runtime_close(struct runtime *runtime);

/* Only the configuration folder, for check-config. 0 or -ENOMEM. */
int runtime_find_config(struct runtime *runtime, const char *dir);

/* Who was in front, for the next seat in this folder. The name is allocated; NULL: nobody. */
void runtime_save_focus(const struct runtime *runtime, const char *guest);
char *runtime_load_focus(const struct runtime *runtime);

#endif
