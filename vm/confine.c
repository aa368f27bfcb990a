// SPDX-License-Identifier: MIT
/* Landlock; see confine.h. */
#include "vm/confine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/cleanup.h"
#include "common/strv.h"

/* Younger than the headers that we build with may be. */
#define FS_TRUNCATE (1ull << 14)               /* version 3 */
#define FS_RESOLVE_UNIX (1ull << 16)           /* version 9 */
#define SCOPE_ABSTRACT_UNIX_SOCKET (1ull << 0) /* version 6, as the next */
#define SCOPE_SIGNAL (1ull << 1)

#define FS_VERSION_1 ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)
#define FS_OF_FILES                                                                                \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |                              \
	 LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE | FS_RESOLVE_UNIX)

#define RIGHTS_TO_READ                                                                             \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

/* As the kernel has it from version 6 on; earlier ones take its beginning. */
struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct builder {
	int ruleset;
	uint64_t rights;
	char **hidden, **readable; /* canonical paths */
};

static void dir_close(DIR *dir)
{
	if (dir) {
		closedir(dir);
	}
}
DEFINE_CLEANUP(DIR *, dir_close)

int confine_version(void)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return version < 0 ? 0 : (int)version;
}

static int ruleset_create(int version, uint64_t *rights)
{
	struct ruleset_attr attr = { .fs = FS_VERSION_1 };
	size_t size = version < 6 ? sizeof(attr.fs) : sizeof(attr);
	long fd;

	attr.fs |= version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
	attr.fs |= version >= 3 ? FS_TRUNCATE : 0;
	attr.fs |= version >= CONFINE_SOCKETS ? FS_RESOLVE_UNIX : 0;
	attr.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
	*rights = attr.fs;
	fd = syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	return fd < 0 ? -errno : (int)fd;
}

/* All that is at and below the path. What is not there, or not ours to open, needs no rule. */
static int allow(const struct builder *b, const char *path, uint64_t rights)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fd };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		return 0;
	}
	if (!S_ISDIR(st.st_mode)) {
		rule.allowed_access &= FS_OF_FILES;
	}
	/* EBADFD: what lies there is no file of a file system, and cannot be named in a rule. */
	return syscall(SYS_landlock_add_rule, b->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) <
				       0 &&
			       errno != EBADFD
		       ? -errno
		       : 0;
}

static bool is_in(char *const *list, const char *path)
{
	while (list && *list && strcmp(*list, path) != 0) {
		list++;
	}
	return list && *list;
}

static bool leads_into(char *const *list, const char *path)
{
	size_t n = strlen(path);

	while (list && *list && (strncmp(*list, path, n) != 0 || (*list)[n] != '/')) {
		list++;
	}
	return list && *list;
}

/* To something that has other rights than the rest. */
static bool leads_on(const struct builder *b, const char *path)
{
	return leads_into(b->hidden, path) || leads_into(b->readable, path);
}

static int allow_around(const struct builder *b, const char *path, uint64_t rights);

/* What a folder on the way has in it. */
static int allow_entry(const struct builder *b, const char *path, uint64_t rights)
{
	if (is_in(b->readable, path)) {
		rights &= RIGHTS_TO_READ;
	}
	if (leads_on(b, path)) {
		return allow_around(b, path, rights);
	}
	return is_in(b->hidden, path) ? 0 : allow(b, path, rights);
}

static int allow_next(const struct builder *b, const char *path, uint64_t rights,
		      char *const *list)
{
	size_t n = strlen(path);
	char below[PATH_MAX];
	int r = 0;

	for (; list && *list && r >= 0; list++) {
		if (strncmp(*list, path, n) == 0 && (*list)[n] == '/') {
			snprintf(below, sizeof(below), "%.*s",
				 (int)(n + 1 + strcspn(*list + n + 1, "/")), *list);
			r = allow_entry(b, below, rights);
		}
	}
	return r;
}

/* In a folder whose names we may not read nothing is allowed but what lies on the way. */
static int allow_on_the_way(const struct builder *b, const char *path, uint64_t rights)
{
	int r = allow_next(b, path, rights, b->hidden);

	return r < 0 ? r : allow_next(b, path, rights, b->readable);
}

/* All that is in a folder on the way to one of other rights. path is "" or begins with "/". A
 * symbolic link gets no rule: where it leads to has its own. */
static int allow_around(const struct builder *b, const char *path, uint64_t rights)
{
	_cleanup_(dir_close_ptr) DIR *dir = opendir(*path ? path : "/");
	struct dirent *entry;
	char below[PATH_MAX];
	int r = 0;

	if (!dir) {
		return errno == EACCES ? allow_on_the_way(b, path, rights)
		       : errno == ENOENT ? 0
					 : -errno;
	}
	while (r >= 0 && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    entry->d_type != DT_LNK) {
			snprintf(below, sizeof(below), "%.2000s/%s", path, entry->d_name);
			r = allow_entry(b, below, rights);
		}
	}
	return r;
}

/* A folder that is not there yet may come. */
static int find_all(char *const *folders, char ***out)
{
	int r = 0;

	for (; folders && *folders && r >= 0; folders++) {
		char *path = realpath(*folders, NULL);

		r = path ? strv_append_take(out, path) : strv_append(out, *folders);
	}
	return r;
}

static int allow_own(const struct builder *b, char *const *own)
{
	int r = 0;

	for (; own && *own && r >= 0; own++) {
		_cleanup_free_ char *path = realpath(*own, NULL);

		r = path ? allow(b, path, b->rights) : 0;
	}
	return r;
}

int confine_thread(const struct confinement *confinement)
{
	_cleanup_strv_ char **hidden = NULL, **readable = NULL;
	_cleanup_close_ int fd = -1;
	struct builder b;
	int version = confine_version(), r = find_all(confinement->hidden, &hidden);

	r = r < 0 ? r : find_all(confinement->readable, &readable);
	if (r < 0 || version == 0) {
		return r < 0 ? r : -EOPNOTSUPP;
	}
	fd = ruleset_create(version, &b.rights);
	if (fd < 0) {
		return fd;
	}
	b.ruleset = fd;
	b.hidden = hidden;
	b.readable = readable;
	r = allow_around(&b, "", b.rights);
	if (r >= 0) {
		r = allow_own(&b, confinement->own);
	}
	if (r < 0) {
		return r;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, fd, 0) < 0) {
		return -errno;
	}
	return 0;
}
