/* TLS connections: the transport of RESTCONF and of NETCONF over TLS (RFC 7589). */
#ifndef ASHLAR_SERVER_TLS_H
#define ASHLAR_SERVER_TLS_H

#include "ashlar/endpoint.h"
#include "ashlar/err.h"

#include "conn.h"

/* How handshakes are made: certificate, what is trusted, versions. Connections hold on to theirs. */
struct tls_profile;

/* For each of the parameters' clients. */
struct tls_trusted {
	char *ca, *ee; /* authorities, certificates of clients, as PEM text; NULL: none */
};

struct tls_setup {
	const struct endpoint_params *params; /* copied */
	const char *key, *cert;		      /* PEM text */
	const struct tls_trusted *trusted;
};

/* -EINVAL: key and certificate do not fit, or cannot be used. */
int tls_profile_new(const struct tls_setup *setup, struct tls_profile **ret_profile,
	struct err *err) WARN_UNUSED;
/* NULL is fine. */
void tls_profile_unref(struct tls_profile *profile);

int tls_server_start(struct err *err) WARN_UNUSED;
/* Ends all connections that are left. */
void tls_server_stop(void);
/*
 * Takes a connected descriptor and its place; the handshake begins by itself. NULL (both given back)
 * when mbedTLS does not take it. With @user (RESTCONF) its arg is to be set before the next turn; without,
 * a NETCONF session begins when the client's certificate has told its name.
 */
struct conn *tls_accept(
	int fd, struct place *place, struct tls_profile *profile, const struct conn_user *user);
/* Ends it at once, closed() included; not from inside one of its callbacks. */
void tls_destroy(struct conn *conn);

#endif
