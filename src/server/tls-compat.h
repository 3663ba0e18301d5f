/*
 * Every difference between mbedTLS 2.28 and 3.6 in TLS itself; those in keys and certificates are in
 * crypto-compat.h. Nothing else looks at its version. The groups are what is offered: nothing that makes a
 * step of a handshake dear.
 */
#ifndef ASHLAR_SERVER_TLS_COMPAT_H
#define ASHLAR_SERVER_TLS_COMPAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#if MBEDTLS_VERSION_NUMBER >= 0x03000000

#include <psa/crypto.h>

/* Once, before anything else: TLS 1.3 stands on it. */
static inline int tls_compat_start(void)
{
	return psa_crypto_init() == PSA_SUCCESS ? 0 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

/* Versions (12, 13; 0: ours) and groups; false: they cannot be had. */
static inline bool tls_compat_configure(
	mbedtls_ssl_config *config, unsigned min, unsigned max, bool has_tickets)
{
	static const uint16_t groups[] = { MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
		MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
		MBEDTLS_SSL_IANA_TLS_GROUP_NONE };

	mbedtls_ssl_conf_min_tls_version(
		config, min == 13 ? MBEDTLS_SSL_VERSION_TLS1_3 : MBEDTLS_SSL_VERSION_TLS1_2);
	mbedtls_ssl_conf_max_tls_version(
		config, max == 12 ? MBEDTLS_SSL_VERSION_TLS1_2 : MBEDTLS_SSL_VERSION_TLS1_3);
	mbedtls_ssl_conf_groups(config, groups);
	mbedtls_ssl_conf_new_session_tickets(config, has_tickets ? 1 : 0);
	return true;
}

static inline bool tls_compat_is_over(mbedtls_ssl_context *ssl)
{
	return mbedtls_ssl_is_handshake_over(ssl);
}

#else

static inline int tls_compat_start(void)
{
	return 0;
}

static inline bool tls_compat_configure(
	mbedtls_ssl_config *config, unsigned min, unsigned max, bool has_tickets)
{
	static const mbedtls_ecp_group_id groups[] = { MBEDTLS_ECP_DP_SECP256R1,
		MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_NONE };

	mbedtls_ssl_conf_min_version(
		config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
	mbedtls_ssl_conf_curves(config, groups);
	(void)max;
	(void)has_tickets;
	return min != 13;
}

static inline bool tls_compat_is_over(mbedtls_ssl_context *ssl)
{
	return ssl->state == MBEDTLS_SSL_HANDSHAKE_OVER;
}

#endif

#endif
