/*
 * Incremental validation is exact: over random edits its verdict and the tree it leaves equal those of
 * libyang's full validation, and an undone edit leaves the tree as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/feature.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "../../src/datastore/constraints.h"
#include "../../src/datastore/data-index.h"
#include "../../src/datastore/units.h"
#include "../../src/datastore/validate.h"

static const char *const if_features[] = { "vlan-filtering", "containers", NULL };
static const char *const keystore[] = { "central-keystore-supported", "symmetric-keys",
	"asymmetric-keys", NULL };
static const char *const truststore[] = { "central-truststore-supported", "public-keys", NULL };
static const struct yang_module modules[] = {
	{ "ietf-netconf", NULL },
	{ "ietf-keystore", keystore },
	{ "ietf-truststore", truststore },
	{ "iana-if-type", NULL },
	{ "infix-if-type", NULL },
	{ "ieee802-dot1q-types", NULL },
	{ "infix-hardware", NULL },
	{ "infix-interfaces", if_features },
	{ "ietf-ip", NULL },
	{ "infix-ip", NULL },
	{ "infix-routing", NULL },
	{ "ietf-netconf-acm", NULL },
};

static const char *const roots[] = { "/ietf-interfaces:interfaces", "/ietf-routing:routing", NULL };
static const struct feature everything = { .name = "everything", .roots = roots };
const struct feature *const feature_table[] = { &everything, NULL };

static struct lyd_node *running;
static bool running_is_settled;
static uint64_t seed = 1;

static unsigned rnd(unsigned below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % below;
}

static int setup(void **state)
{
	struct err err = { 0 };
	const char *given = getenv("TEST_SEED");

	if (given)
		seed = strtoull(given, NULL, 10);
	printf("seed %llu\n", (unsigned long long)seed);
	loop_init();
	if (yang_init(YANG_DIR, modules, ARRAY_SIZE(modules), &err) < 0 || schema_init(&err) < 0) {
		fprintf(stderr, "%s\n", err_text(&err));
		return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	data_index_forget(running);
	lyd_free_all(running);
	running = NULL;
	schema_done();
	yang_done();
	loop_done();
	return 0;
}

/* --- random edits ----------------------------------------------------------------------------- */

static const char *const names[] = { "br0", "br1", "p1", "p2", "p3", "v10", "v20", "va", "vb",
	"lag0" };
static const char *const types[] = { "bridge", "bridge", "ethernet", "ethernet", "veth", "vlan",
	"vlan", "veth", "veth", "lag" };

static size_t interface_json(char *text, size_t size, unsigned i, const char *op)
{
	const char *other = names[rnd(ARRAY_SIZE(names))];
	size_t n = (size_t)snprintf(text, size,
		"{\"@\":{\"ietf-netconf:operation\":\"%s\"},\"name\":\"%s\"", op, names[i]);

	if (str_equal(op, "delete") || str_equal(op, "remove"))
		return n + (size_t)snprintf(text + n, size - n, "}");
	if (rnd(4))
		n += (size_t)snprintf(text + n, size - n, ",\"type\":\"infix-if-type:%s\"",
			types[rnd(5) ? i : rnd(ARRAY_SIZE(types))]);
	if (rnd(3) == 0)
		n += (size_t)snprintf(text + n, size - n, ",\"description\":\"d%u\"", rnd(3));
	if (rnd(3) == 0)
		n += (size_t)snprintf(
			text + n, size - n, ",\"enabled\":%s", rnd(2) ? "true" : "false");
	if (rnd(4) == 0)
		n += (size_t)snprintf(text + n, size - n,
			",\"ietf-ip:ipv4\":{\"address\":[{\"ip\":\"10.0.%u.1\",\"prefix-length\":%u}]}",
			rnd(4), 8 + rnd(20));
	if (rnd(3) == 0)
		n += (size_t)snprintf(text + n, size - n,
			",\"infix-interfaces:bridge-port\":{\"bridge\":\"%s\"%s}",
			rnd(2) ? names[rnd(2)] : other, rnd(2) ? ",\"pvid\":10" : "");
	if (rnd(4) == 0)
		n += (size_t)snprintf(text + n, size - n,
			",\"infix-interfaces:lag-port\":{\"lag\":\"%s\"}", rnd(2) ? "lag0" : other);
	if (strstr(names[i], "br") ? rnd(2) : rnd(12) == 0)
		n += (size_t)snprintf(text + n, size - n,
			",\"infix-interfaces:bridge\":{\"vlans\":{\"vlan\":[{\"vid\":%u,\"tagged\":[\"%s\"],"
			"\"untagged\":[\"%s\"]}]}}",
			10 * (1 + rnd(3)), names[rnd(5)], names[2 + rnd(3)]);
	if (names[i][0] == 'v' && names[i][1] != 'a' && names[i][1] != 'b' ? rnd(3) : rnd(12) == 0)
		n += (size_t)snprintf(text + n, size - n,
			",\"infix-interfaces:vlan\":{\"id\":%u,\"lower-layer-if\":\"%s\"}",
			1 + rnd(4094), other);
	if (str_equal(names[i], "va") || str_equal(names[i], "vb") ? rnd(4) : rnd(12) == 0)
		n += (size_t)snprintf(text + n, size - n,
			",\"infix-interfaces:veth\":{\"peer\":\"%s\"}",
			str_equal(names[i], "va")	    ? "vb"
				: str_equal(names[i], "vb") ? "va"
							    : other);
	return n + (size_t)snprintf(text + n, size - n, "}");
}

/* Interfaces merged, replaced or removed: one to three at once. */
static void random_edit(char *text, size_t size)
{
	unsigned count = 1 + rnd(3);
	size_t n = (size_t)snprintf(text, size, "{\"ietf-interfaces:interfaces\":{\"interface\":[");

	for (unsigned k = 0; k < count; k++) {
		static const char *const ops[] = { "merge", "replace", "remove", "delete",
			"create" };
		const char *op = ops[rnd(8) < 4 ? 0 : rnd(ARRAY_SIZE(ops))];
		unsigned i = (rnd(ARRAY_SIZE(names)) / count) + k * (ARRAY_SIZE(names) / count);

		if (i >= ARRAY_SIZE(names))
			break;
		n += (size_t)snprintf(text + n, size - n, "%s", k ? "," : "");
		n += interface_json(text + n, size - n, i, op);
	}
	snprintf(text + n, size - n, "]}}");
}

static int validate(struct edit *edit, bool is_whole, struct validation **ret, struct err *err)
{
	int r;

	*ret = validation_new(edit, is_whole);
	while ((r = validation_step(*ret, err)) == 1)
		;
	return r;
}

static struct lyd_node *copy_of(const struct lyd_node *tree)
{
	struct lyd_node *copy = NULL;

	if (tree)
		assert_int_equal(
			lyd_dup_siblings(tree, NULL, LYD_DUP_RECURSIVE | LYD_DUP_WITH_FLAGS, &copy),
			LY_SUCCESS);
	return copy;
}

static char *text_of(const struct lyd_node *tree)
{
	char *text = NULL;

	if (tree)
		lyd_print_mem(&text, tree, LYD_JSON,
			LYD_PRINT_WITHSIBLINGS | LYD_PRINT_WD_ALL_TAG | LYD_PRINT_KEEPEMPTYCONT);
	return text ? text : strdup("");
}

static char full_reason[512];

/* Full validation is not idempotent: twice gives the settled tree. */
static bool full_valid(struct lyd_node **tree)
{
	bool ok = !*tree ||
		(lyd_validate_all(tree, NULL, LYD_VALIDATE_NO_STATE, NULL) == LY_SUCCESS &&
			lyd_validate_all(tree, NULL, LYD_VALIDATE_NO_STATE, NULL) == LY_SUCCESS);

	snprintf(full_reason, sizeof(full_reason), "%s",
		ok || !ly_errmsg(yang_ctx()) ? "" : ly_errmsg(yang_ctx()));
	ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return ok;
}

static void same_trees(const struct lyd_node *mine, const struct lyd_node *full, const char *edit)
{
	if (!mine && !full)
		return;
	if (mine && full &&
		lyd_compare_siblings(mine, full,
			LYD_COMPARE_FULL_RECURSION | LYD_COMPARE_DEFAULTS) == LY_SUCCESS)
		return;
	_cleanup_free_ char *a = text_of(mine), *b = text_of(full);
	size_t same = 0;

	while (a[same] && a[same] == b[same])
		same++;
	same -= same > 200 ? 200 : same;
	fprintf(stderr, "trees differ after %s\n--- mine: %.600s\n--- other: %.600s\n", edit,
		a + same, b + same);
	fail();
}

/* One edit: applied in place and validated incrementally, and on a copy validated in full. */
static int one_edit(const char *text)
{
	struct err err = { 0 };
	struct lyd_node *request = NULL, *copy, *before;
	struct validation *validation = NULL;
	struct unit_set units = { 0 };
	struct edit edit;
	bool valid;
	int r;

	if (format_parse_edit(text, strlen(text), FORMAT_JSON, NULL, &request, &err) < 0)
		fail_msg("%s: %s", text, err_text(&err));
	before = copy_of(running);
	edit_begin(&edit, &running, NULL);
	edit.units = &units;
	r = edit_apply(&edit, &request, EDIT_MERGE, &err);
	lyd_free_all(request);
	if (r < 0) {
		edit_undo(&edit);
		same_trees(running, before, text);
		goto out;
	}
	copy = copy_of(running);
	r = validate(&edit, !running_is_settled, &validation, &err);
	valid = full_valid(&copy);
	if (valid != (r == 0)) {
		_cleanup_free_ char *was = text_of(before);

		fprintf(stderr, "verdicts differ: %s\nmine %d %s (%s)\nlibyang: %s\nbefore %s\n",
			text, r, err_text(&err), err.path ? err.path : "", full_reason, was);
		fail();
	}
	if (r == 0) {
		size_t at = 0;

		while (units_collect(&units, &edit, &at))
			;
		same_trees(running, copy, text);
		edit_keep(&edit);
		running_is_settled = true;
	} else {
		edit_undo(&edit);
		same_trees(running, before, text);
	}
	lyd_free_all(copy);
out:
	validation_free(validation);
	unit_set_done(&units);
	lyd_free_all(before);
	err_done(&err);
	return r;
}

static void test_equivalence(void **state)
{
	const char *rounds = getenv("TEST_ROUNDS");
	unsigned count = rounds ? (unsigned)atoi(rounds) : 3000, accepted = 0;
	static char text[16384];

	for (unsigned i = 0; i < count; i++) {
		random_edit(text, sizeof(text));
		accepted += one_edit(text) == 0;
	}
	printf("%u edits, %u accepted, %zu constraints\n", count, accepted, constraints_count());
	assert_true(accepted > count / 20);
	assert_true(accepted < count);
}

/* What was grown edit by edit equals the same configuration parsed afresh. */
static void test_fresh(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct lyd_node *fresh = NULL;

	if (!running)
		return;
	lyd_print_mem(&text, running, LYD_JSON, LYD_PRINT_WITHSIBLINGS);
	assert_int_equal(lyd_parse_data_mem(yang_ctx(), text, LYD_JSON, LYD_PARSE_STRICT,
				 LYD_VALIDATE_NO_STATE, &fresh),
		LY_SUCCESS);
	assert_true(full_valid(&fresh));
	_cleanup_free_ char *a = text_of(running), *b = text_of(fresh);
	assert_string_equal(a, b);
	lyd_free_all(fresh);
}

#define VLANS 200

/* A member of VLANs from..to more, as one edit; room that its checks have needed. */
static size_t room_for_members(unsigned from, unsigned to)
{
	static char text[VLANS * 64];
	size_t n = (size_t)snprintf(text, sizeof(text),
		"{\"ietf-interfaces:interfaces\":{\"interface\":["
		"{\"name\":\"px\",\"type\":\"infix-if-type:ethernet\","
		"\"infix-interfaces:bridge-port\":{\"bridge\":\"brx\"}},"
		"{\"name\":\"brx\",\"type\":\"infix-if-type:bridge\","
		"\"infix-interfaces:bridge\":{\"vlans\":{\"vlan\":[");
	struct validation *validation = NULL;
	struct lyd_node *request = NULL;
	struct err err = { 0 };
	struct edit edit;
	size_t room;

	for (unsigned vid = from; vid <= to; vid++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
			"%s{\"vid\":%u,\"tagged\":[\"px\",\"brx\"]}", vid == from ? "" : ",", vid);
	snprintf(text + n, sizeof(text) - n, "]}}}]}}");
	assert_int_equal(
		format_parse_edit(text, strlen(text), FORMAT_JSON, NULL, &request, &err), 0);
	edit_begin(&edit, &running, NULL);
	assert_int_equal(edit_apply(&edit, &request, EDIT_MERGE, &err), 0);
	assert_int_equal(validate(&edit, !running_is_settled, &validation, &err), 0);
	running_is_settled = true;
	room = validation->musts.room + validation->leafrefs.room;
	edit_keep(&edit);
	validation_free(validation);
	lyd_free_all(request);
	return room;
}

/* Who joins a VLAN is asked for; who is in the others is not. */
static void test_members(void **state)
{
	assert_true(room_for_members(1, VLANS) > VLANS);
	assert_true(room_for_members(VLANS + 1, VLANS + 1) <= 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equivalence),
		cmocka_unit_test(test_fresh),
		cmocka_unit_test(test_members),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
