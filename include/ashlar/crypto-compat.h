/*
 * Differences between mbedTLS 2.28 and 3.6 in keys, certificates and hashes; those of TLS itself are in
 * server/tls-compat.h. Nothing else looks at its version.
 */
#ifndef ASHLAR_CRYPTO_COMPAT_H
#define ASHLAR_CRYPTO_COMPAT_H

#include <stdbool.h>
#include <stddef.h>

#include <mbedtls/pk.h>
#include <mbedtls/sha256.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

typedef int (*crypto_random_fn)(void *arg, unsigned char *out, size_t size);

#if MBEDTLS_VERSION_NUMBER >= 0x03000000

#define CRYPTO_COMPAT_HAS_TLS13 1

/* PEM: @size counts the terminating NUL. */
static inline int crypto_compat_parse_key(mbedtls_pk_context *key, const unsigned char *data,
	size_t size, crypto_random_fn random, void *arg)
{
	return mbedtls_pk_parse_key(key, data, size, NULL, 0, random, arg);
}

static inline int crypto_compat_check_pair(const mbedtls_pk_context *public,
	const mbedtls_pk_context *private, crypto_random_fn random, void *arg)
{
	return mbedtls_pk_check_pair(public, private, random, arg);
}

/* @signature holds MBEDTLS_PK_SIGNATURE_MAX_SIZE. */
static inline int crypto_compat_sign(mbedtls_pk_context *key, const unsigned char hash[32],
	unsigned char *signature, size_t *ret_size, crypto_random_fn random, void *arg)
{
	return mbedtls_pk_sign(key, MBEDTLS_MD_SHA256, hash, 32, signature,
		MBEDTLS_PK_SIGNATURE_MAX_SIZE, ret_size, random, arg);
}

static inline int crypto_compat_sha256(const void *data, size_t size, unsigned char hash[32])
{
	return mbedtls_sha256(data, size, hash, 0);
}

static inline int crypto_compat_set_serial(
	mbedtls_x509write_cert *cert, unsigned char *bytes, size_t size)
{
	return mbedtls_x509write_crt_set_serial_raw(cert, bytes, size);
}

static inline bool crypto_compat_is_authority(const mbedtls_x509_crt *cert)
{
	return mbedtls_x509_crt_get_ca_istrue(cert) == 1;
}

#else

#define CRYPTO_COMPAT_HAS_TLS13 0

static inline bool crypto_compat_is_authority(const mbedtls_x509_crt *cert)
{
	return cert->ca_istrue;
}

static inline int crypto_compat_parse_key(mbedtls_pk_context *key, const unsigned char *data,
	size_t size, crypto_random_fn random, void *arg)
{
	return mbedtls_pk_parse_key(key, data, size, NULL, 0);
}

static inline int crypto_compat_check_pair(const mbedtls_pk_context *public,
	const mbedtls_pk_context *private, crypto_random_fn random, void *arg)
{
	return mbedtls_pk_check_pair(public, private);
}

static inline int crypto_compat_sign(mbedtls_pk_context *key, const unsigned char hash[32],
	unsigned char *signature, size_t *ret_size, crypto_random_fn random, void *arg)
{
	return mbedtls_pk_sign(key, MBEDTLS_MD_SHA256, hash, 32, signature, ret_size, random, arg);
}

static inline int crypto_compat_sha256(const void *data, size_t size, unsigned char hash[32])
{
	return mbedtls_sha256_ret(data, size, hash, 0);
}

static inline int crypto_compat_set_serial(
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
