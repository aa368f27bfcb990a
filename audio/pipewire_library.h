/* SPDX-License-Identifier: MIT */
/*
 * libpipewire, loaded when the first guest makes a sound and not before: a seat whose guests are
 * silent, and each start, does without it, and a host that has no PipeWire has a seat nevertheless.
 */
#ifndef AUDIO_PIPEWIRE_LIBRARY_H
#define AUDIO_PIPEWIRE_LIBRARY_H

/* Afterwards the functions of pipewire/pipewire.h that are used here may be called. 0, or -ENOENT
 * after one logged sentence with the remedy. Stays loaded. Reads the disk: not for the loop's
 * thread. */
int pipewire_library_load(void);

#endif
