/*
 * get, get-config and get-schema. A filter is handed on as a tree or, with its prefixes resolved, as an
 * expression; with-defaults is RFC 6243's, basic mode explicit.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "nc-reply.h"
#include "nc-xpath.h"
#include "op.h"

static const char *const defaults_modes[] = {
	[WITH_DEFAULTS_EXPLICIT] = "explicit",
	[WITH_DEFAULTS_TRIM] = "trim",
	[WITH_DEFAULTS_ALL] = "report-all",
	[WITH_DEFAULTS_ALL_TAGGED] = "report-all-tagged",
	NULL,
};

static int protocol_error(struct err *err, int ret)
{
	if (err && ret < 0)
		err->type = ERR_TYPE_PROTOCOL;
	return ret;
}

int op_defaults(struct op *op, const struct nc_element *element, enum with_defaults *ret_defaults,
	struct err *err)
{
	int ret;

	if (!element)
		return 0;
	ret = op_enum(op, element, defaults_modes, err);
	if (ret < 0)
		return ret;
	*ret_defaults = (enum with_defaults)ret;
	return 0;
}

static int take_number(struct op *op, const struct nc_element *element, uint64_t min,
	uint32_t *ret_number, struct err *err)
{
	_cleanup_free_ char *value = NULL;
	uint64_t number;
	int ret;

	if (!element)
		return 0;
	ret = nc_rpc_value(&op->rpc, element, &value, err);
	if (ret < 0)
		return ret;
	if (str_u64(value, min, UINT32_MAX, &number) < 0)
		return op_bad_element(err, ERR_TAG_INVALID_VALUE, element,
			min ? "is not 1 to 4294967295" : "is not 0 to 4294967295");
	*ret_number = (uint32_t)number;
	return 0;
}

int op_page(struct op *op, const struct nc_element *const *elements, struct ds_read *read,
	struct err *err)
{
	int ret = take_number(op, elements[0], 1, &read->limit, err);

	return ret < 0 ? ret : take_number(op, elements[1], 0, &read->offset, err);
}

/* --- filters ---------------------------------------------------------------------------------- */

/* What resolves prefixes for nc_xpath_resolve(). */
struct scope {
	const struct nc_rpc *rpc;
	const struct nc_element *element;
};

static const char *module_of_prefix(const char *prefix, size_t size, bool *ret_declared, void *arg)
{
	const struct scope *scope = arg;
	struct xml_text ns =
		nc_rpc_namespace(scope->rpc, scope->element, (struct xml_text){ prefix, size });
	_cleanup_free_ char *uri = xml_text_decode(ns, true);
	const struct lys_module *module;

	*ret_declared = ns.size;
	module = ns.size ? ly_ctx_get_module_implemented_ns(yang_ctx(), uri) : NULL;
	return module ? module->name : NULL;
}

int op_xpath(struct op *op, const struct nc_element *element, const char *text,
	struct ds_read *read, struct err *err)
{
	struct scope scope = { &op->rpc, element };

	return protocol_error(
		err, nc_xpath_resolve(text, module_of_prefix, &scope, &read->xpath, err));
}

static int take_xpath(
	struct op *op, const struct nc_element *filter, struct ds_read *read, struct err *err)
{
	const struct xml_attribute *select = nc_rpc_attribute(&op->rpc, filter, "select");
	_cleanup_free_ char *text = NULL;

	if (!select) {
		(void)err_tagged(err, ERR_TAG_MISSING_ATTRIBUTE, NULL,
			"<filter> of type xpath needs the attribute \"select\"");
		err_add_info(err, "bad-attribute", "select");
		return protocol_error(err, err_add_info(err, "bad-element", "filter"));
	}
	text = xml_text_decode(select->value, true);
	return op_xpath(op, filter, text, read, err);
}

/* An empty filter selects nothing (RFC 6241 section 6.4.2). */
int op_subtree(struct op *op, const struct nc_element *element, struct ds_read *read,
	bool *ret_nothing, struct err *err)
{
	struct xml_text text;
	int ret = op_payload(op, element, &text, err);

	if (ret < 0)
		return ret;
	if (!text.size) {
		*ret_nothing = true;
		return 0;
	}
	return ds_parse_filter(text.at, text.size, &read->subtree, err);
}

int op_filter(struct op *op, const struct nc_element *filter, struct ds_read *read,
	bool *ret_nothing, struct err *err)
{
	const struct xml_attribute *type = nc_rpc_attribute(&op->rpc, filter, "type");

	if (!type || xml_text_is(type->value, "subtree"))
		return op_subtree(op, filter, read, ret_nothing, err);
	if (xml_text_is(type->value, "xpath"))
		return take_xpath(op, filter, read, err);
	(void)err_tagged(err, ERR_TAG_BAD_ATTRIBUTE, NULL,
		"the type of a <filter> is \"subtree\" or \"xpath\"");
	err_add_info(err, "bad-attribute", "type");
	return protocol_error(err, err_add_info(err, "bad-element", "filter"));
}

/* --- reading ---------------------------------------------------------------------------------- */

static void on_part(struct buf *part, void *arg)
{
	op_reply_part(arg, "<data>", part);
}

static void on_read(struct buf *out, const struct err *err, void *arg)
{
	if (err)
		op_reply_error(arg, err);
	else
		op_reply_data(arg, "<data>", out, "</data>");
}

/* Takes what is in @read. */
static int start_read(struct op *op, struct ds_read *read, const struct nc_element *filter,
	const struct nc_element *defaults, struct err *err)
{
	struct buf none = { 0 };
	bool is_nothing = false;
	int ret;

	read->format = FORMAT_XML;
	read->part = on_part;
	ret = op_defaults(op, defaults, &read->defaults, err);
	if (ret < 0)
		return ret;
	if (filter) {
		ret = op_filter(op, filter, read, &is_nothing, err);
		if (ret < 0)
			return ret;
	}
	if (is_nothing)
		op_reply_data(op, "<data>", &none, "</data>");
	else
		ds_read(&op->client, read, on_read, op);
	return 0;
}

int op_get(struct op *op, struct err *err)
{
	static const struct op_param params[] = {
		{ "filter", NULL, false },
		{ "with-defaults", NC_NS_WITH_DEFAULTS, false },
		OP_PAGE_PARAMS,
	};
	struct ds_read read = { .ds = DS_OPERATIONAL, .content = DS_CONTENT_ALL };
	const struct nc_element *at[ARRAY_SIZE(params)];
	int ret = op_params(op, params, ARRAY_SIZE(params), at, err);

	if (ret == 0)
		ret = op_page(op, at + 2, &read, err);
	return ret < 0 ? ret : start_read(op, &read, at[0], at[1], err);
}

int op_get_config(struct op *op, struct err *err)
{
	static const struct op_param params[] = {
		{ "source", NULL, true },
		{ "filter", NULL, false },
		{ "with-defaults", NC_NS_WITH_DEFAULTS, false },
		OP_PAGE_PARAMS,
	};
	struct ds_read read = { .content = DS_CONTENT_CONFIG };
	const struct nc_element *at[ARRAY_SIZE(params)];
	int ret = op_params(op, params, ARRAY_SIZE(params), at, err);

	if (ret == 0)
		ret = op_page(op, at + 3, &read, err);
	if (ret < 0)
		return ret;
	ret = op_datastore(
		op, at[0], 1U << DS_RUNNING | 1U << DS_STARTUP | 1U << DS_CANDIDATE, &read.ds, err);
	return ret < 0 ? ret : start_read(op, &read, at[1], at[2], err);
}

/* --- get-schema (RFC 6022 section 3.1) -------------------------------------------------------- */

/* Only YANG: the identity "yang" of ietf-netconf-monitoring, with its prefix or without. */
static int check_format(struct op *op, const struct nc_element *element, struct err *err)
{
	_cleanup_free_ char *name = NULL;

	if (op_identity_name(op, element, NC_NS_MONITORING, &name, NULL) == 0 &&
		str_equal(name, "yang"))
		return 0;
	return op_bad_element(err, ERR_TAG_INVALID_VALUE, element, "is not \"yang\"");
}

/* A module of the schema, or a submodule of one; counts those that fit. */
static unsigned find_schemas(const char *name, const char *version)
{
	const struct lys_module *module;
	uint32_t index = 0;
	unsigned count = 0;

	while ((module = ly_ctx_get_module_iter(yang_ctx(), &index))) {
		const struct lysp_submodule *sub;
		const char *date;
		const char *revision = module->revision ? module->revision : "";
		LY_ARRAY_COUNT_TYPE i;

		if (str_equal(module->name, name) && (!version || str_equal(revision, version)))
			count++;
		LY_ARRAY_FOR(module->parsed->includes, i)
		{
			sub = module->parsed->includes[i].submodule;
			date = sub && sub->revs ? sub->revs[0].date : "";
			if (sub && str_equal(sub->name, name) &&
				(!version || str_equal(date, version)))
				count++;
		}
	}
	return count;
}

static int text_param(
	struct op *op, const struct nc_element *element, char **ret_value, struct err *err)
{
	return element ? nc_rpc_value(&op->rpc, element, ret_value, err) : 0;
}

int op_get_schema(struct op *op, struct err *err)
{
	static const struct op_param params[] = {
		{ "identifier", NC_NS_MONITORING, true },
		{ "version", NC_NS_MONITORING, false },
		{ "format", NC_NS_MONITORING, false },
	};
	_cleanup_free_ char *name = NULL, *version = NULL, *source = NULL;
	const struct nc_element *at[ARRAY_SIZE(params)];
	struct buf text = { 0 };
	unsigned count;
	int ret;

	ret = op_params(op, params, ARRAY_SIZE(params), at, err);
	if (ret == 0)
		ret = text_param(op, at[0], &name, err);
	if (ret == 0)
		ret = text_param(op, at[1], &version, err);
	if (ret == 0 && at[2])
		ret = check_format(op, at[2], err);
	if (ret < 0)
		return ret;
	count = find_schemas(name, version);
	if (count > 1) {
		(void)err_tagged(err, ERR_TAG_OPERATION_FAILED, NULL,
			"there is more than one schema \"%s\": say which version", name);
		return err_app_tag(err, "data-not-unique");
	}
	if (!count && version && find_schemas(name, NULL))
		return op_bad_element(
			err, ERR_TAG_INVALID_VALUE, at[1], "is no version of this schema here");
	if (!count || yang_source(name, version, &source, NULL) < 0)
		return op_bad_element(err, ERR_TAG_INVALID_VALUE, at[0], "names no schema of ours");
	nc_reply_escape(&text, source);
	op_reply_data(op, "<data xmlns=\"" NC_NS_MONITORING "\">", &text, "</data>");
	return 0;
}
