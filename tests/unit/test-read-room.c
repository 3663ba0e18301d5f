/* Places for long reads: who gets one, and who has to make room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ashlar/mem.h"

#include "../../src/datastore/read-room.h"

static struct read_place places[READ_PLACES_MAX];
static uint64_t now;

static int setup(void **state)
{
	now = 1000000;
	return 0;
}

static int teardown(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		read_place_leave(&places[i]);
	return 0;
}

/* One whose peer has read nothing of the first part. */
static void take_held(size_t index, const char *user)
{
	read_place_take(&places[index], user, now);
	read_place_hold(&places[index], now);
}

static void test_flowing(void **state)
{
	const char *const users[] = { "a", "a", "b", "c" };

	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		assert_true(read_room_has(users[i], now));
		read_place_take(&places[i], users[i], now);
		assert_int_equal(read_room_has("a", now), i == 0);
	}
	assert_false(read_room_has("d", now));
	read_place_leave(&places[2]);
	assert_true(read_room_has("d", now));
	assert_false(read_room_has("a", now));
}

/* A part that is not taken at once is no sign, one that is not taken for a while is. */
static void test_held(void **state)
{
	take_held(0, "a");
	take_held(1, "a");
	assert_false(read_room_has("a", now));
	now += READ_HELD_MS - 1;
	assert_false(read_room_has("a", now));
	now++;
	assert_true(read_room_has("a", now));
	read_place_go_on(&places[0]);
	read_place_go_on(&places[1]);
	assert_false(read_room_has("a", now));
}

static void test_ceilings(void **state)
{
	size_t i;

	for (i = 0; i < READ_PLACES_USER_MAX; i++)
		take_held(i, "a");
	now += READ_HELD_MS;
	assert_false(read_room_has("a", now));
	for (; i < READ_PLACES_MAX; i++) {
		assert_true(read_room_has("b", now));
		take_held(i, i % 2 ? "b" : "c");
		now += READ_HELD_MS;
	}
	assert_false(read_room_has("b", now));
	assert_false(read_room_has("d", now));
}

/* Of the user who has too many, if that is it; else of whoever is the slowest. */
static void test_slowest(void **state)
{
	size_t i;

	for (i = 0; i < READ_PLACES_USER_MAX; i++) {
		take_held(i, "a");
		now++;
	}
	assert_null(read_room_slowest("a", now));
	now += READ_SLOW_MS;
	assert_ptr_equal(read_room_slowest("a", now), &places[0]);
	assert_null(read_room_slowest("b", now)); /* there is room */
	for (; i < READ_PLACES_MAX; i++)
		take_held(i, "b");
	assert_ptr_equal(read_room_slowest("c", now), &places[0]);
	assert_null(read_room_slowest("b", now));
	now += READ_SLOW_MS;
	assert_ptr_equal(read_room_slowest("b", now), &places[READ_PLACES_USER_MAX]);
}

/* It is what was taken lately that counts, not what there was at first; a drop now and then is too little. */
static void test_drops(void **state)
{
	for (size_t i = 0; i < READ_PLACES_USER_MAX; i++)
		read_place_take(&places[i], "a", now);
	for (size_t i = 0; i < 1000; i++) {
		read_place_hold(&places[0], now);
		read_place_go_on(&places[0]);
	}
	for (size_t i = 0; i < READ_SLOW_PARTS; i++) {
		read_place_hold(&places[0], now);
		read_place_hold(&places[1], now);
		now += READ_SLOW_MS / (READ_SLOW_PARTS + 1);
		read_place_go_on(&places[0]);
	}
	read_place_hold(&places[0], now);
	now += READ_HELD_MS;
	assert_null(read_room_slowest("a", now)); /* of [1], too, four came within the time */
	now += READ_SLOW_MS;
	assert_ptr_equal(read_room_slowest("a", now), &places[1]);
	read_place_go_on(&places[1]);
	assert_ptr_equal(read_room_slowest("a", now), &places[0]);
	/* one drop in the time it would take four */
	for (size_t i = 0; i < READ_SLOW_PARTS; i++) {
		read_place_go_on(&places[0]);
		read_place_hold(&places[0], now);
		now += READ_SLOW_MS / 2;
	}
	assert_ptr_equal(read_room_slowest("a", now), &places[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_flowing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ceilings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slowest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drops, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
