/*
 * A self-signed certificate for the first start. Its subject is the host's name; clients know it by its
 * fingerprint. It has no end (RFC 5280 section 4.1.2.5), and its beginning lies before any clock's that
 * has not been set: a device must be reachable for the clock to be set at all.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <mbedtls/asn1.h>
#include <mbedtls/asn1write.h>
#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>

#include "ashlar/file.h"

#include "tls-cert.h"

#define PEM_MAX	    4096
#define NAME_MAX_CN 64 /* ub-common-name of RFC 5280 */
#define NOT_BEFORE  "20000101000000"
#define NOT_AFTER   "99991231235959"
#define SERIAL_SIZE 16

static int fail(struct err *err, int code, const char *what)
{
	char text[128];

	mbedtls_strerror(code, text, sizeof(text));
	return err_set(err, -EIO, NULL, "%s: %s", what, text);
}

static int write_pem(const char *path, const unsigned char *pem, struct err *err)
{
	return file_write_atomic(path, pem, strlen((const char *)pem), 0600, err);
}

int tls_cert_make_key(
	mbedtls_pk_context *key, const char *path, tls_random_fn random, void *arg, struct err *err)
{
	unsigned char pem[PEM_MAX];
	int ret = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));

	if (ret == 0)
		ret = mbedtls_ecp_gen_key(
			MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), random, arg);
	if (ret == 0)
		ret = mbedtls_pk_write_key_pem(key, pem, sizeof(pem));
	if (ret != 0)
		return fail(err, ret, "cannot make a key");
	ret = write_pem(path, pem, err);
	explicit_bzero(pem, sizeof(pem));
	return ret;
}

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
		ret = mbedtls_asn1_write_tag(
			&at, der, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE);
	if (ret < 0)
		return ret;
	return mbedtls_x509write_crt_set_extension(cert, MBEDTLS_OID_SUBJECT_ALT_NAME,
		MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, at,
		(size_t)(der + sizeof(der) - at));
}

static int set_serial(mbedtls_x509write_cert *cert, tls_random_fn random, void *arg)
{
	unsigned char bytes[SERIAL_SIZE];
	int ret = random(arg, bytes, sizeof(bytes));

	if (ret != 0)
		return ret;
	/* Positive, and of the same length always. */
	bytes[0] = (unsigned char)((bytes[0] & 0x3f) | 0x40);
	return tls_compat_set_serial(cert, bytes, sizeof(bytes));
}

static int fill(
	mbedtls_x509write_cert *cert, mbedtls_pk_context *key, tls_random_fn random, void *arg)
{
	char name[NAME_MAX_CN + 1], subject[NAME_MAX_CN + 8] = "CN=";
	int ret;

	host_name(name, sizeof(name));
	(void)strcat(subject, name);
	mbedtls_x509write_crt_set_version(cert, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(cert, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(cert, key);
	mbedtls_x509write_crt_set_issuer_key(cert, key);
	ret = mbedtls_x509write_crt_set_subject_name(cert, subject);
	if (ret == 0)
		ret = mbedtls_x509write_crt_set_issuer_name(cert, subject);
	if (ret == 0)
		ret = set_serial(cert, random, arg);
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

int tls_cert_make(
	mbedtls_pk_context *key, const char *path, tls_random_fn random, void *arg, struct err *err)
{
	mbedtls_x509write_cert cert;
	unsigned char pem[PEM_MAX];
	int ret;

	mbedtls_x509write_crt_init(&cert);
	ret = fill(&cert, key, random, arg);
	if (ret == 0)
		ret = mbedtls_x509write_crt_pem(&cert, pem, sizeof(pem), random, arg);
	mbedtls_x509write_crt_free(&cert);
	return ret == 0 ? write_pem(path, pem, err) : fail(err, ret, "cannot make a certificate");
}
