#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <mbedtls/asn1.h>
#include <mbedtls/cipher.h>

#include "ashlar/cms.h"

#define SEQUENCE   (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE)
#define EXPLICIT_0 (MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED | 0)
#define IMPLICIT_0 (MBEDTLS_ASN1_CONTEXT_SPECIFIC | 0)
#define IV_SIZE	   16

static const unsigned char oid_encrypted_data[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07,
	0x06 };
/* 2.16.840.1.101.3.4.1: AES; the last arc tells size and mode. */
static const unsigned char oid_aes[] = { 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01 };

static const struct {
	unsigned char arc;
	size_t key_size;
	mbedtls_cipher_type_t type;
} ciphers[] = {
	{ 2, 16, MBEDTLS_CIPHER_AES_128_CBC },
	{ 22, 24, MBEDTLS_CIPHER_AES_192_CBC },
	{ 42, 32, MBEDTLS_CIPHER_AES_256_CBC },
};

struct encrypted {
	const unsigned char *iv, *content;
	size_t size, cipher; /* index */
};

/* The next value of that tag: its content from *ret_at on; *at is behind it. */
static bool next(const unsigned char **at, const unsigned char *end, int tag,
	const unsigned char **ret_at, size_t *ret_size)
{
	if (mbedtls_asn1_get_tag((unsigned char **)at, end, ret_size, tag) != 0)
		return false;
	*ret_at = *at;
	*at += *ret_size;
	return true;
}

static bool read_algorithm(const unsigned char *at, const unsigned char *end, struct encrypted *to)
{
	const unsigned char *oid;
	size_t size, iv_size;

	if (!next(&at, end, MBEDTLS_ASN1_OID, &oid, &size) || size != sizeof(oid_aes) + 1 ||
		memcmp(oid, oid_aes, sizeof(oid_aes)) != 0 ||
		!next(&at, end, MBEDTLS_ASN1_OCTET_STRING, &to->iv, &iv_size) || iv_size != IV_SIZE)
		return false;
	for (to->cipher = 0; to->cipher < ARRAY_SIZE(ciphers); to->cipher++)
		if (ciphers[to->cipher].arc == oid[sizeof(oid_aes)])
			return true;
	return false;
}

static bool read_content(const unsigned char *at, const unsigned char *end, struct encrypted *to)
{
	const unsigned char *part;
	size_t size;

	return next(&at, end, MBEDTLS_ASN1_OID, &part, &size) &&
		next(&at, end, SEQUENCE, &part, &size) && read_algorithm(part, part + size, to) &&
		next(&at, end, IMPLICIT_0, &to->content, &to->size) && at == end;
}

/* ContentInfo { encryptedData, [0] { version, { type, algorithm, [0] content } } } */
static bool parse(const struct secret *data, struct encrypted *to)
{
	const unsigned char *at = data->data, *end = at + data->size, *part;
	size_t size;

	if (!next(&at, end, SEQUENCE, &part, &size) || at != end)
		return false;
	at = part;
	if (!next(&at, end, MBEDTLS_ASN1_OID, &part, &size) || size != sizeof(oid_encrypted_data) ||
		memcmp(part, oid_encrypted_data, size) != 0 ||
		!next(&at, end, EXPLICIT_0, &part, &size))
		return false;
	at = part;
	end = part + size;
	if (!next(&at, end, SEQUENCE, &part, &size))
		return false;
	at = part;
	end = part + size;
	return next(&at, end, MBEDTLS_ASN1_INTEGER, &part, &size) &&
		next(&at, end, SEQUENCE, &part, &size) && read_content(part, part + size, to);
}

static int decrypt(const struct encrypted *from, const struct secret *key, struct secret *to)
{
	mbedtls_cipher_context_t cipher;
	int r;

	mbedtls_cipher_init(&cipher);
	r = mbedtls_cipher_setup(
		&cipher, mbedtls_cipher_info_from_type(ciphers[from->cipher].type));
	if (r == 0)
		r = mbedtls_cipher_setkey(&cipher, key->data, (int)key->size * 8, MBEDTLS_DECRYPT);
	if (r == 0)
		r = mbedtls_cipher_set_padding_mode(&cipher, MBEDTLS_PADDING_PKCS7);
	to->data = xcalloc(1, from->size + IV_SIZE + 1);
	if (r == 0)
		r = mbedtls_cipher_crypt(
			&cipher, from->iv, IV_SIZE, from->content, from->size, to->data, &to->size);
	mbedtls_cipher_free(&cipher);
	if (r != 0)
		to->size = from->size; /* what is there is wiped */
	return r;
}

int cms_decrypt(const struct secret *data, const struct secret *key, struct secret *ret_content,
	struct err *err)
{
	_cleanup_secret_ struct secret content = { 0 };
	struct encrypted encrypted;

	if (!data->size || !parse(data, &encrypted))
		return err_set(err, -EINVAL, NULL,
			"no CMS EncryptedData with AES in CBC mode (RFC 5652, RFC 3565)");
	if (key->size != ciphers[encrypted.cipher].key_size)
		return err_set(err, -EINVAL, NULL,
			"it is encrypted by a key of %zu bytes, but this one has %zu",
			ciphers[encrypted.cipher].key_size, key->size);
	if (decrypt(&encrypted, key, &content) != 0)
		return err_set(err, -EINVAL, NULL, "it is not encrypted by that key");
	*ret_content = content;
	content.data = NULL;
	return 0;
}
