/* Preconditions of requests (RFC 9110 section 13) against a datastore's generation. */
#ifndef ASHLAR_SERVER_RC_MATCH_H
#define ASHLAR_SERVER_RC_MATCH_H

#include "rc-request.h"

/* GET and HEAD of a resource with validators: 0, 304 or 412. */
unsigned rc_match_read(const struct rc_request *req, enum ds ds);
/*
 * Methods that change: 0 or 412; @exists tells whether the target does. *ret_generation is what the
 * datastore's must still be when the change is made; 0: anything. *ret_create_only: the target must
 * still be absent then.
 */
unsigned rc_match_edit(const struct rc_request *req, enum ds ds, bool exists,
	uint64_t *ret_generation, bool *ret_create_only);

#endif
