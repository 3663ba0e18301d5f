/*
 * Operations that change a datastore or judge one. Whatever error-option asks for, an edit is done as a
 * whole or not at all: rollback-on-error is what the others are free to be (RFC 6241 section 7.2).
 */
#include <errno.h>

#include "ashlar/str.h"

#include "op.h"

#define LARGE_EDIT (64 * 1024) /* bytes of a request that is parsed in portions */

#define WRITABLE (1U << DS_RUNNING | 1U << DS_STARTUP | 1U << DS_CANDIDATE)

static int take_config(
	struct op *op, const struct nc_element *config, struct lyd_node **ret_tree, struct err *err)
{
	struct xml_text text;
	int ret = op_payload(op, config, &text, err);

	*ret_tree = NULL;
	if (ret < 0 || !text.size)
		return ret;
	return format_parse_edit(text.at, text.size, FORMAT_XML, NULL, ret_tree, err);
}

/* A large request is parsed by the transaction, piece by piece. */
int op_edit_content(
	struct op *op, const struct nc_element *config, struct ds_edit *edit, struct err *err)
{
	struct xml_text text;
	int ret;

	if (edit->default_operation == DS_DEFAULT_REPLACE)
		return take_config(op, config, &edit->tree, err);
	ret = op_payload(op, config, &text, err);
	if (ret < 0 || !text.size)
		return ret;
	if (text.size < LARGE_EDIT)
		return format_parse_edit(text.at, text.size, FORMAT_XML, NULL, &edit->tree, err);
	edit->portions = portions_new(text.at, text.size, FORMAT_XML);
	return 0;
}

/* 1: it is still to be fetched. */
static int take_source(struct op *op, const struct nc_element *element, unsigned allowed,
	struct ds_source *ret_source, struct err *err)
{
	const struct nc_element *config;
	int ret = op_source(op, element, allowed | OP_BY_URL, &ret_source->ds, &config, err);

	if (ret < 0 || !config)
		return ret;
	ret = op_fetch(op, config, err);
	if (ret != 0)
		return ret;
	ret_source->is_tree = true;
	return take_config(op, config, &ret_source->tree, err);
}

/* What of an edit says the change: one of both. */
int op_edit_choice(const struct nc_element *config, const struct nc_element *url,
	const struct nc_element **ret_element, struct err *err)
{
	if (config && url)
		return op_bad_element(
			err, ERR_TAG_BAD_ELEMENT, url, "and <config> exclude each other");
	*ret_element = config ? config : url;
	if (*ret_element)
		return 0;
	(void)err_tagged(err, ERR_TAG_MISSING_ELEMENT, NULL, "<config> is missing");
	err->type = ERR_TYPE_PROTOCOL;
	return err_add_info(err, "bad-element", "config");
}

int op_edit_config(struct op *op, struct err *err)
{
	static const char *const operations[] = { "merge", "replace", "none", NULL };
	static const char *const tests[] = { "test-then-set", "set", "test-only", NULL };
	static const char *const options[] = { "stop-on-error", "continue-on-error",
		"rollback-on-error", NULL };
	static const struct op_param params[] = {
		{ "target", NULL, true },
		{ "default-operation", NULL, false },
		{ "test-option", NULL, false },
		{ "error-option", NULL, false },
		{ "config", NULL, false },
		{ "url", NULL, false },
		OP_TRANSACTION_PARAMS,
	};
	const struct nc_element *at[ARRAY_SIZE(params)], *content = NULL;
	struct ds_edit edit = { .default_operation = DS_DEFAULT_MERGE,
		.test_option = DS_TEST_THEN_SET };
	int ret;

	ret = op_params(op, params, ARRAY_SIZE(params), at, err);
	if (ret == 0)
		ret = op_datastore(
			op, at[0], 1U << DS_RUNNING | 1U << DS_CANDIDATE, &edit.target, err);
	if (ret == 0 && at[1]) {
		ret = op_enum(op, at[1], operations, err);
		edit.default_operation = (enum ds_default_operation)ret;
	}
	/* Whether a candidate is valid is asked when it is committed (RFC 7950 section 8.3.3). */
	if (edit.target == DS_CANDIDATE)
		edit.test_option = DS_SET;
	if (ret >= 0 && at[2]) {
		ret = op_enum(op, at[2], tests, err);
		edit.test_option = (enum ds_test_option)ret;
	}
	if (ret >= 0 && at[3])
		ret = op_enum(op, at[3], options, err);
	if (ret >= 0)
		ret = op_edit_choice(at[4], at[5], &content, err);
	if (ret == 0)
		ret = op_fetch(op, content, err);
	if (ret == 0)
		ret = op_transaction(op, &at[6], &edit.planned, err);
	if (ret == 0)
		ret = op_edit_content(op, content, &edit, err);
	if (ret != 0)
		return ret;
	ds_edit(&op->client, &edit, op_on_done, op);
	return 0;
}

/* Section 7.3: source and target must differ. From one URL to another is what nobody needs us for. */
static int check_urls(struct op *op, const struct nc_element *target,
	const struct nc_element *source, const struct nc_element *url, struct err *err)
{
	_cleanup_free_ char *to = NULL, *from = NULL;
	int ret = nc_rpc_value(&op->rpc, target, &to, err);

	if (ret == 0)
		ret = nc_rpc_value(&op->rpc, url, &from, err);
	if (ret < 0)
		return ret;
	if (str_equal(to, from))
		return op_bad_element(
			err, ERR_TAG_INVALID_VALUE, source, "and <target> are the same URL");
	return op_bad_element(
		err, ERR_TAG_OPERATION_NOT_SUPPORTED, source, "and <target> are both URLs");
}

static int copy_to_url(struct op *op, const struct nc_element *target,
	const struct nc_element *source, enum with_defaults defaults, struct err *err)
{
	const struct nc_element *config;
	enum ds ds = DS_RUNNING;
	int ret = op_source(op, source, WRITABLE | OP_BY_URL, &ds, &config, err);

	if (ret < 0)
		return ret;
	if (op_is_url(config))
		return check_urls(op, target, source, config, err);
	return op_copy_to_url(op, target, ds, config, defaults, err);
}

/* A <target>: a datastore or a URL. */
static int take_target(struct op *op, const struct nc_element *element, enum ds *ret_ds,
	const struct nc_element **ret_url, struct err *err)
{
	int ret = op_source(op, element, WRITABLE | OP_BY_URL, ret_ds, ret_url, err);

	if (ret == 0 && *ret_url && !op_is_url(*ret_url))
		return op_bad_element(err, ERR_TAG_UNKNOWN_ELEMENT, *ret_url, "is no target");
	return ret;
}

int op_copy_config(struct op *op, struct err *err)
{
	static const struct op_param params[] = {
		{ "target", NULL, true },
		{ "source", NULL, true },
		{ "with-defaults", NC_NS_WITH_DEFAULTS, false },
	};
	const struct nc_element *at[ARRAY_SIZE(params)], *url = NULL;
	enum with_defaults defaults = WITH_DEFAULTS_EXPLICIT;
	struct ds_source source = { 0 };
	enum ds target = DS_RUNNING;
	int ret;

	ret = op_params(op, params, ARRAY_SIZE(params), at, err);
	if (ret == 0)
		ret = take_target(op, at[0], &target, &url, err);
	/* Of meaning for a target outside alone: a datastore keeps what was set. */
	if (ret == 0)
		ret = op_defaults(op, at[2], &defaults, err);
	if (ret == 0 && url)
		return copy_to_url(op, url, at[1], defaults, err);
	if (ret == 0)
		ret = take_source(op, at[1], WRITABLE, &source, err);
	if (ret != 0)
		return ret;
	if (!source.is_tree && source.ds == target)
		return op_bad_element(
			err, ERR_TAG_INVALID_VALUE, at[1], "and <target> are the same datastore");
	ds_copy(&op->client, target, &source, op_on_done, op);
	return 0;
}

int op_delete_config(struct op *op, struct err *err)
{
	static const struct op_param params[] = { { "target", NULL, true } };
	const struct nc_element *at[ARRAY_SIZE(params)], *url = NULL;
	enum ds target = DS_RUNNING;
	int ret = op_params(op, params, ARRAY_SIZE(params), at, err);

	if (ret == 0)
		ret = take_target(op, at[0], &target, &url, err);
	if (ret < 0)
		return ret;
	if (url)
		return op_delete_url(op, url, err);
	ds_delete(&op->client, target, op_on_done, op);
	return 0;
}

int op_validate(struct op *op, struct err *err)
{
	static const struct op_param params[] = { { "source", NULL, true } };
	const struct nc_element *at[ARRAY_SIZE(params)];
	struct ds_source source = { 0 };
	int ret = op_params(op, params, ARRAY_SIZE(params), at, err);

	if (ret == 0)
		ret = take_source(op, at[0], WRITABLE | OP_BY_IDENTITY, &source, err);
	if (ret != 0)
		return ret;
	ds_validate(&op->client, &source, op_on_done, op);
	return 0;
}

/* --- the candidate ------------------------------------------------------------------------------ */

static int text_param(
	struct op *op, const struct nc_element *element, char **ret_value, struct err *err)
{
	return element ? nc_rpc_value(&op->rpc, element, ret_value, err) : 0;
}

/* A number of seconds, from 1. */
static int timeout_param(
	struct op *op, const struct nc_element *element, uint32_t *ret_timeout, struct err *err)
{
	_cleanup_free_ char *value = NULL;
	uint64_t number;
	int ret;

	if (!element)
		return 0;
	ret = nc_rpc_value(&op->rpc, element, &value, err);
	if (ret < 0)
		return ret;
	if (str_u64(value, 1, UINT32_MAX, &number) < 0)
		return op_bad_element(err, ERR_TAG_INVALID_VALUE, element,
			"is no number of seconds from 1 to 4294967295");
	*ret_timeout = (uint32_t)number;
	return 0;
}

int op_commit(struct op *op, struct err *err)
{
	static const struct op_param params[] = {
		{ "confirmed", NULL, false },
		{ "confirm-timeout", NULL, false },
		{ "persist", NULL, false },
		{ "persist-id", NULL, false },
		OP_TRANSACTION_PARAMS,
	};
	const struct nc_element *at[ARRAY_SIZE(params)];
	struct ds_commit commit = { 0 };
	int ret = op_params(op, params, ARRAY_SIZE(params), at, err);

	if (ret == 0)
		ret = op_empty(op, at[0], err);
	if (ret == 0)
		ret = op_transaction(op, &at[4], &commit.planned, err);
	if (ret == 0)
		ret = timeout_param(op, at[1], &commit.timeout_s, err);
	if (ret == 0 && !at[0] && (at[1] || at[2]))
		ret = op_bad_element(err, ERR_TAG_BAD_ELEMENT, at[1] ? at[1] : at[2],
			"is only for a commit that is <confirmed>");
	if (ret == 0)
		ret = text_param(op, at[2], &commit.persist, err);
	if (ret == 0)
		ret = text_param(op, at[3], &commit.persist_id, err);
	if (ret < 0) {
		free(commit.persist);
		free(commit.persist_id);
		return ret;
	}
	commit.is_confirmed = at[0] != NULL;
	ds_commit(&op->client, &commit, op_on_done, op);
	return 0;
}

int op_cancel_commit(struct op *op, struct err *err)
{
	static const struct op_param params[] = { { "persist-id", NULL, false } };
	const struct nc_element *at[ARRAY_SIZE(params)];
	char *persist_id = NULL;
	int ret = op_params(op, params, ARRAY_SIZE(params), at, err);

	if (ret == 0)
		ret = text_param(op, at[0], &persist_id, err);
	if (ret < 0)
		return ret;
	ds_cancel_commit(&op->client, persist_id, op_on_done, op);
	return 0;
}

int op_discard_changes(struct op *op, struct err *err)
{
	int ret = op_params(op, NULL, 0, NULL, err);

	if (ret < 0)
		return ret;
	ds_discard(&op->client, op_on_done, op);
	return 0;
}
