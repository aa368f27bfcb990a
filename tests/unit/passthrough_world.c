// SPDX-License-Identifier: MIT
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "passthrough/passthrough_private.h"
#include "tests/unit/loop.h"
#include "tests/unit/passthrough_world.h"
#include "tests/unit/timers.h"

#define DEADLINE_MS 20000

static uint64_t offset;

uint64_t __real_passthrough_now(void);
uint64_t __wrap_passthrough_now(void);

uint64_t __wrap_passthrough_now(void)
{
	return __real_passthrough_now() + offset;
}

/* ---- What passthrough tells ---- */

static void copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

static void on_changed(void *data, const struct passthrough_card *card)
{
	struct world *world = data;

	if (strcmp(card->name, "gpu") != 0) {
		return;
	}
	world->changes++;
	world->state = card->state;
	copy_text(world->owner, sizeof(world->owner), card->owner);
	copy_text(world->target, sizeof(world->target), card->target);
	copy_text(world->stage, sizeof(world->stage), card->stage);
	copy_text(world->text, sizeof(world->text), card->text);
	world->moving = card->moving;
	world->asking = card->asking;
}

static void on_close_screen(void *data, const struct passthrough_card *card)
{
	struct world *world = data;

	if (strcmp(card->name, "gpu") == 0) {
		world->closed++;
		world->dark = true;
		assert_string_equal(card->address, GPU);
	}
	if (!world->screens_wait) {
		passthrough_screen_closed(world->passthrough, card->name, world->screens_error,
					  world->screens_error ? "A screen hangs." : NULL);
	}
}

static void on_open_screen(void *data, const struct passthrough_card *card)
{
	struct world *world = data;

	if (strcmp(card->name, "gpu") == 0) {
		world->opened++;
		world->dark = false;
	}
	if (!world->screens_wait) {
		passthrough_screen_opened(world->passthrough, card->name, world->screens_error,
					  world->screens_error ? "No screen came on." : NULL);
	}
}

static bool on_can_release(void *data, uint32_t guest)
{
	return ((struct world *)data)->agent == guest;
}

static int on_release(void *data, uint32_t guest, const struct broker_slot *slot)
{
	struct world *world = data;

	assert_int_equal(guest, world->agent);
	assert_int_equal(slot->bus, FAKE_GUEST_BUS);
	assert_int_equal(slot->device, 0);
	assert_false(world->releasing);
	world->releases++;
	world->releasing = world->agent_error == 0;
	return world->agent_error;
}

static void on_cancel_release(void *data, uint32_t guest)
{
	struct world *world = data;

	assert_true(world->releasing);
	world->releasing = false;
}

static const struct passthrough_handlers handlers = {
	.changed = on_changed,
	.close_screen = on_close_screen,
	.open_screen = on_open_screen,
	.can_release = on_can_release,
	.release = on_release,
	.cancel_release = on_cancel_release,
};

/* ---- The machine ---- */

/* QEMU has the group open as long as it has a device of the card. */
static void on_devices(void *data, struct vm *vm)
{
	struct world *world = data;
	bool open = strstr(fake_guest_devices(world->a), "card.gpu.") ||
		    strstr(fake_guest_devices(world->b), "card.gpu.");

	fake_broker_set_open(world->broker, GPU, open);
	assert_false(strstr(fake_guest_devices(world->a), "card.gpu.") &&
		     strstr(fake_guest_devices(world->b), "card.gpu."));
}

int world_setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	offset = 0;
	snprintf(world->folder, sizeof(world->folder), "/tmp/baton-test-XXXXXX");
	if (sd_event_new(&world->event) < 0 || !mkdtemp(world->folder)) {
		return -1;
	}
	snprintf(world->path, sizeof(world->path), "%s/broker.sock", world->folder);
	world->broker = fake_broker_create(world->event, world->path);
	world->facts = fake_broker_add_card(world->broker, GPU, 2);
	fake_broker_listen(world->broker);
	world->a = fake_guest_create(world->event, "a", 101);
	world->b = fake_guest_create(world->event, "b", 102);
	fake_guest_on_devices(world->a, on_devices, world);
	fake_guest_on_devices(world->b, on_devices, world);
	world->on_request[0] = world->on_request[1] = "gpu";
	*state = world;
	return 0;
}

void world_end(struct world *world)
{
	passthrough_destroy(world->passthrough);
	world->passthrough = NULL;
}

int world_teardown(void **state)
{
	struct world *world = *state;

	world_end(world);
	fake_guest_destroy(world->a);
	fake_guest_destroy(world->b);
	fake_broker_destroy(world->broker);
	(void)rmdir(world->folder);
	sd_event_unref(world->event);
	free(world);
	return 0;
}

static struct card_config *make_config(const struct world *world, const char *name,
				       const char *slot, unsigned int port)
{
	struct card_config *config = calloc(1, sizeof(*config));

	assert_non_null(config);
	config->name = strdup(name);
	config->guest_port = port;
	config->home_pool = world->home_pool;
	config->settle_ms = 1500;
	assert_int_equal(card_slot_parse(slot, &config->slot), 0);
	return config;
}

static void add_guest(struct world *world, unsigned int i, uint32_t id, struct vm *vm)
{
	const char *aux = world->second && world->on_request[i] ? "aux" : NULL;
	char *lists[3][3] = {
		{ (char *)world->on_request[i], (char *)aux, NULL },
		{ (char *)world->follow_focus[i], NULL },
		{ (char *)world->pinned[i], NULL },
	};
	const struct card_wishes wishes = {
		.on_request = lists[0],
		.follow_focus = lists[1],
		.pinned = lists[2],
	};

	assert_int_equal(passthrough_add_guest(world->passthrough, id, vm, &wishes), 0);
}

void world_start(struct world *world)
{
	struct card_config **configs = calloc(2, sizeof(*configs));
	size_t n = 1;

	assert_non_null(configs);
	world->dark = false; /* a new seat opens what it finds */
	configs[0] = make_config(world, "gpu", GPU, 2);
	if (world->second) {
		configs[n++] = make_config(world, "aux", AUX, 3);
	}
	assert_int_equal(passthrough_create(world->event, world->path, configs, n, &handlers, world,
					    &world->passthrough),
			 0);
	add_guest(world, 0, GUEST_A, world->a);
	add_guest(world, 1, GUEST_B, world->b);
	world_settle(world);
}

/* Whether the connection to the broker is as it should be: its timers are real. */
static bool is_connected(void *data)
{
	struct world *world = data;

	return !world->passthrough || !fake_broker_listens(world->broker) ||
	       !passthrough_trouble(world->passthrough);
}

static void run_dry(struct world *world)
{
	int r;

	do {
		r = sd_event_run(world->event, 0);
		assert_true(r >= 0);
	} while (r > 0);
}

void world_settle(struct world *world)
{
	run_dry(world);
	if (!world->broker_hangs) {
		assert_true(loop_until(world->event, is_connected, world, DEADLINE_MS));
	}
	run_dry(world);
}

void world_pass(struct world *world, uint64_t usec)
{
	offset += usec;
	truth_sync(world->passthrough);
	passthrough_tick(world->passthrough);
	world_settle(world);
}

void world_rest(struct world *world)
{
	world_settle(world);
	for (int i = 0; i < 600 && world->moving; i++) {
		world_pass(world, SECOND / 2);
	}
	assert_false(world->moving);
}

void world_give(struct world *world, uint32_t id)
{
	assert_int_equal(passthrough_give(world->passthrough, "gpu", id, &world->why), 0);
	world_settle(world);
}

int world_refusal(struct world *world, uint32_t id)
{
	int r = passthrough_give(world->passthrough, "gpu", id, &world->why);

	assert_true(r < 0);
	assert_true(strlen(world->why) > 10);
	return r;
}

bool world_is_at(const struct world *world, const char *stage)
{
	const char *journal = fake_broker_journal(world->broker);
	const char *last = strrchr(journal, ' ');
	size_t length = strlen(stage);

	last = last ? last + 1 : journal;
	return strncmp(last, stage, length) == 0 && strchr("=", last[length]);
}

void world_reach(struct world *world, const struct world_way *way, const char *stage)
{
	world_start(world);
	if (way->from != HANDOFF_HOST) {
		world_give(world, way->from);
	}
	fake_broker_forget(world->broker);
	assert_int_equal(passthrough_give(world->passthrough, "gpu", way->to, &world->why), 0);
	while (!world_is_at(world, stage)) {
		assert_true(sd_event_run(world->event, 0) > 0);
	}
}

void world_restart_broker(struct world *world)
{
	fake_broker_vanish(world->broker);
	while (!passthrough_trouble(world->passthrough)) {
		assert_true(sd_event_run(world->event, 0) > 0);
	}
	fake_broker_listen(world->broker);
}

static void expect_device(struct vm *vm, const char *owner)
{
	const char *devices = fake_guest_devices(vm);

	if (owner && strcmp(owner, vm_name(vm)) == 0) {
		assert_string_equal(devices, "card.gpu.1 card.gpu.0");
	} else {
		assert_string_equal(devices, "");
	}
}

void world_expect(struct world *world, enum card_state state, const char *owner)
{
	uint32_t flags = world->facts->flags;

	assert_string_equal(card_state_name(world->state), card_state_name(state));
	assert_string_equal(world->owner, owner ? owner : "");
	assert_false(world->moving);
	assert_string_equal(world->target, "");
	assert_string_equal(world->stage, "");
	expect_device(world->a, owner);
	expect_device(world->b, owner);
	assert_int_equal(!!(flags & BROKER_CARD_LENT), state == CARD_STATE_GUEST);
	assert_string_equal(world->facts->functions[1].driver,
			    state == CARD_STATE_HOST ? "snd_hda_intel" : "vfio-pci");
	if (state == CARD_STATE_HOST) {
		assert_false(flags & BROKER_CARD_DRAINED);
		assert_false(world->dark);
	}
}

void world_expect_at(struct world *world, uint32_t owner)
{
	static const char *const names[] = { NULL, "a", "b" };

	world_expect(world, owner == HANDOFF_HOST ? CARD_STATE_HOST : CARD_STATE_GUEST,
		     names[owner]);
	assert_int_equal(timers_left_ms(), -1);
}
