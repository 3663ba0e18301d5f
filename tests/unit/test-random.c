/*
 * Random edits of the whole schema. Of each: incremental validation gives the verdict that full validation
 * gives, and the tree it leaves; undone it leaves the tree as it was; its record made forwards and backwards
 * leads from the one tree to the other; and by way of the candidate it comes to the same.
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

#include "../../src/datastore/candidate.h"
#include "../../src/datastore/constraints.h"
#include "../../src/datastore/data-index.h"
#include "../../src/datastore/record.h"
#include "../../src/datastore/store.h"
#include "generate.h"

static const char *const if_features[] = { "vlan-filtering", "containers", NULL };
static const char *const keystore[] = { "central-keystore-supported", "symmetric-keys",
	"asymmetric-keys", NULL };
static const char *const truststore[] = { "central-truststore-supported", "public-keys", NULL };
static const char *const users[] = { "authentication", "local-users", NULL };
static const struct yang_module modules[] = {
	{ "ietf-netconf", NULL },
	{ "ietf-netconf-with-defaults", NULL },
	{ "ietf-keystore", keystore },
	{ "ietf-truststore", truststore },
	{ "iana-if-type", NULL },
	{ "infix-if-type", NULL },
	{ "ieee802-dot1q-types", NULL },
	{ "ieee802-ethernet-interface", NULL },
	{ "infix-ethernet-interface", NULL },
	{ "infix-hardware", NULL },
	{ "infix-interfaces", if_features },
	{ "ietf-ip", NULL },
	{ "infix-ip", NULL },
	{ "ietf-ipv4-unicast-routing", NULL },
	{ "ietf-ipv6-unicast-routing", NULL },
	{ "infix-routing", NULL },
	{ "ietf-system", users },
	{ "infix-system", NULL },
	{ "infix-containers", NULL },
	{ "infix-meta", NULL },
	{ "ietf-netconf-acm", NULL },
};

static struct feature everything = { .name = "everything" };
const struct feature *const feature_table[] = { &everything, NULL };

static bool is_settled;

static int setup(void **state)
{
	struct err err = { 0 };
	const struct ds_config config = { "/nowhere", "/nowhere", "/nowhere" };

	loop_init();
	generate_ignore_leaks(true);
	if (yang_init(YANG_DIR, modules, ARRAY_SIZE(modules), &err) < 0)
		goto failed;
	generate_ignore_leaks(false);
	generate_init();
	everything.roots = generate_roots();
	if (schema_init(&err) < 0)
		goto failed;
	store_init(&config);
	return 0;
failed:
	fprintf(stderr, "%s\n", err_text(&err));
	return -1;
}

static int teardown(void **state)
{
	candidate_done();
	data_index_forget(*store_running());
	store_done();
	schema_done();
	generate_done();
	yang_done();
	loop_done();
	return 0;
}

/* --- trees -------------------------------------------------------------------------------------- */

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
	return text ? text : xstrdup("");
}

/* To the byte, with the order of everything. */
static void same_text(const struct lyd_node *mine, const struct lyd_node *other, const char *what)
{
	_cleanup_free_ char *a = text_of(mine), *b = text_of(other);
	size_t same = 0;

	if (str_equal(a, b))
		return;
	while (a[same] && a[same] == b[same])
		same++;
	same -= same > 150 ? 150 : same;
	fail_msg("%s\n--- is: %.350s\n--- not: %.350s", what, a + same, b + same);
}

/* But for the order of what the system orders. */
static void same_content(
	const struct lyd_node *mine, const struct lyd_node *other, const char *what)
{
	struct lyd_node *diff = NULL;

	if (!mine && !other)
		return;
	if (lyd_diff_siblings(mine, other, LYD_DIFF_DEFAULTS, &diff) != LY_SUCCESS || diff)
		same_text(mine, other, what);
	lyd_free_all(diff);
}

static char full_reason[512];

/* Full validation is not idempotent: twice gives the settled tree. */
static bool full_valid(struct lyd_node **tree)
{
	bool ok = lyd_validate_all(tree, yang_ctx(), LYD_VALIDATE_NO_STATE, NULL) == LY_SUCCESS &&
		lyd_validate_all(tree, yang_ctx(), LYD_VALIDATE_NO_STATE, NULL) == LY_SUCCESS;

	snprintf(full_reason, sizeof(full_reason), "%s",
		ok || !ly_errmsg(yang_ctx()) ? "" : ly_errmsg(yang_ctx()));
	ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return ok;
}

/* --- one edit ----------------------------------------------------------------------------------- */

static int validate(struct edit *edit, struct err *err)
{
	struct validation *validation = validation_new(edit, !is_settled);
	int r;

	while ((r = validation_step(validation, err)) == 1)
		;
	validation_free(validation);
	return r;
}

static int apply_text(struct edit *edit, const char *text, struct err *err)
{
	struct lyd_node *request = NULL;
	int r = format_parse_edit(text, strlen(text), FORMAT_JSON, NULL, &request, err);

	if (r == 0)
		r = edit_apply(edit, &request, EDIT_MERGE, err);
	lyd_free_all(request);
	return r;
}

static void replay(struct lyd_node **tree, const struct buf *record, const char *what)
{
	struct err err = { 0 };
	struct edit edit;
	size_t at = 0;

	edit_begin(&edit, tree, NULL);
	if (record->length &&
		record_replay(&edit, buf_bytes(record), record->length, &at, &err) < 0)
		fail_msg("%s: %s", what, err_text(&err));
	edit_keep(&edit);
	if (!full_valid(tree))
		fail_msg("%s: what was recorded does not lead to a valid tree", what);
}

/* What is recorded of the edit leads from before to after and back. */
static void check_records(const struct edit *edit, const struct lyd_node *before, const char *what)
{
	_cleanup_(buf_done) struct buf forward = { 0 }, reverse = { 0 };
	struct lyd_node *tree = copy_of(before);
	struct err err = { 0 };

	if (record_changes(&forward, edit, &err) < 0 || record_reverse(&reverse, edit, &err) < 0)
		fail_msg("%s: %s", what, err_text(&err));
	if (is_settled) {
		replay(&tree, &forward, what);
		same_content(tree, *edit->tree, "recorded forwards");
		replay(&tree, &reverse, what);
		same_content(tree, before, "recorded backwards");
	}
	lyd_free_all(tree);
}

static void learn(const struct edit *edit)
{
	size_t at = 0;

	while (candidate_note(edit, &at) == 1)
		;
}

/* Directly, in running; @expected is the tree that full validation makes of it, or not. */
static bool settle(struct edit *edit, int r, struct lyd_node *before, const char *what)
{
	struct lyd_node *expected = copy_of(*edit->tree);
	struct err err = { 0 };
	bool is_valid = r == 0 && full_valid(&expected);

	if (r == 0)
		r = validate(edit, &err);
	if (is_valid != (r == 0))
		fail_msg("%s: full validation says %d %s, incremental %d %s (%s)", what, is_valid,
			full_reason, r, err_text(&err), err.path ? err.path : "");
	if (r == 0) {
		same_content(*edit->tree, expected, what);
		check_records(edit, before, what);
		learn(edit);
		edit_keep(edit);
		is_settled = true;
	} else {
		edit_undo(edit);
		same_text(*edit->tree, before, what);
	}
	err_done(&err);
	lyd_free_all(expected);
	return r == 0;
}

static bool edit_running(const char *text)
{
	struct lyd_node *before = copy_of(*store_running());
	struct err err = { 0 };
	struct edit edit;
	bool is_valid;
	int r;

	edit_begin(&edit, store_running(), NULL);
	r = apply_text(&edit, text, &err);
	is_valid = settle(&edit, r, before, text);
	err_done(&err);
	lyd_free_all(before);
	return is_valid;
}

/* --- by way of the candidate ---------------------------------------------------------------------- */

static void edit_candidate(const char *text)
{
	struct lyd_node *before;
	struct err err = { 0 };
	struct edit edit;
	int r;

	while ((r = candidate_prepare(&err)) == 1)
		;
	assert_int_equal(r, 0);
	if (!candidate_is_edited())
		same_content(*candidate_own_tree(), *store_running(), "the candidate follows");
	before = copy_of(*candidate_own_tree());
	edit_begin(&edit, candidate_own_tree(), NULL);
	if (apply_text(&edit, text, &err) < 0) {
		edit_undo(&edit);
		same_text(*candidate_own_tree(), before, text);
	} else {
		learn(&edit);
		if (edit.count)
			candidate_set_edited(true);
		edit_keep(&edit);
	}
	err_done(&err);
	lyd_free_all(before);
}

/* What only stands there by default, an emptied container too, is as if it were not there. */
static void drop_defaults(struct lyd_node **first)
{
	struct lyd_node *node, *next;

	for (node = *first; node; node = next) {
		struct lyd_node *child = (struct lyd_node *)lyd_child(node);

		next = node->next;
		if (!(node->flags & LYD_DEFAULT)) {
			drop_defaults(&child);
			continue;
		}
		if (*first == node)
			*first = next;
		lyd_free_tree(node);
	}
}

/* Running becomes what full validation makes of the candidate, or stays. */
static bool commit_candidate(void)
{
	struct lyd_node *before = copy_of(*store_running());
	struct lyd_node *expected = copy_of(candidate_tree());
	struct err err = { 0 };
	_cleanup_free_ char *reason = NULL;
	bool is_expected, is_valid;
	struct edit edit;
	int r;

	drop_defaults(&expected);
	is_expected = full_valid(&expected);
	reason = xstrdup(full_reason);
	edit_begin(&edit, store_running(), NULL);
	candidate_build_start();
	while ((r = candidate_build(&edit, &err)) == 1)
		;
	if (r < 0)
		fail_msg("commit: %s (%s)", err_text(&err), err.path ? err.path : "");
	is_valid = settle(&edit, r, before, "commit");
	if (is_valid != is_expected) {
		_cleanup_free_ char *is = text_of(candidate_tree());

		fail_msg("the candidate is valid: %d, %s; its commit: %d\n%s", is_expected, reason,
			is_valid, is);
	}
	if (is_valid) {
		same_content(*store_running(), expected, "commit");
		candidate_committed();
	} else {
		while ((r = candidate_discard(&err)) == 1)
			;
		assert_int_equal(r, 0);
		same_content(*candidate_own_tree(), *store_running(), "discard");
	}
	lyd_free_all(before);
	lyd_free_all(expected);
	return is_valid;
}

static void test_random_edits(void **state)
{
	const char *rounds = getenv("TEST_ROUNDS");
	unsigned count = rounds ? (unsigned)atoi(rounds) : 5000;
	unsigned direct = 0, committed = 0, refused = 0;

	for (unsigned i = 0; i < count; i++) {
		_cleanup_(buf_done) struct buf text = { 0 };

		generate_edit(&text, *store_running());
		if (getenv("TEST_VERBOSE"))
			printf("%u: %s\n", i, buf_bytes(&text));
		if (generate_below(2) == 0)
			edit_candidate(buf_bytes(&text));
		else if (edit_running(buf_bytes(&text)))
			direct++;
		else
			refused++;
		if (candidate_is_edited() && generate_below(3) == 0)
			committed += commit_candidate();
	}
	printf("%u edits: %u direct, %u refused, %u commits\n", count, direct, refused, committed);
	assert_true(direct > count / 20 && refused > count / 20 && committed > count / 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_edits) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
