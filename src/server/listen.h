/*
 * Listening sockets, and the limits on who may be connected: in all, per source, and strangers (who
 * have not yet proved who they are). Counted over all listeners of the process.
 */
#ifndef ASHLAR_SERVER_LISTEN_H
#define ASHLAR_SERVER_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "ashlar/err.h"

#define LISTEN_TOTAL_MAX     1024
#define LISTEN_SOURCE_MAX    256 /* connections of one source */
#define LISTEN_STRANGERS_MAX 256 /* connections not yet authenticated */

struct listener;

/* One accepted connection's place in the limits. */
struct listen_place {
	char peer[64];	 /* "192.0.2.7:50123", "[2001:db8::1]:50123", "local" */
	char host[48];	 /* the same without port */
	char source[48]; /* address; of IPv6 the first 64 bits, for a peer has them all */
	bool is_known;
	bool is_local; /* a process on this machine */
};

/* @fd is non-blocking (TCP: TCP_NODELAY, keepalive); both are the callee's, which must give the place back. */
typedef void (*listen_fn)(int fd, struct listen_place *place, void *arg);

/* On all addresses, IPv6 and IPv4. @name is static. -EADDRINUSE … */
int listen_tcp(const char *name, uint16_t port, listen_fn accepted, void *arg,
	struct listener **ret_listener, struct err *err) WARN_UNUSED;
/* Replaces a socket file left behind; anybody may connect. */
int listen_unix(const char *name, const char *path, listen_fn accepted, void *arg,
	struct listener **ret_listener, struct err *err) WARN_UNUSED;
/* Stops listening; connections live on. NULL is fine. */
void listen_free(struct listener *listener);

/* The peer has proved who it is. */
void listen_known(struct listen_place *place);
/* The connection is over. NULL is fine. */
void listen_leave(struct listen_place *place);

#endif
