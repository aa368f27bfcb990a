// SPDX-License-Identifier: MIT
/* Who reads a card's memory: the processor or the card. The module is made up. */
#include "tests/unit/test.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/card_copy.h"

#define MIB (1u << 20)

void *__wrap_dlopen(const char *path, int flags);
void *__wrap_dlsym(void *module, const char *name);
int __wrap_dlclose(void *module);

static struct {
	int create_error, copy_error;
	bool missing;
	unsigned int loaded, created, copies;
} module;

static int fake_create(int card, struct gl_copy **out)
{
	if (module.create_error) {
		return module.create_error;
	}
	module.created++;
	*out = (struct gl_copy *)&module;
	return 0;
}

static void fake_destroy(struct gl_copy *copy)
{
	module.created--;
}

static int fake_copy(struct gl_copy *copy, const struct gl_copy_source *source, uint8_t *to)
{
	module.copies++;
	return module.copy_error;
}

static const struct gl_copy_ops fake_ops = { fake_create, fake_destroy, fake_copy };

void *__wrap_dlopen(const char *path, int flags)
{
	assert_non_null(strstr(path, "/" GL_COPY_MODULE));
	module.loaded += !module.missing;
	return module.missing ? NULL : &module;
}

void *__wrap_dlsym(void *handle, const char *name)
{
	assert_string_equal(name, GL_COPY_OPS);
	return (void *)&fake_ops;
}

int __wrap_dlclose(void *handle)
{
	module.loaded--;
	return 0;
}

static int set_up(void **state)
{
	memset(&module, 0, sizeof(module));
	*state = malloc(sizeof(struct card_copy));
	card_copy_init(*state, 3, COPY_AUTO);
	return 0;
}

static int tear_down(void **state)
{
	card_copy_close(*state);
	assert_int_equal(module.created, 0);
	assert_int_equal(module.loaded, 0);
	free(*state);
	return 0;
}

/* Eight reads of 4 MiB. */
static void measure(struct card_copy *copy, bool by_card, uint64_t rate)
{
	for (int i = 0; i < 8; i++) {
		card_copy_note(copy, by_card, 4 * MIB, 4 * MIB / rate * 1000);
	}
}

static void test_tiles(void **state)
{
	struct card_copy *copy = *state;
	struct gl_copy_source source = { 0 };

	assert_false(card_copy_wanted(copy, false));
	assert_int_equal(module.loaded, 0);
	assert_true(card_copy_wanted(copy, true));
	assert_int_equal(card_copy_rows(copy, &source, NULL), 0);
	assert_true(card_copy_wanted(copy, true));
	assert_int_equal(module.created, 1);
}

static void test_slow_memory(void **state)
{
	struct card_copy *copy = *state;

	measure(copy, false, 200);
	assert_true(card_copy_wanted(copy, false));
	measure(copy, true, 1000);
	assert_true(card_copy_wanted(copy, false));
}

static void test_slow_card(void **state)
{
	struct card_copy *copy = *state;

	measure(copy, false, 200);
	assert_true(card_copy_wanted(copy, false));
	measure(copy, true, 100);
	assert_false(card_copy_wanted(copy, false));
	assert_true(card_copy_wanted(copy, true));
}

static void test_fast_memory(void **state)
{
	struct card_copy *copy = *state;

	measure(copy, false, 5000);
	assert_false(card_copy_wanted(copy, false));
	/* A pointer's image says nothing. */
	for (int i = 0; i < 8; i++) {
		card_copy_note(copy, false, 4096, 1000 * 1000);
	}
	assert_false(card_copy_wanted(copy, false));
}

static void test_no_module(void **state)
{
	struct card_copy *copy = *state;

	module.missing = true;
	assert_false(card_copy_wanted(copy, true));
	module.missing = false;
	assert_false(card_copy_wanted(copy, true));
}

static void test_driver_cannot(void **state)
{
	struct card_copy *copy = *state;
	struct gl_copy_source source = { 0 };

	module.copy_error = -ENOTSUP;
	assert_true(card_copy_wanted(copy, true));
	assert_int_equal(card_copy_rows(copy, &source, NULL), -ENOTSUP);
	assert_false(card_copy_wanted(copy, true));
	assert_int_equal(card_copy_rows(copy, &source, NULL), -ENOTSUP);
	assert_int_equal(module.copies, 1);
	card_copy_close(copy);
	card_copy_init(copy, 3, COPY_CARD);
	module.create_error = -ENOTSUP;
	assert_false(card_copy_wanted(copy, false));
}

static void test_ways(void **state)
{
	struct card_copy *copy = *state;

	card_copy_init(copy, 3, COPY_CARD);
	assert_true(card_copy_wanted(copy, false));
	card_copy_close(copy);
	card_copy_init(copy, 3, COPY_PROCESSOR);
	measure(copy, false, 10);
	assert_false(card_copy_wanted(copy, false));
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH(test_tiles),       WITH(test_slow_memory), WITH(test_slow_card),
		WITH(test_fast_memory), WITH(test_no_module),   WITH(test_driver_cannot),
		WITH(test_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
