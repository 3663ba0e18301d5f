/* TLS connections: the transport of RESTCONF. */
#ifndef ASHLAR_SERVER_TLS_H
#define ASHLAR_SERVER_TLS_H

#include "ashlar/err.h"

#include "conn.h"
#include "listen.h"

/*
 * Loads key and certificate of @key_dir (server-key.pem, server-cert.pem), which are made if they are
 * missing; a broken file, or a pair that does not fit together, is an error.
 */
int tls_load(const char *key_dir, struct err *err) WARN_UNUSED;
/* After the last connection. */
void tls_unload(void);
/*
 * Takes an accepted descriptor and its place; the handshake begins by itself. NULL (both given back)
 * when mbedTLS does not take it. The user's arg is to be set before the next turn.
 */
struct conn *tls_accept(int fd, struct place *place, const struct conn_user *user);
/* Ends it at once, closed() included; not from inside one of its callbacks. */
void tls_destroy(struct conn *conn);

#endif
