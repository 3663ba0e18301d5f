/*
 * Request targets. The path is split at "/", "=" and "," as it stands, and the parts are decoded after
 * that: an encoded comma belongs to a value, a plain one stands between two. Decoding never makes a text
 * longer, so it happens in place and nothing is allocated.
 *
 * A node's module is named where it differs from the parent's, and at the top. Choices and cases are
 * no part of a path.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"
#include "ashlar/xml.h"

#include "rc-uri.h"

#define ROOT	   "/restconf"
#define IDENTITIES "ietf-datastores:"
#define INTENDED   IDENTITIES "intended"
#define DATA_KINDS (LYS_CONTAINER | LYS_LIST | LYS_LEAF | LYS_LEAFLIST | LYS_ANYDATA | LYS_ANYXML)

/* --- text ------------------------------------------------------------------------------------- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int rc_uri_decode(char *text, size_t size, struct err *err)
{
	char *percent = memchr(text, '%', size), *to;
	size_t at;

	if (!percent) {
		text[size] = '\0';
		return 0;
	}
	to = percent;
	for (at = (size_t)(percent - text); at < size; at++) {
		int high, low;

		if (text[at] != '%') {
			*to++ = text[at];
			continue;
		}
		high = at + 1 < size ? hex_value(text[at + 1]) : -1;
		low = at + 2 < size ? hex_value(text[at + 2]) : -1;
		if (high < 0 || low < 0 || (!high && !low))
			return err_set(err, -EINVAL, NULL, "a percent sign begins no character");
		*to++ = (char)(high << 4 | low);
		at += 2;
	}
	*to = '\0';
	if (!xml_is_text(text, (size_t)(to - text)))
		return err_set(err, -EINVAL, NULL, "an encoded character is none of UTF-8 text");
	return 0;
}

/* Cuts the text before the next @c; returns what follows, or NULL. */
static char *split(char *text, char c)
{
	char *at = strchr(text, c);

	if (at)
		*at++ = '\0';
	return at;
}

/* --- nodes ------------------------------------------------------------------------------------ */

static int no_node(struct err *err, const char *name)
{
	return err_set(err, -ENOENT, NULL, "there is no \"%s\" here", name);
}

/* The schema node of "name" or "module:name" below @parent. */
static int find_node(const struct lysc_node *parent, char *name, uint16_t kinds,
	const struct lysc_node **ret_node, struct err *err)
{
	const struct lys_module *module = parent ? parent->module : NULL;
	char *local;
	int ret = rc_uri_decode(name, strlen(name), err);

	if (ret < 0)
		return ret;
	local = strchr(name, ':');
	if (local) {
		*local = '\0';
		module = ly_ctx_get_module_implemented(yang_ctx(), name);
		if (!module)
			return err_set(err, -ENOENT, NULL, "there is no module \"%s\" here", name);
		name = local + 1;
	}
	if (!module)
		return err_set(err, -ENOENT, NULL, "\"%s\" needs its module's name in front", name);
	*ret_node = name[0] ? lys_find_child(parent, module, name, 0, kinds, 0) : NULL;
	return *ret_node ? 0 : no_node(err, name);
}

static size_t count_keys(const struct lysc_node *list)
{
	const struct lysc_node *child;
	size_t count = 0;

	for (child = lysc_node_child(list); child && lysc_is_key(child); child = child->next)
		count++;
	return count;
}

static int take_values(struct rc_uri *uri, struct rc_step *step, char *text, struct err *err)
{
	const struct lysc_node *schema = step->schema;
	size_t wanted = schema->nodetype == LYS_LEAFLIST ? 1
		: schema->nodetype == LYS_LIST		 ? count_keys(schema)
							 : 0;

	if (!wanted || wanted > RC_URI_KEYS_MAX)
		return err_set(err, -EINVAL, NULL, "\"%s\" takes no key", schema->name);
	step->first = uri->value_count;
	while (text) {
		char *next = split(text, ',');
		int ret;

		if (step->count == wanted || uri->value_count == RC_URI_VALUES_MAX)
			break;
		ret = rc_uri_decode(text, strlen(text), err);
		if (ret < 0)
			return ret;
		uri->values[uri->value_count++] = text;
		step->count++;
		text = next;
	}
	if (text || step->count != wanted)
		return err_set(
			err, -EINVAL, NULL, "\"%s\" takes %zu key values", schema->name, wanted);
	return 0;
}

/* One segment of a data path. */
static int take_segment(struct rc_uri *uri, char *segment, struct err *err)
{
	char *values = split(segment, '=');
	const struct lysc_node *schema;
	struct rc_step *step;
	int ret = find_node(uri->schema, segment, DATA_KINDS | LYS_ACTION, &schema, err);

	if (ret < 0)
		return ret;
	if (uri->resource == RC_RESOURCE_ACTION)
		return no_node(err, schema->name);
	if (uri->step_count && !rc_uri_is_instance(uri))
		return err_set(err, -EINVAL, NULL, "\"%s\" needs its keys", uri->schema->name);
	uri->schema = schema;
	if (schema->nodetype == LYS_ACTION) {
		uri->resource = RC_RESOURCE_ACTION;
		return values ? err_set(err, -EINVAL, NULL, "\"%s\" takes no key", schema->name)
			      : 0;
	}
	if (uri->step_count == RC_URI_STEPS_MAX)
		return err_set(err, -EINVAL, NULL, "the path is too long");
	step = &uri->steps[uri->step_count++];
	*step = (struct rc_step){ .schema = schema };
	uri->resource = RC_RESOURCE_DATA;
	return values ? take_values(uri, step, values, err) : 0;
}

/* What follows a datastore's name; NULL: nothing. One slash at the end changes nothing. */
static int take_nodes(struct rc_uri *uri, char *text, struct err *err)
{
	int ret = 0;

	uri->resource = RC_RESOURCE_DATASTORE;
	while (text && text[0] && ret == 0) {
		char *next = split(text, '/');

		ret = take_segment(uri, text, err);
		text = next;
	}
	return ret;
}

bool rc_uri_is_instance(const struct rc_uri *uri)
{
	const struct rc_step *last;

	if (!uri->step_count)
		return true;
	last = &uri->steps[uri->step_count - 1];
	return last->count || !(last->schema->nodetype & (LYS_LIST | LYS_LEAFLIST));
}

/* --- resources -------------------------------------------------------------------------------- */

static int take_rpc(struct rc_uri *uri, char *text, struct err *err)
{
	uri->resource = RC_RESOURCE_OPERATIONS;
	if (!text || !text[0])
		return 0;
	uri->resource = RC_RESOURCE_RPC;
	return find_node(NULL, text, LYS_RPC, &uri->schema, err);
}

static const struct {
	const char *name;
	enum ds ds;
} stores[] = {
	{ IDENTITIES "running", DS_RUNNING },
	{ IDENTITIES "candidate", DS_CANDIDATE },
	{ IDENTITIES "startup", DS_STARTUP },
	{ IDENTITIES "operational", DS_OPERATIONAL },
	{ "ietf-factory-default:factory-default", DS_FACTORY },
	{ INTENDED, DS_RUNNING },
};

const char *rc_uri_ds_name(enum ds ds)
{
	size_t i = 0;

	while (stores[i].ds != ds)
		i++;
	return stores[i].name;
}

static int take_datastore(struct rc_uri *uri, char *text, struct err *err)
{
	char *rest = text ? split(text, '/') : NULL;
	size_t i;
	int ret;

	if (!text)
		return no_node(err, "ds");
	ret = rc_uri_decode(text, strlen(text), err);
	if (ret < 0)
		return ret;
	for (i = 0; i < ARRAY_SIZE(stores); i++) {
		if (!str_equal(text, stores[i].name))
			continue;
		uri->is_ds = true;
		uri->is_intended = str_equal(text, INTENDED);
		uri->ds = stores[i].ds;
		return take_nodes(uri, rest, err);
	}
	return err_set(err, -ENOENT, NULL, "there is no datastore \"%s\" here", text);
}

static int take_stream(struct rc_uri *uri, char *text, struct err *err)
{
	uri->resource = RC_RESOURCE_STREAM;
	if (text && str_equal(text, NOTIFY_STREAM "/xml"))
		uri->stream_format = FORMAT_XML;
	else if (text && str_equal(text, NOTIFY_STREAM "/json"))
		uri->stream_format = FORMAT_JSON;
	else
		return err_set(err, -ENOENT, NULL, "there is no such event stream");
	return 0;
}

static int take_subscription(struct rc_uri *uri, char *text, struct err *err)
{
	uint64_t number;

	uri->resource = RC_RESOURCE_SUBSCRIPTION;
	if (!text || str_u64(text, 1, UINT32_MAX, &number) < 0)
		return err_set(err, -ENOENT, NULL, "there is no such subscription");
	uri->subscription = (uint32_t)number;
	return 0;
}

static void begin(struct rc_uri *uri)
{
	uri->resource = RC_RESOURCE_API;
	uri->ds = DS_RUNNING;
	uri->is_ds = uri->is_intended = false;
	uri->schema = NULL;
	uri->step_count = uri->value_count = 0;
}

int rc_uri_parse(char *path, struct rc_uri *ret_uri, struct err *err)
{
	char *rest;

	begin(ret_uri);
	if (str_equal(path, "/.well-known/host-meta")) {
		ret_uri->resource = RC_RESOURCE_HOST_META;
		return 0;
	}
	if (!str_starts(path, ROOT) || (path[strlen(ROOT)] && path[strlen(ROOT)] != '/'))
		return err_set(err, -ENOENT, NULL, "there is nothing but " ROOT " here");
	path += strlen(ROOT);
	if (!path[0] || !path[1])
		return 0;
	rest = split(++path, '/');
	if (str_equal(path, "data"))
		return take_nodes(ret_uri, rest, err);
	if (str_equal(path, "operations"))
		return take_rpc(ret_uri, rest, err);
	if (str_equal(path, "ds"))
		return take_datastore(ret_uri, rest, err);
	if (str_equal(path, "streams"))
		return take_stream(ret_uri, rest, err);
	if (str_equal(path, "subscriptions"))
		return take_subscription(ret_uri, rest, err);
	if (!str_equal(path, "yang-library-version") || rest)
		return no_node(err, path);
	ret_uri->resource = RC_RESOURCE_LIBRARY_VERSION;
	return 0;
}

int rc_uri_parse_point(char *path, struct rc_uri *ret_uri, struct err *err)
{
	int ret;

	begin(ret_uri);
	if (str_starts(path, RC_URI_DATA "/"))
		path += strlen(RC_URI_DATA);
	if (path[0] != '/')
		return err_set(err, -EINVAL, NULL, "the point \"%s\" is no path", path);
	ret = take_nodes(ret_uri, path + 1, err);
	if (ret == 0 && (ret_uri->resource != RC_RESOURCE_DATA || !rc_uri_is_instance(ret_uri)))
		ret = err_set(err, -EINVAL, NULL, "the point names no entry of a list");
	return ret == -ENOENT ? err_set(err, -EINVAL, NULL, "the point names no node of the schema")
			      : ret;
}

/* --- paths ------------------------------------------------------------------------------------ */

/* All buffers here are without ceiling: what goes in is bounded by HTTP_TARGET_MAX. */
static void put(struct buf *out, const char *text)
{
	(void)!buf_append_str(out, text);
}

static int put_predicates(
	struct buf *out, const struct rc_uri *uri, const struct rc_step *step, struct err *err)
{
	const struct lysc_node *key = lysc_node_child(step->schema);
	size_t i;

	for (i = 0; i < step->count; i++) {
		const char *value = uri->values[step->first + i];
		const char *quote = strchr(value, '\'') ? "\"" : "'";

		if (quote[0] == '"' && strchr(value, '"'))
			return err_set(err, -EINVAL, NULL,
				"a key value with quotes of both kinds cannot be looked up");
		put(out, "[");
		put(out, step->schema->nodetype == LYS_LIST ? key->name : ".");
		put(out, "=");
		put(out, quote);
		put(out, value);
		put(out, quote);
		put(out, "]");
		if (step->schema->nodetype == LYS_LIST)
			key = key->next;
	}
	return 0;
}

int rc_uri_path(const struct rc_uri *uri, char **ret_path, struct err *err)
{
	_cleanup_(buf_done) struct buf out = { 0 };
	const struct lys_module *module = NULL;
	size_t i;
	int ret;

	for (i = 0; i < uri->step_count; i++) {
		const struct lysc_node *schema = uri->steps[i].schema;

		put(&out, "/");
		if (schema->module != module) {
			module = schema->module;
			put(&out, module->name);
			put(&out, ":");
		}
		put(&out, schema->name);
		ret = put_predicates(&out, uri, &uri->steps[i], err);
		if (ret < 0)
			return ret;
	}
	*ret_path = buf_take(&out);
	return 0;
}

int rc_uri_predicates(const struct rc_uri *uri, char **ret_text, struct err *err)
{
	_cleanup_(buf_done) struct buf out = { 0 };
	int ret = put_predicates(&out, uri, &uri->steps[uri->step_count - 1], err);

	if (ret == 0)
		*ret_text = buf_take(&out);
	return ret;
}

void rc_uri_append(struct buf *out, const struct lyd_node *node)
{
	const struct lyd_node *parent = lyd_parent(node);

	if (parent)
		rc_uri_append(out, parent);
	path_append_step(out, node, parent);
}
