// SPDX-License-Identifier: MIT
/* Stand-ins for the functions of libdrm that the kms back end calls: cards, parts and memory. */
#include "tests/unit/test.h"

#include "tests/unit/fake_card.h"

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

/* What a card has at the start. A property's id is its place in this list plus one. */
const struct prop fresh[PROPS] = {
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

struct fake_card fake_cards[FAKE_CARDS];

static uint32_t next_fb;

struct card cards[FAKE_CARDS];

/* The card that is open under this descriptor. */
struct card *card_of(int fd)
{
	for (unsigned int i = 0; fd >= 0 && i < FAKE_CARDS; i++) {
		if (cards[i].fd == fd) {
			return &cards[i];
		}
	}
	return NULL;
}

static pthread_t loop_thread;
atomic_bool seat_away;
pthread_mutex_t kernel_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t hang_over = PTHREAD_COND_INITIALIZER;

bool is_loop(void)
{
	return pthread_equal(pthread_self(), loop_thread);
}

/* Here a real driver may take its time. */
void take_time(const struct card *card)
{
	pthread_mutex_lock(&kernel_lock);
	while (card->hangs) {
		if (is_loop()) {
			fail_msg("the loop waits for a driver");
		}
		pthread_cond_wait(&hang_over, &kernel_lock);
	}
	pthread_mutex_unlock(&kernel_lock);
}

void fake_card_hang(unsigned int card, bool hang)
{
	pthread_mutex_lock(&kernel_lock);
	cards[card].hangs = hang;
	pthread_cond_broadcast(&hang_over);
	pthread_mutex_unlock(&kernel_lock);
}

/* NULL, with errno, when the card is gone, or closed. */
struct card *card_alive(int fd)
{
	struct card *card = card_of(fd);

	errno = ENODEV;
	return card && !card->shown->dead ? card : NULL;
}

static void card_reset(struct card *card, struct fake_card *shown)
{
	int ends[2];

	memset(card, 0, sizeof(*card));
	memcpy(card->props, fresh, sizeof(fresh));
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	card->shown = shown;
	card->fd = card->left = -1;
	card->card_fd = ends[0];
	card->event_fd = ends[1];
}

void fake_kms_reset(void)
{
	next_fb = 1000;
	loop_thread = pthread_self();
	seat_away = false;
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

uint64_t *prop_value(struct card *card, uint32_t object, const char *name)
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
	drmModeResPtr resources;

	take_time(card_of(fd));
	resources = card_alive(fd) ? calloc(1, sizeof(*resources)) : NULL;
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
	pthread_mutex_lock(&kernel_lock);
	for (uint32_t i = 0; i < PROPS; i++) {
		if (props[i].object == object) {
			out->props[out->count_props] = i + 1;
			out->prop_values[out->count_props++] = props[i].value;
		}
	}
	pthread_mutex_unlock(&kernel_lock);
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

/* ---- the card as tests see it ---- */

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
	cards[card].left = (int)cards[card].fd;
	cards[card].fd = -1;
}

/* The linker leads close() to this. The last descriptor of a card waits for its driver. */
int __wrap_close(int fd);
int __real_close(int fd);

int __wrap_close(int fd)
{
	for (unsigned int i = 0; fd >= 0 && i < FAKE_CARDS; i++) {
		if (cards[i].left == fd) {
			cards[i].left = -1;
			fake_cards[i].waits += is_loop();
		}
	}
	return __real_close(fd);
}

void fake_card_forget(unsigned int card)
{
	fake_card_close(card);
	fake_cards[card].framebuffers = 0;
}

void fake_card_plug(unsigned int card)
{
	assert_int_equal(cards[card].fd, -1);
	close(cards[card].card_fd);
	close(cards[card].event_fd);
	card_reset(&cards[card], &fake_cards[card]);
	fake_cards[card].dead = false;
}

void fake_kms_hand_back(void)
{
	seat_away = false;
}

void fake_kms_take_over(void)
{
	seat_away = true;
	for (unsigned int i = 0; i < FAKE_CARDS; i++) {
		*prop_value(&cards[i], PRIMARY, "FB_ID") = 1;
		*prop_value(&cards[i], CURSOR, "FB_ID") = 0;
	}
}
