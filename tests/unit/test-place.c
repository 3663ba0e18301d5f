/* Places: who goes when there are none left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "ashlar/mem.h"

#include "place.h"

#define ROOM 4096

static struct place *places[ROOM];
static unsigned count;

/* What conn.c does, but at once. */
static void on_drop(void *arg)
{
	struct place **place = arg;

	place_leave(TAKE(*place));
}

static struct place *enter(enum place_service service, const char *source, bool is_root)
{
	struct place who = { .service = service, .is_root = is_root };
	struct place *place;

	assert_true(count < ROOM);
	(void)snprintf(who.source, sizeof(who.source), "%s", source);
	place = place_enter(&who);
	if (!place)
		return NULL;
	places[count] = place;
	place->drop = on_drop;
	place->arg = &places[count++];
	return place;
}

static unsigned present(const char *source)
{
	unsigned i, found = 0;

	for (i = 0; i < count; i++)
		found += places[i] && strcmp(places[i]->source, source) == 0;
	return found;
}

static int setup(void **state)
{
	place_prepare();
	return 0;
}

static int teardown(void **state)
{
	unsigned i;

	for (i = 0; i < count; i++)
		place_leave(TAKE(places[i]));
	count = 0;
	return 0;
}

/* However many strangers there are, those of another service and those already known stay. */
static void test_strangers_push_out_strangers(void **state)
{
	unsigned i;

	place_known(enter(PLACE_SSH, "known", false));
	for (i = 0; i < 1000; i++)
		assert_non_null(enter(PLACE_SSH, "flood", false));
	assert_int_equal(present("known"), 1);
	assert_in_range(present("flood"), 100, 256);
	/* the oldest went first */
	assert_null(places[1]);
	assert_non_null(places[1000]);
	assert_non_null(enter(PLACE_LOCAL, "uid 1000", false));
	assert_non_null(enter(PLACE_HTTPS, "other", false));
}

/* Who floods pushes out his own. */
static void test_one_logs_in_beside_a_flood(void **state)
{
	struct place *place;
	unsigned i;

	for (i = 0; i < 300; i++)
		assert_non_null(enter(PLACE_HTTPS, i % 2 ? "flood" : "other flood", false));
	place = enter(PLACE_HTTPS, "client", false);
	assert_non_null(place);
	for (i = 0; i < 300; i++)
		assert_non_null(enter(PLACE_HTTPS, i % 2 ? "flood" : "other flood", false));
	assert_int_equal(present("client"), 1);
	place_known(place);
}

/* Those known are not dropped for anybody, and are limited themselves. */
static void test_known_ones_have_limits(void **state)
{
	unsigned i, known = 0;
	char source[32];

	for (i = 0; i < 1000; i++) {
		struct place *place = enter(PLACE_SSH, "busy", false);

		if (!place)
			break;
		place_known(place);
		known++;
	}
	assert_int_equal(known, 256);
	assert_non_null(enter(PLACE_SSH, "another", false));
	for (i = 0; i < 1000; i++) {
		struct place *place;

		(void)snprintf(source, sizeof(source), "source %u", i);
		place = enter(PLACE_SSH, source, false);
		if (place)
			place_known(place);
	}
	assert_int_equal(present("busy"), 256);
	assert_null(enter(PLACE_SSH, "last", false));
}

/* Accounts cannot keep root from the local socket. */
static void test_root_gets_in(void **state)
{
	struct place *place;
	char source[32];
	unsigned i;

	for (i = 0; i < 3000; i++) {
		(void)snprintf(source, sizeof(source), "uid %u", 1000 + i % 3);
		place = enter(PLACE_LOCAL, source, false);
		if (place)
			place_known(place);
	}
	assert_null(enter(PLACE_LOCAL, "uid 5000", false));
	assert_non_null(enter(PLACE_LOCAL, "uid 0", true));
}

static void test_descriptors(void **state)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	/* more than a shell's usual 1024, unless that is the hard limit */
	assert_true(limit.rlim_cur > 1024 || limit.rlim_cur == limit.rlim_max);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_strangers_push_out_strangers),
		TEST(test_one_logs_in_beside_a_flood),
		TEST(test_known_ones_have_limits),
		TEST(test_root_gets_in),
		TEST(test_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
