/* SPDX-License-Identifier: MIT */
/*
 * Automatic cleanup of local variables: a local declared with one of these attributes is
 * released when it goes out of scope, so that no error path can forget it. Ownership leaves a
 * function through take_ptr() or take_fd().
 */
#ifndef COMMON_CLEANUP_H
#define COMMON_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

/* Defines f_ptr(T *p), which calls f(*p); f must accept NULL. */
#define DEFINE_CLEANUP(type, f)                                                                    \
	static inline void f##_ptr(type *p)                                                        \
	{                                                                                          \
		f(*p);                                                                             \
	}

static inline void free_ptr(void *p)
{
	free(*(void **)p);
}

/* Leaves errno as it was, so that it may run after the failure that is being reported. */
static inline void close_fd_ptr(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
}

static inline void fclose_ptr(FILE **f)
{
	if (*f) {
		fclose(*f);
	}
}

#define _cleanup_free_ _cleanup_(free_ptr)
#define _cleanup_close_ _cleanup_(close_fd_ptr)
#define _cleanup_fclose_ _cleanup_(fclose_ptr)

/* The value of a cleaned-up local, which from then on cleans up nothing. */
#define take_ptr(p)                                                                                \
	({                                                                                         \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})

static inline int take_fd_(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}
#define take_fd(fd) take_fd_(&(fd))

#endif
