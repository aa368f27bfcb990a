// SPDX-License-Identifier: MIT
/*
 * What is shown, as layers: the switcher's grid, filter and selection, one guest in its box, the
 * pointer, and above all the damage. It is proved by drawing: what differs between two pictures
 * lies inside the damage that was told, whatever the sizes.
 */
#include "tests/unit/test.h"

#include <drm_fourcc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compositor/scene/scene.h"
#include "compositor/scene/text.h"
#include "compositor/scene/thumbnail.h"
#include "compositor/scene/view.h"
#include "tests/unit/test_frames.h"

#define ENTRIES_MAX 100

struct stage {
	struct scene scene;
	struct scene_entry entries[ENTRIES_MAX];
	unsigned int count;
	struct scene_view view;
	struct renderer *renderer;
	pixman_region32_t damage;
	uint32_t random;
};

static struct stage *stage_create(uint32_t width, uint32_t height)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	assert_non_null(stage);
	scene_init(&stage->scene);
	scene_view_init(&stage->view, width, height);
	pixman_region32_init(&stage->damage);
	assert_int_equal(pixman_renderer_create(&stage->renderer), 0);
	stage->random = 42;
	return stage;
}

static struct scene_entry *add_guest(struct stage *stage, const char *name, unsigned int slot)
{
	struct scene_entry *entry = &stage->entries[stage->count++];

	scene_entry_init(entry, &stage->scene, stage->count);
	scene_entry_describe(&stage->scene, entry, name, slot, "running", NULL);
	return entry;
}

static void set_frame(struct stage *stage, struct scene_entry *entry, uint32_t width,
		      uint32_t height)
{
	frame_unlock(entry->frame);
	entry->frame = test_frame_plain(width, height, &stage->random);
}

static void stage_destroy(struct stage *stage)
{
	for (unsigned int i = 0; i < stage->count; i++) {
		scene_entry_finish(&stage->entries[i]);
	}
	scene_view_finish(&stage->view);
	scene_finish(&stage->scene);
	pixman_region32_fini(&stage->damage);
	renderer_destroy(stage->renderer);
	free(stage);
}

/* ---- pictures ---- */

static uint32_t *draw_all(struct stage *stage)
{
	uint32_t width = stage->view.width, height = stage->view.height;
	uint32_t *pixels = calloc((size_t)width * height, sizeof(*pixels));
	struct render_target target = { pixels, width, height, width * 4 };
	pixman_region32_t all;

	assert_non_null(pixels);
	pixman_region32_init_rect(&all, 0, 0, width, height);
	assert_int_equal(stage->renderer->ops->draw(stage->renderer, &target,
						    stage->view.layers.items,
						    stage->view.layers.count, &all),
			 0);
	pixman_region32_fini(&all);
	return pixels;
}

static uint64_t damage_area(struct stage *stage)
{
	int count;
	const pixman_box32_t *boxes = pixman_region32_rectangles(&stage->damage, &count);
	uint64_t area = 0;

	for (int i = 0; i < count; i++) {
		area += (uint64_t)(boxes[i].x2 - boxes[i].x1) *
			(uint64_t)(boxes[i].y2 - boxes[i].y1);
	}
	return area;
}

/* Everything that differs from before is damaged. Frees before; returns what is shown now. */
static uint32_t *check_damage(struct stage *stage, uint32_t *before)
{
	uint32_t *after = draw_all(stage);

	for (uint32_t i = 0; i < stage->view.width * stage->view.height; i++) {
		int32_t x = (int32_t)(i % stage->view.width), y = (int32_t)(i / stage->view.width);

		if (((before[i] ^ after[i]) & 0xffffff) != 0 &&
		    !pixman_region32_contains_point(&stage->damage, x, y, NULL)) {
			fail_msg("%d, %d changed outside the damage", x, y);
		}
	}
	free(before);
	pixman_region32_clear(&stage->damage);
	return after;
}

static void update(struct stage *stage)
{
	scene_view_update(&stage->view, &stage->scene, &stage->damage);
}

/* ---- the grid ---- */

static const uint32_t sizes[][2] = { { 640, 480 },   { 800, 600 },   { 1280, 800 },
				     { 1920, 1080 }, { 3840, 2160 }, { 1080, 1920 } };
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static bool boxes_overlap(const pixman_box32_t *a, const pixman_box32_t *b)
{
	return a->x1 < b->x2 && b->x1 < a->x2 && a->y1 < b->y2 && b->y1 < a->y2;
}

static void assert_inside(const pixman_box32_t *box, const pixman_box32_t *area)
{
	assert_true(box->x1 < box->x2 && box->y1 < box->y2);
	assert_true(box->x1 >= area->x1 && box->x2 <= area->x2);
	assert_true(box->y1 >= area->y1 && box->y2 <= area->y2);
}

static void check_grid(const struct grid *grid, const pixman_box32_t *area)
{
	for (unsigned int i = 0; i < grid->count; i++) {
		pixman_box32_t card, picture;

		if (!grid_is_visible(grid, i)) {
			continue;
		}
		card = grid_card(grid, i);
		picture = grid_picture(grid, i);
		assert_inside(&card, area);
		assert_inside(&picture, &card);
		assert_int_equal(grid_at(grid, (card.x1 + card.x2) / 2, card.y2 - 1), i);
		for (unsigned int j = 0; j < i; j++) {
			pixman_box32_t other;

			if (grid_is_visible(grid, j)) {
				other = grid_card(grid, j);
				assert_false(boxes_overlap(&card, &other));
			}
		}
	}
}

static void cards_lie_apart_and_inside(void **state)
{
	for (size_t s = 0; s < SIZES; s++) {
		struct theme theme = theme_for_height(sizes[s][1]);
		pixman_box32_t area = { 20, 90, (int32_t)sizes[s][0] - 20,
					(int32_t)sizes[s][1] - 80 };

		for (unsigned int count = 1; count <= ENTRIES_MAX; count++) {
			for (unsigned int selected = 0; selected <= count; selected += 7) {
				struct grid grid;

				grid_layout(&grid, &theme, &area, count, selected);
				check_grid(&grid, &area);
				assert_true(selected == count || grid_is_visible(&grid, selected));
			}
		}
	}
}

static void thirty_guests_fit_one_page(void **state)
{
	for (size_t s = 0; s < SIZES; s++) {
		struct stage *stage = stage_create(sizes[s][0], sizes[s][1]);

		for (int i = 0; i < 30; i++) {
			add_guest(stage, "guest", 0);
		}
		scene_view_layout(&stage->view, &stage->scene);
		assert_int_equal(stage->view.grid.count, 30);
		/* The smallest screen shows some rows of them at a time. */
		assert_true(s == 0 || grid_is_visible(&stage->view.grid, 29));
		stage_destroy(stage);
	}
}

static void arrows_stay_in_the_grid(void **state)
{
	/* Seven cards in rows of three. */
	struct grid grid = { .count = 7, .columns = 3, .rows = 3 };
	static const struct {
		unsigned int from;
		int dx, dy;
		unsigned int to;
	} moves[] = {
		{ 0, -1, 0, 0 }, { 0, 0, -1, 0 }, { 0, 1, 0, 1 },  { 2, 1, 0, 3 },  { 3, -1, 0, 2 },
		{ 6, 1, 0, 6 },  { 0, 0, 1, 3 },  { 4, 0, 1, 6 },  { 5, 0, 1, 6 },  { 6, 0, 1, 6 },
		{ 6, 0, -1, 3 }, { 1, 0, 9, 6 },  { 6, 0, -9, 0 }, { 2, -9, 0, 0 }, { 2, 9, 0, 6 },
	};
	struct grid empty = { 0 };

	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		assert_int_equal(grid_move(&grid, moves[i].from, moves[i].dx, moves[i].dy),
				 moves[i].to);
	}
	assert_int_equal(grid_move(&empty, 0, 1, 1), 0);
}

/* ---- guests, filter, selection ---- */

/* A window may be pulled smaller than anything that can be shown in it. */
static void tiny_outputs_have_no_pictures_of_negative_size(void **state)
{
	for (uint32_t size = 1; size < 200; size += 3) {
		struct stage *stage = stage_create(size, 201 - size);
		struct scene_entry *entry = add_guest(stage, "one", 1);
		pixman_box32_t box;

		set_frame(stage, entry, 64, 48);
		stage->scene.switcher = true;
		update(stage);
		if (scene_view_card_picture(&stage->view, &stage->scene, entry, &box)) {
			assert_true(box.x1 < box.x2 && box.y1 < box.y2);
		}
		free(draw_all(stage));
		stage_destroy(stage);
	}
}

static void guests_are_in_slot_order(void **state)
{
	struct stage *stage = stage_create(800, 600);
	struct scene_entry *none = add_guest(stage, "none", 0), *third = add_guest(stage, "c", 3);
	struct scene_entry *first = add_guest(stage, "a", 1);

	assert_ptr_equal(scene_matching_at(&stage->scene, 0), first);
	assert_ptr_equal(scene_matching_at(&stage->scene, 1), third);
	assert_ptr_equal(scene_matching_at(&stage->scene, 2), none);
	assert_null(scene_matching_at(&stage->scene, 3));
	assert_true(scene_entry_describe(&stage->scene, none, "none", 2, "running", NULL));
	assert_false(scene_entry_describe(&stage->scene, none, "none", 2, "running", NULL));
	assert_ptr_equal(scene_matching_at(&stage->scene, 1), none);
	stage_destroy(stage);
}

static void filter_narrows_and_selection_follows(void **state)
{
	struct stage *stage = stage_create(800, 600);
	struct scene *scene = &stage->scene;

	add_guest(stage, "Debian", 1);
	add_guest(stage, "memtest", 2);
	add_guest(stage, "debian-installer", 3);
	scene->selected = 2;
	scene_set_text(&scene->filter, "DEB");
	assert_int_equal(scene_matching_count(scene), 2);
	assert_int_equal(scene_matching_index(scene, 3), 1);
	assert_int_equal(scene_matching_index(scene, 2), 2);
	scene_repair_selection(scene);
	assert_int_equal(scene->selected, 1);
	scene->selected = 3;
	scene_repair_selection(scene);
	assert_int_equal(scene->selected, 3);
	scene_set_text(&scene->filter, "xyz");
	scene_repair_selection(scene);
	assert_int_equal(scene->selected, 0);
	scene_set_text(&scene->filter, "");
	assert_int_equal(scene_matching_count(scene), 3);
	stage_destroy(stage);
}

/* ---- one guest ---- */

static void guest_fills_the_screen_with_bars(void **state)
{
	struct stage *stage = stage_create(800, 600);
	struct scene_entry *guest = add_guest(stage, "one", 1);
	pixman_box32_t box, wanted = { 0, 75, 800, 525 };
	uint32_t *pixels;

	set_frame(stage, guest, 1600, 900);
	stage->scene.front = 1;
	assert_true(scene_view_front_box(&stage->view, &stage->scene, &box));
	assert_memory_equal(&box, &wanted, sizeof(box));
	set_frame(stage, guest, 800, 450);
	update(stage);
	pixels = draw_all(stage);
	for (int32_t y = 0; y < 600; y++) {
		for (int32_t x = 0; x < 800; x++) {
			uint32_t rgb =
				y < 75 || y >= 525 ? 0 : test_frame_rgb(guest->frame, x, y - 75);

			assert_int_equal(pixels[y * 800 + x] & 0xffffff, rgb);
		}
	}
	free(pixels);
	stage_destroy(stage);
}

static void desk_is_shown_without_a_picture(void **state)
{
	struct stage *stage = stage_create(640, 480);
	uint32_t *nobody, *waiting;
	pixman_box32_t box;

	update(stage);
	nobody = draw_all(stage);
	add_guest(stage, "one", 1);
	stage->scene.front = 1;
	assert_false(scene_view_front_box(&stage->view, &stage->scene, &box));
	pixman_region32_clear(&stage->damage);
	update(stage);
	waiting = check_damage(stage, nobody);
	free(waiting);
	stage_destroy(stage);
}

/* ---- damage ---- */

/* A change of single pixels and boxes of a frame at any scale. */
static void frame_damage_covers_what_changes(void **state)
{
	for (uint32_t i = 1; i <= 60; i++) {
		uint32_t random = i * 7919;
		struct stage *stage = stage_create((uint32_t)random_between(&random, 40, 200),
						   (uint32_t)random_between(&random, 40, 150));
		struct scene_entry *guest = add_guest(stage, "one", 1);
		uint32_t *shown;

		set_frame(stage, guest, (uint32_t)random_between(&random, 1, 220),
			  (uint32_t)random_between(&random, 1, 160));
		stage->scene.front = 1;
		update(stage);
		pixman_region32_clear(&stage->damage);
		shown = draw_all(stage);
		for (int change = 0; change < 12; change++) {
			pixman_box32_t box;

			box.x1 = random_between(&random, 0, (int32_t)guest->frame->width - 1);
			box.y1 = random_between(&random, 0, (int32_t)guest->frame->height - 1);
			box.x2 = random_between(&random, box.x1 + 1, (int32_t)guest->frame->width);
			box.y2 = random_between(&random, box.y1 + 1, (int32_t)guest->frame->height);
			for (int32_t y = box.y1; y < box.y2; y++) {
				for (int32_t x = box.x1; x < box.x2; x++) {
					test_frame_set(guest->frame, x, y, random_next(&random));
				}
			}
			layers_map_damage(&stage->view.layers, guest->frame, &box, &stage->damage);
			shown = check_damage(stage, shown);
		}
		free(shown);
		stage_destroy(stage);
	}
}

static void unscaled_damage_is_exact(void **state)
{
	struct stage *stage = stage_create(300, 200);
	struct scene_entry *guest = add_guest(stage, "one", 1);
	pixman_box32_t box = { 17, 5, 40, 9 }, *mapped;

	set_frame(stage, guest, 300, 100);
	stage->scene.front = 1;
	update(stage);
	pixman_region32_clear(&stage->damage);
	layers_map_damage(&stage->view.layers, guest->frame, &box, &stage->damage);
	mapped = pixman_region32_extents(&stage->damage);
	assert_int_equal(mapped->x1, 17);
	assert_int_equal(mapped->y1, 55);
	assert_int_equal(mapped->x2, 40);
	assert_int_equal(mapped->y2, 59);
	stage_destroy(stage);
}

/* One random change of what is to be shown. */
/* Single pixels everywhere: what is told of them stays short, and leaves none out. */
static void scattered_damage_is_bounded(void **state)
{
	struct stage *stage = stage_create(640, 480);
	struct scene_entry *entry = add_guest(stage, "one", 1);
	pixman_box32_t all = { 0, 0, 639, 479 };

	stage->scene.front = entry->id;
	set_frame(stage, entry, 640, 480);
	update(stage);
	pixman_region32_clear(&stage->damage);
	for (int32_t y = 0; y < 480; y += 2) {
		for (int32_t x = 0; x < 640; x += 2) {
			pixman_box32_t box = { x, y, x + 1, y + 1 };

			layers_map_damage(&stage->view.layers, entry->frame, &box, &stage->damage);
			assert_in_range(pixman_region32_n_rects(&stage->damage), 1, 256);
		}
	}
	assert_int_equal(pixman_region32_contains_rectangle(&stage->damage, &all),
			 PIXMAN_REGION_IN);
	stage_destroy(stage);
}

static void change_scene(struct stage *stage, uint32_t *random)
{
	struct scene *scene = &stage->scene;
	struct scene_entry *entry = &stage->entries[random_next(random) % stage->count];
	bool coin = random_next(random) & 1;

	switch (random_next(random) % 11) {
	case 0:
		scene->switcher = coin;
		break;
	case 1:
		scene->front = entry->id;
		break;
	case 2:
		scene->selected = entry->id;
		break;
	case 3:
		scene_set_text(&scene->toast, coin ? entry->name : NULL);
		break;
	case 4:
		scene_set_text(&scene->notice, coin ? "does not answer" : NULL);
		break;
	case 5:
		scene_set_text(&scene->help, coin ? "A + B\tone\nC\ttwo\n" : NULL);
		break;
	case 6:
		scene_set_text(&scene->filter, coin ? "g1" : NULL);
		break;
	case 7:
		scene_entry_describe(scene, entry, entry->name, entry->slot,
				     coin ? "running" : "hung", coin ? NULL : "does not answer");
		break;
	case 8:
		set_frame(stage, entry, (uint32_t)random_between(random, 1, 400),
			  (uint32_t)random_between(random, 1, 300));
		break;
	case 9:
		frame_unlock(entry->frame);
		entry->frame = NULL;
		break;
	default:
		scene_entry_describe(scene, entry, entry->name, random_next(random) % 4, "running",
				     NULL);
	}
}

static void scene_changes_damage_what_changes(void **state)
{
	struct stage *stage = stage_create(400, 300);
	uint32_t random = 77, *shown;
	char name[16];

	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "g%d", i);
		set_frame(stage, add_guest(stage, name, (unsigned int)i), 320, 200);
	}
	update(stage);
	shown = draw_all(stage);
	pixman_region32_clear(&stage->damage);
	for (int i = 0; i < 250; i++) {
		change_scene(stage, &random);
		update(stage);
		shown = check_damage(stage, shown);
		/* Once more without a change: nothing is damaged. */
		update(stage);
		assert_int_equal(damage_area(stage), 0);
	}
	free(shown);
	stage_destroy(stage);
}

static void guest_that_dies_turns_grey_everywhere(void **state)
{
	struct stage *stage = stage_create(320, 200);
	struct scene_entry *guest = add_guest(stage, "one", 1);
	uint32_t *shown;

	set_frame(stage, guest, 320, 200);
	stage->scene.front = 1;
	update(stage);
	shown = draw_all(stage);
	for (int i = 0; i < 4; i++) {
		pixman_region32_clear(&stage->damage);
		scene_entry_describe(&stage->scene, guest, "one", 1, "running",
				     i % 2 == 0 ? "does not answer" : NULL);
		update(stage);
		assert_int_equal(damage_area(stage), 320 * 200);
		shown = check_damage(stage, shown);
	}
	free(shown);
	stage_destroy(stage);
}

static void toast_damages_only_itself(void **state)
{
	struct stage *stage = stage_create(1280, 800);

	set_frame(stage, add_guest(stage, "one", 1), 1280, 800);
	stage->scene.front = 1;
	update(stage);
	pixman_region32_clear(&stage->damage);
	scene_set_text(&stage->scene.toast, "one");
	update(stage);
	assert_int_equal(damage_area(stage),
			 stage->view.toast.sprite->width * stage->view.toast.sprite->height);
	assert_true(damage_area(stage) < 300 * 100);
	stage_destroy(stage);
}

/* ---- thumbnails ---- */

static void thumbnails_average(void **state)
{
	uint32_t random = 9;
	struct frame *from = test_frame_create(8, 4, DRM_FORMAT_XBGR8888, 36, &random);
	struct frame *thumbnail = frame_create(2, 2, DRM_FORMAT_XRGB8888);
	pixman_box32_t all = { 0, 0, 8, 4 };

	thumbnail_update(thumbnail, from, &all);
	for (int32_t y = 0; y < 2; y++) {
		for (int32_t x = 0; x < 2; x++) {
			uint32_t sums[3] = { 0 }, found = test_frame_rgb(thumbnail, x, y);

			for (int32_t i = 0; i < 8; i++) {
				uint32_t rgb = test_frame_rgb(from, x * 4 + i % 4, y * 2 + i / 4);

				sums[0] += rgb >> 16;
				sums[1] += (rgb >> 8) & 0xff;
				sums[2] += rgb & 0xff;
			}
			assert_int_equal(found, sums[0] / 8 << 16 | sums[1] / 8 << 8 | sums[2] / 8);
		}
	}
	frame_unlock(thumbnail);
	frame_unlock(from);
}

/* Interpolation in parts may round otherwise than in one go. */
/* The memory of a memfd that is there has been read: reading a hole fills it. */
static void huge_pictures_are_read_in_part(void **state)
{
	enum { SIDE = 8192, BYTES = 4 * SIDE * SIDE };
	int fd = memfd_create("huge", MFD_CLOEXEC);
	struct frame from = { .kind = FRAME_SHM,
			      .width = SIDE,
			      .height = SIDE,
			      .fourcc = DRM_FORMAT_XRGB8888,
			      .stride = 4 * SIDE };
	struct frame *thumbnail = frame_create(450, 280, DRM_FORMAT_XRGB8888);
	pixman_box32_t all = { 0, 0, SIDE, SIDE };
	struct stat st;
	void *pixels;

	assert_int_equal(ftruncate(fd, BYTES), 0);
	pixels = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(pixels, MAP_FAILED);
	from.pixels = pixels;
	thumbnail_update(thumbnail, &from, &all);
	assert_int_equal(fstat(fd, &st), 0);
	assert_in_range(st.st_blocks, BYTES / 512 / 100, BYTES / 512 / 8);
	frame_unlock(thumbnail);
	munmap(pixels, BYTES);
	close(fd);
}

static void assert_rgb_near(uint32_t a, uint32_t b)
{
	for (unsigned int shift = 0; shift < 24; shift += 8) {
		assert_true(abs((int)((a >> shift) & 0xff) - (int)((b >> shift) & 0xff)) <= 4);
	}
}

/* Parts that are brought up to date give what a whole one gives, at any scale. */
static void thumbnails_follow_damage(void **state)
{
	for (uint32_t i = 1; i <= 60; i++) {
		uint32_t random = i * 13;
		uint32_t width = (uint32_t)random_between(&random, 1, 90);
		uint32_t height = (uint32_t)random_between(&random, 1, 70);
		struct frame *from = test_frame_plain(width, height, &random);
		struct frame *parts = frame_create(17, 11, DRM_FORMAT_XRGB8888);
		struct frame *whole = frame_create(17, 11, DRM_FORMAT_XRGB8888);
		pixman_box32_t all = { 0, 0, (int32_t)width, (int32_t)height };

		thumbnail_update(parts, from, &all);
		for (int change = 0; change < 8; change++) {
			int32_t x = random_between(&random, 0, (int32_t)width - 1);
			int32_t y = random_between(&random, 0, (int32_t)height - 1);
			pixman_box32_t box = { x, y, x + 1, y + 1 };

			test_frame_set(from, x, y, random_next(&random));
			thumbnail_update(parts, from, &box);
		}
		thumbnail_update(whole, from, &all);
		for (int32_t p = 0; p < 17 * 11; p++) {
			assert_rgb_near(test_frame_rgb(parts, p % 17, p / 17),
					test_frame_rgb(whole, p % 17, p / 17));
		}
		frame_unlock(parts);
		frame_unlock(whole);
		frame_unlock(from);
	}
}

/* ---- the pointer ---- */

static void pointer_is_the_guests_or_ours(void **state)
{
	struct stage *stage = stage_create(640, 400);
	struct scene_entry *guest = add_guest(stage, "one", 1);
	struct cursor_state cursor = {
		.image = cursor_image_create(10, 10), .x = 50, .y = 60, .visible = true
	};
	struct view_cursor *shown = &stage->view.cursor;
	pixman_box32_t box;

	cursor.image->hot_x = 3;
	guest->cursor = &cursor;
	set_frame(stage, guest, 320, 200);
	stage->scene.front = 1;
	assert_true(scene_view_front_box(&stage->view, &stage->scene, &box));
#define UPDATE() view_cursor_update(shown, &stage->scene, &stage->view.theme, &box, 640, 400)
	/* Scaled by two, as the picture; the hot spot is where the guest said. */
	assert_true(UPDATE());
	assert_int_equal(shown->image->width, 20);
	assert_int_equal(shown->x + shown->image->hot_x, 100);
	assert_int_equal(shown->y + shown->image->hot_y, 120);
	assert_false(UPDATE());
	/* On a plane it is no layer, without one it is. */
	assert_null(view_cursor_sprite(shown));
	shown->in_picture = true;
	assert_non_null(view_cursor_sprite(shown));
	cursor.visible = false;
	assert_true(UPDATE());
	assert_null(shown->image);
	assert_null(view_cursor_sprite(shown));
	/* Over the switcher: none until it is moved, then ours. */
	cursor.visible = true;
	stage->scene.switcher = true;
	UPDATE();
	assert_null(shown->image);
	stage->scene.pointer_shown = true;
	stage->scene.pointer_x = 0.5;
	assert_true(UPDATE());
	assert_ptr_equal(shown->image, shown->arrow);
	assert_int_equal(shown->x + shown->image->hot_x, 320);
#undef UPDATE
	cursor_image_unlock(cursor.image);
	stage_destroy(stage);
}

static int forget_fonts(void **state)
{
	text_forget_fonts();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cards_lie_apart_and_inside),
		cmocka_unit_test(thirty_guests_fit_one_page),
		cmocka_unit_test(arrows_stay_in_the_grid),
		cmocka_unit_test(tiny_outputs_have_no_pictures_of_negative_size),
		cmocka_unit_test(guests_are_in_slot_order),
		cmocka_unit_test(filter_narrows_and_selection_follows),
		cmocka_unit_test(guest_fills_the_screen_with_bars),
		cmocka_unit_test(desk_is_shown_without_a_picture),
		cmocka_unit_test(frame_damage_covers_what_changes),
		cmocka_unit_test(unscaled_damage_is_exact),
		cmocka_unit_test(scattered_damage_is_bounded),
		cmocka_unit_test(scene_changes_damage_what_changes),
		cmocka_unit_test(guest_that_dies_turns_grey_everywhere),
		cmocka_unit_test(toast_damages_only_itself),
		cmocka_unit_test(thumbnails_average),
		cmocka_unit_test(huge_pictures_are_read_in_part),
		cmocka_unit_test(thumbnails_follow_damage),
		cmocka_unit_test(pointer_is_the_guests_or_ours),
	};

	return cmocka_run_group_tests(tests, NULL, forget_fonts);
}
