/* The operations on subscriptions over RESTCONF (RFC 8650). */
#ifndef ASHLAR_SERVER_RC_SUBSCRIBE_H
#define ASHLAR_SERVER_RC_SUBSCRIBE_H

#include "rc-request.h"

/* Answers a request that is for one of them; false: it is not. */
bool rc_subscribe_run(struct rc_request *req);
/* The path of one of them, from 0; NULL at the end. */
const char *rc_subscribe_path(size_t index);

#endif
