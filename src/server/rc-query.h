/* RESTCONF's query parameters (RFC 8040 section 4.8). Pure. */
#ifndef ASHLAR_SERVER_RC_QUERY_H
#define ASHLAR_SERVER_RC_QUERY_H

#include <stdbool.h>

#include "ashlar/datastore.h"
#include "ashlar/err.h"

enum rc_insert {
	RC_INSERT_NONE,
	RC_INSERT_FIRST,
	RC_INSERT_LAST,
	RC_INSERT_BEFORE,
	RC_INSERT_AFTER,
};

struct rc_query {
	bool has_defaults, with_origin;
	enum ds_content content;
	unsigned depth; /* 0: unbounded */
	enum with_defaults defaults;
	uint32_t limit, offset; /* 0: not given */
	const char *fields;	/* NULL: not given; in the text that was parsed */
	enum rc_insert insert;
	char *point;	     /* likewise; for rc_uri_parse_point() */
	const char *comment; /* NULL: not given; in the text that was parsed */
	bool is_plan;
	/* Of event streams, likewise. */
	const char *filter, *start_time, *stop_time;
};

/* What a method and resource allow: bits for rc_query_parse(). */
enum {
	RC_QUERY_CONTENT = 1,
	RC_QUERY_DEPTH = 2,
	RC_QUERY_FIELDS = 4,
	RC_QUERY_DEFAULTS = 8,
	RC_QUERY_INSERT = 16, /* and point */
	RC_QUERY_ORIGIN = 32,
	RC_QUERY_TRANSACTION = 64, /* comment and plan, of ashlar-history */
	RC_QUERY_EVENTS = 128,	   /* filter, start-time and stop-time */
	RC_QUERY_PAGE = 256,	   /* limit and offset, of ashlar-paging */
};

/*
 * Reads a query, which is decoded in place and must outlive @ret_query; NULL: there is none. -EINVAL
 * for what is unknown, not in @allowed, given twice, or wrong (RFC 8040 section 4.8).
 */
int rc_query_parse(
	char *text, unsigned allowed, struct rc_query *ret_query, struct err *err) WARN_UNUSED;

#endif
