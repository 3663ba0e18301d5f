/*
 * The limits on who may be connected. Each service has places of its own: in all, for one source, and for
 * strangers, who have not yet proved who they are. Where there is none left, a stranger goes, never
 * somebody known; so strangers can keep out neither each other for long nor anybody of another service.
 */
#ifndef ASHLAR_SERVER_PLACE_H
#define ASHLAR_SERVER_PLACE_H

#include <stdbool.h>

#include "ashlar/err.h"
#include "ashlar/list.h"

enum place_service {
	PLACE_LOCAL,
	PLACE_SSH,
	PLACE_HTTPS,
	PLACE_TLS,	 /* NETCONF over TLS */
	PLACE_CALL_HOME, /* connections that we have made */
	PLACE_SERVICE_COUNT,
};

/* One accepted connection. */
struct place {
	enum place_service service;
	char peer[64]; /* "192.0.2.7:50123", "[2001:db8::1]:50123", "pid 17" */
	char host[48]; /* the same without port; "local" */
	char source
		[48]; /* address; of IPv6 the first 64 bits, for a peer has them all; "uid 1000" */
	bool is_known;
	bool is_local; /* a process on this machine */
	bool is_root;  /* one of root's: finds a place where others do not */
	/* The place is needed for another: ends the connection, now or soon. NULL: cannot. */
	void (*drop)(void *arg);
	void *arg;
	/* place.c's own */
	struct place_source *from; /* NULL: counted no more */
	struct list stranger;
};

/* Has the process allow itself as many descriptors as all places need; says so when it cannot. */
void place_prepare(void);
/* Finds a place for @who, of whom a copy is returned, as a stranger; NULL: there is none. */
struct place *place_enter(const struct place *who);
/* The peer has proved who it is. */
void place_known(struct place *place);
/* The connection is over. NULL is fine. */
void place_leave(struct place *place);

#endif
