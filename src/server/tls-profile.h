/* What tls.c (the stream) and tls-profile.c share. */
#ifndef ASHLAR_SERVER_TLS_PROFILE_H
#define ASHLAR_SERVER_TLS_PROFILE_H

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>

#include "tls.h"

#define TLS_SUITES_MAX 16

struct tls_trust {
	mbedtls_x509_crt ca, ee;
};

struct tls_profile {
	unsigned refs;
	struct endpoint_params params;
	mbedtls_ssl_config config;
	mbedtls_ssl_ticket_context tickets;
	mbedtls_x509_crt cert;
	struct tls_trust *trusts; /* for each of the parameters' clients */
	mbedtls_x509_crt
		offered; /* what clients are told that they may be signed by, and checked with */
	mbedtls_pk_context key;
	int suites[TLS_SUITES_MAX]; /* ends with 0 */
};

struct tls_profile *tls_profile_ref(struct tls_profile *profile);
/* Is the peer's certificate trusted by itself? Not when its time is over. */
bool tls_trust_has(const struct tls_trust *trust, const mbedtls_x509_crt *cert);
/* Random numbers for mbedTLS; from tls_server_start() on. */
int tls_random(void *arg, unsigned char *out, size_t size);

#endif
