/* One RESTCONF request: what was asked, and what is needed until it is answered. */
#ifndef ASHLAR_SERVER_RC_REQUEST_H
#define ASHLAR_SERVER_RC_REQUEST_H

#include "ashlar/datastore.h"

#include "http.h"
#include "rc-query.h"
#include "rc-uri.h"

struct rc_conn;

struct rc_request {
	struct rc_conn *rc;
	const char *user;
	struct http_head head; /* its texts live as long as the request */
	char *path, *query;    /* of the head, NUL-terminated, decoded on the way; may be NULL */
	struct buf body;       /* whole */
	struct rc_uri uri;
	struct rc_query params;
	enum format in_format, out_format;
	enum ds read_ds; /* which is being read */
	bool has_begun;	 /* a part of the answer is out */
	/* What a read is answered with: as of before it began, as others may change the datastore meanwhile. */
	struct {
		bool is_set;
		uint64_t generation;
		time_t modified;
	} seen;
	/* An edit's reply. */
	unsigned done_status;
	char *location;	     /* owned; may be NULL */
	bool is_create_only; /* data-exists means that a precondition failed */
};

/* What the request is to be answered in; before anything else, also for errors. */
void rc_request_negotiate(struct rc_request *req);
/* Answers now or later, exactly once, through rc_reply(). */
void rc_request_run(struct rc_request *req);
/* It was answered: as new for the next one. */
void rc_request_reset(struct rc_request *req);
/* The same when it was not, and will not be. */
void rc_request_cancel(struct rc_request *req);

/* Whom the datastore is asked for; borrows from the request. */
struct ds_client rc_request_client(const struct rc_request *req);
/* The datastore whose generation the resource's validators are made of; false: it has none. */
bool rc_request_validators(const struct rc_request *req, enum ds *ret_ds);

/* --- by method and resource; all answer as rc_request_run() does ------------------------------ */

void rc_read_run(struct rc_request *req);
void rc_edit_run(struct rc_request *req);
void rc_call_run(struct rc_request *req);
void rc_api_run(struct rc_request *req);
void rc_stream_run(struct rc_request *req);
/* Is the RPC offered here? Those of NETCONF's own (lock, commit, …) are not: methods stand for them. */
bool rc_api_has(const struct lysc_node *rpc);

#endif
