/*
 * What RESTCONF says about itself: discovery, the API resource, the operations, the library's version
 * (RFC 8040 sections 3.1 and 3.3), and its state in ietf-restconf-monitoring (section 9).
 */
#include <string.h>

#include "ashlar/feature.h"
#include "ashlar/str.h"

#include "rc-reply.h"
#include "rc-subscribe.h"
#include "restconf.h"
#include "subscribe.h"

#define NS "urn:ietf:params:xml:ns:yang:ietf-restconf"

static void put(struct buf *out, const char *text)
{
	(void)!buf_append_str(out, text);
}

/* --- parts of the API resource ---------------------------------------------------------------- */

static const char *library_version(void)
{
	const struct lys_module *module =
		ly_ctx_get_module_implemented(yang_ctx(), "ietf-yang-library");

	return module && module->revision ? module->revision : "";
}

static void put_version(struct buf *out, enum format format, const char *before, const char *ns)
{
	if (format == FORMAT_JSON)
		(void)!buf_printf(
			out, "\"%syang-library-version\":\"%s\"", before, library_version());
	else
		(void)!buf_printf(out, "<yang-library-version%s>%s</yang-library-version>", ns,
			library_version());
}

/* Each RPC is an empty leaf. */
static void put_rpc(struct buf *out, enum format format, const char *path, const char **separator)
{
	const struct lysc_node *schema = path_schema(path);

	if (!schema || schema->nodetype != LYS_RPC)
		return;
	if (format == FORMAT_JSON)
		(void)!buf_printf(
			out, "%s\"%s:%s\":[null]", *separator, schema->module->name, schema->name);
	else
		(void)!buf_printf(out, "<%s xmlns=\"%s\"/>", schema->name, schema->module->ns);
	*separator = ",";
}

static void put_rpcs(struct buf *out, enum format format, const struct feature_action *action,
	const char **separator)
{
	for (; action && action->path; action++)
		put_rpc(out, format, action->path, separator);
}

/* Those that a feature answers, the datastore's own, and those about subscriptions. */
static void put_operations(struct buf *out, enum format format)
{
	const struct feature *const *feature;
	const char *separator = "";

	for (feature = feature_table; *feature; feature++)
		put_rpcs(out, format, (*feature)->actions, &separator);
	put_rpcs(out, format, ds_actions(), &separator);
	for (size_t i = 0; rc_subscribe_path(i); i++)
		put_rpc(out, format, rc_subscribe_path(i), &separator);
}

static bool has(const struct feature_action *action, const struct lysc_node *rpc)
{
	for (; action && action->path; action++) {
		if (path_schema(action->path) == rpc)
			return true;
	}
	return false;
}

bool rc_api_has(const struct lysc_node *rpc)
{
	const struct feature *const *feature;

	for (feature = feature_table; *feature; feature++) {
		if (has((*feature)->actions, rpc))
			return true;
	}
	for (size_t i = 0; rc_subscribe_path(i); i++) {
		if (path_schema(rc_subscribe_path(i)) == rpc)
			return true;
	}
	return has(ds_actions(), rpc);
}

/* --- resources -------------------------------------------------------------------------------- */

/* Is the part among the fields ("a;b")? */
static bool is_selected(const char *fields, const char *name)
{
	size_t size = strlen(name);

	while (fields) {
		const char *end = strchr(fields, ';');

		if (strncmp(fields, "ietf-restconf:", 14) == 0)
			fields += 14;
		if (strncmp(fields, name, size) == 0 && (fields[size] == ';' || !fields[size]))
			return true;
		fields = end ? end + 1 : NULL;
	}
	return false;
}

static void put_api_json(struct buf *out, bool data, bool operations, bool version)
{
	put(out, "{\"ietf-restconf:restconf\":{");
	put(out, data ? "\"data\":{}" : "");
	put(out, data && operations ? "," : "");
	put(out, operations ? "\"operations\":{}" : "");
	put(out, (data || operations) && version ? "," : "");
	if (version)
		put_version(out, FORMAT_JSON, "", "");
	put(out, "}}\n");
}

static void put_api_xml(struct buf *out, bool data, bool operations, bool version)
{
	put(out, "<restconf xmlns=\"" NS "\">");
	put(out, data ? "<data/>" : "");
	put(out, operations ? "<operations/>" : "");
	if (version)
		put_version(out, FORMAT_XML, "", "");
	put(out, "</restconf>\n");
}

static void reply_with(struct rc_request *req, const char *media_type, struct buf *body)
{
	struct rc_reply reply = { .status = 200, .media_type = media_type, .body = body };

	rc_reply(req, &reply);
}

static void reply_api(struct rc_request *req)
{
	const char *fields = req->params.fields;
	bool all = !fields && req->params.depth != 1;
	bool data = all || is_selected(fields, "data");
	bool operations = all || is_selected(fields, "operations");
	bool version = all || is_selected(fields, "yang-library-version");
	_cleanup_(buf_done) struct buf body = { 0 };

	if (fields && !data && !operations && !version) {
		rc_reply_refuse(req, 400, ERR_TAG_INVALID_VALUE,
			"the API resource has no field \"%s\"", fields);
		return;
	}
	if (req->out_format == FORMAT_JSON)
		put_api_json(&body, data, operations, version);
	else
		put_api_xml(&body, data, operations, version);
	reply_with(req, rc_reply_media_type(req->out_format), &body);
}

static void reply_operations(struct rc_request *req)
{
	_cleanup_(buf_done) struct buf body = { 0 };
	bool is_json = req->out_format == FORMAT_JSON;

	put(&body, is_json ? "{\"ietf-restconf:operations\":{" : "<operations xmlns=\"" NS "\">");
	put_operations(&body, req->out_format);
	put(&body, is_json ? "}}\n" : "</operations>\n");
	reply_with(req, rc_reply_media_type(req->out_format), &body);
}

static void reply_version(struct rc_request *req)
{
	_cleanup_(buf_done) struct buf body = { 0 };
	bool is_json = req->out_format == FORMAT_JSON;

	put(&body, is_json ? "{" : "");
	put_version(&body, req->out_format, "ietf-restconf:", " xmlns=\"" NS "\"");
	put(&body, is_json ? "}\n" : "\n");
	reply_with(req, rc_reply_media_type(req->out_format), &body);
}

static void reply_host_meta(struct rc_request *req)
{
	_cleanup_(buf_done) struct buf body = { 0 };

	put(&body,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<XRD xmlns=\"http://docs.oasis-open.org/ns/xri/xrd-1.0\">"
		"<Link rel=\"restconf\" href=\"/restconf\"/></XRD>\n");
	reply_with(req, "application/xrd+xml", &body);
}

void rc_api_run(struct rc_request *req)
{
	switch (req->uri.resource) {
	case RC_RESOURCE_HOST_META:
		reply_host_meta(req);
		return;
	case RC_RESOURCE_API:
		reply_api(req);
		return;
	case RC_RESOURCE_LIBRARY_VERSION:
		reply_version(req);
		return;
	case RC_RESOURCE_OPERATIONS:
		reply_operations(req);
		return;
	case RC_RESOURCE_RPC:
	case RC_RESOURCE_DATASTORE:
	case RC_RESOURCE_DATA:
	case RC_RESOURCE_ACTION:
	case RC_RESOURCE_STREAM:
	case RC_RESOURCE_SUBSCRIPTION:
		return; /* answered elsewhere */
	}
}

/* --- monitoring ------------------------------------------------------------------------------- */

int restconf_monitoring_show(struct lyd_node *restconf_state, struct err *err)
{
	static const char *const capabilities[] = {
		"urn:ietf:params:restconf:capability:defaults:1.0?basic-mode=explicit",
		"urn:ietf:params:restconf:capability:depth:1.0",
		"urn:ietf:params:restconf:capability:fields:1.0",
		"urn:ietf:params:restconf:capability:filter:1.0",
		"urn:ietf:params:restconf:capability:replay:1.0",
		"urn:ietf:params:restconf:capability:with-defaults:1.0",
		"urn:ietf:params:restconf:capability:with-operational-defaults:1.0",
		"urn:ietf:params:restconf:capability:with-origin:1.0",
		"urn:ashlar:params:restconf:capability:comment:1.0",
		"urn:ashlar:params:restconf:capability:plan:1.0",
		"urn:ashlar:params:restconf:capability:paging:1.0",
	};
	struct lyd_node *node;
	size_t i;
	int ret = build_container(restconf_state, "capabilities", &node, err);

	for (i = 0; i < ARRAY_SIZE(capabilities) && ret >= 0; i++)
		ret = build_item(node, "capability", capabilities[i], err);
	if (ret >= 0)
		ret = build_container(restconf_state, "streams", &node, err);
	return ret < 0 ? ret : subscribe_show_restconf(node, RC_URI_STREAM, err);
}
