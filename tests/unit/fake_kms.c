// SPDX-License-Identifier: MIT
/* Stand-ins for the functions of libdrm that the kms back end calls. */
#include "tests/unit/test.h"

#include "tests/unit/fake_kms.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "common/clock.h"
#include "tests/unit/fake_session.h"

/* Ids of its objects. */
enum {
	CONNECTOR = 10,
	ENCODER = 11,
	CRTC = 20,
	OTHER_CRTC = 21,
	PRIMARY = 30,
	CURSOR = 40,
	OVERLAY = 50
};

#define HANDLES_MAX 64

struct prop {
	uint32_t object;
	const char *name;
	uint64_t value;
};

/* What a card has at the start. A property's id is its place in this list plus one. */
static const struct prop fresh[] = {
	{ CONNECTOR, "CRTC_ID", 0 },
	{ CONNECTOR, "EDID", 0 },
	{ CONNECTOR, "non-desktop", 0 },
	{ CRTC, "ACTIVE", 0 },
	{ CRTC, "MODE_ID", 0 },
	{ PRIMARY, "type", DRM_PLANE_TYPE_PRIMARY },
	{ PRIMARY, "FB_ID", 0 },
	{ PRIMARY, "CRTC_ID", 0 },
	{ PRIMARY, "SRC_X", 0 },
	{ PRIMARY, "SRC_Y", 0 },
	{ PRIMARY, "SRC_W", 0 },
	{ PRIMARY, "SRC_H", 0 },
	{ PRIMARY, "CRTC_X", 0 },
	{ PRIMARY, "CRTC_Y", 0 },
	{ PRIMARY, "CRTC_W", 0 },
	{ PRIMARY, "CRTC_H", 0 },
	{ PRIMARY, "FB_DAMAGE_CLIPS", 0 },
	{ CURSOR, "type", DRM_PLANE_TYPE_CURSOR },
	{ CURSOR, "FB_ID", 0 },
	{ CURSOR, "CRTC_ID", 0 },
	{ CURSOR, "SRC_X", 0 },
	{ CURSOR, "SRC_Y", 0 },
	{ CURSOR, "SRC_W", 0 },
	{ CURSOR, "SRC_H", 0 },
	{ CURSOR, "CRTC_X", 0 },
	{ CURSOR, "CRTC_Y", 0 },
	{ CURSOR, "CRTC_W", 0 },
	{ CURSOR, "CRTC_H", 0 },
	{ CURSOR, "HOTSPOT_X", 0 },
	{ CURSOR, "HOTSPOT_Y", 0 },
	{ OTHER_CRTC, "ACTIVE", 0 },
	{ OTHER_CRTC, "MODE_ID", 0 },
	{ OVERLAY, "type", DRM_PLANE_TYPE_OVERLAY },
	{ OVERLAY, "FB_ID", 0 },
	{ OVERLAY, "CRTC_ID", 0 },
};
#define PROPS (sizeof(fresh) / sizeof(fresh[0]))

struct memory {
	uint32_t width, height, stride;
	uint64_t size;
	uint8_t *pixels; /* as mapped by the code under test */
	uint32_t fb;     /* 0: none */
	bool used;
};

struct blob {
	size_t size;
	char data[FAKE_BOXES_MAX * sizeof(pixman_box32_t)];
};

struct _drmModeAtomicReq {
	unsigned int count;
	struct {
		uint32_t prop;
		uint64_t value;
	} items[128];
};

struct fake_card fake_cards[FAKE_CARDS];

static uint32_t next_fb;

static struct card {
	struct fake_card *shown;
	int fd;                /* as opened by the code under test, or -1 */
	int card_fd, event_fd; /* a pipe: the card is its reading end */
	struct prop props[PROPS];
	struct memory memory[HANDLES_MAX];
	struct blob blobs[HANDLES_MAX];
	bool pending;
	uint64_t pending_user, previous_user;
} cards[FAKE_CARDS];

/* The card that is open under this descriptor. */
static struct card *card_of(int fd)
{
	for (unsigned int i = 0; fd >= 0 && i < FAKE_CARDS; i++) {
		if (cards[i].fd == fd) {
			return &cards[i];
		}
	}
	return NULL;
}

/* NULL, with errno, when the card is gone. */
static struct card *card_alive(int fd)
{
	struct card *card = card_of(fd);

	assert_non_null(card);
	errno = ENODEV;
	return card->shown->dead ? NULL : card;
}

static void card_reset(struct card *card, struct fake_card *shown)
{
	int ends[2];

	memset(card, 0, sizeof(*card));
	memcpy(card->props, fresh, sizeof(fresh));
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	card->shown = shown;
	card->fd = -1;
	card->card_fd = ends[0];
	card->event_fd = ends[1];
}

void fake_kms_reset(void)
{
	next_fb = 1000;
	for (unsigned int i = 0; i < FAKE_CARDS; i++) {
		memset(&fake_cards[i], 0, sizeof(fake_cards[i]));
		fake_cards[i].connected = fake_cards[i].has_cursor = true;
		fake_cards[i].width = 320;
		fake_cards[i].height = 200;
		card_reset(&cards[i], &fake_cards[i]);
	}
	fake_session_reset();
}

void fake_kms_finish(void)
{
	for (unsigned int i = 0; i < FAKE_CARDS; i++) {
		assert_int_equal(cards[i].fd, -1);
		assert_int_equal(fake_cards[i].framebuffers, 0);
		assert_int_equal(fake_cards[i].busy, 0);
		close(cards[i].card_fd);
		close(cards[i].event_fd);
	}
	fake_session_finish();
}

static uint64_t *prop_value(struct card *card, uint32_t object, const char *name)
{
	for (size_t i = 0; i < PROPS; i++) {
		if (card->props[i].object == object && strcmp(card->props[i].name, name) == 0) {
			return &card->props[i].value;
		}
	}
	fail_msg("no property %s", name);
	return NULL;
}

/* ---- libdrm: the card and its parts ---- */

drmVersionPtr drmGetVersion(int fd)
{
	drmVersionPtr version = calloc(1, sizeof(*version));

	version->name = strdup("fake");
	return version;
}

void drmFreeVersion(drmVersionPtr version)
{
	free(version->name);
	free(version);
}

int drmIsKMS(int fd)
{
	return 1;
}

int drmIsMaster(int fd)
{
	return !card_of(fd)->shown->not_master;
}

int drmSetClientCap(int fd, uint64_t capability, uint64_t value)
{
	return capability == DRM_CLIENT_CAP_ATOMIC && card_of(fd)->shown->no_atomic ? -1 : 0;
}

int drmGetCap(int fd, uint64_t capability, uint64_t *value)
{
	*value = 64;
	return 0;
}

drmModeResPtr drmModeGetResources(int fd)
{
	static uint32_t connectors[] = { CONNECTOR }, crtcs[] = { CRTC, OTHER_CRTC };
	drmModeResPtr resources = card_alive(fd) ? calloc(1, sizeof(*resources)) : NULL;

	if (!resources) {
		return NULL;
	}
	resources->count_connectors = card_of(fd)->shown->no_output ? 0 : 1;
	resources->count_crtcs = 2;
	resources->connectors = connectors;
	resources->crtcs = crtcs;
	return resources;
}

void drmModeFreeResources(drmModeResPtr resources)
{
	free(resources);
}

drmModePlaneResPtr drmModeGetPlaneResources(int fd)
{
	static uint32_t planes[] = { PRIMARY, OVERLAY, CURSOR };
	drmModePlaneResPtr resources = calloc(1, sizeof(*resources));

	resources->count_planes = card_of(fd)->shown->has_cursor ? 3 : 2;
	resources->planes = planes;
	return resources;
}

void drmModeFreePlaneResources(drmModePlaneResPtr resources)
{
	free(resources);
}

drmModePlanePtr drmModeGetPlane(int fd, uint32_t id)
{
	drmModePlanePtr plane = calloc(1, sizeof(*plane));

	plane->plane_id = id;
	plane->possible_crtcs = id == OVERLAY ? 3 : 1;
	return plane;
}

void drmModeFreePlane(drmModePlanePtr plane)
{
	free(plane);
}

drmModeObjectPropertiesPtr drmModeObjectGetProperties(int fd, uint32_t object, uint32_t type)
{
	drmModeObjectPropertiesPtr out = calloc(1, sizeof(*out));
	const struct prop *props = card_of(fd)->props;

	out->props = calloc(PROPS, sizeof(*out->props));
	out->prop_values = calloc(PROPS, sizeof(*out->prop_values));
	for (uint32_t i = 0; i < PROPS; i++) {
		if (props[i].object == object) {
			out->props[out->count_props] = i + 1;
			out->prop_values[out->count_props++] = props[i].value;
		}
	}
	return out;
}

void drmModeFreeObjectProperties(drmModeObjectPropertiesPtr out)
{
	free(out->props);
	free(out->prop_values);
	free(out);
}

drmModePropertyPtr drmModeGetProperty(int fd, uint32_t id)
{
	drmModePropertyPtr property = calloc(1, sizeof(*property));

	property->prop_id = id;
	snprintf(property->name, sizeof(property->name), "%s", fresh[id - 1].name);
	return property;
}

void drmModeFreeProperty(drmModePropertyPtr property)
{
	free(property);
}

drmModeConnectorPtr drmModeGetConnector(int fd, uint32_t id)
{
	static uint32_t encoders[] = { ENCODER };
	const struct card *card = card_alive(fd);
	drmModeConnectorPtr connector = card ? calloc(1, sizeof(*connector)) : NULL;
	drmModeModeInfo *mode;

	if (!connector) {
		return NULL;
	}
	card->shown->looks++;
	connector->connector_id = id;
	connector->connector_type = DRM_MODE_CONNECTOR_VIRTUAL;
	connector->connector_type_id = (uint32_t)(card - cards) + 1;
	connector->encoders = encoders;
	connector->count_encoders = 1;
	connector->connection = card->shown->connected ? DRM_MODE_CONNECTED : DRM_MODE_DISCONNECTED;
	if (!card->shown->connected) {
		return connector;
	}
	/* The preferred one is not the first. 100 Hz. */
	connector->count_modes = 2;
	connector->modes = calloc(2, sizeof(*connector->modes));
	connector->modes[0].hdisplay = connector->modes[0].vdisplay = 64;
	mode = &connector->modes[1];
	mode->hdisplay = mode->htotal = card->shown->width;
	mode->vdisplay = mode->vtotal = card->shown->height;
	mode->clock = (uint32_t)card->shown->width * card->shown->height / 10;
	mode->type = DRM_MODE_TYPE_PREFERRED;
	return connector;
}

void drmModeFreeConnector(drmModeConnectorPtr connector)
{
	if (connector) {
		free(connector->modes);
		free(connector);
	}
}

drmModeEncoderPtr drmModeGetEncoder(int fd, uint32_t id)
{
	drmModeEncoderPtr encoder = calloc(1, sizeof(*encoder));

	encoder->encoder_id = id;
	encoder->possible_crtcs = 1;
	return encoder;
}

void drmModeFreeEncoder(drmModeEncoderPtr encoder)
{
	free(encoder);
}

/* ---- libdrm: memory ---- */

int drmModeCreateDumbBuffer(int fd, uint32_t width, uint32_t height, uint32_t bpp, uint32_t flags,
			    uint32_t *handle, uint32_t *pitch, uint64_t *size)
{
	struct card *card = card_alive(fd);
	uint32_t i = 1;

	if (!card) {
		return -ENODEV;
	}
	while (card->memory[i].used) {
		i++;
		assert_true(i < HANDLES_MAX);
	}
	card->memory[i] = (struct memory){ .width = width, .height = height, .used = true };
	*handle = i;
	*pitch = card->memory[i].stride = width * 4 + 64;
	*size = card->memory[i].size = (uint64_t)*pitch * height;
	return 0;
}

int drmModeMapDumbBuffer(int fd, uint32_t handle, uint64_t *offset)
{
	*offset = (uint64_t)handle << 12;
	return 0;
}

int drmModeDestroyDumbBuffer(int fd, uint32_t handle)
{
	card_of(fd)->memory[handle].used = false;
	return 0;
}

/* The linker leads mmap(), by both of its names, to these. */
void *__wrap_mmap(void *address, size_t size, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *address, size_t size, int prot, int flags, int fd, off_t offset);
void *__real_mmap(void *address, size_t size, int prot, int flags, int fd, off_t offset);

void *__wrap_mmap(void *address, size_t size, int prot, int flags, int fd, off_t offset)
{
	struct card *card = card_of(fd);
	void *pixels;

	if (!card) {
		return __real_mmap(address, size, prot, flags, fd, offset);
	}
	pixels = __real_mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	card->memory[offset >> 12].pixels = pixels;
	return pixels;
}

void *__wrap_mmap64(void *address, size_t size, int prot, int flags, int fd, off_t offset)
{
	return __wrap_mmap(address, size, prot, flags, fd, offset);
}

int drmModeAddFB2(int fd, uint32_t width, uint32_t height, uint32_t format,
		  const uint32_t handles[4], const uint32_t pitches[4], const uint32_t offsets[4],
		  uint32_t *fb, uint32_t flags)
{
	struct card *card = card_of(fd);

	assert_true(card->memory[handles[0]].used);
	assert_int_equal(pitches[0], card->memory[handles[0]].stride);
	*fb = card->memory[handles[0]].fb = next_fb++;
	card->shown->framebuffers++;
	return 0;
}

int drmModeRmFB(int fd, uint32_t fb)
{
	struct card *card = card_of(fd);

	if (!card->shown->dead) {
		assert_int_not_equal(*prop_value(card, PRIMARY, "FB_ID"), fb);
		assert_int_not_equal(*prop_value(card, CURSOR, "FB_ID"), fb);
	}
	card->shown->framebuffers--;
	return 0;
}

uint32_t fake_kms_pixel(uint64_t fb, uint32_t x, uint32_t y)
{
	for (unsigned int i = 0; i < FAKE_CARDS * HANDLES_MAX; i++) {
		const struct memory *m = &cards[i / HANDLES_MAX].memory[i % HANDLES_MAX];

		if (m->used && m->fb == fb) {
			const void *row = m->pixels + (size_t)y * m->stride;

			return ((const uint32_t *)row)[x];
		}
	}
	fail_msg("no frame buffer %u", (unsigned int)fb);
	return 0;
}

int drmModeCreatePropertyBlob(int fd, const void *data, size_t size, uint32_t *id)
{
	struct blob *blobs = card_of(fd)->blobs;
	uint32_t i = 1;

	while (blobs[i].size) {
		i++;
		assert_true(i < HANDLES_MAX);
	}
	assert_true(size <= sizeof(blobs[i].data));
	blobs[i].size = size;
	memcpy(blobs[i].data, data, size);
	*id = i;
	return 0;
}

int drmModeDestroyPropertyBlob(int fd, uint32_t id)
{
	card_of(fd)->blobs[id].size = 0;
	return 0;
}

/* ---- libdrm: atomic requests ---- */

drmModeAtomicReqPtr drmModeAtomicAlloc(void)
{
	return calloc(1, sizeof(struct _drmModeAtomicReq));
}

void drmModeAtomicFree(drmModeAtomicReqPtr request)
{
	free(request);
}

int drmModeAtomicGetCursor(const drmModeAtomicReqPtr request)
{
	return (int)request->count;
}

int drmModeAtomicAddProperty(drmModeAtomicReqPtr request, uint32_t object, uint32_t prop,
			     uint64_t value)
{
	assert_in_range(prop, 1, PROPS);
	assert_int_equal(fresh[prop - 1].object, object);
	assert_true(request->count < 128);
	request->items[request->count].prop = prop;
	request->items[request->count].value = value;
	return (int)++request->count;
}

/* What it would make of the card. */
static struct fake_commit commit_describe(struct card *card,
					  const struct _drmModeAtomicReq *request, uint32_t flags)
{
	struct fake_commit commit = {
		.test = flags & DRM_MODE_ATOMIC_TEST_ONLY,
		.modeset = flags & DRM_MODE_ATOMIC_ALLOW_MODESET,
		.nonblock = flags & DRM_MODE_ATOMIC_NONBLOCK,
		.event = flags & DRM_MODE_PAGE_FLIP_EVENT,
		.fb = *prop_value(card, PRIMARY, "FB_ID"),
		.cursor_fb = *prop_value(card, CURSOR, "FB_ID"),
		.cursor_x = (int64_t)*prop_value(card, CURSOR, "CRTC_X"),
		.cursor_y = (int64_t)*prop_value(card, CURSOR, "CRTC_Y"),
		.active = *prop_value(card, CRTC, "ACTIVE"),
	};
	const struct blob *blob = &card->blobs[*prop_value(card, PRIMARY, "FB_DAMAGE_CLIPS")];

	for (unsigned int i = 0; i < request->count; i++) {
		uint32_t object = fresh[request->items[i].prop - 1].object;

		commit.touches_primary = commit.touches_primary || object == PRIMARY;
		commit.touches_cursor = commit.touches_cursor || object == CURSOR;
	}
	commit.damage_count = (unsigned int)(blob->size / sizeof(pixman_box32_t));
	memcpy(commit.damage, blob->data, blob->size);
	return commit;
}

static bool shows_cursor(const struct _drmModeAtomicReq *request)
{
	for (unsigned int i = 0; i < request->count; i++) {
		const struct prop *prop = &fresh[request->items[i].prop - 1];

		if (prop->object == CURSOR && strcmp(prop->name, "FB_ID") == 0) {
			return request->items[i].value != 0;
		}
	}
	return false;
}

/* An event is wanted for a CRTC that is off before and after: only the overlay's can be. */
static bool asks_event_of_dark_crtc(struct card *card, const struct _drmModeAtomicReq *request,
				    uint32_t flags)
{
	if (!(flags & DRM_MODE_PAGE_FLIP_EVENT) ||
	    *prop_value(card, OVERLAY, "CRTC_ID") != OTHER_CRTC ||
	    *prop_value(card, OTHER_CRTC, "ACTIVE")) {
		return false;
	}
	for (unsigned int i = 0; i < request->count; i++) {
		if (fresh[request->items[i].prop - 1].object == OVERLAY) {
			return true;
		}
	}
	return false;
}

static bool commit_refused(struct card *card, const struct _drmModeAtomicReq *request,
			   uint32_t flags)
{
	if (asks_event_of_dark_crtc(card, request, flags)) {
		return true;
	}
	if (flags & DRM_MODE_ATOMIC_TEST_ONLY) {
		return false;
	}
	if (card->shown->refuse > 0) {
		card->shown->refuse--;
		return true;
	}
	return card->shown->refuse_cursor && shows_cursor(request);
}

static void flip_report(struct card *card, uint64_t user, uint64_t vblank_ns)
{
	uint64_t ns = vblank_ns ? vblank_ns : clock_now_ns();
	struct drm_event_vblank event = {
		.base = { .type = DRM_EVENT_FLIP_COMPLETE, .length = sizeof(event) },
		.user_data = user,
		.tv_sec = (uint32_t)(ns / NSEC_PER_SEC),
		.tv_usec = (uint32_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC),
		.crtc_id = CRTC,
	};

	assert_int_equal(write(card->event_fd, &event, sizeof(event)), sizeof(event));
}

static void card_flip(struct card *card, uint64_t vblank_ns)
{
	assert_true(card->pending);
	card->pending = false;
	flip_report(card, card->pending_user, vblank_ns);
}

int drmModeAtomicCommit(int fd, const drmModeAtomicReqPtr request, uint32_t flags, void *user)
{
	struct card *card = card_alive(fd);
	uint64_t before[PROPS];

	if (!card) {
		return -ENODEV;
	}
	if (commit_refused(card, request, flags)) {
		card->shown->refused++;
		return -EINVAL;
	}
	if (card->pending && (flags & DRM_MODE_ATOMIC_NONBLOCK)) {
		card->shown->busy++;
		return -EBUSY;
	}
	*prop_value(card, PRIMARY, "FB_DAMAGE_CLIPS") =
		0; /* the kernel forgets it with each request */
	for (size_t i = 0; i < PROPS; i++) {
		before[i] = card->props[i].value;
	}
	for (unsigned int i = 0; i < request->count; i++) {
		card->props[request->items[i].prop - 1].value = request->items[i].value;
	}
	assert_true(card->shown->count < FAKE_COMMITS_MAX);
	card->shown->commits[card->shown->count++] = commit_describe(card, request, flags);
	if (flags & DRM_MODE_ATOMIC_TEST_ONLY) {
		for (size_t i = 0; i < PROPS; i++) {
			card->props[i].value = before[i];
		}
	} else if (flags & DRM_MODE_PAGE_FLIP_EVENT) {
		card->pending = true;
		card->previous_user = card->pending_user;
		card->pending_user = (uintptr_t)user;
		if (!card->shown->hold_flips) {
			card_flip(card, 0);
		}
	}
	return 0;
}

void fake_kms_flip(uint64_t vblank_ns)
{
	card_flip(&cards[0], vblank_ns);
}

void fake_kms_flip_late(void)
{
	flip_report(&cards[0], cards[0].previous_user, 0);
}

bool fake_kms_flip_pending(void)
{
	return cards[0].pending;
}

const struct fake_commit *fake_card_last(unsigned int card)
{
	const struct fake_card *shown = &fake_cards[card];

	for (unsigned int i = shown->count; i-- > 0;) {
		if (!shown->commits[i].test) {
			return &shown->commits[i];
		}
	}
	return NULL;
}

const struct fake_commit *fake_kms_last(void)
{
	return fake_card_last(0);
}

unsigned int fake_kms_real_count(void)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < fake_kms.count; i++) {
		count += !fake_kms.commits[i].test;
	}
	return count;
}

void fake_kms_leave_overlay(enum fake_overlay where)
{
	*prop_value(&cards[0], OVERLAY, "FB_ID") = where != FAKE_OVERLAY_OFF;
	*prop_value(&cards[0], OVERLAY, "CRTC_ID") = where == FAKE_OVERLAY_OFF    ? 0
						     : where == FAKE_OVERLAY_HERE ? CRTC
										  : OTHER_CRTC;
	*prop_value(&cards[0], OTHER_CRTC, "ACTIVE") = where == FAKE_OVERLAY_THERE;
}

bool fake_kms_is_clean(void)
{
	return *prop_value(&cards[0], OVERLAY, "FB_ID") == 0 &&
	       *prop_value(&cards[0], OTHER_CRTC, "ACTIVE") == 0;
}

bool fake_card_is_open(unsigned int card)
{
	return cards[card].fd >= 0;
}

void fake_card_hang_up(unsigned int card)
{
	int ends[2];

	fake_cards[card].dead = true;
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	dup3(ends[1], cards[card].event_fd, O_CLOEXEC); /* the old pipe's only writing end */
	close(ends[0]);
	close(ends[1]);
}

/* ---- for the seat's half ---- */

int fake_card_open(unsigned int card)
{
	int fd = fcntl(cards[card].card_fd, F_DUPFD_CLOEXEC, 0);

	assert_int_equal(cards[card].fd, -1);
	fake_cards[card].opened++;
	return cards[card].fd = fd;
}

void fake_card_close(unsigned int card)
{
	cards[card].fd = -1;
}

void fake_card_plug(unsigned int card)
{
	assert_int_equal(cards[card].fd, -1);
	close(cards[card].card_fd);
	close(cards[card].event_fd);
	card_reset(&cards[card], &fake_cards[card]);
	fake_cards[card].dead = false;
}

void fake_kms_take_over(void)
{
	for (unsigned int i = 0; i < FAKE_CARDS; i++) {
		*prop_value(&cards[i], PRIMARY, "FB_ID") = 1;
		*prop_value(&cards[i], CURSOR, "FB_ID") = 0;
	}
}
