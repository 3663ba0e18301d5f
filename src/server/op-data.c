/*
 * get-data and edit-data (RFC 8526): the operations that name their datastore by its identity. Intended is
 * running, as nothing stands between them here; what operational holds is what is in use.
 */
#include <errno.h>

#include "ashlar/str.h"

#include "nc-reply.h"
#include "op.h"

#define READABLE                                                                                   \
	(1U << DS_RUNNING | 1U << DS_STARTUP | 1U << DS_CANDIDATE | 1U << DS_FACTORY |             \
		1U << DS_OPERATIONAL)
#define WRITABLE (1U << DS_RUNNING | 1U << DS_STARTUP | 1U << DS_CANDIDATE)

#define ORIGINS_ALL (~(1U << DS_ORIGIN_NONE))

/* --- get-data ----------------------------------------------------------------------------------- */

enum get_param {
	GET_DATASTORE,
	GET_SUBTREE,
	GET_XPATH,
	GET_CONFIG,
	GET_ORIGIN,
	GET_NEGATED,
	GET_DEPTH,
	GET_WITH_ORIGIN,
	GET_DEFAULTS,
	GET_LIMIT,
	GET_OFFSET,
	GET_PARAMS,
};

static const struct op_param get_params[GET_PARAMS] = {
	[GET_DATASTORE] = { "datastore", NC_NS_NMDA, true },
	[GET_SUBTREE] = { "subtree-filter", NC_NS_NMDA, false },
	[GET_XPATH] = { "xpath-filter", NC_NS_NMDA, false },
	[GET_CONFIG] = { "config-filter", NC_NS_NMDA, false },
	[GET_ORIGIN] = { "origin-filter", NC_NS_NMDA, false, true },
	[GET_NEGATED] = { "negated-origin-filter", NC_NS_NMDA, false, true },
	[GET_DEPTH] = { "max-depth", NC_NS_NMDA, false },
	[GET_WITH_ORIGIN] = { "with-origin", NC_NS_NMDA, false },
	[GET_DEFAULTS] = { "with-defaults", NC_NS_NMDA, false },
	[GET_LIMIT] = { "limit", NC_NS_PAGING, false },
	[GET_OFFSET] = { "offset", NC_NS_PAGING, false },
};

/* Of a choice, one case. */
static int check_choice(
	const struct nc_element *one, const struct nc_element *other, struct err *err)
{
	if (!one || !other)
		return 0;
	return op_bad_element(
		err, ERR_TAG_BAD_ELEMENT, other, "and another filter exclude each other");
}

/* What is only for operational. */
static int check_operational(const struct nc_element *const *at, enum ds ds, struct err *err)
{
	const struct nc_element *filter = at[GET_ORIGIN] ? at[GET_ORIGIN] : at[GET_NEGATED];

	if (ds == DS_OPERATIONAL)
		return 0;
	if (at[GET_WITH_ORIGIN])
		return op_bad_element(err, ERR_TAG_INVALID_VALUE, at[GET_WITH_ORIGIN],
			"is only for the operational datastore");
	if (filter) /* its "when" is false */
		return op_bad_element(err, ERR_TAG_UNKNOWN_ELEMENT, filter,
			"is only for the operational datastore");
	return 0;
}

static int take_origin(
	struct op *op, const struct nc_element *element, unsigned *origins, struct err *err)
{
	_cleanup_free_ char *name = NULL;
	int ret = op_identity_name(op, element, NC_NS_ORIGIN, &name, err);
	unsigned i;

	if (ret < 0)
		return ret;
	for (i = DS_ORIGIN_INTENDED; i <= DS_ORIGIN_UNKNOWN; i++) {
		if (!str_equal(name, ds_origin_name((enum ds_origin)i)))
			continue;
		*origins |= 1U << i;
		return 0;
	}
	return op_bad_element(err, ERR_TAG_INVALID_VALUE, element, "names no origin");
}

/* No identity is derived from another but the base, which is no value. */
static int take_origins(
	struct op *op, const struct nc_element *const *at, struct ds_read *read, struct err *err)
{
	const struct nc_element *element = at[GET_ORIGIN] ? at[GET_ORIGIN] : at[GET_NEGATED];
	unsigned origins = 0;
	int ret = check_choice(at[GET_ORIGIN], at[GET_NEGATED], err);

	if (ret < 0 || !element)
		return ret;
	for (; element && ret == 0; element = nc_rpc_next(&op->rpc, element)) {
		if (nc_element_is(element, NC_NS_NMDA, "origin-filter") ||
			nc_element_is(element, NC_NS_NMDA, "negated-origin-filter"))
			ret = take_origin(op, element, &origins, err);
	}
	/* Bit 0, of what has no origin, is never asked: set, it keeps "none" from meaning "all". */
	read->origins = (at[GET_NEGATED] ? ORIGINS_ALL & ~origins : origins) | 1U << DS_ORIGIN_NONE;
	return ret;
}

static int take_depth(
	struct op *op, const struct nc_element *element, unsigned *ret_depth, struct err *err)
{
	_cleanup_free_ char *value = NULL;
	uint64_t depth = 0;
	int ret;

	if (!element)
		return 0;
	ret = nc_rpc_value(&op->rpc, element, &value, err);
	if (ret < 0)
		return ret;
	if (!str_equal(value, "unbounded") && str_u64(value, 1, 65535, &depth) < 0)
		return op_bad_element(err, ERR_TAG_INVALID_VALUE, element,
			"is neither 1 to 65535 nor \"unbounded\"");
	*ret_depth = (unsigned)depth;
	return 0;
}

static int take_config_filter(
	struct op *op, const struct nc_element *element, struct ds_read *read, struct err *err)
{
	static const char *const values[] = { "true", "false", NULL };
	int ret;

	if (!element)
		return 0;
	ret = op_enum(op, element, values, err);
	if (ret < 0)
		return ret;
	read->content = ret ? DS_CONTENT_NONCONFIG : DS_CONTENT_CONFIG;
	return 0;
}

/* The last of what is taken: nothing may fail once the read holds a filter. */
static int take_filter(struct op *op, const struct nc_element *const *at, struct ds_read *read,
	bool *ret_nothing, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int ret = check_choice(at[GET_SUBTREE], at[GET_XPATH], err);

	if (ret < 0)
		return ret;
	if (at[GET_SUBTREE])
		return op_subtree(op, at[GET_SUBTREE], read, ret_nothing, err);
	if (at[GET_XPATH]) {
		ret = nc_rpc_value(&op->rpc, at[GET_XPATH], &text, err);
		return ret < 0 ? ret : op_xpath(op, at[GET_XPATH], text, read, err);
	}
	/* Without a filter what is selected is the top level, one below the root. */
	if (read->depth)
		read->depth++;
	return 0;
}

#define DATA_BEGIN "<data xmlns=\"" NC_NS_NMDA "\">"
#define DATA_END   "</data>"

static void on_part(struct buf *part, void *arg)
{
	op_reply_part(arg, DATA_BEGIN, part);
}

static void on_read(struct buf *out, const struct err *err, void *arg)
{
	if (err)
		op_reply_error(arg, err);
	else
		op_reply_data(arg, DATA_BEGIN, out, DATA_END);
}

static int take_read(struct op *op, const struct nc_element *const *at, struct ds_read *read,
	bool *ret_nothing, struct err *err)
{
	bool is_intended;
	int ret = op_identity(op, at[GET_DATASTORE], READABLE, &read->ds, &is_intended, err);

	if (ret == 0)
		ret = check_operational(at, read->ds, err);
	if (ret == 0)
		ret = take_config_filter(op, at[GET_CONFIG], read, err);
	if (ret == 0)
		ret = take_origins(op, at, read, err);
	if (ret == 0)
		ret = take_depth(op, at[GET_DEPTH], &read->depth, err);
	if (ret == 0)
		ret = op_defaults(op, at[GET_DEFAULTS], &read->defaults, err);
	if (ret == 0)
		ret = op_page(op, at + GET_LIMIT, read, err);
	if (ret == 0 && at[GET_WITH_ORIGIN] &&
		(at[GET_WITH_ORIGIN]->has_text || at[GET_WITH_ORIGIN]->has_children))
		ret = op_bad_element(err, ERR_TAG_BAD_ELEMENT, at[GET_WITH_ORIGIN], "is not empty");
	read->is_in_use = read->ds == DS_OPERATIONAL;
	read->with_origin = at[GET_WITH_ORIGIN] != NULL;
	return ret < 0 ? ret : take_filter(op, at, read, ret_nothing, err);
}

int op_get_data(struct op *op, struct err *err)
{
	const struct nc_element *at[GET_PARAMS];
	struct ds_read read = { .content = DS_CONTENT_ALL, .format = FORMAT_XML, .part = on_part };
	struct buf none = { 0 };
	bool is_nothing = false;
	int ret = op_params(op, get_params, GET_PARAMS, at, err);

	if (ret == 0)
		ret = take_read(op, at, &read, &is_nothing, err);
	if (ret < 0)
		return ret;
	/* There is no state in a datastore of configuration. */
	if (is_nothing || (read.ds != DS_OPERATIONAL && read.content == DS_CONTENT_NONCONFIG))
		is_nothing = true;
	if (!is_nothing) {
		ds_read(&op->client, &read, on_read, op);
		return 0;
	}
	ds_filter_free(read.subtree);
	free(read.xpath);
	op_reply_data(op, DATA_BEGIN, &none, DATA_END);
	return 0;
}

/* --- edit-data ---------------------------------------------------------------------------------- */

int op_edit_data(struct op *op, struct err *err)
{
	static const char *const operations[] = { "merge", "replace", "none", NULL };
	static const struct op_param params[] = {
		{ "datastore", NC_NS_NMDA, true },
		{ "default-operation", NC_NS_NMDA, false },
		{ "config", NC_NS_NMDA, false },
		{ "url", NC_NS_NMDA, false },
		OP_TRANSACTION_PARAMS,
	};
	const struct nc_element *at[ARRAY_SIZE(params)], *content = NULL;
	struct ds_edit edit = { .default_operation = DS_DEFAULT_MERGE,
		.test_option = DS_TEST_THEN_SET };
	int ret = op_params(op, params, ARRAY_SIZE(params), at, err);

	if (ret == 0)
		ret = op_identity(op, at[0], WRITABLE, &edit.target, NULL, err);
	if (ret == 0 && at[1]) {
		ret = op_enum(op, at[1], operations, err);
		edit.default_operation = (enum ds_default_operation)ret;
	}
	/* Whether a candidate is valid is asked when it is committed (RFC 7950 section 8.3.3). */
	if (edit.target == DS_CANDIDATE)
		edit.test_option = DS_SET;
	if (ret >= 0)
		ret = op_edit_choice(at[2], at[3], &content, err);
	if (ret == 0)
		ret = op_fetch(op, content, err);
	if (ret == 0)
		ret = op_transaction(op, &at[4], &edit.planned, err);
	if (ret == 0)
		ret = op_edit_content(op, content, &edit, err);
	if (ret != 0)
		return ret;
	ds_edit(&op->client, &edit, op_on_done, op);
	return 0;
}
