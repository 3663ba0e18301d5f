/* What tls.c (the stream) and tls-profile.c share. */
#ifndef ASHLAR_SERVER_TLS_PROFILE_H
#define ASHLAR_SERVER_TLS_PROFILE_H

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>

#include "tls.h"

#define TLS_SUITES_MAX 16

struct tls_profile {
	unsigned refs;
	struct endpoint_params params;
	mbedtls_ssl_config config;
	mbedtls_ssl_ticket_context tickets;
	mbedtls_x509_crt cert, ca, ee;
	mbedtls_pk_context key;
	int suites[TLS_SUITES_MAX]; /* ends with 0 */
};

struct tls_profile *tls_profile_ref(struct tls_profile *profile);
/* Was the peer's certificate, as DER, told to be trusted by itself? Not when its time is over. */
bool tls_profile_trusts(const struct tls_profile *profile, const mbedtls_x509_crt *cert);
/* Random numbers for mbedTLS; from tls_server_start() on. */
int tls_random(void *arg, unsigned char *out, size_t size);

#endif
