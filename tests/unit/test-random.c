/*
 * Random edits of the whole schema: all modules of the device, and one that has every kind of node and
 * constraint. Of each edit:
 *
 * - incremental validation gives the verdict that full validation (lyd_validate_all()) gives, and the tree it
 *   leaves;
 * - of an invalid one it gives an error that full validation gives. Full validation stops at the first of
 *   several violations, which may be another than the first that the edit leads to. So all violations are looked
 *   for by going through the whole tree (violations.c): there are none exactly when full validation finds none,
 *   and both errors are among them, each with the error-tag, the error-app-tag and the path of one, and with
 *   what its message has to name: the model's own error-message, or else the condition, the value, or the node;
 * - undone it leaves the tree as it was, to the byte;
 * - its record made forwards and backwards leads from the one tree to the other;
 * - by way of the candidate it comes to the same;
 * - after a kill, with a record torn as it was written, what was acknowledged is there again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/feature.h"
#include "ashlar/file.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "../../src/datastore/annotation.h"
#include "../../src/datastore/candidate.h"
#include "../../src/datastore/constraints.h"
#include "../../src/datastore/data-index.h"
#include "../../src/datastore/journal.h"
#include "../../src/datastore/modules.h"
#include "../../src/datastore/record.h"
#include "../../src/datastore/store.h"
#include "../../src/yang/compat.h"
#include "generate.h"
#include "violations.h"

/* The daemon's (real-features.c): their modules are loaded, but one feature here owns all of them. */
extern const struct feature *const real_feature_table[];

static struct feature everything = { .name = "everything" };
const struct feature *const feature_table[] = { &everything, NULL };

static bool is_settled;
static unsigned errors_compared, restarts;
static char dir[] = "/tmp/test-random-XXXXXX"; /* modules, and what a restart starts from */
static struct feature_module *loaded;

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

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What is kept beside the values, a line each; sorted. */
static char *annotations_of(const struct lyd_node *tree)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	const struct lyd_node *top, *node;
	const struct lyd_meta *meta;
	size_t count = 0, room = 0;
	char **lines = NULL;

	LY_LIST_FOR (tree, top) {
		LYD_TREE_DFS_BEGIN (top, node) {
			LY_LIST_FOR (node->meta, meta) {
				_cleanup_free_ char *path = path_of(node);

				if (!annotation_is_kept(meta))
					continue;
				ARRAY_GROW(lines, count, room);
				lines[count++] = xasprintf(
					"%s %s=%s\n", path, meta->name, lyd_get_meta_value(meta));
			}
			LYD_TREE_DFS_END(top, node);
		}
	}
	if (count)
		qsort(lines, count, sizeof(*lines), by_text);
	for (size_t i = 0; i < count; i++) {
		(void)!buf_append_str(&text, lines[i]); /* no ceiling */
		free(lines[i]);
	}
	free(lines);
	return buf_take(&text);
}

static void same_annotations(
	const struct lyd_node *mine, const struct lyd_node *other, const char *what)
{
	_cleanup_free_ char *is = annotations_of(mine), *not = annotations_of(other);

	if (!str_equal(is, not ))
		fail_msg("%s\n--- is:\n%s--- not:\n%s", what, is, not );
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
	same_annotations(mine, other, what);
	lyd_free_all(diff);
}

/* Full validation is not idempotent: twice gives the settled tree. @err: the first error it finds. */
static bool full_valid(struct lyd_node **tree, struct err *err)
{
	if (lyd_validate_all(tree, yang_ctx(), LYD_VALIDATE_NO_STATE, NULL) == LY_SUCCESS &&
		lyd_validate_all(tree, yang_ctx(), LYD_VALIDATE_NO_STATE, NULL) == LY_SUCCESS)
		return true;
	(void)yang_err(err, -EINVAL); /* the verdict is told by the caller */
	return false;
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

/*
 * What only stands there by default, an emptied container too, is as if it were not there; but for one that the
 * request at hand has given: where that is not allowed, it is an error.
 */
static void drop_defaults(struct lyd_node **first)
{
	struct lyd_node *node, *next;

	for (node = *first; node; node = next) {
		struct lyd_node *child = (struct lyd_node *)lyd_child(node);

		next = node->next;
		if (!(node->flags & LYD_DEFAULT) || node->flags & LYD_NEW) {
			drop_defaults(&child);
			continue;
		}
		if (*first == node)
			*first = next;
		lyd_free_tree(node);
	}
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
	drop_defaults(tree);
	if (!full_valid(tree, &err))
		fail_msg("%s: what was recorded does not lead to a valid tree: %s", what,
			err_text(&err));
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

/* --- the record that outlives the daemon ----------------------------------------------------------- */

static void checkpoint_written(const struct err *err, void *arg)
{
	if (err)
		fail_msg("%s", err_text(err));
	loop_stop();
}

static void checkpoint(void)
{
	journal_checkpoint(checkpoint_written, NULL);
	loop_run();
}

/* Before the client is told. */
static void acknowledge(const struct edit *edit)
{
	_cleanup_(buf_done) struct buf forward = { 0 };
	struct err err = { 0 };
	int r = record_changes(&forward, edit, &err);

	if (r == 0)
		r = journal_append(&forward, edit->count, &err);
	if (r < 0)
		fail_msg("%s", err_text(&err));
	if (r == 1)
		checkpoint();
}

static void learn(const struct edit *edit)
{
	size_t at = 0;

	while (candidate_note(edit, &at) == 1)
		;
}

/* --- errors --------------------------------------------------------------------------------------- */

static void check_told(
	const struct violations *all, const struct err *err, bool is_full, const char *what)
{
	_cleanup_free_ char *text = NULL;

	if (violations_told(all, err, is_full))
		return;
	text = violations_text(all);
	fail_msg("%s\n%s tells %s %s %s: %s\nbut wrong is:\n%s", what,
		is_full ? "full validation" : "incremental validation",
		err_tag_name(err_effective_tag(err)), err->app_tag ? err->app_tag : "-",
		err->path ? err->path : "-", err_text(err), text);
}

/* @err and @full: what incremental and full validation have said of it, or nothing. */
static void check_errors(const struct lyd_node *tree, const struct err *err, const struct err *full,
	const char *what)
{
	struct violations all = { 0 };

	violations_find(&all, tree);
	if (err->code) {
		errors_compared++;
		check_told(&all, err, false, what);
		/* libyang 3 names the parent of what is missing; its verdict is compared all the same. */
		if (!COMPAT_LY3)
			check_told(&all, full, true, what);
	} else if (all.count) {
		_cleanup_free_ char *text = violations_text(&all);

		fail_msg("%s\nis valid, but wrong is:\n%s", what, text);
	}
	violations_done(&all);
}

/* As libyang writes them. */
static void check_paths(const struct lyd_node *tree)
{
	const struct lyd_node *first, *node;

	LY_LIST_FOR (tree, first) {
		LYD_TREE_DFS_BEGIN (first, node) {
			_cleanup_free_ char *mine = path_of(node);
			_cleanup_free_ char *theirs = lyd_path(node, LYD_PATH_STD, NULL, 0);

			assert_string_equal(mine, theirs);
			LYD_TREE_DFS_END(first, node);
		}
	}
}

/* Directly, in running; @expected is the tree that full validation makes of it, or not. */
static bool settle(struct edit *edit, int r, struct lyd_node *before, const char *what)
{
	struct lyd_node *expected = copy_of(*edit->tree);
	struct err err = { 0 }, full = { 0 };
	bool is_valid;

	drop_defaults(&expected);
	is_valid = r == 0 && full_valid(&expected, &full);
	if (r == 0) {
		r = validate(edit, &err);
		if (is_valid != (r == 0))
			fail_msg("%s: full validation says %d %s, incremental %d %s (%s)", what,
				is_valid, err_text(&full), r, err_text(&err),
				err.path ? err.path : "");
		check_errors(*edit->tree, &err, &full, what);
	}
	if (r == 0) {
		same_content(*edit->tree, expected, what);
		check_paths(*edit->tree);
		check_records(edit, before, what);
		learn(edit);
		acknowledge(edit);
		edit_keep(edit);
		is_settled = true;
	} else {
		edit_undo(edit);
		same_text(*edit->tree, before, what);
	}
	err_done(&err);
	err_done(&full);
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

/* What the candidate's edits, each valid by itself, would have made of running; NULL: one was not. */
static struct lyd_node *direct;
static unsigned compared;

static void begin_direct(void)
{
	lyd_free_all(direct);
	direct = copy_of(*store_running());
}

/* By full validation, which knows of no candidate. */
static void edit_direct(const char *text)
{
	_cleanup_err_ struct err err = { 0 };
	struct lyd_node *edited;
	struct edit edit;

	if (!direct)
		return;
	edit_begin(&edit, &direct, NULL);
	if (apply_text(&edit, text, &err) < 0) {
		edit_undo(&edit);
		return;
	}
	edited = copy_of(direct);
	edit_keep(&edit);
	lyd_free_all(direct);
	drop_defaults(&edited);
	direct = edited;
	if (full_valid(&direct, &err))
		return;
	lyd_free_all(direct);
	direct = NULL;
}

static void compare_direct(bool is_valid, const struct err *err)
{
	if (!direct)
		return;
	if (!is_valid)
		fail_msg("the candidate's edits are valid in running, their commit is not: %s (%s)",
			err_text(err), err->path ? err->path : "");
	same_content(*store_running(), direct, "several edits and a commit");
	compared++;
}

static void settle_candidate(struct edit *edit)
{
	struct validation *validation = validation_new_settling(edit);
	struct err err = { 0 };
	int r;

	while ((r = validation_step(validation, &err)) == 1)
		;
	validation_free(validation);
	assert_int_equal(r, 0);
}

static void edit_candidate(const char *text)
{
	struct lyd_node *before;
	struct err err = { 0 };
	struct edit edit;
	int r;

	while ((r = candidate_prepare(&err)) == 1)
		;
	assert_int_equal(r, 0);
	if (!candidate_is_edited()) {
		same_content(*candidate_own_tree(), *store_running(), "the candidate follows");
		begin_direct();
	}
	edit_direct(text);
	before = copy_of(*candidate_own_tree());
	edit_begin(&edit, candidate_own_tree(), NULL);
	if (apply_text(&edit, text, &err) < 0) {
		edit_undo(&edit);
		same_text(*candidate_own_tree(), before, text);
	} else {
		settle_candidate(&edit);
		learn(&edit);
		if (edit.count)
			candidate_set_edited(true);
		edit_keep(&edit);
	}
	err_done(&err);
	lyd_free_all(before);
}

/* Running becomes what full validation makes of the candidate, or stays. */
static bool commit_candidate(void)
{
	struct lyd_node *before = copy_of(*store_running());
	struct lyd_node *expected = copy_of(candidate_tree());
	struct err err = { 0 };
	_cleanup_err_ struct err full = { 0 };
	bool is_expected, is_valid;
	struct edit edit;
	int r;

	drop_defaults(&expected);
	is_expected = full_valid(&expected, &full);
	edit_begin(&edit, store_running(), NULL);
	candidate_build_start();
	while ((r = candidate_build(&edit, &err)) == 1)
		;
	if (r < 0)
		fail_msg("commit: %s (%s)", err_text(&err), err.path ? err.path : "");
	is_valid = settle(&edit, r, before, "commit");
	if (is_valid != is_expected) {
		_cleanup_free_ char *is = text_of(candidate_tree());

		fail_msg("the candidate is valid: %d, %s; its commit: %d\n%s", is_expected,
			err_text(&full), is_valid, is);
	}
	compare_direct(is_valid, &full);
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

/* --- restarts --------------------------------------------------------------------------------------- */

/* The journal with the highest number; malloc'd. */
static char *journal_path(void)
{
	DIR *files = opendir(dir);
	struct dirent *entry;
	unsigned highest = 0, number;

	assert_non_null(files);
	while ((entry = readdir(files))) {
		if (sscanf(entry->d_name, "journal.%u", &number) == 1 && number > highest)
			highest = number;
	}
	closedir(files);
	return xasprintf("%s/journal.%u", dir, highest);
}

/* The beginning of a record that was being written. */
static void tear(void)
{
	_cleanup_(buf_done) struct buf sealed = { 0 };
	_cleanup_free_ char *path = NULL;
	const char record[64] = { 'M' };
	FILE *file;

	assert_int_equal(record_seal(&sealed, record, sizeof(record)), 0);
	path = journal_path();
	file = fopen(path, "a");
	assert_non_null(file);
	fwrite(buf_bytes(&sealed), 1, generate_below((unsigned)sealed.length), file);
	fclose(file);
}

/* Dies at some moment and starts again: running is what clients were told. */
static void restart(void)
{
	struct lyd_node *acknowledged = *store_running();
	struct err err = { 0 };
	struct edit edit;
	int r;

	restarts++;
	candidate_done();
	journal_done();
	tear();
	data_index_forget(acknowledged);
	*store_running() = NULL;
	edit_begin(&edit, store_running(), NULL);
	r = journal_restore(&edit, &err);
	is_settled = false;
	if (r == 1)
		r = validate(&edit, &err);
	if (r < 0)
		fail_msg("restart: %s (%s)", err_text(&err), err.path ? err.path : "");
	same_content(*store_running(), acknowledged, "restart");
	edit_keep(&edit);
	is_settled = true;
	lyd_free_all(acknowledged);
	checkpoint();
}

/* What whens depend on, and what has one: together they come up too seldom. */
static const char *const whens[] = {
	"{\"example-kinds:kinds\":{\"switch\":true}}",
	"{\"example-kinds:kinds\":{\"switch\":true,\"gated\":false}}",
	"{\"example-kinds:kinds\":{\"switch\":true,\"gated-one\":true}}",
	"{\"example-kinds:kinds\":{\"gated\":true}}",
	"{\"example-kinds:kinds\":{\"switch\":false}}",
};

static void make_edit(struct buf *text)
{
	if (generate_below(8) == 0)
		assert_int_equal(buf_append_str(text, whens[generate_below(ARRAY_SIZE(whens))]), 0);
	else
		generate_edit(text, *store_running());
}

static void test_random_edits(void **state)
{
	const char *rounds = getenv("TEST_ROUNDS");
	unsigned count = rounds ? (unsigned)atoi(rounds) : 5000;
	unsigned in_running = 0, committed = 0, refused = 0;

	for (unsigned i = 0; i < count; i++) {
		_cleanup_(buf_done) struct buf text = { 0 };

		make_edit(&text);
		if (getenv("TEST_VERBOSE"))
			printf("%u: %s\n", i, buf_bytes(&text));
		if (generate_below(2) == 0)
			edit_candidate(buf_bytes(&text));
		else if (edit_running(buf_bytes(&text)))
			in_running++;
		else
			refused++;
		if (candidate_is_edited() && generate_below(3) == 0)
			committed += commit_candidate();
		if (generate_below(100) == 0)
			restart();
	}
	printf("%u edits: %u in running, %u refused, %u errors compared, %u commits (%u compared), "
	       "%u restarts\n",
		count, in_running, refused, errors_compared, committed, compared, restarts);
	assert_true(in_running > count / 20 && refused > count / 20 && committed > count / 50);
	assert_true(
		errors_compared > count / 50 && compared > count / 100 && restarts > count / 200);
}

/* --- life ---------------------------------------------------------------------------------------- */

static void link_modules(const char *from, const char *to)
{
	DIR *modules = opendir(from);
	struct dirent *entry;

	assert_non_null(modules);
	while ((entry = readdir(modules))) {
		_cleanup_free_ char *source = file_join(from, entry->d_name);
		_cleanup_free_ char *target = file_join(to, entry->d_name);

		if (str_ends(entry->d_name, ".yang"))
			assert_int_equal(symlink(source, target), 0);
	}
	closedir(modules);
}

static void add_modules(void)
{
	size_t count = 0, room = 0;

	for (const struct feature *const *at = real_feature_table; *at; at++) {
		const struct feature_module *module = (*at)->modules;

		for (; module && module->name; module++) {
			ARRAY_GROW(loaded, count, room);
			loaded[count++] = *module;
		}
	}
	ARRAY_GROW(loaded, count, room);
	loaded[count++] = (struct feature_module){ "example-kinds", NULL };
	ARRAY_GROW(loaded, count, room);
	loaded[count] = (struct feature_module){ NULL, NULL };
	everything.modules = loaded;
}

static int setup(void **state)
{
	struct err err = { 0 };
	const struct ds_config config = {
		.config_dir = "/nowhere", .startup_dir = "/nowhere", .run_dir = dir
	};

	loop_init();
	assert_non_null(mkdtemp(dir));
	link_modules(YANG_DIR, dir);
	link_modules(TEST_DATA_DIR "/unit/yang", dir);
	add_modules();
	generate_ignore_leaks(true);
	if (modules_load(dir, &err) < 0)
		goto failed;
	generate_ignore_leaks(false);
	generate_init();
	everything.roots = generate_roots();
	if (schema_init(&err) < 0)
		goto failed;
	store_init(&config);
	checkpoint();
	return 0;
failed:
	fprintf(stderr, "%s\n", err_text(&err));
	return -1;
}

static int teardown(void **state)
{
	lyd_free_all(direct);
	candidate_done();
	journal_done();
	data_index_forget(*store_running());
	store_done();
	schema_done();
	generate_done();
	yang_done();
	loop_done();
	free(loaded);
	return file_remove_tree(dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_edits) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
