// SPDX-License-Identifier: MIT
/* batonctl volume and microphone: how loud a guest is, and whether it hears. */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "control/ctl.h"

#define VOLUME_WORDS "GUEST [PERCENT|+PERCENT|-PERCENT|mute|unmute]"
#define VOLUME_MAX 100

/* A reference that belongs to the array, or NULL. */
static const json_t *find_guest(const json_t *guests, const char *name)
{
	const json_t *guest;
	size_t i;

	json_array_foreach((json_t *)guests, i, guest)
	{
		if (!strcmp(ctl_string(guest, "name"), name)) {
			return guest;
		}
	}
	return NULL;
}

/* Changes both as the word says. False when it says nothing. */
static bool apply_word(const char *word, long *volume, bool *muted)
{
	long number;
	char *end;

	if (!strcmp(word, "mute") || !strcmp(word, "unmute")) {
		*muted = word[0] == 'm';
		return true;
	}
	number = strtol(word, &end, 10);
	if (end == word || *end || number < -VOLUME_MAX || number > VOLUME_MAX) {
		return false;
	}
	*volume = word[0] == '+' || word[0] == '-' ? *volume + number : number;
	*volume = *volume < 0 ? 0 : *volume > VOLUME_MAX ? VOLUME_MAX : *volume;
	return true;
}

static enum ctl_status run_volume(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_json_ json_t *guests = NULL;
	_cleanup_free_ char *name = NULL;
	enum ctl_status status = ctl_find_guest(ctl, argv[0], &name);
	const json_t *guest;
	long volume;
	bool muted;

	if (status == CTL_OK) {
		status = ctl_get_guests(ctl, &guests);
	}
	if (status != CTL_OK) {
		return status;
	}
	guest = find_guest(guests, name);
	volume = (long)json_integer_value(json_object_get(guest, "volume"));
	muted = ctl_is_true(guest, "muted");
	if (argc < 2) {
		printf("%ld%s\n", volume, muted ? " muted" : "");
		return CTL_OK;
	}
	if (!apply_word(argv[1], &volume, &muted)) {
		return ctl_fail(CTL_USAGE,
				"\"%s\" is no volume; usage: batonctl volume " VOLUME_WORDS,
				argv[1]);
	}
	return ctl_call(ctl, NULL, "SetVolume", "sub", name, (uint32_t)volume, muted);
}

static enum ctl_status run_microphone(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_free_ char *name = NULL;
	enum ctl_status status = ctl_find_guest(ctl, argv[0], &name);

	(void)argc;
	return status == CTL_OK ? ctl_call(ctl, NULL, "SetMicrophone", "ss", name, argv[1])
				: status;
}

const struct ctl_command ctl_sound_commands[] = {
	{ "volume", 1, 2, run_volume, VOLUME_WORDS, "how loud it is; says or changes it", false },
	{ "microphone", 2, 2, run_microphone, "GUEST allow|deny|ask",
	  "whether it hears it; ask: as its file says", false },
	{ 0 },
};
