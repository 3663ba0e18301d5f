/* close-session and kill-session (RFC 6241 sections 7.8 and 7.9). */
#include <errno.h>

#include "ashlar/log.h"
#include "ashlar/str.h"

#include "op.h"

int op_close_session(struct op *op, struct err *err)
{
	int ret = op_params(op, NULL, 0, NULL, err);

	if (ret < 0)
		return ret;
	op->session->end = NOTIFY_SESSION_CLOSED;
	op->closes = true;
	op_reply_ok(op);
	return 0;
}

int op_kill_session(struct op *op, struct err *err)
{
	static const struct op_param params[] = { { "session-id", NULL, true } };
	const struct nc_element *at[ARRAY_SIZE(params)];
	_cleanup_free_ char *text = NULL;
	struct session *victim;
	uint64_t id;
	int ret;

	ret = op_params(op, params, ARRAY_SIZE(params), at, err);
	if (ret == 0)
		ret = nc_rpc_value(&op->rpc, at[0], &text, err);
	if (ret < 0)
		return ret;
	if (str_u64(text, 1, UINT32_MAX, &id) < 0)
		return op_bad_element(err, ERR_TAG_INVALID_VALUE, at[0], "holds no session-id");
	if (id == op->session->id)
		return op_bad_element(err, ERR_TAG_INVALID_VALUE, at[0],
			"is this session: close-session ends it");
	victim = session_find((uint32_t)id);
	if (!victim)
		return op_bad_element(err, ERR_TAG_INVALID_VALUE, at[0], "is no session");
	log_notice("session", "event=session-killed session=%u by=%u user=\"%s\"", victim->id,
		op->session->id, op->client.user);
	victim->end = NOTIFY_SESSION_KILLED;
	victim->killer = op->session->id;
	session_kill(victim);
	op_reply_ok(op);
	return 0;
}
