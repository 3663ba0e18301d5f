/* lock and unlock (RFC 6241 sections 7.5 and 7.6): the datastores know who holds them. */
#include <errno.h>

#include "op.h"

static int run(struct op *op, int (*change)(const struct ds_client *, enum ds, struct err *),
	struct err *err)
{
	static const struct op_param params[] = { { "target", NULL, true } };
	const struct nc_element *at[ARRAY_SIZE(params)];
	enum ds target;
	int ret;

	ret = op_params(op, params, ARRAY_SIZE(params), at, err);
	if (ret == 0)
		ret = op_datastore(op, at[0],
			OP_BY_IDENTITY | 1U << DS_RUNNING | 1U << DS_STARTUP | 1U << DS_CANDIDATE,
			&target, err);
	if (ret == 0)
		ret = change(&op->client, target, err);
	if (ret == 0)
		op_reply_ok(op);
	return ret;
}

int op_lock(struct op *op, struct err *err)
{
	return run(op, ds_lock, err);
}

int op_unlock(struct op *op, struct err *err)
{
	return run(op, ds_unlock, err);
}
