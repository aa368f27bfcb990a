// SPDX-License-Identifier: MIT
/*
 * For the test guest's kernel. Linux 6.10 and later forget to reset a plane's ignore_damage_clips
 * once a frame buffer was exchanged (__drm_atomic_helper_plane_duplicate_state() copies it on):
 * from then on each DRM_IOCTL_MODE_DIRTYFB tells virtio-gpu's host that the whole screen changed.
 * Where the damage of a frame is measured it must be what the guest said, so this resets the flag
 * before each such call, as a mended kernel does.
 */
#include <drm/drm_device.h>
#include <drm/drm_framebuffer.h>
#include <drm/drm_plane.h>
#include <linux/kprobes.h>
#include <linux/module.h>

static int forget(struct kprobe *probe, struct pt_regs *regs)
{
	struct drm_framebuffer *fb = (struct drm_framebuffer *)regs->di;
	struct drm_plane *plane;

	drm_for_each_plane(plane, fb->dev) {
		if (plane->state && plane->state->fb == fb) {
			plane->state->ignore_damage_clips = false;
		}
	}
	return 0;
}

static struct kprobe probe = {
	.symbol_name = "drm_atomic_helper_dirtyfb",
	.pre_handler = forget,
};

static int __init start(void)
{
	return register_kprobe(&probe);
}

module_init(start);
MODULE_DESCRIPTION("Lets DIRTYFB announce the damage that it was given");
MODULE_LICENSE("Dual MIT/GPL");
