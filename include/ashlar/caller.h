/* Clients that the NETCONF server calls (RFC 8071), as objects; who calls them is told. */
#ifndef ASHLAR_CALLER_H
#define ASHLAR_CALLER_H

#include <time.h>

#include "ashlar/endpoint.h"

enum caller_start {
	CALLER_FIRST_LISTED,
	CALLER_LAST_CONNECTED,
	CALLER_RANDOM,
};

/* One place where a client is. */
struct caller_place {
	char *name;
	struct endpoint_params params;
	char *host; /* name or address */
	uint16_t port;
	char local_address[ENDPOINT_ADDRESS_MAX]; /* "": the kernel's choice */
	uint16_t local_port;			  /* 0: the kernel's choice */
};

struct caller {
	struct object object; /* key: the client's name */
	struct caller_place *places;
	size_t place_count;
	bool is_periodic;
	uint32_t period_s;
	bool has_anchor;
	time_t anchor; /* a time that periods are counted from */
	enum caller_start start;
	uint32_t max_wait_s;   /* for one try */
	uint32_t max_attempts; /* at one place before the next */
};
extern const struct object_kind object_kind_caller;

/* A place more; the name is copied. Valid until the next. */
struct caller_place *caller_add_place(struct caller *caller, const char *name);
/* Told of each that is new, changed or gone; have knows. NULL to unset. */
void caller_on_change(void (*changed)(const char *name));

#endif
