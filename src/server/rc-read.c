/*
 * GET and HEAD of data. {+restconf}/data is what <get> sees, or <get-config> when only configuration is
 * asked for; a datastore below {+restconf}/ds is itself.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

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

	if (err)
		rc_reply_error(req, err->code == -ENOENT ? 404 : 0, err);
	else
		rc_reply(req, &reply);
}

static void fill_datastore(const struct rc_request *req, struct ds_read *read)
{
	const struct rc_uri *uri = &req->uri;

	read->content = req->params.content;
	if (uri->is_ds)
		read->ds = uri->ds;
	else
		read->ds = read->content == DS_CONTENT_CONFIG ? DS_RUNNING : DS_OPERATIONAL;
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

void rc_read_run(struct rc_request *req)
{
	struct ds_read read = {
		.depth = req->params.depth,
		.defaults = defaults_mode(req),
		.format = req->out_format,
	};
	struct rc_reply unchanged = { .has_validators = true };
	struct ds_client client = rc_request_client(req);
	_cleanup_err_ struct err err = { 0 };
	enum ds ds;

	if (!rc_uri_is_instance(&req->uri) && req->out_format == FORMAT_XML) {
		rc_reply_refuse(req, 400, ERR_TAG_INVALID_VALUE,
			"XML has no document for more than one instance of \"%s\": name its keys, or accept "
			"JSON",
			req->uri.schema->name);
		return;
	}
	if (rc_request_validators(req, &ds))
		unchanged.status = rc_match_read(req, ds);
	if (unchanged.status == 412) {
		rc_reply_refuse(req, 412, ERR_TAG_OPERATION_FAILED, "the resource has changed");
		return;
	}
	if (unchanged.status) {
		rc_reply(req, &unchanged);
		return;
	}
	if (req->uri.schema && rc_uri_path(&req->uri, &read.path, &err) < 0) {
		rc_reply_error(req, 400, &err);
		return;
	}
	read.fields = xstrdup(req->params.fields);
	fill_datastore(req, &read);
	ds_read(&client, &read, on_read, req);
}
