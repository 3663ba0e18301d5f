/* The server's own certificate, when nobody has given it one. */
#ifndef ASHLAR_SERVER_TLS_CERT_H
#define ASHLAR_SERVER_TLS_CERT_H

#include <mbedtls/pk.h>

#include "ashlar/err.h"

#include "tls-compat.h"

/* Makes a P-256 key in @key (initialised, empty) and writes it to @path (0600). */
int tls_cert_make_key(mbedtls_pk_context *key, const char *path, tls_random_fn random, void *arg,
	struct err *err) WARN_UNUSED;
/* Writes a self-signed certificate of @key, in the name of this host, to @path (0600). */
int tls_cert_make(mbedtls_pk_context *key, const char *path, tls_random_fn random, void *arg,
	struct err *err) WARN_UNUSED;

#endif
