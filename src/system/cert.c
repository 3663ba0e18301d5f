/*
 * Certificates. A new one has no end (RFC 5280 section 4.1.2.5), and its beginning lies before any clock's
 * that has not been set: a device must be reachable for the clock to be set at all.
 *
 * Of CMS (RFC 5652) only the degenerate SignedData is read, in which nothing is signed and certificates are
 * carried; mbedTLS 2.28 has no reader for it.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <mbedtls/asn1.h>
#include <mbedtls/asn1write.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>

#include "ashlar/cert.h"
#include "ashlar/crypto-compat.h"

#define NAME_MAX_CN  64 /* ub-common-name of RFC 5280 */
#define NOT_BEFORE   "20000101000000"
#define NOT_AFTER    "99991231235959"
#define SERIAL_SIZE  16
#define CERT_DER_MAX 4096
#define HEADER_MAX   16 /* tag and length of a DER value */

#define SEQUENCE   (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE)
#define SET	   (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SET)
#define EXPLICIT_0 (MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED | 0)

static const unsigned char oid_signed_data[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07,
	0x02 };
static const unsigned char oid_ecdsa_sha256[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };
static const unsigned char oid_rsa_sha256[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
	0x0b };

/* --- reading ---------------------------------------------------------------------------------- */

/* Steps into a value: *at is its content, *end behind it. */
static bool enter(const unsigned char **at, const unsigned char **end, int tag)
{
	size_t size;

	if (mbedtls_asn1_get_tag((unsigned char **)at, *end, &size, tag) != 0)
		return false;
	*end = *at + size;
	return true;
}

static bool skip(const unsigned char **at, const unsigned char *end, int tag)
{
	size_t size;

	if (mbedtls_asn1_get_tag((unsigned char **)at, end, &size, tag) != 0)
		return false;
	*at += size;
	return true;
}

/* Of a SignedData the certificates: *at to *end. */
static bool find_certificates(const unsigned char **at, const unsigned char **end)
{
	size_t size;

	if (!enter(at, end, SEQUENCE) ||
		mbedtls_asn1_get_tag((unsigned char **)at, *end, &size, MBEDTLS_ASN1_OID) != 0 ||
		size != sizeof(oid_signed_data) || memcmp(*at, oid_signed_data, size) != 0)
		return false;
	*at += size;
	return enter(at, end, EXPLICIT_0) && enter(at, end, SEQUENCE) &&
		skip(at, *end, MBEDTLS_ASN1_INTEGER) && skip(at, *end, SET) &&
		skip(at, *end, SEQUENCE) && enter(at, end, EXPLICIT_0);
}

static int add_all(
	mbedtls_x509_crt *chain, const unsigned char *at, const unsigned char *end, struct err *err)
{
	int r;

	for (unsigned count = 0; at < end; count++) {
		const unsigned char *next = at;

		if (count == CERT_CHAIN_MAX)
			return err_set(err, -E2BIG, "cert-data", "more than %d certificates",
				CERT_CHAIN_MAX);
		if (!skip(&next, end, SEQUENCE))
			return err_set(
				err, -EINVAL, "cert-data", "what it holds is no certificate");
		r = mbedtls_x509_crt_parse_der(chain, at, (size_t)(next - at));
		if (r != 0)
			return key_err(err, r, "cert-data", "no certificate that can be used");
		at = next;
	}
	return chain->raw.len ? 0 : err_set(err, -EINVAL, "cert-data", "there is no certificate");
}

static int read_all(mbedtls_x509_crt *chain, const struct secret *data, struct err *err)
{
	const unsigned char *at = data->data, *end = at + data->size;
	const unsigned char *inner = at, *inner_end = end;

	/* Both begin with a sequence; in CMS an object identifier comes next. */
	if (data->size && enter(&inner, &inner_end, SEQUENCE) && inner_end == end &&
		inner < inner_end && *inner == MBEDTLS_ASN1_OID) {
		if (!find_certificates(&at, &end))
			return err_set(err, -EINVAL, "cert-data",
				"this CMS structure is no SignedData that carries certificates");
	}
	return add_all(chain, at, end, err);
}

static char *put_pem(char *text, const mbedtls_x509_crt *cert)
{
	char *body = secret_encode(cert->raw.p, cert->raw.len), *out;
	size_t length = strlen(body), had = text ? strlen(text) : 0;

	out = xrealloc(text, had + length + length / 64 + 64);
	text = out;
	out += had;
	out += sprintf(out, "-----BEGIN CERTIFICATE-----\n");
	for (size_t at = 0; at < length; at += 64)
		out += sprintf(out, "%.64s\n", body + at);
	sprintf(out, "-----END CERTIFICATE-----\n");
	free(body);
	return text;
}

static bool is_same_name(const mbedtls_x509_buf *a, const mbedtls_x509_buf *b)
{
	return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

/* The certificate that the key belongs to. */
static const mbedtls_x509_crt *find_own(const mbedtls_x509_crt *chain, const struct secret *public)
{
	unsigned char der[CERT_DER_MAX];

	for (; chain; chain = chain->next) {
		/* Written at the end; the context is const in later versions. */
		int size = mbedtls_pk_write_pubkey_der(
			(mbedtls_pk_context *)&chain->pk, der, sizeof(der));

		if (size > 0 && (size_t)size == public->size &&
			memcmp(der + sizeof(der) - size, public->data, public->size) == 0)
			return chain;
	}
	return NULL;
}

static int put_chain(
	const mbedtls_x509_crt *chain, const struct secret *public, char **ret_pem, struct err *err)
{
	const mbedtls_x509_crt *cert = find_own(chain, public), *other;
	_cleanup_free_ char *pem = NULL;
	size_t put = 1, count = 0;

	if (!cert)
		return err_set(
			err, -EINVAL, "cert-data", "the certificate does not belong to the key");
	for (other = chain; other; other = other->next)
		count++;
	pem = put_pem(NULL, cert);
	for (; !is_same_name(&cert->subject_raw, &cert->issuer_raw) && put < count; put++) {
		for (other = chain; other; other = other->next)
			if (other != cert && is_same_name(&other->subject_raw, &cert->issuer_raw))
				break;
		if (!other)
			break;
		pem = put_pem(pem, other);
		cert = other;
	}
	if (put < count)
		return err_set(err, -EINVAL, "cert-data", "the certificates are not one chain");
	*ret_pem = TAKE(pem);
	return 0;
}

static int put_all(const mbedtls_x509_crt *chain, char **ret_pem)
{
	char *pem = NULL;

	for (; chain; chain = chain->next)
		pem = put_pem(pem, chain);
	*ret_pem = pem;
	return 0;
}

char *cert_authorities(const char *pem)
{
	const mbedtls_x509_crt *cert;
	mbedtls_x509_crt chain;
	char *text = NULL;

	mbedtls_x509_crt_init(&chain);
	/* What cannot be read is not there. */
	(void)mbedtls_x509_crt_parse(&chain, (const unsigned char *)pem, strlen(pem) + 1);
	for (cert = &chain; cert && cert->raw.len; cert = cert->next)
		if (crypto_compat_is_authority(cert))
			text = put_pem(text, cert);
	mbedtls_x509_crt_free(&chain);
	return text;
}

int cert_read(
	const struct secret *data, const struct secret *public, char **ret_pem, struct err *err)
{
	mbedtls_x509_crt chain;
	int r;

	mbedtls_x509_crt_init(&chain);
	r = read_all(&chain, data, err);
	if (r == 0)
		r = public ? put_chain(&chain, public, ret_pem, err) : put_all(&chain, ret_pem);
	mbedtls_x509_crt_free(&chain);
	return r;
}

time_t cert_expiry(const char *pem)
{
	mbedtls_x509_crt chain;
	time_t expiry = 0;

	mbedtls_x509_crt_init(&chain);
	if (mbedtls_x509_crt_parse(&chain, (const unsigned char *)pem, strlen(pem) + 1) == 0) {
		const mbedtls_x509_time *to = &chain.valid_to;
		struct tm tm = { .tm_year = to->year - 1900,
			.tm_mon = to->mon - 1,
			.tm_mday = to->day,
			.tm_hour = to->hour,
			.tm_min = to->min,
			.tm_sec = to->sec };

		expiry = timegm(&tm);
	}
	mbedtls_x509_crt_free(&chain);
	return expiry;
}

/* --- making ----------------------------------------------------------------------------------- */

/* What may stand in a name without quoting. */
static void host_name(char *name, size_t size)
{
	char *c;

	if (gethostname(name, size) < 0)
		name[0] = '\0';
	name[size - 1] = '\0';
	for (c = name; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.", *c))
			*c = '-';
	if (!name[0])
		(void)strcpy(name, "ashlar");
}

/* Prepends one dNSName; *at moves towards @start. */
static int prepend_name(unsigned char **at, unsigned char *start, const char *name, int *total)
{
	size_t size = strlen(name);
	int ret = mbedtls_asn1_write_raw_buffer(at, start, (const unsigned char *)name, size);

	if (ret >= 0)
		ret = mbedtls_asn1_write_len(at, start, size);
	if (ret >= 0)
		ret = mbedtls_asn1_write_tag(at, start, MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2);
	*total = (int)(*total + (int)size + 2);
	return ret;
}

/* subjectAltName: the host's name, and localhost for tunnels. */
static int set_alt_names(mbedtls_x509write_cert *cert, const char *name)
{
	unsigned char der[256], *at = der + sizeof(der);
	int total = 0, ret = prepend_name(&at, der, "localhost", &total);

	if (ret >= 0)
		ret = prepend_name(&at, der, name, &total);
	if (ret >= 0)
		ret = mbedtls_asn1_write_len(&at, der, (size_t)total);
	if (ret >= 0)
		ret = mbedtls_asn1_write_tag(&at, der, SEQUENCE);
	if (ret < 0)
		return ret;
	return mbedtls_x509write_crt_set_extension(cert, MBEDTLS_OID_SUBJECT_ALT_NAME,
		MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, at,
		(size_t)(der + sizeof(der) - at));
}

static int set_serial(mbedtls_x509write_cert *cert)
{
	unsigned char bytes[SERIAL_SIZE];
	int ret = key_random(NULL, bytes, sizeof(bytes));

	if (ret != 0)
		return ret;
	/* Positive, and of the same length always. */
	bytes[0] = (unsigned char)((bytes[0] & 0x3f) | 0x40);
	return crypto_compat_set_serial(cert, bytes, sizeof(bytes));
}

static int fill(mbedtls_x509write_cert *cert, mbedtls_pk_context *pk)
{
	char name[NAME_MAX_CN + 1], subject[NAME_MAX_CN + 8] = "CN=";
	int ret;

	host_name(name, sizeof(name));
	(void)strcat(subject, name);
	mbedtls_x509write_crt_set_version(cert, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(cert, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(cert, pk);
	mbedtls_x509write_crt_set_issuer_key(cert, pk);
	ret = mbedtls_x509write_crt_set_subject_name(cert, subject);
	if (ret == 0)
		ret = mbedtls_x509write_crt_set_issuer_name(cert, subject);
	if (ret == 0)
		ret = set_serial(cert);
	if (ret == 0)
		ret = mbedtls_x509write_crt_set_validity(cert, NOT_BEFORE, NOT_AFTER);
	if (ret == 0)
		ret = mbedtls_x509write_crt_set_basic_constraints(cert, 0, -1);
	if (ret == 0)
		ret = mbedtls_x509write_crt_set_subject_key_identifier(cert);
	if (ret == 0)
		ret = mbedtls_x509write_crt_set_authority_key_identifier(cert);
	if (ret == 0)
		ret = mbedtls_x509write_crt_set_key_usage(cert, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
	return ret == 0 ? set_alt_names(cert, name) : ret;
}

int cert_make(const struct key *key, struct secret *ret_der, struct err *err)
{
	mbedtls_x509write_cert cert;
	mbedtls_pk_context pk;
	unsigned char der[CERT_DER_MAX];
	int r;

	mbedtls_x509write_crt_init(&cert);
	mbedtls_pk_init(&pk);
	r = key_load(key, &pk, err);
	if (r == 0) {
		r = fill(&cert, &pk);
		if (r == 0)
			r = mbedtls_x509write_crt_der(&cert, der, sizeof(der), key_random, NULL);
		if (r > 0)
			*ret_der = (struct secret){ xmemdup(der + sizeof(der) - r, (size_t)r),
				(size_t)r };
		r = r > 0 ? 0 : key_err(err, r, NULL, "cannot make a certificate");
	}
	mbedtls_pk_free(&pk);
	mbedtls_x509write_crt_free(&cert);
	return r;
}

/* --- requests --------------------------------------------------------------------------------- */

/* CertificationRequestInfo ::= SEQUENCE { version, subject, subjectPKInfo, [0] attributes } */
static int check_info(const struct secret *info, mbedtls_pk_context *pk, struct err *err)
{
	const unsigned char *at = info->data, *end = at + info->size, *public;
	mbedtls_pk_context given;
	int r;

	if (!info->size || !enter(&at, &end, SEQUENCE) || end != info->data + info->size ||
		!skip(&at, end, MBEDTLS_ASN1_INTEGER) || !skip(&at, end, SEQUENCE))
		return err_set(err, -EINVAL, "csr-info", "no CertificationRequestInfo (RFC 2986)");
	public = at;
	if (!skip(&at, end, SEQUENCE))
		return err_set(err, -EINVAL, "csr-info", "it has no subjectPKInfo");
	mbedtls_pk_init(&given);
	r = mbedtls_pk_parse_public_key(&given, public, (size_t)(at - public));
	if (r != 0)
		r = key_err(err, r, "csr-info", "its subjectPKInfo is no public key");
	else if (crypto_compat_check_pair(&given, pk, key_random, NULL) != 0)
		r = err_set(err, -EINVAL, "csr-info", "it is about another key");
	mbedtls_pk_free(&given);
	return r;
}

/* With RSA parameters are NULL, with ECDSA they are absent (RFC 4055, RFC 5758). */
static int write_algorithm(unsigned char **at, unsigned char *start, bool is_rsa)
{
	const unsigned char *end = *at;
	int r;

	if (is_rsa)
		return mbedtls_asn1_write_algorithm_identifier(
			at, start, (const char *)oid_rsa_sha256, sizeof(oid_rsa_sha256), 0);
	r = mbedtls_asn1_write_oid(
		at, start, (const char *)oid_ecdsa_sha256, sizeof(oid_ecdsa_sha256));
	if (r >= 0)
		r = mbedtls_asn1_write_len(at, start, (size_t)(end - *at));
	return r >= 0 ? mbedtls_asn1_write_tag(at, start, SEQUENCE) : r;
}

/* Written from its end, as mbedTLS does. */
static int write_request(
	mbedtls_pk_context *pk, const struct secret *info, unsigned char *start, unsigned char **at)
{
	unsigned char hash[32], signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
	bool is_rsa = mbedtls_pk_get_type(pk) == MBEDTLS_PK_RSA;
	const unsigned char *end = *at;
	size_t size;
	int r = crypto_compat_sha256(info->data, info->size, hash);

	if (r == 0)
		r = crypto_compat_sign(pk, hash, signature, &size, key_random, NULL);
	if (r == 0)
		r = mbedtls_asn1_write_bitstring(at, start, signature, size * 8);
	if (r >= 0)
		r = write_algorithm(at, start, is_rsa);
	if (r >= 0)
		r = mbedtls_asn1_write_raw_buffer(at, start, info->data, info->size);
	if (r >= 0)
		r = mbedtls_asn1_write_len(at, start, (size_t)(end - *at));
	return r >= 0 ? mbedtls_asn1_write_tag(at, start, SEQUENCE) : r;
}

int cert_request(const struct key *key, const struct secret *info, struct secret *ret_request,
	struct err *err)
{
	size_t room = info->size + MBEDTLS_PK_SIGNATURE_MAX_SIZE + 8 * HEADER_MAX;
	_cleanup_free_ unsigned char *der = xmalloc(room);
	unsigned char *at = der + room;
	mbedtls_pk_context pk;
	int r;

	mbedtls_pk_init(&pk);
	r = key_load(key, &pk, err);
	if (r == 0)
		r = check_info(info, &pk, err);
	if (r == 0) {
		r = write_request(&pk, info, der, &at);
		r = r >= 0 ? 0 : key_err(err, r, NULL, "the request cannot be signed");
	}
	mbedtls_pk_free(&pk);
	if (r == 0) {
		size_t size = (size_t)(der + room - at);

		*ret_request = (struct secret){ xmemdup(at, size), size };
	}
	return r;
}
