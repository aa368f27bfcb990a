/* SPDX-License-Identifier: MIT */
/* File descriptors and small files: what the folders share. No call here waits on a peer. */
#ifndef COMMON_FD_H
#define COMMON_FD_H

#include <stddef.h>
#include <sys/types.h>

/* Connects to a listening unix socket without waiting. Returns a non-blocking, close-on-exec
 * descriptor or -errno: -ENAMETOOLONG (over 107 bytes), -ENOENT, -ECONNREFUSED (nobody listens),
 * -EAGAIN (its backlog is full). */
int unix_connect(const char *path);
/* The same, and -ECONNREFUSED when a symbolic link lies there: in a guest's folder its QEMU could
 * have it lead to a socket that it may not reach itself. */
int unix_connect_own(const char *path);
/* The same as unix_connect() for a socket of packets (SOCK_SEQPACKET). */
int unix_connect_packets(const char *path);

/* As unix_connect_own(), and of packets. */
int unix_connect_own_packets(const char *path);

/* Replaces what lies at path by a listening socket of mode 0600. Returns a non-blocking,
 * close-on-exec descriptor or -errno. */
int unix_listen(const char *path, int backlog);
/* The same for a socket of packets. */
int unix_listen_packets(const char *path, int backlog);

/* Creates a folder of mode 0700 unless it is there. -ENOTDIR or -EPERM when what is there is no
 * folder of ours, so that nobody else can have prepared it. */
int mkdir_private(const char *path);

/* Reads at most the last size - 1 bytes of a file into buffer and terminates it. Returns the
 * number of bytes or -errno. */
ssize_t file_read_tail(const char *path, char *buffer, size_t size);

/* Writes a file as a whole: the old or the new content is there at any time. Safe in a folder that
 * a guest's QEMU can write to, as file_read_tail() is. 0 or -errno. */
int file_write(const char *path, const char *content, size_t size);

#endif
