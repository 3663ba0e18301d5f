/*
 * establish-, modify-, delete- and kill-subscription (RFC 8639 section 2.4) with what RFC 8641 adds to them,
 * and resync-subscription. Errors are said as RFC 8640 section 7 wants it: the identity as error-app-tag.
 *
 * What they do is done for RESTCONF, too (rc-subscribe.c): the operation has no session then.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "nc-reply.h"
#include "op-subscribe.h"
#include "op.h"
#include "subscribe.h"

enum {
	AT_ID, /* of modify */
	AT_STREAM,
	AT_STREAM_NAME,
	AT_STREAM_SUBTREE,
	AT_STREAM_XPATH,
	AT_REPLAY,
	AT_STOP,
	AT_ENCODING,
	AT_DATASTORE,
	AT_DATA_NAME,
	AT_DATA_SUBTREE,
	AT_DATA_XPATH,
	AT_PERIODIC,
	AT_ON_CHANGE,
	AT_COUNT,
};

struct request {
	struct op *op;
	const struct nc_element *at[AT_COUNT];
	struct subscribe_terms terms;
	bool is_modify;
};

/* --- errors ----------------------------------------------------------------------------------- */

static int refuse(struct err *err, enum err_tag tag, const char *identity, const char *text)
{
	(void)err_tagged(err, tag, NULL, "%s", text);
	return err_app_tag(err, identity);
}

#define SN(identity) SUBSCRIBED_MODULE ":" identity
#define YP(identity) PUSH_MODULE ":" identity

/* Adds what would do, in the model's own words. */
static int hint(
	struct request *request, struct err *err, int ret, const char *name, const char *text)
{
	const char *kind = request->terms.is_push ? "datastore" : "stream";
	_cleanup_(buf_done) struct buf value = { 0 };

	if (!err)
		return ret;
	nc_reply_escape(&value, text);
	free(err->info_xml);
	err->info_xml = xasprintf("<%s-subscription-%s-error-info xmlns=\"%s\"><%s>%s</%s>"
				  "</%s-subscription-%s-error-info>",
		request->is_modify ? "modify" : "establish", kind,
		request->terms.is_push ? NC_NS_PUSH : NC_NS_SUBSCRIBED, name, buf_bytes(&value),
		name, request->is_modify ? "modify" : "establish", kind);
	return ret;
}

/* The filter cannot be what it is; says why. */
static int bad_filter(struct request *request, struct err *why, struct err *err)
{
	int ret = refuse(err, ERR_TAG_INVALID_VALUE, SN("filter-unsupported"), err_text(why));

	return hint(request, err, ret, "filter-failure-hint", err_text(why));
}

static int no_such(struct err *err)
{
	return refuse(err, ERR_TAG_INVALID_VALUE, SN("no-such-subscription"),
		"there is no such subscription, or it is not yours");
}

/* --- parameters ------------------------------------------------------------------------------- */

static int id_param(
	struct op *op, const struct nc_element *element, uint32_t *ret_id, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	uint64_t id;
	int ret = nc_rpc_value(&op->rpc, element, &text, err);

	if (ret < 0)
		return ret;
	if (str_u64(text, 0, UINT32_MAX, &id) < 0)
		return op_bad_element(
			err, ERR_TAG_INVALID_VALUE, element, "holds no subscription's number");
	*ret_id = (uint32_t)id;
	return 0;
}

static int time_param(struct op *op, const struct nc_element *element, bool *ret_has,
	struct timespec *ret_time, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int ret = nc_rpc_value(&op->rpc, element, &text, err);

	if (ret == 0 && notify_time_parse(text, ret_time) < 0)
		ret = op_bad_element(err, ERR_TAG_INVALID_VALUE, element, "holds no date and time");
	*ret_has = ret == 0;
	return ret;
}

static int centiseconds_param(
	struct op *op, const struct nc_element *element, uint32_t *ret_cs, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	uint64_t value;
	int ret = nc_rpc_value(&op->rpc, element, &text, err);

	if (ret < 0)
		return ret;
	if (str_u64(text, 0, UINT32_MAX, &value) < 0)
		return op_bad_element(
			err, ERR_TAG_INVALID_VALUE, element, "is no number of centiseconds");
	*ret_cs = (uint32_t)value;
	return 0;
}

static int bool_param(
	struct op *op, const struct nc_element *element, bool *ret_value, struct err *err)
{
	static const char *const values[] = { "false", "true", NULL };
	int ret = op_enum(op, element, values, err);

	if (ret >= 0)
		*ret_value = ret;
	return ret < 0 ? ret : 0;
}

static int take_stop(struct request *request, struct err *err)
{
	struct subscribe_terms *terms = &request->terms;
	const struct nc_element *element = request->at[AT_STOP];
	int ret;

	if (!element)
		return 0;
	ret = time_param(request->op, element, &terms->has_stop, &terms->stop, err);
	if (ret < 0)
		return ret;
	if (terms->has_start ? notify_time_compare(terms->stop, terms->start) <= 0
			     : !notify_time_left_ms(terms->stop))
		return op_bad_element(err, ERR_TAG_INVALID_VALUE, element,
			terms->has_start ? "is not after <replay-start-time>" : "is past");
	return 0;
}

static int take_encoding(struct request *request, struct err *err)
{
	_cleanup_free_ char *name = NULL;
	bool is_json;

	if (!request->at[AT_ENCODING])
		return 0;
	if (op_identity_name(request->op, request->at[AT_ENCODING], NC_NS_SUBSCRIBED, &name, NULL) <
		0)
		return refuse(err, ERR_TAG_INVALID_VALUE, SN("encoding-unsupported"),
			"there is no such encoding");
	is_json = str_equal(name, "encode-json");
	if ((!is_json && !str_equal(name, "encode-xml")) || (is_json && request->op->session))
		return refuse(err, ERR_TAG_INVALID_VALUE, SN("encoding-unsupported"),
			request->op->session ? "notifications over NETCONF are in XML"
					     : "notifications are in XML or JSON");
	request->terms.format = is_json ? FORMAT_JSON : FORMAT_XML;
	request->terms.has_format = true;
	return 0;
}

/* --- filters ---------------------------------------------------------------------------------- */

static int name_filter(struct request *request, const struct nc_element *element, struct err *err)
{
	struct subscribe_terms *terms = &request->terms;
	_cleanup_err_ struct err why = { 0 };
	int ret = nc_rpc_value(&request->op->rpc, element, &terms->filter_name, err);

	if (ret < 0)
		return ret;
	ret = subscribe_find_filter(terms->filter_name, terms->is_push, &terms->filter, &why);
	return ret < 0 ? bad_filter(request, &why, err) : 0;
}

static int subtree_filter(
	struct request *request, const struct nc_element *element, struct err *err)
{
	struct subscribe_terms *terms = &request->terms;
	_cleanup_err_ struct err why = { 0 };
	struct xml_text text;
	int ret = op_payload(request->op, element, &text, err);

	if (ret < 0)
		return ret;
	terms->subtree_text = xstrndup(text.at, text.size);
	ret = ds_parse_filter(text.at, text.size, &terms->filter.subtree, &why);
	return ret < 0 ? bad_filter(request, &why, err) : 0;
}

static int xpath_filter(struct request *request, const struct nc_element *element, struct err *err)
{
	struct subscribe_terms *terms = &request->terms;
	_cleanup_free_ char *text = NULL;
	_cleanup_err_ struct err why = { 0 };
	struct ds_read read = { 0 };
	int ret = nc_rpc_value(&request->op->rpc, element, &text, err);

	if (ret < 0)
		return ret;
	ret = op_xpath(request->op, element, text, &read, &why);
	terms->filter.xpath = read.xpath;
	if (ret >= 0)
		ret = notify_check_xpath(terms->filter.xpath, &why);
	if (ret < 0)
		return bad_filter(request, &why, err);
	terms->xpath_text = xstrdup(terms->filter.xpath);
	return 0;
}

/* Last, for what a filter is taken from is not whole afterwards. */
static int take_filter(struct request *request, struct err *err)
{
	const struct nc_element *const *at = request->at;
	size_t first = request->terms.is_push ? AT_DATA_NAME : AT_STREAM_NAME;
	size_t count = 0;

	for (size_t i = first; i < first + 3; i++) {
		if (at[i] && count++)
			return op_bad_element(
				err, ERR_TAG_BAD_ELEMENT, at[i], "is one filter too many");
	}
	if (at[first])
		return name_filter(request, at[first], err);
	if (at[first + 1])
		return subtree_filter(request, at[first + 1], err);
	return at[first + 2] ? xpath_filter(request, at[first + 2], err) : 0;
}

/* --- streams ---------------------------------------------------------------------------------- */

static int take_stream(struct request *request, struct err *err)
{
	_cleanup_free_ char *name = NULL;
	int ret = nc_rpc_value(&request->op->rpc, request->at[AT_STREAM], &name, err);

	if (ret == 0 && !str_equal(name, NOTIFY_STREAM))
		ret = op_bad_element(err, ERR_TAG_INVALID_VALUE, request->at[AT_STREAM],
			"names no stream of ours");
	return ret;
}

static int take_replay(struct request *request, struct err *err)
{
	struct subscribe_terms *terms = &request->terms;
	const struct nc_element *element = request->at[AT_REPLAY];
	int ret;

	if (!element)
		return 0;
	ret = time_param(request->op, element, &terms->has_start, &terms->start, err);
	if (ret == 0 && notify_time_left_ms(terms->start))
		ret = op_bad_element(err, ERR_TAG_INVALID_VALUE, element, "is not past");
	return ret;
}

/* --- datastores ------------------------------------------------------------------------------- */

static int take_datastore(struct request *request, struct err *err)
{
	static const char *const names[] = {
		[DS_RUNNING] = "ietf-datastores:running",
		[DS_STARTUP] = "ietf-datastores:startup",
		[DS_CANDIDATE] = "ietf-datastores:candidate",
		[DS_FACTORY] = "ietf-factory-default:factory-default",
		[DS_OPERATIONAL] = "ietf-datastores:operational",
	};
	struct subscribe_terms *terms = &request->terms;
	bool is_intended = false;
	int ret = op_identity(
		request->op, request->at[AT_DATASTORE], ~0U, &terms->ds, &is_intended, NULL);

	if (ret == 0 && (!request->at[AT_ON_CHANGE] || push_has_changes(terms->ds))) {
		terms->datastore = is_intended ? "ietf-datastores:intended" : names[terms->ds];
		return 0;
	}
	return refuse(err, ERR_TAG_INVALID_VALUE, YP("datastore-not-subscribable"),
		ret < 0 ? "there is no such datastore"
			: "of this datastore the changes are not noticed");
}

/* The children of <periodic> or <on-change>, each at most once. */
static int trigger_child(struct request *request, const struct nc_element *child, unsigned *seen,
	const char *const *names, struct err *err)
{
	for (int i = 0; names[i]; i++) {
		if (!nc_element_is(child, NC_NS_PUSH, names[i]))
			continue;
		if (*seen & 1U << i && !str_equal(names[i], "excluded-change"))
			return op_bad_element(
				err, ERR_TAG_BAD_ELEMENT, child, "is there more than once");
		*seen |= 1U << i;
		return i;
	}
	return op_bad_element(err, ERR_TAG_UNKNOWN_ELEMENT, child, "is not expected here");
}

static int take_periodic(struct request *request, struct err *err)
{
	static const char *const names[] = { "period", "anchor-time", NULL };
	const struct nc_rpc *rpc = &request->op->rpc;
	struct subscribe_terms *terms = &request->terms;
	const struct nc_element *child = nc_rpc_child(rpc, request->at[AT_PERIODIC]);
	unsigned seen = 0;
	int ret = 0;

	for (; child && ret >= 0; child = nc_rpc_next(rpc, child)) {
		ret = trigger_child(request, child, &seen, names, err);
		if (ret == 0)
			ret = centiseconds_param(request->op, child, &terms->period_cs, err);
		else if (ret == 1)
			ret = time_param(
				request->op, child, &terms->has_anchor, &terms->anchor, err);
	}
	if (ret < 0)
		return ret;
	if (!(seen & 1))
		return op_missing_element("period", err);
	if (terms->period_cs < PUSH_PERIOD_MIN_CS) {
		ret = refuse(err, ERR_TAG_INVALID_VALUE, YP("period-unsupported"),
			"the period is too short");
		return hint(request, err, ret, "period-hint", "10");
	}
	return 0;
}

static int take_on_change(struct request *request, struct err *err)
{
	static const char *const names[] = { "dampening-period", "sync-on-start", "excluded-change",
		NULL };
	const struct nc_rpc *rpc = &request->op->rpc;
	struct subscribe_terms *terms = &request->terms;
	const struct nc_element *child = nc_rpc_child(rpc, request->at[AT_ON_CHANGE]);
	unsigned seen = 0;
	int ret = 0;

	terms->is_on_change = true;
	for (; child && ret >= 0; child = nc_rpc_next(rpc, child)) {
		ret = trigger_child(request, child, &seen, names, err);
		if (ret > 0 && request->is_modify)
			return op_bad_element(
				err, ERR_TAG_UNKNOWN_ELEMENT, child, "cannot be modified");
		if (ret == 0) {
			ret = centiseconds_param(request->op, child, &terms->dampening_cs, err);
		} else if (ret == 1) {
			ret = bool_param(request->op, child, &terms->sync_on_start, err);
		} else if (ret == 2) {
			ret = op_enum(request->op, child, subscribe_change_names, err);
			terms->excluded |= ret >= 0 ? 1U << ret : 0;
		}
	}
	return ret < 0 ? ret : 0;
}

static int take_trigger(struct request *request, struct err *err)
{
	const struct nc_element *const *at = request->at;

	if (at[AT_PERIODIC] && at[AT_ON_CHANGE])
		return op_bad_element(
			err, ERR_TAG_BAD_ELEMENT, at[AT_ON_CHANGE], "excludes <periodic>");
	if (at[AT_PERIODIC])
		return take_periodic(request, err);
	return at[AT_ON_CHANGE] ? take_on_change(request, err) : 0;
}

static int check_changes(struct request *request, struct err *err)
{
	if (!request->terms.is_on_change || push_filter_can_change(&request->terms.filter))
		return 0;
	return refuse(err, ERR_TAG_OPERATION_NOT_SUPPORTED, YP("on-change-unsupported"),
		"of what the filter selects the changes are not noticed");
}

/* --- requests --------------------------------------------------------------------------------- */

/* What belongs to the other kind of target. */
static int check_target(struct request *request, struct err *err)
{
	static const int of_stream[] = { AT_STREAM, AT_STREAM_NAME, AT_STREAM_SUBTREE,
		AT_STREAM_XPATH, AT_REPLAY };
	static const int of_push[] = { AT_DATASTORE, AT_DATA_NAME, AT_DATA_SUBTREE, AT_DATA_XPATH,
		AT_PERIODIC, AT_ON_CHANGE };
	const int *others = request->terms.is_push ? of_stream : of_push;
	size_t count = request->terms.is_push ? ARRAY_SIZE(of_stream) : ARRAY_SIZE(of_push);

	for (size_t i = 0; i < count; i++) {
		if (request->at[others[i]])
			return op_bad_element(err, ERR_TAG_BAD_ELEMENT, request->at[others[i]],
				"is about another kind of subscription");
	}
	return 0;
}

static int take_request(struct request *request, struct err *err)
{
	bool is_push = request->terms.is_push;
	int ret = check_target(request, err);

	if (ret == 0 && request->at[AT_STREAM])
		ret = take_stream(request, err);
	if (ret == 0)
		ret = take_replay(request, err);
	if (ret == 0)
		ret = take_stop(request, err);
	if (ret == 0)
		ret = take_encoding(request, err);
	if (ret == 0 && is_push)
		ret = take_trigger(request, err);
	if (ret == 0)
		ret = take_filter(request, err);
	return ret < 0 ? ret : check_changes(request, err);
}

#define TARGET_PARAMS                                                                              \
	[AT_STREAM_NAME] = { "stream-filter-name", NC_NS_SUBSCRIBED, false },                      \
	[AT_STREAM_SUBTREE] = { "stream-subtree-filter", NC_NS_SUBSCRIBED, false },                \
	[AT_STREAM_XPATH] = { "stream-xpath-filter", NC_NS_SUBSCRIBED, false },                    \
	[AT_STOP] = { "stop-time", NC_NS_SUBSCRIBED, false },                                      \
	[AT_DATASTORE] = { "datastore", NC_NS_PUSH, false },                                       \
	[AT_DATA_NAME] = { "selection-filter-ref", NC_NS_PUSH, false },                            \
	[AT_DATA_SUBTREE] = { "datastore-subtree-filter", NC_NS_PUSH, false },                     \
	[AT_DATA_XPATH] = { "datastore-xpath-filter", NC_NS_PUSH, false },                         \
	[AT_PERIODIC] = { "periodic", NC_NS_PUSH, false },                                         \
	[AT_ON_CHANGE] = { "on-change", NC_NS_PUSH, false }

/* No element is called so. */
#define NO_PARAM                                                                                   \
	{                                                                                          \
		"", "", false                                                                      \
	}

bool op_subscription_revised(const struct subscribe_terms *terms, char *ret_time)
{
	struct timespec created, aged;

	notify_log_times(&created, &aged);
	if (aged.tv_sec)
		created = aged;
	if (!terms->has_start || notify_time_compare(terms->start, created) >= 0)
		return false;
	notify_time_text(ret_time, created);
	return true;
}

int op_too_many_subscriptions(struct err *err)
{
	return refuse(err, ERR_TAG_RESOURCE_DENIED, SN("insufficient-resources"),
		"there are too many subscriptions, or they select too much");
}

int op_bad_subscription_filter(struct err *err)
{
	return refuse(err, ERR_TAG_INVALID_VALUE, SN("filter-unsupported"),
		"the filter is no expression");
}

int op_subscription_terms(struct op *op, struct subscribe_terms *ret_terms, struct err *err)
{
	static const struct op_param params[AT_COUNT] = {
		TARGET_PARAMS,
		[AT_ID] = NO_PARAM,
		[AT_STREAM] = { "stream", NC_NS_SUBSCRIBED, false },
		[AT_REPLAY] = { "replay-start-time", NC_NS_SUBSCRIBED, false },
		[AT_ENCODING] = { "encoding", NC_NS_SUBSCRIBED, false },
	};
	struct request request = { .op = op, .terms.sync_on_start = true };
	int ret = op_params(op, params, AT_COUNT, request.at, err);

	request.terms.is_push = ret == 0 && request.at[AT_DATASTORE];
	if (ret == 0 && !request.at[AT_STREAM] && !request.at[AT_DATASTORE])
		ret = op_missing_element("stream", err);
	if (ret == 0 && request.terms.is_push)
		ret = take_datastore(&request, err);
	if (ret == 0 && request.terms.is_push && !request.at[AT_PERIODIC] &&
		!request.at[AT_ON_CHANGE])
		ret = op_missing_element("periodic", err);
	if (ret == 0)
		ret = take_request(&request, err);
	if (ret < 0)
		subscribe_terms_done(&request.terms);
	else
		*ret_terms = request.terms;
	return ret;
}

int op_establish_subscription(struct op *op, struct err *err)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	struct subscription *subscription;
	struct subscribe_terms terms;
	char revised[NOTIFY_TIME_TEXT];
	bool is_revised;
	int ret = op_subscription_terms(op, &terms, err);

	if (ret < 0)
		return ret;
	is_revised = op_subscription_revised(&terms, revised);
	subscription = subscribe_new(&op->session->subscriber, &terms);
	subscribe_terms_done(&terms);
	if (!subscription)
		return op_too_many_subscriptions(err);
	(void)!buf_printf(
		&text, "<id xmlns=\"" NC_NS_SUBSCRIBED "\">%u</id>", subscription_id(subscription));
	if (is_revised)
		(void)!buf_printf(&text,
			"<replay-start-time-revision xmlns=\"" NC_NS_SUBSCRIBED "\">%s"
			"</replay-start-time-revision>",
			revised);
	op_reply_data(op, "", &text, "");
	return 0;
}

/* What is not given stays as it is; what may be given is not the kind of target and what it is. */
static int keep_others(
	struct request *request, const struct subscribe_terms *former, struct err *err)
{
	struct subscribe_terms *terms = &request->terms;

	terms->datastore = former->datastore;
	terms->has_start = former->has_start;
	terms->start = former->start;
	terms->sync_on_start = former->sync_on_start;
	terms->excluded = former->excluded;
	terms->is_on_change = former->is_on_change;
	terms->period_cs = former->period_cs;
	terms->dampening_cs = former->dampening_cs;
	terms->has_anchor = former->has_anchor;
	terms->anchor = former->anchor;
	if (!former->is_push)
		return 0;
	terms->ds = former->ds;
	if (request->at[former->is_on_change ? AT_PERIODIC : AT_ON_CHANGE])
		return op_bad_element(err, ERR_TAG_INVALID_VALUE,
			request->at[former->is_on_change ? AT_PERIODIC : AT_ON_CHANGE],
			"is not what triggers this subscription");
	if (!request->at[AT_DATASTORE])
		return 0;
	if (take_datastore(request, err) < 0)
		return -EINVAL;
	return str_equal(terms->datastore, former->datastore)
		? 0
		: op_bad_element(err, ERR_TAG_INVALID_VALUE, request->at[AT_DATASTORE],
			  "is not that of this subscription");
}

/* The filter is what the request says, or stays: a request without one is about the rest. */
static int keep_filter(
	struct request *request, const struct subscribe_terms *former, struct err *err)
{
	struct subscribe_terms *terms = &request->terms;

	if (terms->filter_name || terms->subtree_text || terms->xpath_text)
		return 0;
	terms->filter_name = xstrdup(former->filter_name);
	terms->subtree_text = xstrdup(former->subtree_text);
	terms->xpath_text = xstrdup(former->xpath_text);
	if (terms->filter_name)
		return subscribe_find_filter(
			terms->filter_name, terms->is_push, &terms->filter, err);
	terms->filter.xpath = xstrdup(terms->xpath_text);
	return terms->subtree_text
		? ds_parse_filter(terms->subtree_text, strlen(terms->subtree_text),
			  &terms->filter.subtree, err)
		: 0;
}

/* Over RESTCONF it is the user's who has established it there (RFC 8650 section 3.4). */
static bool is_own(const struct op *op, const struct subscription *subscription)
{
	const struct subscriber *subscriber = subscription_subscriber(subscription);
	struct ds_client client = subscriber->type->client(subscriber);

	if (op->session)
		return subscriber == &op->session->subscriber;
	return subscriber->type->uri[0] && str_equal(client.user, op->client.user);
}

static struct subscription *find_own(const struct op *op, uint32_t id)
{
	struct subscription *subscription = subscribe_find(id);

	return subscription && is_own(op, subscription) ? subscription : NULL;
}

int op_subscription_modify(struct op *op, struct err *err)
{
	static const struct op_param params[AT_COUNT] = {
		TARGET_PARAMS,
		[AT_ID] = { "id", NC_NS_SUBSCRIBED, true },
		[AT_STREAM] = NO_PARAM,
		[AT_REPLAY] = NO_PARAM,
		[AT_ENCODING] = NO_PARAM,
	};
	struct request request = { .op = op, .is_modify = true };
	struct subscription *subscription = NULL;
	uint32_t id = 0;
	int ret = op_params(op, params, AT_COUNT, request.at, err);

	if (ret == 0)
		ret = id_param(op, request.at[AT_ID], &id, err);
	if (ret == 0) {
		subscription = find_own(op, id);
		ret = subscription ? 0 : no_such(err);
	}
	if (ret == 0) {
		request.terms.is_push = subscription_terms(subscription)->is_push;
		ret = keep_others(&request, subscription_terms(subscription), err);
	}
	if (ret == 0)
		ret = take_request(&request, err);
	if (ret == 0)
		ret = keep_filter(&request, subscription_terms(subscription), err);
	if (ret == 0)
		subscription_modify(subscription, &request.terms);
	/* RFC 8650 section 3.4: there the stream does not come in the reply's order. */
	if (ret == 0 && !op->session)
		subscription_tell_modified(subscription);
	subscribe_terms_done(&request.terms);
	return ret;
}

/* --- by number alone ---------------------------------------------------------------------------- */

static int take_id(struct op *op, const char *ns, uint32_t *ret_id, struct err *err)
{
	struct op_param params[] = { { "id", ns, true } };
	const struct nc_element *at[ARRAY_SIZE(params)];
	int ret = op_params(op, params, ARRAY_SIZE(params), at, err);

	return ret < 0 ? ret : id_param(op, at[0], ret_id, err);
}

int op_subscription_delete(struct op *op, struct err *err)
{
	struct subscription *subscription;
	uint32_t id = 0;
	int ret = take_id(op, NC_NS_SUBSCRIBED, &id, err);

	if (ret < 0)
		return ret;
	subscription = find_own(op, id);
	if (!subscription)
		return no_such(err);
	subscription_end(subscription);
	return 0;
}

int op_subscription_kill(struct op *op, struct err *err)
{
	struct subscription *subscription;
	uint32_t id = 0;
	int ret = take_id(op, NC_NS_SUBSCRIBED, &id, err);

	if (ret < 0)
		return ret;
	subscription = subscribe_find(id);
	if (!subscription)
		return no_such(err);
	subscription_terminate(subscription, "no-such-subscription");
	return 0;
}

int op_subscription_resync(struct op *op, struct err *err)
{
	struct subscription *subscription;
	uint32_t id = 0;
	int ret = take_id(op, NC_NS_PUSH, &id, err);

	if (ret < 0)
		return ret;
	subscription = find_own(op, id);
	if (!subscription || !subscription_terms(subscription)->is_on_change)
		return refuse(err, ERR_TAG_INVALID_VALUE, YP("no-such-subscription-resync"),
			"there is no such subscription to changes of yours");
	if (!subscription_resync(subscription))
		return refuse(err, ERR_TAG_TOO_BIG, YP("sync-too-big"),
			"there is no room for what the subscription selects");
	return 0;
}

/* --- handlers ----------------------------------------------------------------------------------- */

static int reply(struct op *op, int ret)
{
	if (ret == 0)
		op_reply_ok(op);
	return ret;
}

int op_modify_subscription(struct op *op, struct err *err)
{
	return reply(op, op_subscription_modify(op, err));
}

int op_delete_subscription(struct op *op, struct err *err)
{
	return reply(op, op_subscription_delete(op, err));
}

int op_kill_subscription(struct op *op, struct err *err)
{
	return reply(op, op_subscription_kill(op, err));
}

int op_resync_subscription(struct op *op, struct err *err)
{
	return reply(op, op_subscription_resync(op, err));
}
