// SPDX-License-Identifier: MIT
/* Files of guests' volumes; see audio_memory.h. */
#include "audio/audio_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/ini.h"

#define NAME_SIZE 80 /* a guest's name has 63 characters at most */

static const struct ini_key keys[] = {
	{ "sound", "volume", offsetof(struct audio_setting, volume), ini_parse_uint },
	{ "sound", "muted", offsetof(struct audio_setting, muted), ini_parse_bool },
	{ 0 },
};

DEFINE_CLEANUP(struct ini_report *, ini_report_destroy)

struct audio_setting audio_memory_load(const char *folder, const char *guest)
{
	/* It is nobody's to write but ours: a mistake in it is told to nobody, and forgotten. */
	_cleanup_(ini_report_destroy_ptr) struct ini_report *unread = ini_report_create();
	struct audio_setting read = AUDIO_SETTING_DEFAULT;
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/%s.ini", folder, guest) < 0) {
		path = NULL;
	}
	if (!unread || !path || ini_load(path, keys, &read, unread) < 0 ||
	    read.volume > AUDIO_VOLUME_MAX) {
		return AUDIO_SETTING_DEFAULT;
	}
	return read;
}

static int write_text(int fd, const struct audio_setting *setting)
{
	int n = dprintf(fd,
			"# How loud this guest was set. Remove the file to forget it.\n"
			"[sound]\nvolume = %u\nmuted = %s\n",
			setting->volume, setting->muted ? "yes" : "no");

	/* What is renamed before its text is on the disk may be empty after a power cut. */
	return n < 0 || fsync(fd) < 0 ? -errno : 0;
}

int audio_memory_save(int folder, const char *guest, const struct audio_setting *setting)
{
	char name[NAME_SIZE], draft[NAME_SIZE];
	_cleanup_close_ int fd = -1;
	int r;

	snprintf(name, sizeof(name), "%s.ini", guest);
	snprintf(draft, sizeof(draft), ".%s.new", guest);
	fd = openat(folder, draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return -errno;
	}
	r = write_text(fd, setting);
	if (r >= 0 && renameat(folder, draft, folder, name) < 0) {
		r = -errno;
	}
	if (r < 0) {
		unlinkat(folder, draft, 0);
	}
	return r;
}
