/* Errors: what they hold, that parts may be reused, and the tables both ways. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/err.h"

static void test_set(void **state)
{
	_cleanup_err_ struct err err = { 0 };

	assert_int_equal(err_set(&err, -EINVAL, "mtu", "%d is too small", 5), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.path, "mtu");
	assert_string_equal(err_text(&err), "5 is too small");
	assert_int_equal(err_effective_tag(&err), ERR_TAG_INVALID_VALUE);
	/* Replaced as a whole, also by its own parts. */
	err_app_tag(&err, "range");
	assert_int_equal(err_set(&err, -EBUSY, err.path, "again: %s", err.message), -EBUSY);
	assert_string_equal(err.path, "mtu");
	assert_string_equal(err_text(&err), "again: 5 is too small");
	assert_null(err.app_tag);
	assert_int_equal(err_effective_tag(&err), ERR_TAG_IN_USE);
}

static void test_tagged(void **state)
{
	_cleanup_err_ struct err err = { 0 };

	assert_int_equal(err_tagged(&err, ERR_TAG_UNKNOWN_ELEMENT, "/a:b", "no %s", "x"), -EINVAL);
	assert_int_equal(err_effective_tag(&err), ERR_TAG_UNKNOWN_ELEMENT);
	assert_int_equal(err_add_info(&err, "bad-element", "x"), -EINVAL);
	assert_int_equal(err_add_info(&err, "bad-namespace", "urn:y"), -EINVAL);
	assert_int_equal(err_add_info(&err, "bad-element", "z"), -EINVAL);
	assert_int_equal(err_app_tag(&err, "one"), -EINVAL);
	assert_int_equal(err_app_tag(&err, "two"), -EINVAL);
	assert_string_equal(err.info[0].value, "z");
	assert_string_equal(err.info[1].value, "urn:y");
	assert_null(err.info[2].name);
	assert_string_equal(err.app_tag, "two");
	/* More than there is room for is dropped. */
	err_add_info(&err, "session-id", "4");
	err_add_info(&err, "bad-attribute", "5");
	assert_string_equal(err.info[2].name, "session-id");
}

/* Without a struct the code is all there is; it must stay a failure. */
static void test_null(void **state)
{
	struct err from = { 0 };

	assert_int_equal(err_set(NULL, -ENOENT, "x", "y"), -ENOENT);
	assert_int_equal(err_tagged(NULL, ERR_TAG_LOCK_DENIED, NULL, "y"), -ENOLCK);
	assert_true(err_app_tag(NULL, "x") < 0);
	assert_true(err_add_info(NULL, "session-id", "1") < 0);
	assert_true(err_wrap(NULL, "context") < 0);
	err_prefix(NULL, "/a");
	err_copy(NULL, &from);
	err_done(NULL);
	err_set(&from, -EEXIST, NULL, "there");
	assert_int_equal(err_move(NULL, &from), -EEXIST);
	assert_null(from.message);
}

static void test_wrap(void **state)
{
	_cleanup_err_ struct err err = { 0 };

	err_set(&err, -ENOSPC, NULL, "no room");
	assert_int_equal(err_wrap(&err, "cannot %s", "save"), -ENOSPC);
	assert_string_equal(err_text(&err), "cannot save: no room");
}

static void test_prefix(void **state)
{
	_cleanup_err_ struct err err = { 0 };

	err_set(&err, -EINVAL, NULL, "x");
	err_prefix(&err, "ipv4");
	assert_string_equal(err.path, "ipv4");
	err_prefix(&err, "interface[name='e0']");
	assert_string_equal(err.path, "interface[name='e0']/ipv4");
	err_prefix(&err, "/ietf-interfaces:interfaces");
	assert_string_equal(err.path, "/ietf-interfaces:interfaces/interface[name='e0']/ipv4");
	err_prefix(&err, "/never");
	assert_string_equal(err.path, "/ietf-interfaces:interfaces/interface[name='e0']/ipv4");
}

static void test_move_and_copy(void **state)
{
	_cleanup_err_ struct err from = { 0 }, to = { 0 }, copy = { 0 };

	err_tagged(&from, ERR_TAG_LOCK_DENIED, "/a", "held");
	err_add_info(&from, "session-id", "7");
	err_app_tag(&from, "app");
	err_set(&to, -EIO, "/old", "old");
	assert_int_equal(err_move(&to, &from), -ENOLCK);
	assert_int_equal(from.code, 0);
	assert_null(from.message);
	err_copy(&copy, &to);
	err_done(&to);
	assert_string_equal(copy.path, "/a");
	assert_string_equal(copy.message, "held");
	assert_string_equal(copy.app_tag, "app");
	assert_string_equal(copy.info[0].value, "7");
	assert_int_equal(err_effective_tag(&copy), ERR_TAG_LOCK_DENIED);
}

static void test_text_without_message(void **state)
{
	struct err err = { .code = -ENOENT };

	assert_string_equal(err_text(&err), strerror(ENOENT));
}

/* Every tag has a name that leads back to it, and an errno that implies it or invalid-value. */
static void test_tables(void **state)
{
	enum err_tag tag;

	for (tag = ERR_TAG_IN_USE; tag <= ERR_TAG_MALFORMED_MESSAGE; tag++) {
		enum err_tag implied = err_tag_by_errno(err_errno_by_tag(tag));

		assert_non_null(err_tag_name(tag));
		assert_int_equal(err_tag_by_name(err_tag_name(tag)), tag);
		assert_true(err_errno_by_tag(tag) < 0);
		assert_true(implied == tag || implied == ERR_TAG_INVALID_VALUE);
	}
	assert_int_equal(err_tag_by_name("nonsense"), ERR_TAG_NONE);
	assert_int_equal(err_tag_by_name(NULL), ERR_TAG_NONE);
	assert_string_equal(err_tag_name(ERR_TAG_UNKNOWN_NAMESPACE), "unknown-namespace");
	assert_int_equal(err_tag_by_errno(-ECONNRESET), ERR_TAG_OPERATION_FAILED);
	assert_int_equal(err_tag_by_errno(-EPERM), ERR_TAG_ACCESS_DENIED);
	assert_string_equal(err_type_name(ERR_TYPE_APPLICATION), "application");
	assert_string_equal(err_type_name(ERR_TYPE_PROTOCOL), "protocol");
	assert_string_equal(err_type_name(ERR_TYPE_RPC), "rpc");
	assert_string_equal(err_type_name(ERR_TYPE_TRANSPORT), "transport");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_tagged),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_move_and_copy),
		cmocka_unit_test(test_text_without_message),
		cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
