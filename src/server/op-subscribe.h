/*
 * The operations on subscriptions without their answers, for NETCONF's and RESTCONF's clients: an operation
 * without a session is RESTCONF's.
 */
#ifndef ASHLAR_SERVER_OP_SUBSCRIBE_H
#define ASHLAR_SERVER_OP_SUBSCRIBE_H

#include "op.h"
#include "subscribe.h"

/* What establish-subscription asks for; the caller's. */
int op_subscription_terms(
	struct op *op, struct subscribe_terms *ret_terms, struct err *err) WARN_UNUSED;
/* Does the replay begin later than asked for? @ret_time holds NOTIFY_TIME_TEXT. */
bool op_subscription_revised(const struct subscribe_terms *terms, char *ret_time);
int op_too_many_subscriptions(struct err *err);
/* Makes the error one about a filter. */
int op_bad_subscription_filter(struct err *err);

int op_subscription_modify(struct op *op, struct err *err) WARN_UNUSED;
int op_subscription_delete(struct op *op, struct err *err) WARN_UNUSED;
int op_subscription_kill(struct op *op, struct err *err) WARN_UNUSED;
int op_subscription_resync(struct op *op, struct err *err) WARN_UNUSED;

#endif
