/*
 * XML and JSON in and out.
 *
 * An edit is parsed strictly first. What fails may be a leaf that is to be deleted, which may come without
 * a value (RFC 6241 section 7.2): where there are such, and all else is well, it is parsed again with opaque
 * nodes, which then are those.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/json.h"
#include "ashlar/str.h"
#include "ashlar/xml.h"
#include "ashlar/yang.h"

#include "compat.h"
#include "fault.h"
#include "lyerr.h"
#include "vacant.h"

static LYD_FORMAT ly_format(enum format format)
{
	return format == FORMAT_XML ? LYD_XML : LYD_JSON;
}

/* libyang 2.1 takes a JSON text that breaks off for one that is complete. */
static bool is_complete(const char *text)
{
	const char *end = json_value(json_blanks(text));

	return end && !*json_blanks(end);
}

static int parse(const char *text, enum format format, uint32_t options, struct lyd_node *parent,
	struct lyd_node **ret_tree, struct err *err)
{
	struct ly_in *in = NULL;
	struct lyd_node *tree = NULL;
	LY_ERR rc;

	if (format == FORMAT_JSON && !is_complete(text))
		return err_tagged(err, ERR_TAG_MALFORMED_MESSAGE, NULL, "the JSON text breaks off");
	if (ly_in_new_memory(text, &in) != LY_SUCCESS)
		return err_set(err, -ENOMEM, NULL, "libyang takes no input");
	rc = lyd_parse_data(yang_ctx(), parent, in, ly_format(format), options, 0, &tree);
	ly_in_free(in, 0);
	if (rc != LY_SUCCESS) {
		lyerr_below(err, -EINVAL, parent);
		lyd_free_siblings(parent ? NULL : tree);
		return -EINVAL;
	}
	*ret_tree = tree;
	return 0;
}

/* Is the opaque node an empty deletion of something the schema has? */
static bool is_deletion(const struct lyd_node_opaq *opaq)
{
	for (const struct lyd_attr *attr = opaq->attr; attr; attr = attr->next) {
		if (str_equal(attr->name.name, "operation") &&
			(str_equal(attr->value, "delete") || str_equal(attr->value, "remove")))
			return true;
	}
	return false;
}

static const struct lysc_node *opaq_schema(const struct lyd_node_opaq *opaq)
{
	const struct lyd_node *parent = lyd_parent(&opaq->node);
	const struct lys_module *module;

	if (parent && !parent->schema)
		return NULL;
	if (opaq->format == LY_VALUE_XML)
		module = opaq->name.module_ns
			? ly_ctx_get_module_implemented_ns(yang_ctx(), opaq->name.module_ns)
			: NULL;
	else
		module = opaq->name.module_name
			? ly_ctx_get_module_implemented(yang_ctx(), opaq->name.module_name)
			: (parent ? parent->schema->module : NULL);
	if (!module)
		return NULL;
	return lys_find_child(parent ? parent->schema : NULL, module, opaq->name.name, 0, 0, 0);
}

const struct lysc_node *format_opaque_schema(const struct lyd_node *node)
{
	return opaq_schema((const struct lyd_node_opaq *)node);
}

static const char *opaque_text(const struct lyd_node_opaq *opaq)
{
	return opaq->value ? opaq->value : "";
}

static bool is_valid(const struct lysc_node *schema, const char *value)
{
	LY_ERR rc = lyd_value_validate(yang_ctx(), schema, value, strlen(value), NULL, NULL, NULL);

	return rc == LY_SUCCESS || rc == LY_EINCOMPLETE;
}

static int value_error(
	const struct lysc_node *schema, const char *value, const char *parent, struct err *err)
{
	const struct ly_err_item *item =
		is_valid(schema, value) ? NULL : compat_last_error(yang_ctx());
	_cleanup_free_ char *path = xasprintf("%s/%s%s%s", parent,
		schema->parent && schema->parent->module == schema->module ? ""
									   : schema->module->name,
		schema->parent && schema->parent->module == schema->module ? "" : ":",
		schema->name);
	int r = lyerr_value(err, schema, value, path, item ? item->msg : NULL);

	ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return r;
}

/* A list entry is opaque when a key is wrong or missing. */
static int entry_error(const struct lyd_node_opaq *entry, const struct lysc_node *list,
	const char *path, struct err *err)
{
	const struct lysc_node *key;
	const struct lyd_node *child;

	for (key = lysc_node_child(list); key && lysc_is_key(key); key = key->next) {
		LY_LIST_FOR (entry->child, child) {
			if (str_equal(LYD_NAME(child), key->name))
				break;
		}
		if (!child) {
			err_tagged(err, ERR_TAG_MISSING_ELEMENT, path,
				"an entry of %s is without its key %s", list->name, key->name);
			err_add_info(err, "bad-element", key->name);
			return -EINVAL;
		}
		if (!child->schema &&
			!is_valid(key, opaque_text((const struct lyd_node_opaq *)child)))
			return value_error(
				key, opaque_text((const struct lyd_node_opaq *)child), path, err);
	}
	return err_tagged(err, ERR_TAG_INVALID_VALUE, path, "an entry of %s is wrong", list->name);
}

int format_opaque_error(const struct lyd_node *node, struct err *err)
{
	const struct lyd_node_opaq *opaq = (const struct lyd_node_opaq *)node;
	const struct lysc_node *schema = opaq_schema(opaq);
	_cleanup_free_ char *parent = lyd_parent(node) ? path_of(lyd_parent(node)) : xstrdup("");
	_cleanup_free_ char *path = NULL;

	if (!schema) {
		err_tagged(err, ERR_TAG_UNKNOWN_ELEMENT, parent, "unknown element \"%s\"",
			opaq->name.name);
		err_add_info(err, "bad-element", opaq->name.name);
		return -EINVAL;
	}
	if (schema->nodetype & LYD_NODE_TERM)
		return value_error(schema, opaque_text(opaq), parent, err);
	path = xasprintf("%s/%s:%s", parent, schema->module->name, schema->name);
	if (schema->nodetype == LYS_LIST)
		return entry_error(opaq, schema, path, err);
	return err_tagged(err, ERR_TAG_INVALID_VALUE, path, "\"%s\" is no %s", opaque_text(opaq),
		schema->name);
}

/* Finds the first opaque node that is no deletion. */
static int check_opaque(const struct lyd_node *node, struct err *err)
{
	for (; node; node = node->next) {
		const struct lyd_node_opaq *opaq = (const struct lyd_node_opaq *)node;
		const struct lysc_node *schema;
		int r;

		if (node->schema) {
			r = check_opaque(lyd_child(node), err);
			if (r < 0)
				return r;
			continue;
		}
		schema = opaq_schema(opaq);
		if (!schema || !is_deletion(opaq) || !(schema->nodetype & (LYS_LEAF | LYS_ANYDATA)))
			return format_opaque_error(node, err);
	}
	return 0;
}

/* A parser would take the last of them, or both. */
static int check_names(const char *text, struct err *err)
{
	size_t size;
	const char *twice = is_complete(text) ? json_twice(json_blanks(text), &size) : NULL;

	if (!twice)
		return 0;
	return err_tagged(err, ERR_TAG_MALFORMED_MESSAGE, NULL,
		"an object has the member %.*s twice", (int)size, twice);
}

#define PARSE_EDIT (LYD_PARSE_ONLY | LYD_PARSE_STRICT | LYD_PARSE_NO_STATE)

/* An XML text that was refused, for @err. Without deletions that is final. */
static int parse_deletions(
	const char *text, size_t size, struct lyd_node **ret_tree, struct err *err)
{
	_cleanup_free_ char *rest = fault_without_deletions(text, size);
	struct lyd_node *tree = NULL;
	int r;

	if (!rest)
		return err->code;
	r = parse(rest, FORMAT_XML, PARSE_EDIT, NULL, &tree, err);
	lyd_free_siblings(tree);
	if (r < 0)
		return r;
	tree = NULL;
	r = parse(text, FORMAT_XML, PARSE_EDIT | LYD_PARSE_OPAQ, NULL, &tree, err);
	if (r == 0)
		r = check_opaque(tree, err);
	if (r < 0)
		lyd_free_siblings(tree);
	else
		*ret_tree = tree;
	return r;
}

/*
 * RFC 6243 gives the attribute "default" a namespace that is not its module's, and libyang knows it only when
 * it prints. Appends the text with the module's instead, where it is declared.
 */
#define TAG_NS	      "urn:ietf:params:xml:ns:netconf:default:1.0"
#define TAG_MODULE_NS "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"

static bool declares_tag(const struct xml_attribute *attribute)
{
	return (xml_text_is(attribute->prefix, "xmlns") ||
		       (!attribute->prefix.size && xml_text_is(attribute->name, "xmlns"))) &&
		xml_text_is(attribute->value, TAG_NS);
}

static void rename_tags(const char *text, size_t size, struct buf *out)
{
	_cleanup_free_ struct xml *xml = XNEW(struct xml);
	const char *from = text;
	int event;

	xml_init_fragment(xml, text, size);
	while ((event = xml_next(xml, NULL)) >= 0 && event != XML_DONE) {
		for (size_t i = 0; event == XML_START && i < xml->attribute_count; i++) {
			const struct xml_attribute *attribute = &xml->attributes[i];

			if (!declares_tag(attribute))
				continue;
			(void)!buf_append(out, from, (size_t)(attribute->value.at - from));
			(void)!buf_append_str(out, TAG_MODULE_NS); /* no ceiling */
			from = attribute->value.at + attribute->value.size;
		}
	}
	(void)!buf_append(out, from, (size_t)(text + size - from));
}

static int parse_edit(const char *text, size_t size, enum format format, struct lyd_node *parent,
	struct lyd_node **ret_tree, struct err *err)
{
	_cleanup_err_ struct err first = { 0 };
	int r;

	r = format == FORMAT_JSON ? check_names(text, &first) : 0;
	if (r == 0)
		r = parse(text, format, PARSE_EDIT, parent, ret_tree, &first);
	if (r == 0)
		return 0;
	if (format != FORMAT_XML) {
		fault_member(&first, text);
		return err_move(err, &first);
	}
	if (fault_malformed(text, size, err))
		return -EINVAL;
	if (err_effective_tag(&first) == ERR_TAG_BAD_ATTRIBUTE)
		fault_attribute(&first, text, size);
	else if (!parent)
		r = parse_deletions(text, size, ret_tree, &first);
	if (r < 0)
		fault_element(&first, text, size);
	return r < 0 ? err_move(err, &first) : 0;
}

int format_parse_edit(const char *text, size_t size, enum format format, struct lyd_node *parent,
	struct lyd_node **ret_tree, struct err *err)
{
	_cleanup_(buf_done) struct buf renamed = { 0 };

	if (memchr(text, '\0', size))
		return err_tagged(
			err, ERR_TAG_MALFORMED_MESSAGE, NULL, "NUL character in the text");
	if (format == FORMAT_XML && memmem(text, size, TAG_NS, strlen(TAG_NS))) {
		rename_tags(text, size, &renamed);
		(void)!buf_append(&renamed, "", 1); /* the zero byte behind it */
		text = buf_bytes(&renamed);
		size = renamed.length - 1;
	}
	return parse_edit(text, size, format, parent, ret_tree, err);
}

int format_parse_config(const char *text, size_t size, enum format format,
	struct lyd_node **ret_tree, struct err *err)
{
	if (memchr(text, '\0', size))
		return err_tagged(
			err, ERR_TAG_MALFORMED_MESSAGE, NULL, "NUL character in the text");
	return parse(text, format, LYD_PARSE_ONLY | LYD_PARSE_STRICT | LYD_PARSE_NO_STATE, NULL,
		ret_tree, err);
}

int format_parse_lenient(const char *text, size_t size, enum format format,
	struct lyd_node **ret_tree, struct err *err)
{
	_cleanup_(buf_done) struct buf hidden = { 0 };
	int r;

	if (memchr(text, '\0', size))
		return err_tagged(
			err, ERR_TAG_MALFORMED_MESSAGE, NULL, "NUL character in the text");
	if (format == FORMAT_JSON && vacant_hide(text, &hidden))
		text = buf_bytes(&hidden);
	r = parse(text, format, LYD_PARSE_ONLY | LYD_PARSE_OPAQ | LYD_PARSE_NO_STATE, NULL,
		ret_tree, err);
	if (r == 0 && hidden.length)
		vacant_restore(ret_tree);
	return r;
}

int format_parse_rpc(const char *text, size_t size, enum format format, struct lyd_node *parent,
	struct lyd_node **ret_op, struct err *err)
{
	struct ly_in *in = NULL;
	struct lyd_node *tree = NULL, *op = NULL;
	LY_ERR rc;

	if (memchr(text, '\0', size))
		return err_tagged(
			err, ERR_TAG_MALFORMED_MESSAGE, NULL, "NUL character in the text");
	if (ly_in_new_memory(text, &in) != LY_SUCCESS)
		return err_set(err, -ENOMEM, NULL, "libyang takes no input");
	rc = lyd_parse_op(yang_ctx(), parent, in, ly_format(format), LYD_TYPE_RPC_YANG, &tree, &op);
	ly_in_free(in, 0);
	if (rc == LY_SUCCESS && op)
		rc = lyd_validate_op(tree ? tree : op, NULL, LYD_TYPE_RPC_YANG, NULL);
	if (rc != LY_SUCCESS || !op) {
		yang_err(err, -EINVAL);
		lyd_free_all(tree);
		return -EINVAL;
	}
	*ret_op = op;
	return 0;
}

/* --- printing --------------------------------------------------------------------------------- */

static ssize_t append(void *arg, const void *data, size_t size)
{
	return buf_append(arg, data, size) < 0 ? -1 : (ssize_t)size;
}

bool format_reports(const struct lyd_node *node, enum with_defaults defaults)
{
	switch (defaults) {
	case WITH_DEFAULTS_EXPLICIT:
		return !(node->flags & LYD_DEFAULT) || node->schema->flags & LYS_CONFIG_R;
	case WITH_DEFAULTS_TRIM:
		return !(node->flags & LYD_DEFAULT ||
			(node->schema->nodetype & LYD_NODE_TERM && lyd_is_default(node)));
	case WITH_DEFAULTS_ALL:
	case WITH_DEFAULTS_ALL_TAGGED:
		return true;
	}
	return true;
}

static uint32_t print_options(enum with_defaults defaults, bool siblings, bool pretty)
{
	static const uint32_t modes[] = {
		[WITH_DEFAULTS_EXPLICIT] = LYD_PRINT_WD_EXPLICIT,
		[WITH_DEFAULTS_TRIM] = LYD_PRINT_WD_TRIM,
		[WITH_DEFAULTS_ALL] = LYD_PRINT_WD_ALL,
		[WITH_DEFAULTS_ALL_TAGGED] = LYD_PRINT_WD_ALL_TAG,
	};

	return modes[defaults] | (siblings ? LYD_PRINT_WITHSIBLINGS : 0) |
		(pretty ? 0 : LYD_PRINT_SHRINK);
}

int format_print(struct buf *out, const struct lyd_node *node, enum format format, bool siblings,
	enum with_defaults defaults, bool pretty, struct err *err)
{
	struct ly_out *sink = NULL;
	LY_ERR rc;

	if (ly_out_new_clb(append, out, &sink) != LY_SUCCESS)
		return err_set(err, -ENOMEM, NULL, "libyang takes no output");
	if (siblings)
		rc = lyd_print_all(
			sink, node, ly_format(format), print_options(defaults, false, pretty));
	else
		rc = lyd_print_tree(
			sink, node, ly_format(format), print_options(defaults, false, pretty));
	ly_out_free(sink, NULL, 0);
	return rc == LY_SUCCESS ? 0 : yang_err(err, -EIO);
}

/* A copy of the operation's node with what is below it of the output alone. */
static int copy_output(
	const struct lyd_node *operation, struct lyd_node **ret_copy, struct err *err)
{
	const struct lyd_node *child;
	struct lyd_node *copy = NULL, *node;

	if (lyd_dup_single(operation, NULL, LYD_DUP_NO_META, &copy) != LY_SUCCESS)
		return yang_err(err, -EIO);
	LY_LIST_FOR (lyd_child(operation), child) {
		if (!(child->schema->flags & LYS_IS_OUTPUT))
			continue;
		if (lyd_dup_single(child, NULL, LYD_DUP_RECURSIVE, &node) != LY_SUCCESS ||
			lyd_insert_child(copy, node) != LY_SUCCESS) {
			lyd_free_tree(copy);
			return yang_err(err, -EIO);
		}
	}
	*ret_copy = copy;
	return 0;
}

int format_print_output(
	struct buf *out, const struct lyd_node *operation, enum format format, struct err *err)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	struct lyd_node *copy = NULL;
	const struct lyd_node *child;
	const char *inner;
	int r = copy_output(operation, &copy, err);

	if (r < 0)
		return r;
	if (format == FORMAT_XML) {
		LY_LIST_FOR (lyd_child(copy), child) {
			if (r == 0)
				r = format_print(out, child, format, false, WITH_DEFAULTS_EXPLICIT,
					false, err);
		}
	} else if (lyd_child(copy)) {
		/* {"module:operation":{…}}: the value is wanted. */
		r = format_print(&text, copy, format, false, WITH_DEFAULTS_EXPLICIT, false, err);
		inner = r == 0 ? strchr(buf_bytes(&text) + 1, '{') : NULL;
		if (inner)
			r = buf_append(
				out, inner, text.length - (size_t)(inner - buf_bytes(&text)) - 1);
	}
	lyd_free_tree(copy);
	return r;
}

/* ---------------------------------------------------------------------------------------------- */

int format_rpc_to_xml(struct buf *out, const char *text, size_t size, struct err *err)
{
	struct ly_in *in = NULL;
	struct lyd_node *tree = NULL, *op = NULL;
	LY_ERR rc;
	int r;

	if (memchr(text, '\0', size) || !is_complete(text))
		return err_tagged(
			err, ERR_TAG_MALFORMED_MESSAGE, NULL, "the text is no JSON, or breaks off");
	if (ly_in_new_memory(text, &in) != LY_SUCCESS)
		return err_set(err, -ENOMEM, NULL, "libyang takes no input");
	rc = lyd_parse_op(yang_ctx(), NULL, in, LYD_JSON, LYD_TYPE_RPC_YANG, &tree, &op);
	ly_in_free(in, 0);
	r = rc == LY_SUCCESS && op
		? format_print(out, op, FORMAT_XML, false, WITH_DEFAULTS_EXPLICIT, false, err)
		: yang_err(err, -EINVAL);
	lyd_free_all(tree);
	return r;
}
