/* The server's own key and certificate, when nobody has given it others. */
#ifndef ASHLAR_SERVER_TLS_CERT_H
#define ASHLAR_SERVER_TLS_CERT_H

#include "ashlar/err.h"

/*
 * Reads key and certificate of @key_dir (server-key.pem, server-cert.pem) as PEM text, the caller's to free;
 * they are made (0600) if they are missing.
 */
int tls_cert_load(
	const char *key_dir, char **ret_key, char **ret_cert, struct err *err) WARN_UNUSED;

#endif
