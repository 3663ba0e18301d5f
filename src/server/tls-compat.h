/*
 * Every difference between mbedTLS 2.28 and 3.6, for tls.c and tls-cert.c. Nothing else looks at its
 * version. The lists are what is offered: nothing that makes a step of a handshake dear, nothing
 * without forward secrecy.
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

typedef int (*tls_random_fn)(void *arg, unsigned char *out, size_t size);

#define TLS_COMPAT_SUITES_1_2                                                                      \
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,                                           \
		MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,                                     \
		MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,                                   \
		MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,                                     \
		MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,                             \
		MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256

#if MBEDTLS_VERSION_NUMBER >= 0x03000000

#include <psa/crypto.h>

/* Once, before anything else: TLS 1.3 stands on it. */
static inline int tls_compat_start(void)
{
	return psa_crypto_init() == PSA_SUCCESS ? 0 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

/* Versions, suites and groups. */
static inline void tls_compat_configure(mbedtls_ssl_config *config)
{
	static const int suites[] = { MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
		MBEDTLS_TLS1_3_AES_256_GCM_SHA384, MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
		TLS_COMPAT_SUITES_1_2, 0 };
	static const uint16_t groups[] = { MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
		MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
		MBEDTLS_SSL_IANA_TLS_GROUP_NONE };

	mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
	mbedtls_ssl_conf_ciphersuites(config, suites);
	mbedtls_ssl_conf_groups(config, groups);
	mbedtls_ssl_conf_new_session_tickets(config, 1);
}

static inline bool tls_compat_is_over(mbedtls_ssl_context *ssl)
{
	return mbedtls_ssl_is_handshake_over(ssl);
}

/* @size without the terminating NUL that PEM needs. */
static inline int tls_compat_parse_key(
	mbedtls_pk_context *key, const char *text, size_t size, tls_random_fn random, void *arg)
{
	return mbedtls_pk_parse_key(
		key, (const unsigned char *)text, size + 1, NULL, 0, random, arg);
}

static inline int tls_compat_check_pair(const mbedtls_pk_context *public,
	const mbedtls_pk_context *private, tls_random_fn random, void *arg)
{
	return mbedtls_pk_check_pair(public, private, random, arg);
}

static inline int tls_compat_set_serial(
	mbedtls_x509write_cert *cert, unsigned char *bytes, size_t size)
{
	return mbedtls_x509write_crt_set_serial_raw(cert, bytes, size);
}

#else

static inline int tls_compat_start(void)
{
	return 0;
}

static inline void tls_compat_configure(mbedtls_ssl_config *config)
{
	static const int suites[] = { TLS_COMPAT_SUITES_1_2, 0 };
	static const mbedtls_ecp_group_id groups[] = { MBEDTLS_ECP_DP_SECP256R1,
		MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_NONE };

	mbedtls_ssl_conf_min_version(
		config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
	mbedtls_ssl_conf_ciphersuites(config, suites);
	mbedtls_ssl_conf_curves(config, groups);
}

static inline bool tls_compat_is_over(mbedtls_ssl_context *ssl)
{
	return ssl->state == MBEDTLS_SSL_HANDSHAKE_OVER;
}

static inline int tls_compat_parse_key(
	mbedtls_pk_context *key, const char *text, size_t size, tls_random_fn random, void *arg)
{
	return mbedtls_pk_parse_key(key, (const unsigned char *)text, size + 1, NULL, 0);
}

static inline int tls_compat_check_pair(const mbedtls_pk_context *public,
	const mbedtls_pk_context *private, tls_random_fn random, void *arg)
{
	return mbedtls_pk_check_pair(public, private);
}

static inline int tls_compat_set_serial(
	mbedtls_x509write_cert *cert, unsigned char *bytes, size_t size)
{
	mbedtls_mpi serial;
	int ret;

	mbedtls_mpi_init(&serial);
	ret = mbedtls_mpi_read_binary(&serial, bytes, size);
	if (ret == 0)
		ret = mbedtls_x509write_crt_set_serial(cert, &serial);
	mbedtls_mpi_free(&serial);
	return ret;
}

#endif

#endif
