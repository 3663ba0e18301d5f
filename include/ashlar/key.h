/*
 * Keys as they are written: parsed, matched, generated. Formats are the identities of ietf-crypto-types,
 * infix-crypto-types and libnetconf2-netconf-server, by name.
 */
#ifndef ASHLAR_KEY_H
#define ASHLAR_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include <mbedtls/pk.h>

#include "ashlar/err.h"
#include "ashlar/mem.h"

#define KEY_SIZE_MAX ((size_t)8192) /* of a key as it is written, bytes */
#define KEY_RSA_MIN  2048	    /* bits */
#define KEY_RSA_MAX  4096	    /* a signature with more would hold up everybody else */

enum key_type {
	KEY_RSA,
	KEY_EC,
	KEY_ED25519,
	KEY_X25519,
};

enum key_format {
	KEY_FORMAT_RSA,	    /* RFC 8017 RSAPrivateKey, or PKCS #8 */
	KEY_FORMAT_EC,	    /* RFC 5915 ECPrivateKey, or PKCS #8 */
	KEY_FORMAT_PKCS8,   /* RFC 5208; RSA and EC */
	KEY_FORMAT_OPENSSH, /* openssh-key-v1 */
	KEY_FORMAT_X25519,  /* 32 bytes */
	KEY_FORMAT_UNKNOWN,
};

enum key_public_format {
	KEY_PUBLIC_SSH,	   /* RFC 4253 section 6.6 */
	KEY_PUBLIC_SPKI,   /* RFC 5280 SubjectPublicKeyInfo */
	KEY_PUBLIC_X25519, /* 32 bytes */
	KEY_PUBLIC_UNKNOWN,
};

/* Bytes that are wiped when they are freed. */
struct secret {
	unsigned char *data;
	size_t size;
};
void secret_done(struct secret *secret);
/* What a binary leaf holds; -EINVAL for no base64, -EFBIG above @max. */
int secret_decode(
	const char *base64, size_t max, struct secret *ret_secret, struct err *err) WARN_UNUSED;
char *secret_encode(const void *data, size_t size);

/* A private key. */
struct key {
	enum key_type type;
	unsigned bits;
	char *pem; /* what libssh reads, and mbedTLS if it is RSA or EC; X25519: NULL */
	unsigned char seed[32]; /* X25519 */
};

/* UNKNOWN for names that are not understood and for NULL. */
enum key_format key_format_by_name(const char *identity);
enum key_public_format key_public_format_by_name(const char *identity);

/* -EINVAL: what is there is no such key; -EOPNOTSUPP: of a kind or size that is not supported. */
int key_parse(enum key_format format, const struct secret *data, struct key **ret_key,
	struct err *err) WARN_UNUSED;
/* From its PEM text. */
int key_parse_pem(const char *pem, struct key **ret_key, struct err *err) WARN_UNUSED;
/* NULL of NULL. */
struct key *key_copy(const struct key *key);
void key_free(struct key *key);
DEFINE_CLEANUP(struct key *, key_free)

/* Its public half; -EOPNOTSUPP where a key of this type is never written so. */
int key_public(const struct key *key, enum key_public_format format, struct secret *ret_public,
	struct err *err) WARN_UNUSED;
/* Is @public the public half? */
int key_check_public(const struct key *key, enum key_public_format format,
	const struct secret *public, struct err *err) WARN_UNUSED;
/* Is it a public key at all? */
int key_parse_public(
	enum key_public_format format, const struct secret *public, struct err *err) WARN_UNUSED;

/* A new one, as @format writes it. RSA takes long: not on the loop. */
int key_generate(enum key_format format, struct secret *ret_private, struct err *err) WARN_UNUSED;
/* For mbedTLS; the caller has initialised *@pk and frees it. RSA and EC only. */
int key_load(const struct key *key, mbedtls_pk_context *pk, struct err *err) WARN_UNUSED;
/* From the kernel; for mbedTLS. */
int key_random(void *arg, unsigned char *out, size_t size);
/* Fills @err with mbedTLS's words; returns -EINVAL. */
int key_err(struct err *err, int code, const char *path, const char *what);

#define _cleanup_secret_ _cleanup_(secret_done)

#endif
