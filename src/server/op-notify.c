/* create-subscription (RFC 5277 section 2.1.1). */
#include <errno.h>

#include "ashlar/str.h"

#include "op.h"
#include "subscribe.h"

/* A protocol error about a parameter, as RFC 5277 wants it. */
static int bad_time(struct err *err, const struct nc_element *element, const char *what)
{
	return op_bad_element(err, ERR_TAG_BAD_ELEMENT, element, what);
}

static int time_param(struct op *op, const struct nc_element *element, bool *ret_has,
	struct timespec *ret_time, struct err *err)
{
	_cleanup_free_ char *value = NULL;
	int ret;

	if (!element)
		return 0;
	ret = nc_rpc_value(&op->rpc, element, &value, err);
	if (ret < 0)
		return ret;
	if (notify_time_parse(value, ret_time) < 0)
		return bad_time(err, element, "holds no date and time");
	*ret_has = true;
	return 0;
}

/* startTime and stopTime. */
static int take_times(struct op *op, const struct nc_element *start, const struct nc_element *stop,
	struct subscribe_terms *terms, struct err *err)
{
	int ret = time_param(op, start, &terms->has_start, &terms->start, err);

	if (ret == 0)
		ret = time_param(op, stop, &terms->has_stop, &terms->stop, err);
	if (ret < 0)
		return ret;
	if (stop && !start)
		return op_missing_element("startTime", err);
	if (start && notify_time_compare(terms->start, notify_now()) > 0)
		return bad_time(err, start, "is yet to come");
	if (stop && notify_time_compare(terms->stop, terms->start) <= 0)
		return bad_time(err, stop, "is not after <startTime>");
	return 0;
}

static int take_stream(struct op *op, const struct nc_element *element, struct err *err)
{
	_cleanup_free_ char *name = NULL;
	int ret;

	if (!element)
		return 0;
	ret = nc_rpc_value(&op->rpc, element, &name, err);
	if (ret == 0 && !str_equal(name, NOTIFY_STREAM))
		ret = op_bad_element(
			err, ERR_TAG_INVALID_VALUE, element, "names no stream of ours");
	return ret;
}

static int take_filter(struct op *op, const struct nc_element *element,
	struct notify_filter *filter, struct err *err)
{
	struct ds_read read = { 0 };
	bool is_nothing = false;
	int ret;

	if (!element)
		return 0;
	ret = op_filter(op, element, &read, &is_nothing, err);
	if (ret == 0 && is_nothing)
		ret = ds_parse_filter("", 0, &read.subtree, err);
	filter->subtree = read.subtree;
	filter->xpath = read.xpath;
	if (ret == 0 && filter->xpath)
		ret = notify_check_xpath(filter->xpath, err);
	return ret;
}

int op_create_subscription(struct op *op, struct err *err)
{
	static const struct op_param params[] = {
		{ "stream", NC_NS_NOTIFICATION, false },
		{ "filter", NC_NS_NOTIFICATION, false },
		{ "startTime", NC_NS_NOTIFICATION, false },
		{ "stopTime", NC_NS_NOTIFICATION, false },
	};
	const struct nc_element *at[ARRAY_SIZE(params)];
	struct subscribe_terms terms = { .is_created = true };
	int ret = op_params(op, params, ARRAY_SIZE(params), at, err);

	if (ret == 0 && subscribe_is_created(&op->session->subscriber)) {
		ret = err_tagged(
			err, ERR_TAG_IN_USE, NULL, "the session has a subscription already");
		if (err)
			err->type = ERR_TYPE_PROTOCOL;
	}
	if (ret == 0)
		ret = take_stream(op, at[0], err);
	if (ret == 0)
		ret = take_times(op, at[2], at[3], &terms, err);
	/* Last, for what it is taken from is not whole afterwards. */
	if (ret == 0)
		ret = take_filter(op, at[1], &terms.filter, err);
	if (ret == 0 && !subscribe_new(&op->session->subscriber, &terms))
		ret = err_tagged(
			err, ERR_TAG_RESOURCE_DENIED, NULL, "there are too many subscriptions");
	if (ret == 0)
		op_reply_ok(op);
	subscribe_terms_done(&terms);
	return ret;
}
