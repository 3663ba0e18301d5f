/*
 * A record and its reverse undo each other: over random edits, what was recorded of an edit makes of the tree
 * before it the tree after it, and its reverse the other way round, be it replayed alone or in one edit with
 * others, and be it taken from an edit that was itself a replay.
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

#include "../../src/datastore/data-index.h"
#include "../../src/datastore/record.h"
#include "../../src/datastore/validate.h"
#include "generate.h"

static const char *const if_features[] = { "vlan-filtering", "containers", NULL };
static const char *const system_features[] = { "authentication", "local-users", "ntp",
	"ntp-udp-port", "timezone-name", NULL };
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
	{ "ietf-system", system_features },
	{ "infix-containers", NULL },
	{ "ietf-netconf-acm", NULL },
};

static struct feature everything = { .name = "everything" };
const struct feature *const feature_table[] = { &everything, NULL };

static struct lyd_node *running;
static struct buf text; /* of the edit at hand */

static int setup(void **state)
{
	_cleanup_err_ struct err err = { 0 };

	loop_init();
	generate_ignore_leaks(true);
	if (yang_init(YANG_DIR, modules, ARRAY_SIZE(modules), &err) < 0)
		goto failed;
	generate_ignore_leaks(false);
	generate_init();
	everything.roots = generate_roots();
	if (schema_init(&err) == 0)
		return 0;
failed:
	fprintf(stderr, "%s\n", err_text(&err));
	return -1;
}

static int teardown(void **state)
{
	data_index_forget(running);
	lyd_free_all(running);
	running = NULL;
	buf_done(&text);
	schema_done();
	generate_done();
	yang_done();
	loop_done();
	return 0;
}

/* --- trees as text ---------------------------------------------------------------------------- */

static unsigned place_of(const struct lyd_node *node)
{
	unsigned place = 0;

	while (node->prev->next && node->prev->schema == node->schema) {
		node = node->prev;
		place++;
	}
	return place;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A line a node: where it stands among entries ordered by user, and what it is; sorted, as the order of others
 * means nothing. */
static char *text_of(const struct lyd_node *tree)
{
	char **lines = NULL, *all;
	size_t count = 0, room = 0, size = 1, at = 0;
	const struct lyd_node *top, *node;

	LY_LIST_FOR (tree, top) {
		LYD_TREE_DFS_BEGIN (top, node) {
			_cleanup_free_ char *path = path_of(node);

			ARRAY_GROW(lines, count, room);
			lines[count] = xasprintf("%s #%u = %s%s\n", path,
				lysc_is_userordered(node->schema) ? place_of(node) : 0,
				node->schema->nodetype & LYD_NODE_TERM ? lyd_get_value(node) : "",
				node->flags & LYD_DEFAULT ? " (default)" : "");
			size += strlen(lines[count++]);
			LYD_TREE_DFS_END(top, node);
		}
	}
	if (count)
		qsort(lines, count, sizeof(*lines), by_text);
	all = xcalloc(1, size);
	for (size_t i = 0; i < count; i++) {
		at += (size_t)sprintf(all + at, "%s", lines[i]);
		free(lines[i]);
	}
	free(lines);
	return all;
}

static void same(const char *what, const char *is, const char *should)
{
	size_t same = 0;

	if (str_equal(is, should))
		return;
	while (is[same] && is[same] == should[same])
		same++;
	while (same && is[same - 1] != '\n')
		same--;
	fprintf(stderr, "%s, after\n%s\n--- is: %.600s\n--- should be: %.600s\n", what,
		buf_bytes(&text), is + same, should + same);
	fail();
}

/* --- edits and records ------------------------------------------------------------------------ */

struct records {
	struct buf forward, reverse;
};

static void records_done(struct records *records)
{
	buf_done(&records->forward);
	buf_done(&records->reverse);
}

/* Validates, takes the records, keeps the edit; or undoes it. */
static int finish(struct edit *edit, struct records *ret_records, int r, struct err *err)
{
	static bool is_settled;
	struct validation *validation = NULL;

	if (r == 0) {
		validation = validation_new(edit, !is_settled);
		while ((r = validation_step(validation, err)) == 1)
			;
		validation_free(validation);
		is_settled = true;
	}
	if (r == 0 && ret_records) {
		assert_int_equal(record_changes(&ret_records->forward, edit, err), 0);
		assert_int_equal(record_reverse(&ret_records->reverse, edit, err), 0);
	}
	if (r == 0)
		edit_keep(edit);
	else
		edit_undo(edit);
	return r;
}

/* A random edit, kept if it is valid. */
static int random_edit(struct records *ret_records)
{
	_cleanup_err_ struct err err = { 0 };
	struct lyd_node *request = NULL;
	struct edit edit;
	int r;

	buf_clear(&text);
	generate_edit(&text, running);
	edit_begin(&edit, &running, NULL);
	r = format_parse_edit(buf_bytes(&text), text.length, FORMAT_JSON, NULL, &request, &err);
	if (r == 0)
		r = edit_apply(&edit, &request, EDIT_MERGE, &err);
	lyd_free_all(request);
	return finish(&edit, ret_records, r, &err);
}

static void replay(const struct buf *const *records, size_t count, struct records *ret_records,
	const char *should)
{
	_cleanup_err_ struct err err = { 0 };
	_cleanup_free_ char *is = NULL;
	struct edit edit;
	int r = 0;

	edit_begin(&edit, &running, NULL);
	for (size_t i = 0; r == 0 && i < count; i++) {
		size_t at = 0;

		do
			r = record_replay(
				&edit, buf_bytes(records[i]), records[i]->length, &at, &err);
		while (r == 1);
	}
	r = finish(&edit, ret_records, r, &err);
	if (r < 0)
		fail_msg("a record is refused: %s %s, after\n%s", err.path ? err.path : "",
			err_text(&err), buf_bytes(&text));
	is = text_of(running);
	same("replayed", is, should);
}

static void replay_one(const struct buf *record, struct records *ret_records, const char *should)
{
	replay(&record, 1, ret_records, should);
}

/* What stands there by default stands there from the start. */
static void test_empty(void **state)
{
	_cleanup_err_ struct err err = { 0 };
	struct records records = { 0 };
	struct edit edit;

	edit_begin(&edit, &running, NULL);
	assert_int_equal(finish(&edit, &records, 0, &err), 0);
	assert_non_null(running);
	assert_int_equal(records.forward.length + records.reverse.length, 0);
}

static void test_one(void **state)
{
	const char *rounds = getenv("TEST_ROUNDS");
	unsigned count = rounds ? (unsigned)atoi(rounds) : 3000, accepted = 0;

	for (unsigned i = 0; i < count; i++) {
		_cleanup_(records_done) struct records records = { 0 }, again = { 0 },
						       third = { 0 };
		_cleanup_free_ char *before = text_of(running), *after = NULL;

		if (random_edit(&records) < 0)
			continue;
		accepted++;
		after = text_of(running);
		replay_one(&records.reverse, &again, before);
		replay_one(&records.forward, NULL, after);
		/* What a replay records is as good. */
		replay_one(&again.forward, NULL, before);
		replay_one(&again.reverse, &third, after);
		replay_one(&third.reverse, NULL, before);
		replay_one(&third.forward, NULL, after);
	}
	printf("%u edits, %u accepted\n", count, accepted);
	assert_true(accepted > count / 20);
	assert_true(accepted < count);
}

#define CHAIN 8

/* Several in one edit, as a return to an older configuration does it. */
static void test_chain(void **state)
{
	for (unsigned i = 0; i < 150; i++) {
		struct records records[CHAIN] = { 0 }, whole = { 0 };
		const struct buf *back[CHAIN], *forth[CHAIN];
		_cleanup_free_ char *before = text_of(running), *after = NULL;
		size_t count = 0;

		while (count < CHAIN)
			count += random_edit(&records[count]) == 0;
		after = text_of(running);
		for (size_t k = 0; k < count; k++) {
			back[k] = &records[count - 1 - k].reverse;
			forth[k] = &records[k].forward;
		}
		replay(back, count, &whole, before);
		replay(forth, count, NULL, after);
		replay_one(&whole.forward, NULL, before);
		replay_one(&whole.reverse, NULL, after);
		records_done(&whole);
		for (size_t k = 0; k < count; k++)
			records_done(&records[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_chain),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
