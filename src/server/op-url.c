/*
 * What operations do with URLs (RFC 6241 section 8.8). A URL that stands for a configuration is fetched first;
 * then the operation begins anew and finds the configuration where <config> would have it.
 */
#include <errno.h>

#include "ashlar/str.h"

#include "nc-reply.h"
#include "op.h"
#include "rc-body.h"
#include "url.h"

#define CONFIG_BEGIN "<config xmlns=\"" NC_NS_BASE "\">"
#define CONFIG_END   "</config>"

bool op_is_url(const struct nc_element *element)
{
	return element &&
		(nc_element_is(element, NC_NS_BASE, "url") ||
			nc_element_is(element, NC_NS_NMDA, "url"));
}

static int start(struct op *op, const struct nc_element *element, enum url_act act,
	struct buf *content, url_fn done, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int ret = nc_rpc_value(&op->rpc, element, &text, err);

	return ret < 0 ? ret : url_start(act, text, content, done, op, &op->url, err);
}

/* --- a configuration from there --------------------------------------------------------------- */

static const struct rc_envelope envelope = { "ietf-netconf", NC_NS_BASE, "config" };

static void on_fetched(struct buf *content, const struct err *err, void *arg)
{
	_cleanup_err_ struct err trouble = { 0 };
	struct op *op = arg;
	int ret;

	op->url = NULL;
	if (err) {
		op_reply_error(op, err);
		return;
	}
	op->has_fetched = true;
	(void)!buf_append(content, "", 0); /* so that there are bytes */
	ret = content->length
		? rc_body_unwrap(content, FORMAT_XML, &envelope, &op->fetched, &trouble)
		: err_tagged(&trouble, ERR_TAG_INVALID_VALUE, NULL, "the URL holds nothing");
	if (ret < 0)
		op_reply_error(op, &trouble);
	else
		op_go_on(op);
}

int op_fetch(struct op *op, const struct nc_element *element, struct err *err)
{
	int ret;

	if (!op_is_url(element) || op->has_fetched)
		return 0;
	ret = start(op, element, URL_GET, NULL, on_fetched, err);
	return ret < 0 ? ret : 1;
}

/* --- a configuration to there ------------------------------------------------------------------ */

static void on_put(struct buf *content, const struct err *err, void *arg)
{
	struct op *op = arg;

	op->url = NULL;
	op_on_done(err, op);
}

static int put(struct op *op, const char *text, size_t size, struct err *err)
{
	_cleanup_(buf_done) struct buf content = { 0 };

	(void)!buf_append_str(&content, CONFIG_BEGIN); /* no ceiling, here and below */
	(void)!buf_append(&content, text, size);
	(void)!buf_append_str(&content, CONFIG_END "\n");
	return start(op, op->url_target, URL_PUT, &content, on_put, err);
}

static void on_read(struct buf *out, const struct err *err, void *arg)
{
	_cleanup_err_ struct err trouble = { 0 };

	if (err)
		op_reply_error(arg, err);
	else if (put(arg, out->length ? buf_bytes(out) : "", out->length, &trouble) < 0)
		op_reply_error(arg, &trouble);
}

int op_copy_to_url(struct op *op, const struct nc_element *target, enum ds ds,
	const struct nc_element *config, enum with_defaults defaults, struct err *err)
{
	struct ds_read read = {
		.ds = ds,
		.content = DS_CONTENT_CONFIG,
		.defaults = defaults,
		.format = FORMAT_XML,
	};
	struct xml_text text;
	int ret;

	op->url_target = target;
	if (!config) {
		ds_read(&op->client, &read, on_read, op);
		return 0;
	}
	ret = op_payload(op, config, &text, err);
	return ret < 0 ? ret : put(op, text.at, text.size, err);
}

int op_delete_url(struct op *op, const struct nc_element *target, struct err *err)
{
	return start(op, target, URL_DELETE, NULL, on_put, err);
}
