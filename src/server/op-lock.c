/*
 * lock and unlock (RFC 6241 sections 7.5 and 7.6), and those for parts of running (RFC 5717): the datastores
 * know who holds them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "ashlar/str.h"

#include "op.h"

#define MODULE "ietf-netconf-partial-lock"

static int take_target(struct op *op, enum ds *ret_target, struct err *err)
{
	static const struct op_param params[] = { { "target", NULL, true } };
	const struct nc_element *at[ARRAY_SIZE(params)];
	int ret = op_params(op, params, ARRAY_SIZE(params), at, err);

	if (ret < 0)
		return ret;
	return op_datastore(op, at[0],
		OP_BY_IDENTITY | 1U << DS_RUNNING | 1U << DS_STARTUP | 1U << DS_CANDIDATE,
		ret_target, err);
}

int op_lock(struct op *op, struct err *err)
{
	enum ds target;
	int ret = take_target(op, &target, err);

	if (ret == 0)
		ds_lock(&op->client, target, op_on_done, op);
	return ret;
}

int op_unlock(struct op *op, struct err *err)
{
	enum ds target;
	int ret = take_target(op, &target, err);

	if (ret == 0)
		ret = ds_unlock(&op->client, target, err);
	if (ret == 0)
		op_reply_ok(op);
	return ret;
}

/* --- parts ------------------------------------------------------------------------------------ */

static int add_output(struct lyd_node *rpc, const char *name, const char *value, struct err *err)
{
	return lyd_new_term(rpc, NULL, name, value, true, NULL) == LY_SUCCESS
		? 0
		: yang_err(err, -EINVAL);
}

/* <lock-id> and <locked-node>s: libyang knows how to write paths in XML. */
static int make_output(const struct ds_partial *lock, struct lyd_node **ret_rpc, struct err *err)
{
	_cleanup_(lyd_free_allp) struct lyd_node *rpc = NULL;
	char id[16];
	int ret;

	if (lyd_new_inner(NULL, ly_ctx_get_module_implemented(yang_ctx(), MODULE), "partial-lock",
		    0, &rpc) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	(void)snprintf(id, sizeof(id), "%" PRIu32, lock->id);
	ret = add_output(rpc, "lock-id", id, err);
	for (size_t i = 0; i < lock->node_count && ret == 0; i++)
		ret = add_output(rpc, "locked-node", lock->nodes[i], err);
	if (ret == 0)
		*ret_rpc = TAKE(rpc);
	return ret;
}

static void on_locked(const struct ds_partial *lock, const struct err *err, void *arg)
{
	struct op *op = arg;
	_cleanup_(lyd_free_allp) struct lyd_node *rpc = NULL;
	_cleanup_err_ struct err trouble = { 0 };

	if (err) {
		op_reply_error(op, err);
	} else if (make_output(lock, &rpc, &trouble) < 0) {
		(void)!ds_partial_unlock(&op->client, lock->id, NULL); /* it has it */
		op_reply_error(op, &trouble);
	} else {
		op_reply_output(op, rpc);
	}
}

/* One expression, with the prefixes of where it stands. */
static int take_select(
	struct op *op, const struct nc_element *element, char **ret_select, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct ds_read read = { 0 };
	int ret = nc_rpc_value(&op->rpc, element, &text, err);

	if (ret == 0)
		ret = op_xpath(op, element, text, &read, err);
	*ret_select = read.xpath;
	return ret;
}

int op_partial_lock(struct op *op, struct err *err)
{
	static const struct op_param params[] = { { "select", NC_NS_PARTIAL_LOCK, true, true } };
	const struct nc_element *element;
	char **selects;
	size_t count = 0;
	int ret = op_params(op, params, ARRAY_SIZE(params), &element, err);

	if (ret < 0)
		return ret;
	selects = xcalloc(NC_RPC_ELEMENTS_MAX, sizeof(*selects));
	for (; element && ret == 0; element = nc_rpc_next(&op->rpc, element))
		ret = take_select(op, element, &selects[count++], err);
	if (ret == 0) {
		ds_partial_lock(&op->client, selects, count, on_locked, op);
		return 0;
	}
	while (count)
		free(selects[--count]);
	free(selects);
	return ret;
}

int op_partial_unlock(struct op *op, struct err *err)
{
	static const struct op_param params[] = { { "lock-id", NC_NS_PARTIAL_LOCK, true } };
	_cleanup_free_ char *value = NULL;
	const struct nc_element *element;
	uint64_t id;
	int ret = op_params(op, params, ARRAY_SIZE(params), &element, err);

	if (ret == 0)
		ret = nc_rpc_value(&op->rpc, element, &value, err);
	if (ret < 0)
		return ret;
	if (str_u64(value, 0, UINT32_MAX, &id) < 0)
		return op_bad_element(
			err, ERR_TAG_INVALID_VALUE, element, "is no number of a lock");
	ret = ds_partial_unlock(&op->client, (uint32_t)id, err);
	if (ret == 0)
		op_reply_ok(op);
	return ret;
}
