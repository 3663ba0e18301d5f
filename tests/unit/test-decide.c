/* What is started, and with which generation, after whatever happened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/str.h"

#include "decide.h"

/* Root hash and digest of image number N are N in every byte. */
static uint8_t hash[SLOT_SHA256_BYTES];

static const uint8_t *image_hash(int image)
{
	memset(hash, image, sizeof(hash));
	return hash;
}

static void fill(struct slot_header *slot, enum slot_state state, int image)
{
	*slot = (struct slot_header){ .sequence = 1, .state = state };
	memset(slot->sha256, image, sizeof(slot->sha256));
	memset(slot->root_hash, image, sizeof(slot->root_hash));
}

/* a with image 1, b with image 2, a was started. */
static struct decide make(enum slot_state a, enum slot_state b)
{
	struct decide decide = { .booted = DECIDE_A };

	fill(&decide.slots[DECIDE_A], a, 1);
	fill(&decide.slots[DECIDE_B], b, 2);
	fill(&decide.slots[DECIDE_RECOVERY], SLOT_STATE_GOOD, 9);
	return decide;
}

static void assert_order(const struct decide *decide, const char *first, const char *second)
{
	assert_true(decide->is_order_changed);
	assert_null(decide->order.next);
	assert_true(str_equal(decide->order.slots[0], first));
	if (first)
		assert_true(str_equal(decide->order.slots[1], second));
}

static void assert_slot(
	const struct decide *decide, int slot, enum slot_state state, unsigned attempts)
{
	assert_true(decide->is_changed[slot]);
	assert_int_equal(decide->slots[slot].state, state);
	assert_int_equal(decide->slots[slot].attempts, attempts);
}

/* --- starts --------------------------------------------------------------------------------------- */

static void test_good_counts(void **state)
{
	struct decide decide = make(SLOT_STATE_GOOD, SLOT_STATE_GOOD);

	for (unsigned i = 1; i <= SLOT_ATTEMPTS_MAX; i++) {
		assert_true(decide_start(&decide, image_hash(1)));
		assert_slot(&decide, DECIDE_A, SLOT_STATE_GOOD, i);
		assert_false(decide.is_order_changed);
	}
	assert_false(decide_start(&decide, image_hash(1)));
	assert_slot(&decide, DECIDE_A, SLOT_STATE_FAILED, SLOT_ATTEMPTS_MAX);
	assert_order(&decide, "b", NULL);
	assert_non_null(strstr(decide.slots[DECIDE_A].reason, "three times"));
}

static void test_trial_once(void **state)
{
	struct decide decide = make(SLOT_STATE_TRIAL, SLOT_STATE_GOOD);

	assert_true(decide_start(&decide, image_hash(1)));
	assert_slot(&decide, DECIDE_A, SLOT_STATE_TRIAL, 1);
	assert_false(decide_start(&decide, image_hash(1)));
	assert_slot(&decide, DECIDE_A, SLOT_STATE_FAILED, 1);
	assert_order(&decide, "b", NULL);
}

static void test_not_to_be_started(void **state)
{
	struct decide decide = make(SLOT_STATE_FAILED, SLOT_STATE_GOOD);

	assert_false(decide_start(&decide, image_hash(1)));
	assert_order(&decide, "b", NULL);
	assert_false(decide.is_changed[DECIDE_A]);
	decide = make(SLOT_STATE_EMPTY, SLOT_STATE_FAILED);
	assert_false(decide_start(&decide, image_hash(1)));
	assert_order(&decide, NULL, NULL);
	decide = make(SLOT_STATE_GOOD, SLOT_STATE_GOOD);
	assert_false(decide_start(&decide, image_hash(2)));
	assert_slot(&decide, DECIDE_A, SLOT_STATE_FAILED, 0);
	/* a header that nobody ever wrote */
	decide = make(SLOT_STATE_EMPTY, SLOT_STATE_GOOD);
	decide.slots[DECIDE_A] = (struct slot_header){ 0 };
	assert_false(decide_start(&decide, image_hash(0)));
	assert_order(&decide, "b", NULL);
}

static void test_unusable(void **state)
{
	struct decide decide = make(SLOT_STATE_GOOD, SLOT_STATE_TRIAL);

	assert_true(decide_start(&decide, image_hash(1)));
	decide_unusable(&decide, "cannot be read");
	assert_slot(&decide, DECIDE_A, SLOT_STATE_FAILED, 1);
	assert_string_equal(decide.slots[DECIDE_A].reason, "cannot be read");
	assert_order(&decide, NULL, NULL); /* recovery */
}

static void test_recovery(void **state)
{
	struct decide decide = make(SLOT_STATE_GOOD, SLOT_STATE_EMPTY);
	struct boot_order order = { 0 };

	decide.booted = DECIDE_RECOVERY;
	for (int i = 0; i < 2; i++) { /* told twice, then it is no use */
		assert_false(decide_recovery(&decide, &order));
		assert_order(&decide, "a", NULL);
	}
	assert_true(decide_recovery(&decide, &order));
	/* on purpose, or because a cannot be started */
	decide.slots[DECIDE_RECOVERY].attempts = 0;
	assert_true(decide_recovery(&decide, &decide.order));
	decide = make(SLOT_STATE_FAILED, SLOT_STATE_EMPTY);
	assert_true(decide_recovery(&decide, &order));
	decide = make(SLOT_STATE_GOOD, SLOT_STATE_GOOD);
	decide.slots[DECIDE_B].generation = 7;
	decide.slots[DECIDE_A].generation = 6;
	assert_false(decide_recovery(&decide, &order));
	assert_order(&decide, "b", "a");
}

/* --- generations ---------------------------------------------------------------------------------- */

static char images[5][2 * SLOT_SHA256_BYTES + 1];

/* Generation N has image images_of[N - 1]. */
static void make_list(struct generation *list, const int *images_of, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		str_hex(images[i], image_hash(images_of[i]), SLOT_SHA256_BYTES);
		list[i] = (struct generation){ .number = (uint32_t)i + 1, .image = images[i] };
	}
}

static void assert_step(struct decide *decide, const struct generation *list, size_t count,
	uint32_t current, enum decide_step step, uint32_t number)
{
	uint32_t found;

	assert_int_equal(decide_generation(decide, list, count, current, &found), step);
	assert_int_equal(found, number);
}

static void test_run(void **state)
{
	struct decide decide = make(SLOT_STATE_GOOD, SLOT_STATE_GOOD);
	struct generation list[2];

	make_list(list, (int[]){ 1, 2 }, 2);
	assert_step(&decide, list, 2, 1, DECIDE_STEP_RUN, 1);
	assert_int_equal(decide.slots[DECIDE_A].generation, 1);
	assert_false(decide.is_order_changed);
	decide.is_changed[DECIDE_A] = false;
	assert_step(&decide, list, 2, 1, DECIDE_STEP_RUN, 1);
	assert_false(decide.is_changed[DECIDE_A]); /* nothing to write at an ordinary start */
}

static void test_first(void **state)
{
	struct decide decide = make(SLOT_STATE_GOOD, SLOT_STATE_EMPTY);

	assert_step(&decide, NULL, 0, 0, DECIDE_STEP_FIRST, 0);
	assert_order(&decide, "a", NULL);
}

static void test_trial(void **state)
{
	struct decide decide = make(SLOT_STATE_TRIAL, SLOT_STATE_GOOD);
	struct generation list[2];

	make_list(list, (int[]){ 2, 1 }, 2);
	assert_step(&decide, list, 1, 1, DECIDE_STEP_TRIAL, 1);
	assert_false(decide.is_order_changed);
	/* confirmed, and then the power went: a is started, or b */
	assert_step(&decide, list, 2, 2, DECIDE_STEP_RUN, 2);
	assert_slot(&decide, DECIDE_A, SLOT_STATE_GOOD, 0);
	assert_order(&decide, "a", "b");
	decide = make(SLOT_STATE_TRIAL, SLOT_STATE_GOOD);
	decide.slots[DECIDE_A].attempts = 1;
	decide.booted = DECIDE_B;
	assert_step(&decide, list, 2, 2, DECIDE_STEP_RESTART, 2);
	assert_slot(&decide, DECIDE_A, SLOT_STATE_GOOD, 0);
	assert_order(&decide, "a", "b");
}

/* The way back, and forward again, is a change of the current generation. */
static void test_way_back(void **state)
{
	struct decide decide = make(SLOT_STATE_GOOD, SLOT_STATE_GOOD);
	struct generation list[2];

	make_list(list, (int[]){ 1, 2 }, 2);
	assert_step(&decide, list, 2, 2, DECIDE_STEP_RESTART, 2);
	assert_order(&decide, "b", "a");
	decide.booted = DECIDE_B;
	assert_step(&decide, list, 2, 2, DECIDE_STEP_RUN, 2);
	assert_step(&decide, list, 2, 1, DECIDE_STEP_RESTART, 1);
	assert_order(&decide, "a", "b");
}

/* The image of the current generation cannot be started: both go back together. */
static void test_fall_back(void **state)
{
	struct decide decide = make(SLOT_STATE_GOOD, SLOT_STATE_FAILED);
	struct generation list[5];

	make_list(list, (int[]){ 1, 1, 2, 2, 1 }, 5);
	list[4].is_trial = true;
	assert_step(&decide, list, 5, 4, DECIDE_STEP_FALL_BACK, 2);
	assert_order(&decide, "a", NULL);
	assert_int_equal(decide.slots[DECIDE_A].generation, 2);
	/* it never had one of its own */
	decide = make(SLOT_STATE_GOOD, SLOT_STATE_EMPTY);
	assert_step(&decide, list + 2, 2, 4, DECIDE_STEP_COPY, 4);
	/* the current one is lost */
	assert_step(&decide, list, 5, 0, DECIDE_STEP_FALL_BACK, 2);
	assert_step(&decide, list + 2, 2, 9, DECIDE_STEP_COPY, 4);
}

/* Firmware that starts what it likes is not fought for ever. */
static void test_no_endless_restarts(void **state)
{
	struct decide decide = make(SLOT_STATE_GOOD, SLOT_STATE_GOOD);
	struct generation list[2];

	make_list(list, (int[]){ 1, 2 }, 2);
	for (int i = 0; i < SLOT_ATTEMPTS_MAX; i++)
		assert_step(&decide, list, 2, 2, DECIDE_STEP_RESTART, 2);
	assert_step(&decide, list, 2, 2, DECIDE_STEP_FALL_BACK, 1);
	assert_slot(&decide, DECIDE_B, SLOT_STATE_FAILED, SLOT_ATTEMPTS_MAX);
}

static void test_end_trial(void **state)
{
	struct decide decide = make(SLOT_STATE_GOOD, SLOT_STATE_TRIAL);

	assert_true(decide_has_other_trial(&decide));
	decide_end_trial(&decide, "b");
	assert_false(decide.is_changed[DECIDE_B]);
	decide_end_trial(&decide, NULL);
	assert_slot(&decide, DECIDE_B, SLOT_STATE_FAILED, 0);
	assert_string_equal(decide.slots[DECIDE_B].reason, "it did not start");
	assert_false(decide_has_other_trial(&decide));
	decide = make(SLOT_STATE_GOOD, SLOT_STATE_TRIAL);
	decide.slots[DECIDE_B].attempts = 1;
	decide_end_trial(&decide, "a");
	assert_string_equal(decide.slots[DECIDE_B].reason, "it was not confirmed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_counts),
		cmocka_unit_test(test_trial_once),
		cmocka_unit_test(test_not_to_be_started),
		cmocka_unit_test(test_unusable),
		cmocka_unit_test(test_recovery),
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_trial),
		cmocka_unit_test(test_way_back),
		cmocka_unit_test(test_fall_back),
		cmocka_unit_test(test_no_endless_restarts),
		cmocka_unit_test(test_end_trial),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
