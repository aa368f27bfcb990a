// SPDX-License-Identifier: MIT
/* ALSA by its ioctls alone: the guest has no library; see sound.h. */
#include "sound.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <sound/asound.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ORDER "/lib/order.sound"
#define CONTROL "/dev/snd/controlC0"
#define RATE 48000
#define CHANNELS 2
#define PERIOD 240 /* 5 ms */
#define PERIODS 4
#define TRIES 3000
#define TRY_NS (10 * 1000 * 1000)
#define AMPLITUDE 16384
#define CLICK 32000
#define CONTROLS_MAX 64

/* ---- modules ---- */

static int load_module(const char *name)
{
	char path[96];
	int fd, r;

	snprintf(path, sizeof(path), "/lib/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	r = (int)syscall(SYS_finit_module, fd, "", 0);
	r = r < 0 && errno != EEXIST ? -errno : 0;
	close(fd);
	return r;
}

static int load_modules(void)
{
	FILE *order = fopen(ORDER, "re");
	char name[80];
	int r = 0;

	if (!order) {
		return -errno;
	}
	while (r == 0 && fscanf(order, "%79s%*[^\n]", name) == 1) {
		r = load_module(name);
	}
	fclose(order);
	return r;
}

/* The codec is looked at by a worker of the kernel's. */
static int wait_for_node(const char *path)
{
	for (int i = 0; i < TRIES; i++) {
		if (access(path, F_OK) == 0) {
			return 0;
		}
		nanosleep(&(struct timespec){ .tv_nsec = TRY_NS }, NULL);
	}
	return -ENODEV;
}

/* ---- a stream ---- */

static void interval_set(struct snd_pcm_hw_params *params, int which, unsigned int value)
{
	struct snd_interval *interval =
		&params->intervals[which - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL];

	*interval = (struct snd_interval){ .min = value, .max = value, .integer = 1 };
}

static void mask_set(struct snd_pcm_hw_params *params, int which, unsigned int value)
{
	struct snd_mask *mask = &params->masks[which - SNDRV_PCM_HW_PARAM_FIRST_MASK];

	memset(mask, 0, sizeof(*mask));
	mask->bits[value / 32] = 1u << value % 32;
}

static int stream_set_format(int fd, unsigned int start)
{
	struct snd_pcm_hw_params params;
	struct snd_pcm_sw_params software;

	memset(&params, 0, sizeof(params));
	memset(params.masks, 0xff, sizeof(params.masks));
	for (size_t i = 0; i < sizeof(params.intervals) / sizeof(params.intervals[0]); i++) {
		params.intervals[i].max = UINT32_MAX;
	}
	params.rmask = UINT32_MAX;
	mask_set(&params, SNDRV_PCM_HW_PARAM_ACCESS, SNDRV_PCM_ACCESS_RW_INTERLEAVED);
	mask_set(&params, SNDRV_PCM_HW_PARAM_FORMAT, SNDRV_PCM_FORMAT_S16_LE);
	interval_set(&params, SNDRV_PCM_HW_PARAM_CHANNELS, CHANNELS);
	interval_set(&params, SNDRV_PCM_HW_PARAM_RATE, RATE);
	interval_set(&params, SNDRV_PCM_HW_PARAM_PERIOD_SIZE, PERIOD);
	interval_set(&params, SNDRV_PCM_HW_PARAM_PERIODS, PERIODS);
	if (ioctl(fd, SNDRV_PCM_IOCTL_HW_PARAMS, &params) < 0) {
		return -errno;
	}
	memset(&software, 0, sizeof(software));
	software.period_step = 1;
	software.avail_min = PERIOD;
	software.start_threshold = start;
	software.stop_threshold = PERIODS * PERIOD;
	software.boundary = PERIODS * PERIOD;
	while (software.boundary * 2 <= LONG_MAX - PERIODS * PERIOD) {
		software.boundary *= 2;
	}
	return ioctl(fd, SNDRV_PCM_IOCTL_SW_PARAMS, &software) < 0 ||
			       ioctl(fd, SNDRV_PCM_IOCTL_PREPARE) < 0
		       ? -errno
		       : 0;
}

/* start: how many frames of a transfer start it. */
static int stream_open(const char *path, int flags, unsigned int start)
{
	int fd, r = wait_for_node(path);

	if (r < 0) {
		return r;
	}
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	r = stream_set_format(fd, start);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

struct transfer {
	struct sound *sound;
	int fd;
};

static bool take_click(struct sound *sound)
{
	unsigned int clicks = atomic_load(&sound->clicks);

	return clicks > 0 && atomic_fetch_sub(&sound->clicks, 1) > 0;
}

static bool fill(struct sound *sound, int16_t *frames, double *phase)
{
	bool click = take_click(sound);
	uint32_t hz = atomic_load(&sound->hz);

	for (int i = 0; i < PERIOD; i++) {
		int16_t sample = hz ? (int16_t)(AMPLITUDE * sin(*phase)) : 0;

		*phase = hz ? fmod(*phase + 2 * M_PI * hz / RATE, 2 * M_PI) : 0;
		/* A square of 24 samples: no filter on the way hides it. */
		frames[2 * i] = frames[2 * i + 1] =
			click && i < 24 ? (i < 12 ? CLICK : -CLICK) : sample;
	}
	return click;
}

static void *play(void *data)
{
	struct transfer *transfer = data;
	int16_t frames[PERIOD * CHANNELS];
	uint64_t one = 1;
	double phase = 0;

	for (;;) {
		struct snd_xferi lump = { .buf = frames, .frames = PERIOD };
		bool click = fill(transfer->sound, frames, &phase);

		while (ioctl(transfer->fd, SNDRV_PCM_IOCTL_WRITEI_FRAMES, &lump) < 0) {
			if (errno == EPIPE) {
				atomic_fetch_add(&transfer->sound->late, 1);
			}
			if (errno != EINTR && ioctl(transfer->fd, SNDRV_PCM_IOCTL_PREPARE) < 0) {
				return NULL;
			}
		}
		if (click && write(transfer->sound->clicked, &one, sizeof(one)) < 0) {
			return NULL;
		}
	}
}

static void *listen(void *data)
{
	struct transfer *transfer = data;
	struct sound *sound = transfer->sound;
	int16_t frames[PERIOD * CHANNELS];

	for (;;) {
		struct snd_xferi lump = { .buf = frames, .frames = PERIOD };

		if (ioctl(transfer->fd, SNDRV_PCM_IOCTL_READI_FRAMES, &lump) < 0) {
			if (errno != EINTR && ioctl(transfer->fd, SNDRV_PCM_IOCTL_PREPARE) < 0) {
				return NULL;
			}
			continue;
		}
		for (int i = 0; i < PERIOD * CHANNELS; i++) {
			uint32_t level = (uint32_t)abs(frames[i]);

			if (level > atomic_load(&sound->loudest)) {
				atomic_store(&sound->loudest, level);
			}
		}
		atomic_fetch_add(&sound->frames, PERIOD);
	}
}

static int start(struct sound *sound, int fd, void *(*run)(void *data))
{
	struct transfer *transfer = malloc(sizeof(*transfer));
	pthread_t thread;

	if (!transfer) {
		return -ENOMEM;
	}
	*transfer = (struct transfer){ sound, fd };
	return -pthread_create(&thread, NULL, run, transfer);
}

/* ---- the mixer ---- */

static void control_set(int fd, struct snd_ctl_elem_id id, unsigned int percent)
{
	struct snd_ctl_elem_info info = { .id = id };
	struct snd_ctl_elem_value value = { .id = id };
	long target;

	if (ioctl(fd, SNDRV_CTL_IOCTL_ELEM_INFO, &info) < 0 ||
	    !(info.access & SNDRV_CTL_ELEM_ACCESS_WRITE)) {
		return;
	}
	if (info.type == SNDRV_CTL_ELEM_TYPE_BOOLEAN) {
		target = percent > 0;
	} else if (info.type == SNDRV_CTL_ELEM_TYPE_INTEGER) {
		long min = info.value.integer.min, max = info.value.integer.max;

		target = min + (max - min) * (long)percent / 100;
	} else {
		return;
	}
	for (unsigned int i = 0; i < info.count && i < 8; i++) {
		value.value.integer.value[i] = target;
	}
	(void)ioctl(fd, SNDRV_CTL_IOCTL_ELEM_WRITE, &value);
}

int sound_set_mixer(unsigned int percent)
{
	struct snd_ctl_elem_id ids[CONTROLS_MAX];
	struct snd_ctl_elem_list list = { .space = CONTROLS_MAX, .pids = ids };
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC), r = 0;

	if (fd < 0) {
		return -errno;
	}
	if (ioctl(fd, SNDRV_CTL_IOCTL_ELEM_LIST, &list) < 0) {
		r = -errno;
	}
	for (unsigned int i = 0; r == 0 && i < list.used; i++) {
		control_set(fd, ids[i], percent);
	}
	close(fd);
	return r;
}

/* ---- life ---- */

void sound_init(struct sound *sound)
{
	*sound = (struct sound){ .clicked = -1 };
}

int sound_open(struct sound *sound)
{
	int fd, r;

	if (sound->opened) {
		return 0;
	}
	r = load_modules();
	if (r < 0) {
		return r;
	}
	fd = stream_open("/dev/snd/pcmC0D0p", O_WRONLY, (PERIODS - 1) * PERIOD);
	if (fd < 0) {
		return fd;
	}
	sound->clicked = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = sound_set_mixer(100);
	if (r == 0) {
		r = start(sound, fd, play);
	}
	sound->opened = r == 0;
	return r;
}

int sound_record(struct sound *sound)
{
	int fd, r;

	if (sound->recording) {
		return 0;
	}
	fd = stream_open("/dev/snd/pcmC0D0c", O_RDONLY, 1);
	if (fd < 0) {
		return fd;
	}
	r = start(sound, fd, listen);
	sound->recording = r == 0;
	return r;
}
