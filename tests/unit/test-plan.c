/*
 * Plans and their application on a make-believe device: order, what goes along, what waits, what a
 * refusal leaves behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/loop.h"
#include "ashlar/map.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

/* --- the device ------------------------------------------------------------------------------- */

struct thing {
	struct object object;
	int value, shape; /* the value can be changed, the shape cannot */
	char under[16];	  /* what it stands on and goes with; "" */
	bool is_ours;	  /* observed: we made it */
	int serial;	  /* observed */
};

static const struct object_kind leaf, base, lone;
static char history[2048];
static const char *refused; /* "add b": the act that the device refuses; NULL: none */
static const char *ignored; /* "change b": the act that it accepts and does not do; NULL: none */
static const char
	*unplugged;	/* "change q": when it is asked for this, others have taken it away … */
static int replaced_by; /* … and put another in its place; 0: they have not */
static bool is_slow;	/* it begins when asked, and has done when asked again */
static bool is_at_work;
static unsigned cancelled;

static void note(char verb, const char *key)
{
	size_t length = strlen(history);

	snprintf(history + length, sizeof(history) - length, "%c%s ", verb, key);
}

/* "t1" and "t2" come and go together. */
static const char *twin_of(const struct object *object)
{
	return str_equal(object->key, "t1") ? "t2" : str_equal(object->key, "t2") ? "t1" : NULL;
}

static void device_remove(const struct object_kind *kind, const char *key)
{
	const struct object *object = have_get(have_all(), kind, key);
	const char *twin = object ? twin_of(object) : NULL;
	void *const *things;

	while (have_group(have_all(), &leaf, key, &things)) /* what stands on it goes with it */
		have_remove(&leaf, ((struct object *)things[0])->key);
	have_remove(kind, key);
	if (twin)
		have_remove(kind, twin);
}

/* What cannot be done because of it is refused. */
static bool is_unplugged(struct step *step, const char *act)
{
	const char *under = step->want ? ((const struct thing *)step->want)->under : "";
	bool is_now = str_equal(act, unplugged);
	struct thing *other;

	if (is_now) {
		unplugged = NULL;
		device_remove(&base, "q");
	}
	if (is_now && replaced_by) {
		other = object_new(&base, "q");
		other->serial = replaced_by;
		have_put(&other->object);
	}
	if (is_now || (under[0] == 'q' && !have_get(have_all(), &base, under)))
		step->error = err_set(&step->err, -ENODEV, NULL, "no such thing");
	return step->error;
}

static size_t device_apply(struct step *const *steps, size_t count, bool stop_on_error)
{
	static const char *const verbs[] = { "add", "change", "remove" };

	if (is_slow && !is_at_work) {
		is_at_work = true;
		return 0;
	}
	is_at_work = false;

	for (size_t i = 0; i < count; i++) {
		struct step *step = steps[i];
		const struct object *object = step->want ? step->want : step->have;
		char act[64];

		snprintf(act, sizeof(act), "%s %s", verbs[step->op], object->key);
		if (str_equal(act, refused))
			step->error = err_set(&step->err, -EBUSY, NULL, "no");
		if (step->error || is_unplugged(step, act)) {
			if (stop_on_error)
				return i + 1;
			continue;
		}
		note("+~-"[step->op], object -> key);
		step->is_done = true;
		if (str_equal(act, ignored))
			continue;
		if (step->op == STEP_REMOVE)
			device_remove(step->have->kind, step->have->key);
		else
			have_put(object_copy(step->want));
		if (step->op == STEP_CHANGE && object->key[0] == 'k' && object->kind == &base)
			have_remove(&leaf, object->key);
	}
	return count;
}

static void device_cancel(void)
{
	is_at_work = false;
	cancelled++;
}

static const struct target device = {
	.name = "device", .is_immediate = true, .apply = device_apply, .cancel = device_cancel
};

static enum object_diff thing_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct thing *a = (const struct thing *)want, *b = (const struct thing *)have;

	if (a->shape != b->shape)
		return OBJECT_RECREATE;
	return a->value == b->value ? OBJECT_SAME : OBJECT_CHANGE;
}

static void thing_describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "%s %s", object->kind->name, object->key);
}

static enum object_owner thing_owner(const struct object *have)
{
	return ((const struct thing *)have)->is_ours ? OBJECT_OURS : OBJECT_FOREIGN;
}

static size_t thing_groups(const struct object *have, const char **ret_names)
{
	ret_names[0] = ((const struct thing *)have)->under;
	return *ret_names[0] ? 1 : 0;
}

/* "q" exists by itself only. */
static bool thing_can_be_added(const struct object *want)
{
	return want->key[0] != 'q';
}

static bool thing_is_same(const struct object *one, const struct object *other)
{
	return ((const struct thing *)one)->serial == ((const struct thing *)other)->serial;
}

/* A change of what begins with "k" takes along the leaf of that name. */
static const struct object_kind *thing_takes_along(
	const struct object *want, const struct object *was, const struct object *have)
{
	return want->key[0] == 'k' ? &leaf : NULL;
}

/* What begins with "p" shares its value with others; "p0" goes first in any case. */
static uint64_t thing_place(const struct object *object)
{
	if (str_equal(object->key, "p0"))
		return 0;
	if (object->key[0] == 'p')
		return (uint64_t)((const struct thing *)object)->value;
	return UINT64_MAX - map_hash(object->key, strlen(object->key));
}

static const struct object_kind base = {
	.name = "base",
	.rank = 1,
	.size = sizeof(struct thing),
	.target = &device,
	.compare = thing_compare,
	.describe = thing_describe,
	.owner = thing_owner,
	.can_be_added = thing_can_be_added,
	.is_same = thing_is_same,
	.is_removed_last = true,
	.place = thing_place,
	.twin = twin_of,
	.takes_along = thing_takes_along,
};
static const struct object_kind leaf = {
	.name = "leaf",
	.rank = 2,
	.size = sizeof(struct thing),
	.target = &device,
	.compare = thing_compare,
	.describe = thing_describe,
	.owner = thing_owner,
	.groups = thing_groups,
};
static const struct object_kind lone = {
	.name = "lone",
	.rank = 3,
	.size = sizeof(struct thing),
	.target = &device,
	.compare = thing_compare,
	.describe = thing_describe,
	.stands_alone = true,
};

/* --- helpers ---------------------------------------------------------------------------------- */

static int result;
static char message[256];

static void applied(const struct err *err, void *arg)
{
	result = err ? err->code : 0;
	snprintf(message, sizeof(message), "%s|%s", err && err->path ? err->path : "",
		err ? err_text(err) : "");
}

static const struct object_kind *kind_named(const char *name)
{
	return str_equal(name, "base") ? &base : str_equal(name, "leaf") ? &leaf : &lone;
}

/* Makes a unit want "kind key value shape [needs key]" lines and applies; on failure puts it back. */
static int commit(const char *unit, enum plan_mode mode, const char *const *lines)
{
	struct want *want = lines ? want_new(unit) : NULL, *old = NULL, *back = NULL;
	struct plan_unit in_plan;
	struct plan *plan;

	for (size_t i = 0; lines && lines[i]; i++) {
		char kind[16], key[16], need[16] = "";
		int value, shape;
		struct thing *thing;

		assert_true(sscanf(lines[i], "%15s %15s %d %d %15s", kind, key, &value, &shape,
				    need) >= 4);
		thing = want_object(want, kind_named(kind), key, "node");
		thing->value = value;
		thing->shape = shape;
		if (*need) {
			want_needs(thing, &base, need);
			memcpy(thing->under, need, sizeof(need));
		}
	}
	history[0] = '\0';
	assert_int_equal(state_exchange(unit, want, &old, NULL), 0);
	in_plan = (struct plan_unit){ old, want };
	plan = plan_make(&in_plan, 1, mode);
	result = 1;
	apply_run(plan, applied, NULL);
	while (result == 1) {
		apply_resume();
		loop_turn(1000);
	}
	plan_free(plan);
	if (result < 0) {
		assert_int_equal(state_exchange(unit, old, &back, NULL), 0);
		want_free(back);
	} else {
		want_free(old);
	}
	return result;
}

#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static int setup(void **state)
{
	loop_init();
	state_init();
	refused = ignored = unplugged = NULL;
	replaced_by = 0;
	is_slow = is_at_work = false;
	cancelled = 0;
	return 0;
}

static int teardown(void **state)
{
	state_done();
	loop_done();
	return 0;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_order(void **state)
{
	assert_int_equal(
		commit("/u", PLAN_STRICT, LINES("leaf x 1 1 b", "base b 1 1 a", "base a 1 1")), 0);
	assert_string_equal(history, "+a +b +x ");
	commit("/u", PLAN_STRICT, LINES("leaf x 1 1 b", "base b 1 1 a", "base a 1 1"));
	assert_string_equal(history, "");
	commit("/u", PLAN_STRICT, LINES("leaf x 2 1 b", "base b 1 1 a", "base a 1 1"));
	assert_string_equal(history, "~x ");
	/* What needs the removed goes along with it. */
	commit("/u", PLAN_STRICT, LINES("base a 1 1"));
	assert_string_equal(history, "-b ");
	assert_null(have_get(have_all(), &leaf, "x"));
}

/* Two of a kind do not: a port outlives its bridge. */
static void test_same_kind_parts(void **state)
{
	commit("/u", PLAN_STRICT, LINES("base b 1 1 a", "base a 1 1", "leaf x 1 1"));
	commit("/u", PLAN_STRICT, LINES("leaf x 1 1"));
	assert_string_equal(history, "-b -a ");
}

static void test_recreate(void **state)
{
	commit("/u", PLAN_STRICT, LINES("base a 1 1"));
	commit("/u", PLAN_STRICT, LINES("base a 1 2"));
	assert_string_equal(history, "-a +a ");
}

/* What stands on it is of other units, and comes back with it. */
static void test_recreate_brings_back(void **state)
{
	commit("/v", PLAN_STRICT, LINES("base a 1 1"));
	commit("/u", PLAN_STRICT, LINES("leaf x 1 1 a", "leaf y 2 1 a"));
	commit("/v", PLAN_STRICT, LINES("base a 1 2"));
	assert_memory_equal(history, "-a +a ", 6);
	assert_non_null(have_get(have_all(), &leaf, "x"));
	assert_int_equal(((struct thing *)have_get(have_all(), &leaf, "y"))->value, 2);
}

/* What goes along comes again in the same plan, before what comes later in it. */
static void test_taken_along(void **state)
{
	commit("/v", PLAN_STRICT, LINES("base t2 1 1"));
	commit("/u", PLAN_STRICT, LINES("base t1 1 1", "base k 1 1", "leaf k 1 1 k"));
	commit("/u", PLAN_STRICT,
		LINES("base t1 1 2", "base k 1 1", "leaf k 1 1 k", "leaf x 1 1 t2"));
	assert_string_equal(history, "-t1 +t1 +t2 +x ");
	commit("/u", PLAN_STRICT, LINES("base t1 1 2", "base k 2 1", "leaf k 1 1 k", "lone z 1 1"));
	assert_string_equal(history, "-x ~k +k +z ");
}

/* The way back takes along what is as before already: that comes back as well. */
static void test_undo_takes_along(void **state)
{
	commit("/v", PLAN_STRICT, LINES("base t2 1 1"));
	commit("/u", PLAN_STRICT, LINES("base t1 1 1"));
	refused = "add z";
	assert_int_equal(commit("/u", PLAN_STRICT, LINES("base t1 1 2", "lone z 1 1")), -EBUSY);
	assert_int_equal(((struct thing *)have_get(have_all(), &base, "t1"))->shape, 1);
	assert_non_null(have_get(have_all(), &base, "t2"));
}

/* What cannot be changed yet goes, where it would be wrong as it is. */
static void test_stands_alone(void **state)
{
	have_put(object_new(&base, "a"));
	commit("/u", PLAN_STRICT, LINES("lone z 1 1 a"));
	commit("/u", PLAN_STRICT, LINES("lone z 2 1 b"));
	assert_string_equal(history, "-z ");
	assert_string_equal(object_reason(state_wanted(&lone, "z")), "b does not exist");
	have_put(object_new(&base, "b"));
	commit("/u", PLAN_STRICT, LINES("lone z 2 1 b"));
	assert_string_equal(history, "+z ");
}

/* What others have put on it comes back, too, when that is undone. */
static void test_undo_brings_back(void **state)
{
	struct thing *foreign = object_new(&leaf, "foreign");

	commit("/v", PLAN_STRICT, LINES("base a 1 1"));
	commit("/u", PLAN_STRICT, LINES("leaf x 7 1 a"));
	foreign->value = 5;
	memcpy(foreign->under, "a", 2);
	have_put(&foreign->object);
	refused = "add z";
	assert_int_equal(commit("/v", PLAN_STRICT, LINES("base a 1 2", "leaf z 1 1 a")), -EBUSY);
	assert_int_equal(((struct thing *)have_get(have_all(), &base, "a"))->shape, 1);
	assert_int_equal(((struct thing *)have_get(have_all(), &leaf, "x"))->value, 7);
	assert_int_equal(((struct thing *)have_get(have_all(), &leaf, "foreign"))->value, 5);
	assert_string_equal(message, "/v/node|leaf z: no");
}

/* Who leaves a place goes before another comes there, and only then. */
static void test_places(void **state)
{
	commit("/u", PLAN_STRICT, LINES("base p1 7 1", "base p2 8 1"));
	commit("/u", PLAN_STRICT, LINES("base p3 7 1"));
	assert_string_equal(history, "-p1 +p3 -p2 ");
	commit("/u", PLAN_STRICT, LINES("base p0 1 1"));
	assert_string_equal(history, "+p0 -p3 ");
	commit("/u", PLAN_STRICT, LINES("base p4 2 1"));
	assert_string_equal(history, "-p0 +p4 ");
}

static void test_removed_last(void **state)
{
	commit("/u", PLAN_STRICT, LINES("base old 1 1", "leaf x 1 1"));
	refused = "add y";
	assert_int_equal(
		commit("/u", PLAN_STRICT, LINES("base new 1 1", "leaf x 2 1", "leaf y 1 1")),
		-EBUSY);
	/* The old one was not touched, the new one is gone, the change is undone. */
	assert_string_equal(history, "+new ~x ~x -new ");
	assert_non_null(have_get(have_all(), &base, "old"));
	assert_null(have_get(have_all(), &base, "new"));
	assert_int_equal(((struct thing *)have_get(have_all(), &leaf, "x"))->value, 1);
	assert_string_equal(message, "/u/node|leaf y: no");
}

static void test_waits(void **state)
{
	assert_int_equal(commit("/u", PLAN_STRICT, LINES("leaf x 1 1 a")), 0);
	assert_string_equal(history, "");
	assert_int_equal(state_pending_count(), 1);
	assert_string_equal(object_reason(state_wanted(&leaf, "x")), "a does not exist");
	/* Its need appears from outside: its unit is dirty. */
	const char **paths;
	have_put(object_new(&base, "a"));
	assert_int_equal(state_take_dirty(&paths), 1);
	assert_string_equal(paths[0], "/u");
	free(paths);
	commit("/u", PLAN_STRICT, LINES("leaf x 1 1 a"));
	assert_string_equal(history, "+x ");
	assert_int_equal(state_pending_count(), 0);
}

/* A change waits likewise: what is there stays as it is meanwhile. */
static void test_change_waits(void **state)
{
	have_put(object_new(&leaf, "x"));
	assert_int_equal(commit("/u", PLAN_STRICT, LINES("leaf x 1 0 a")), 0);
	assert_string_equal(history, "");
	assert_string_equal(object_reason(state_wanted(&leaf, "x")), "a does not exist");
	have_put(object_new(&base, "a"));
	assert_int_equal(commit("/u", PLAN_STRICT, LINES("leaf x 1 0 a")), 0);
	assert_string_equal(history, "~x ");
	assert_int_equal(state_pending_count(), 0);
}

/* What others take away while it is to be changed fails nobody: it is waited for. */
static void test_unplugged_meanwhile(void **state)
{
	static const char *const acts[] = { "change q", "add x", "remove q" };

	for (size_t i = 0; i < 2; i++) {
		have_put(object_new(&base, "q"));
		unplugged = acts[i];
		assert_int_equal(commit("/u", PLAN_STRICT,
					 LINES("base q 1 0", "leaf x 1 1 q", "base a 1 1")),
			0);
		assert_null(unplugged);
		assert_non_null(have_get(have_all(), &base, "a"));
		assert_int_equal(state_pending_count(), 2);
		assert_string_equal(object_reason(state_wanted(&base, "q")), "does not exist");
		assert_string_equal(object_reason(state_wanted(&leaf, "x")), "q does not exist");
		commit("/u", PLAN_STRICT, LINES("base a 1 1"));
	}
	have_put(object_new(&base, "q"));
	commit("/u", PLAN_STRICT, LINES("base q 0 0", "base a 1 1"));
	unplugged = acts[2];
	assert_int_equal(commit("/u", PLAN_STRICT, LINES("base a 2 1")), 0);
	assert_null(unplugged);
}

/* … and if there is another at once, that one is changed, with all that was on the first. */
static void test_replaced_meanwhile(void **state)
{
	have_put(object_new(&base, "q"));
	unplugged = "change q";
	replaced_by = 2;
	assert_int_equal(
		commit("/u", PLAN_STRICT, LINES("base q 1 0", "leaf x 1 1 q", "base a 1 1")), 0);
	assert_int_equal(((struct thing *)have_get(have_all(), &base, "q"))->value, 1);
	assert_non_null(have_get(have_all(), &leaf, "x"));
	assert_int_equal(state_pending_count(), 0);
	unplugged = "change x";
	replaced_by = 3;
	assert_int_equal(
		commit("/u", PLAN_STRICT, LINES("base q 1 0", "leaf x 2 1 q", "base a 1 1")), 0);
	assert_int_equal(((struct thing *)have_get(have_all(), &base, "q"))->value, 1);
	assert_int_equal(((struct thing *)have_get(have_all(), &leaf, "x"))->value, 2);
	assert_int_equal(state_pending_count(), 0);
}

static void test_exists_by_itself_only(void **state)
{
	const char **paths;

	assert_int_equal(commit("/u", PLAN_STRICT, LINES("base q 2 1", "leaf x 1 1 q")), 0);
	assert_string_equal(history, "");
	assert_string_equal(object_reason(state_wanted(&base, "q")), "does not exist");
	assert_string_equal(object_reason(state_wanted(&leaf, "x")), "q does not exist");
	have_put(object_new(&base, "q"));
	assert_int_equal(state_take_dirty(&paths), 1);
	free(paths);
}

/* A client's change fails by what it changes, not by what was refused before. */
static void test_refused_before(void **state)
{
	refused = "add b";
	commit("/u", PLAN_BEST_EFFORT, LINES("base b 1 1", "leaf x 1 1"));
	assert_int_equal(commit("/u", PLAN_STRICT, LINES("base b 1 1", "leaf x 2 1")), 0);
	assert_string_equal(history, "~x ");
	assert_int_equal(state_pending_count(), 1);
	assert_int_equal(commit("/v", PLAN_STRICT, LINES("base c 1 1")), 0);
	assert_int_equal(commit("/u", PLAN_STRICT, LINES("base b 2 1", "leaf x 2 1")), -EBUSY);
	assert_int_equal(state_pending_count(), 1);
}

/* Tried again when something appears, but not at every turn. */
static void test_retry(void **state)
{
	const char **paths;

	refused = "add b";
	commit("/u", PLAN_BEST_EFFORT, LINES("base b 1 1"));
	have_put(object_new(&base, "other"));
	assert_int_equal(state_take_dirty(&paths), 1);
	free(paths);
	have_put(object_new(&base, "another"));
	assert_int_equal(state_take_dirty(&paths), 0);
	free(paths);
}

static void test_in_vain(void **state)
{
	commit("/u", PLAN_STRICT, LINES("base a 1 1"));
	ignored = "change a";
	assert_int_equal(commit("/u", PLAN_STRICT, LINES("base a 2 1")), -EIO);
	assert_string_equal(history, "~a ~a ");
	assert_string_equal(
		message, "/u/node|base a: the device accepts this, but nothing happens");
}

/* A restart removes what an earlier run has made and nobody wants; what others have made stays. */
static void test_leftovers(void **state)
{
	struct thing *ours = object_new(&base, "ours"), *theirs = object_new(&base, "theirs");

	ours->is_ours = true;
	have_put(&ours->object);
	have_put(&theirs->object);
	commit("/u", PLAN_BEST_EFFORT, LINES("base a 1 1"));
	assert_string_equal(history, "+a ");
	commit("/u", PLAN_WHOLE, LINES("base a 1 1"));
	assert_string_equal(history, "-ours ");
}

static void test_slow(void **state)
{
	is_slow = true;
	assert_int_equal(commit("/u", PLAN_STRICT, LINES("base a 1 1", "leaf x 1 1 a")), 0);
	assert_string_equal(history, "+a +x ");
	refused = "add y";
	assert_int_equal(commit("/v", PLAN_STRICT, LINES("base b 1 1", "leaf y 1 1 b")), -EBUSY);
	assert_string_equal(history, "+b -b ");
	assert_null(have_get(have_all(), &base, "b"));
}

static void test_cancelled(void **state)
{
	struct want *want = want_new("/u"), *old;
	struct plan_unit unit = { NULL, want };
	struct plan *plan;

	want_object(want, &base, "a", "");
	assert_int_equal(state_exchange("/u", want, &old, NULL), 0);
	is_slow = true;
	plan = plan_make(&unit, 1, PLAN_STRICT);
	result = 1;
	apply_run(plan, applied, NULL);
	plan_free(plan);
	apply_resume();
	loop_turn(0);
	assert_int_equal(result, 1);
	assert_int_equal(cancelled, 1);
	assert_null(have_get(have_all(), &base, "a"));
}

static void test_best_effort(void **state)
{
	refused = "add b";
	assert_int_equal(
		commit("/u", PLAN_BEST_EFFORT, LINES("base a 1 1", "base b 1 1", "base c 1 1")), 0);
	assert_string_equal(history, "+a +c ");
	assert_int_equal(state_pending_count(), 1);
	assert_string_equal(object_reason(state_wanted(&base, "b")), "no");
}

static void test_drift(void **state)
{
	const char **paths;
	struct thing *thing;

	commit("/u", PLAN_STRICT, LINES("base a 1 1"));
	free((state_take_dirty(&paths), paths));
	thing = object_new(&base, "a");
	thing->value = 9;
	have_put(&thing->object);
	assert_int_equal(state_take_dirty(&paths), 1);
	free(paths);
	have_put(object_copy(state_wanted(&base, "a")));
	assert_int_equal(state_take_dirty(&paths), 0);
	free(paths);
}

static void test_conflict(void **state)
{
	struct want *want = want_new("/other"), *old = NULL;
	_cleanup_err_ struct err err = { 0 };

	commit("/u", PLAN_STRICT, LINES("base a 1 1"));
	want_object(want, &base, "a", "");
	assert_int_equal(state_exchange("/other", want, &old, &err), -EEXIST);
	assert_string_equal(err_text(&err), "base a is configured by /u already");
	want_free(want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_kind_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_recreate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_recreate_brings_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_undo_brings_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_taken_along, setup, teardown),
		cmocka_unit_test_setup_teardown(test_undo_takes_along, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stands_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_places, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removed_last, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_change_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unplugged_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replaced_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exists_by_itself_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_best_effort, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_before, setup, teardown),
		cmocka_unit_test_setup_teardown(test_retry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_vain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leftovers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drift, setup, teardown),
		cmocka_unit_test_setup_teardown(test_conflict, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
