/* Listening sockets; each accepted connection has its place, see place.h. */
#ifndef ASHLAR_SERVER_LISTEN_H
#define ASHLAR_SERVER_LISTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "ashlar/err.h"

#include "place.h"

struct listener;

/* @fd is non-blocking (TCP: TCP_NODELAY, keepalive); both are the callee's, which must give the place back. */
typedef void (*listen_fn)(int fd, struct place *place, void *arg);

/* On all addresses, IPv6 and IPv4. @name is static. -EADDRINUSE … */
int listen_tcp(const char *name, enum place_service service, uint16_t port, listen_fn accepted,
	void *arg, struct listener **ret_listener, struct err *err) WARN_UNUSED;
/* On a socket that listens already; which stays the caller's. NULL: out of descriptors. */
struct listener *listen_adopt(
	const char *name, enum place_service service, int fd, listen_fn accepted, void *arg);
/* For connections that are made, not accepted: TCP_NODELAY, keepalive; and who is there. */
void listen_set_options(int fd);
void listen_name_peer(struct place *place, int fd, const struct sockaddr_storage *address);
/* Replaces a socket file left behind; @mode says who may connect. */
int listen_unix(const char *name, const char *path, mode_t mode, listen_fn accepted, void *arg,
	struct listener **ret_listener, struct err *err) WARN_UNUSED;
/* Stops listening; connections live on. NULL is fine. */
void listen_free(struct listener *listener);

#endif
