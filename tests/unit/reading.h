/*
 * For the tests of reading: a running configuration out of JSON, and what a read of it gives. The
 * feature table is the test's own.
 */
#ifndef TESTS_UNIT_READING_H
#define TESTS_UNIT_READING_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "../../src/datastore/access.h"
#include "../../src/datastore/oper.h"
#include "../../src/datastore/store.h"

/* What a read ended with. */
struct answer {
	bool is_there, is_detached;
	char *text;
	struct err err;
};

static inline void answer_done(struct answer *answer)
{
	free(answer->text);
	err_done(&answer->err);
	*answer = (struct answer){ 0 };
}

static inline struct lyd_node *parse_json(const char *json, bool with_defaults)
{
	struct lyd_node *tree = NULL;

	if (lyd_parse_data_mem(yang_ctx(), json, LYD_JSON, LYD_PARSE_ONLY | LYD_PARSE_STRICT, 0,
		    &tree) != LY_SUCCESS)
		fail_msg("%s: %s", json, ly_errmsg(yang_ctx()));
	if (with_defaults)
		assert_int_equal(
			lyd_new_implicit_all(&tree, yang_ctx(), LYD_IMPLICIT_NO_STATE, NULL),
			LY_SUCCESS);
	return tree;
}

static inline void set_running(const char *json, bool with_defaults)
{
	lyd_free_all(*store_running());
	*store_running() = parse_json(json, with_defaults);
	access_load(*store_running());
}

static inline void on_answer(struct buf *out, const struct err *err, void *arg)
{
	struct answer *answer = arg;

	assert_false(answer->is_there);
	answer->is_there = true;
	if (err)
		err_copy(&answer->err, err);
	else
		answer->text = buf_take(out);
}

static inline void on_detached(void *arg)
{
	struct answer *answer = arg;

	answer->is_detached = true;
}

/* Reads for @user (NULL: without access control). What @read holds stays the caller's. */
static inline struct answer read_as(const char *user, struct ds_read *read)
{
	struct ds_client client = {
		.user = user ? user : "", .protocol = "internal", .is_recovery = !user
	};
	struct answer answer = { 0 };

	oper_read(&client, read, on_answer, on_detached, &answer);
	while (!answer.is_there)
		loop_turn(-1);
	return answer;
}

static inline struct ds_filter *filter_of(const char *xml)
{
	_cleanup_err_ struct err err = { 0 };
	struct ds_filter *filter;

	if (ds_parse_filter(xml, strlen(xml), &filter, &err) < 0)
		fail_msg("%s: %s", xml, err_text(&err));
	return filter;
}

/* The answer must be that text. */
static inline void check_read(
	const char *title, const char *user, struct ds_read *read, const char *expected)
{
	struct answer answer = read_as(user, read);

	if (!answer.text)
		fail_msg("%s: %s", title, err_text(&answer.err));
	if (!str_equal(answer.text, expected))
		fail_msg("%s:\n  got      %s\n  expected %s", title, answer.text, expected);
	answer_done(&answer);
}

/* The answer must be an error with that tag, and words in its message. */
static inline void check_refused(const char *title, const char *user, struct ds_read *read,
	int code, enum err_tag tag, const char *words)
{
	struct answer answer = read_as(user, read);

	if (answer.text)
		fail_msg("%s: not refused, but %s", title, answer.text);
	if (answer.err.code != code || err_effective_tag(&answer.err) != tag ||
		!strstr(err_text(&answer.err), words))
		fail_msg("%s: %d %s %s", title, answer.err.code,
			err_tag_name(err_effective_tag(&answer.err)), err_text(&answer.err));
	answer_done(&answer);
}

#endif
