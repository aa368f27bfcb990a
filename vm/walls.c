// SPDX-License-Identifier: MIT
/*
 * What confine.h hides from a guest's QEMU: other guests' folders, and the sockets of seat and
 * broker. The seat's lies in the folder above the guest's own. The files that say what seat and
 * guests do it may only read: who changes them is given another guest's disk at the next start.
 *
 * What its extra arguments name is its own, wherever it lies. But they may have QEMU make a file in
 * such a folder or beside it (a socket for a console, say), which no rule could allow without the
 * rest. The user's word counts more: then there are no walls, and the log says so.
 */
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/strv.h"
#include "vm/vm_private.h"

#define BROKER_FOLDER "/run/baton"

/* One is the other, or lies in it. */
static bool is_related(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), least = n < m ? n : m;

	return strncmp(a, b, least) == 0 && (n == m || (n > m ? a : b)[least] == '/' || least == 1);
}

static bool is_near_hidden(const char *folder, char *const *hidden)
{
	_cleanup_free_ char *path = realpath(folder, NULL);

	for (; path && hidden && *hidden; hidden++) {
		_cleanup_free_ char *other = realpath(*hidden, NULL);

		if (other && is_related(path, other)) {
			return true;
		}
	}
	return false;
}

/* What is there stays where it is, but a socket is made anew. */
static bool is_made(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 || S_ISSOCK(st.st_mode);
}

/* Whether QEMU makes a file beside what is hidden. */
static bool is_made_beside(const char *path, char *const *hidden)
{
	_cleanup_free_ char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;

	if (!slash || !is_made(path)) {
		return false;
	}
	slash[slash == folder] = '\0';
	return is_near_hidden(folder, hidden);
}

/* Paths begin an argument or a value in it. */
static int list_paths(const char *arg, char ***out)
{
	int r = 0;

	for (const char *at = strchr(arg, '/'); at && r >= 0; at = strchr(at + 1, '/')) {
		if (at == arg || at[-1] == '=' || at[-1] == ':') {
			r = strv_appendf(out, "%.*s", (int)strcspn(at, ","), at);
		}
	}
	return r;
}

static int list_hidden(const struct vm *vm, char ***out)
{
	int r = strv_appendf(out, "%s/..", vm->run_dir);

	r = r < 0 ? r : strv_appendf(out, "%s/..", vm->state_dir);
	r = r < 0 ? r : strv_append(out, BROKER_FOLDER);
	return r < 0 ? r : strv_append(out, GUEST_SOCKET_FOLDER);
}

/* The folder of guests' files may lie elsewhere than that of the seat's. */
static int list_readable(const struct vm *vm, char ***out)
{
	const char *file = vm->config->file, *slash = file ? strrchr(file, '/') : NULL;
	int r = vm->settings ? strv_append(out, vm->settings) : 0;

	return r < 0 || !slash ? r : strv_appendf(out, "%.*s", (int)(slash - file), file);
}

/* Its folders, and what it is made of, wherever that lies. */
static int list_own(const struct vm *vm, char *const *named, char ***out)
{
	const struct vm_config *config = vm->config;
	int r = strv_append(out, vm->run_dir);

	r = r < 0 ? r : strv_append(out, vm->state_dir);
	r = r < 0 ? r : strv_extend(out, named);
	r = r < 0 ? r : strv_extend(out, config->disks);
	r = r < 0 ? r : strv_extend(out, config->cdroms);
	r = r < 0 || !config->kernel ? r : strv_append(out, config->kernel);
	return r < 0 || !config->initrd ? r : strv_append(out, config->initrd);
}

void vm_walls_finish(struct vm_walls *walls)
{
	strv_free(walls->hidden);
	strv_free(walls->readable);
	strv_free(walls->own);
	*walls = (struct vm_walls){ 0 };
}

int vm_walls_init(const struct vm *vm, struct vm_walls *out)
{
	_cleanup_strv_ char **named = NULL;
	int r = list_hidden(vm, &out->hidden);

	r = r < 0 ? r : list_readable(vm, &out->readable);
	for (char *const *arg = vm->config->qemu_args; r >= 0 && arg && *arg; arg++) {
		r = list_paths(*arg, &named);
	}
	for (char **path = named; r >= 0 && path && *path; path++) {
		if (is_made_beside(*path, out->hidden) ||
		    is_made_beside(*path, out->readable)) {
			log_warning("%s: QEMU can reach all that this user can, since its arguments "
				    "have it make %s beside Baton's files; name a folder of its own",
				    vm->config->name, *path);
			return 0;
		}
	}
	out->wanted = true;
	return r < 0 ? r : list_own(vm, named, &out->own);
}
