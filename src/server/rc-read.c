/*
 * GET and HEAD of data. {+restconf}/data is what <get> sees, or <get-config> when only configuration is
 * asked for; a datastore below {+restconf}/ds is itself. A single leaf of configuration is looked for in
 * running first.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "rc-conn.h"
#include "rc-match.h"
#include "rc-reply.h"

/* What stands around the datastore's text: [datastore or data node][format]. */
static const struct {
	const char *before, *after;
} wraps[2][2] = {
	{ [FORMAT_XML] = { "<data xmlns=\"urn:ietf:params:xml:ns:yang:ietf-restconf\">",
		  "</data>\n" },
		[FORMAT_JSON] = { "{\"ietf-restconf:data\":{", "}}\n" } },
	{ [FORMAT_XML] = { "", "\n" }, [FORMAT_JSON] = { "{", "}\n" } },
};

static void on_read(struct buf *out, const struct err *err, void *arg);
static void on_part(struct buf *part, void *arg);

/* A leaf of configuration: what it is set to, whatever else there is to its parents. */
static bool is_config_leaf(const struct lysc_node *schema)
{
	return schema && (schema->nodetype & (LYS_LEAF | LYS_LEAFLIST)) &&
		(schema->flags & LYS_CONFIG_W);
}

/* A leaf that is asked for is shown with the value that is in use (RFC 8040 section 3.5.4). */
static enum with_defaults defaults_mode(const struct rc_request *req)
{
	const struct lysc_node *schema = req->uri.schema;

	if (req->params.has_defaults || req->uri.is_ds || !schema ||
		!(schema->nodetype & (LYS_LEAF | LYS_LEAFLIST)))
		return req->params.defaults;
	return WITH_DEFAULTS_ALL;
}

static void start(struct rc_request *req, enum ds ds)
{
	struct ds_client client = rc_request_client(req);
	_cleanup_err_ struct err err = { 0 };
	struct ds_read read = {
		.ds = ds,
		.content = req->params.content,
		.depth = req->params.depth,
		.limit = req->params.limit,
		.offset = req->params.offset,
		.defaults = defaults_mode(req),
		.format = req->out_format,
		.is_in_use = req->uri.is_ds && ds == DS_OPERATIONAL,
		.with_origin = req->params.with_origin,
		.part = on_part,
	};

	if (req->uri.schema && rc_uri_path(&req->uri, &read.path, &err) < 0) {
		rc_reply_error(req, 400, &err);
		return;
	}
	read.fields = xstrdup(req->params.fields);
	req->read_ds = ds;
	ds_read(&client, &read, on_read, req);
}

static void go_on(struct rc_request *req)
{
	ds_read_more(req);
}

/* A long answer: its length is not known when it begins. */
static void on_part(struct buf *part, void *arg)
{
	struct rc_request *req = arg;
	bool is_node = req->uri.schema != NULL;
	const char *before = NULL;
	struct rc_reply reply = {
		.status = 200,
		.media_type = rc_reply_media_type(req->out_format),
		.has_validators = true,
		.is_stream = true,
	};

	if (req->head.method == HTTP_HEAD) {
		ds_forget(req);
		rc_reply(req, &reply);
		return;
	}
	if (!req->has_begun) {
		rc_reply(req, &reply);
		before = wraps[is_node][req->out_format].before;
	}
	req->has_begun = true;
	if (rc_conn_send_piece(req->rc, before, part, go_on))
		go_on(req);
}

static void on_read(struct buf *out, const struct err *err, void *arg)
{
	struct rc_request *req = arg;
	bool is_node = req->uri.schema != NULL;
	struct rc_reply reply = {
		.status = 200,
		.media_type = rc_reply_media_type(req->out_format),
		.before = wraps[is_node][req->out_format].before,
		.after = wraps[is_node][req->out_format].after,
		.body = out,
		.has_validators = true,
	};

	if (req->has_begun && err)
		rc_conn_break(req->rc, err);
	else if (req->has_begun)
		rc_conn_send_end(req->rc, out, wraps[is_node][req->out_format].after);
	else if (err && err->code == -ENOENT && req->read_ds == DS_RUNNING && !req->uri.is_ds &&
		req->params.content == DS_CONTENT_ALL)
		start(req, DS_OPERATIONAL); /* not configured, but it may be there */
	else if (err)
		rc_reply_error(req, err->code == -ENOENT ? 404 : 0, err);
	else
		rc_reply(req, &reply);
}

/* What the system does is found out only where it can matter: that takes ten times as long. */
static enum ds choose_datastore(const struct rc_request *req)
{
	if (req->uri.is_ds)
		return req->uri.ds;
	if (req->params.content == DS_CONTENT_CONFIG ||
		(req->params.content == DS_CONTENT_ALL && is_config_leaf(req->uri.schema)))
		return DS_RUNNING;
	return DS_OPERATIONAL;
}

void rc_read_run(struct rc_request *req)
{
	struct rc_reply unchanged = { .has_validators = true };
	enum ds ds;

	if (!rc_uri_is_instance(&req->uri) && req->out_format == FORMAT_XML) {
		rc_reply_refuse(req, 400, ERR_TAG_INVALID_VALUE,
			"XML has no document for more than one instance of \"%s\": name its keys, "
			"or accept JSON",
			req->uri.schema->name);
		return;
	}
	if (rc_request_validators(req, &ds)) {
		req->seen.is_set = true;
		req->seen.generation = ds_generation(ds);
		req->seen.modified = ds_last_modified(ds);
		unchanged.status = rc_match_read(req, ds);
	}
	if (unchanged.status == 412)
		rc_reply_refuse(req, 412, ERR_TAG_OPERATION_FAILED, "the resource has changed");
	else if (unchanged.status)
		rc_reply(req, &unchanged);
	else
		start(req, choose_datastore(req));
}
