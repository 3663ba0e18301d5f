/* Listening sockets; each accepted connection has its place, see place.h. */
#ifndef ASHLAR_SERVER_LISTEN_H
#define ASHLAR_SERVER_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "ashlar/err.h"

#include "place.h"

struct listener;

/* @fd is non-blocking (TCP: TCP_NODELAY, keepalive); both are the callee's, which must give the place back. */
typedef void (*listen_fn)(int fd, struct place *place, void *arg);

/* On all addresses, IPv6 and IPv4. @name is static. -EADDRINUSE … */
int listen_tcp(const char *name, enum place_service service, uint16_t port, listen_fn accepted,
	void *arg, struct listener **ret_listener, struct err *err) WARN_UNUSED;
/* Replaces a socket file left behind; anybody may connect. */
int listen_unix(const char *name, const char *path, listen_fn accepted, void *arg,
	struct listener **ret_listener, struct err *err) WARN_UNUSED;
/* Stops listening; connections live on. NULL is fine. */
void listen_free(struct listener *listener);

#endif
