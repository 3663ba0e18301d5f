/*
 * How handshakes are made. A profile never changes: another certificate, or another trust, is another
 * profile, whose tickets are its own, so that nobody resumes what was agreed under the former.
 *
 * Clients that must be known (NETCONF) get no tickets: a resumed session would tell nothing of the path by
 * which the client is trusted.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ashlar/crypto-compat.h"
#include "ashlar/key.h"
#include "ashlar/str.h"

#include "tls-compat.h"
#include "tls-profile.h"

#define TICKET_LIFETIME 86400 /* seconds */
#define SUITE_NAME_MAX	64

static const char *http_protocols[] = { "http/1.1", "http/1.0", NULL };

struct tls_profile *tls_profile_ref(struct tls_profile *profile)
{
	profile->refs++;
	return profile;
}

void tls_profile_unref(struct tls_profile *profile)
{
	if (!profile || --profile->refs)
		return;
	mbedtls_ssl_config_free(&profile->config);
	mbedtls_ssl_ticket_free(&profile->tickets);
	mbedtls_x509_crt_free(&profile->cert);
	mbedtls_x509_crt_free(&profile->offered);
	for (size_t i = 0; profile->trusts && i < profile->params.client_count; i++) {
		mbedtls_x509_crt_free(&profile->trusts[i].ca);
		mbedtls_x509_crt_free(&profile->trusts[i].ee);
	}
	free(profile->trusts);
	mbedtls_pk_free(&profile->key);
	endpoint_params_done(&profile->params);
	free(profile);
}

/* "TLS_ECDHE_…" of IANA is "TLS-ECDHE-…" of mbedTLS, that of version 1.3 "TLS1-3-…". */
static int suite_id(const char *name, size_t length)
{
	char theirs[SUITE_NAME_MAX];
	bool is_13 = length > 4 && !memmem(name, length, "_WITH_", 6);

	snprintf(theirs, sizeof(theirs), "%s%.*s", is_13 ? "TLS1-3" : "TLS", (int)length - 3,
		name + 3);
	for (char *c = theirs; *c; c++)
		*c = *c == '_' ? '-' : *c;
	return mbedtls_ssl_get_ciphersuite_id(theirs);
}

static int set_suites(struct tls_profile *profile, struct err *err)
{
	const char *given = profile->params.algorithms[ALGORITHM_SUITE];
	_cleanup_free_ char *ours = given ? NULL : algorithm_list(ALGORITHM_SUITE);
	const char *at = given ? given : ours;
	size_t count = 0;

	while (*at && count < TLS_SUITES_MAX - 1) {
		size_t length = strcspn(at, ",");
		int id = suite_id(at, length);

		if (!id)
			return err_set(
				err, -EINVAL, NULL, "%.*s is not supported", (int)length, at);
		profile->suites[count++] = id;
		at += length;
		at += *at == ',';
	}
	mbedtls_ssl_conf_ciphersuites(&profile->config, profile->suites);
	return 0;
}

static int load_certs(mbedtls_x509_crt *certs, const char *pem, const char *what, struct err *err)
{
	int r = pem ? mbedtls_x509_crt_parse(certs, (const unsigned char *)pem, strlen(pem) + 1)
		    : 0;

	return r == 0 ? 0 : key_err(err, r < 0 ? r : MBEDTLS_ERR_X509_BAD_INPUT_DATA, NULL, what);
}

static int load_identity(
	struct tls_profile *profile, const struct tls_setup *setup, struct err *err)
{
	int r = crypto_compat_parse_key(&profile->key, (const unsigned char *)setup->key,
		strlen(setup->key) + 1, tls_random, NULL);

	if (r != 0)
		return key_err(err, r, NULL, "TLS cannot use the key");
	r = load_certs(&profile->cert, setup->cert, "TLS cannot use the certificate", err);
	if (r < 0)
		return r;
	r = crypto_compat_check_pair(&profile->cert.pk, &profile->key, tls_random, NULL);
	return r == 0 ? 0 : key_err(err, r, NULL, "the certificate is not that of the key");
}

static int load_trust(
	struct tls_profile *profile, const struct tls_trusted *trusted, struct err *err)
{
	size_t count = profile->params.client_count;
	int r = 0;

	profile->trusts = xcalloc(count + 1, sizeof(*profile->trusts));
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct tls_trust *trust = &profile->trusts[i];

		mbedtls_x509_crt_init(&trust->ca);
		mbedtls_x509_crt_init(&trust->ee);
		r = load_certs(&trust->ca, trusted[i].ca, "TLS cannot use the authorities", err);
		if (r == 0)
			r = load_certs(
				&trust->ee, trusted[i].ee, "TLS cannot use the certificates", err);
		if (r == 0)
			r = load_certs(&profile->offered, trusted[i].ca, "TLS", err);
	}
	for (size_t i = 0; r == 0 && !profile->offered.raw.len && i < count; i++)
		if (trusted[i].ee)
			r = load_certs(&profile->offered, trusted[i].ee, "TLS", err);
	return r;
}

static void set_clients(struct tls_profile *profile)
{
	mbedtls_ssl_config *config = &profile->config;
	bool is_optional = profile->params.client_count > 1;

	/*
	 * A certificate that is trusted by itself, and by which of several, is found after the handshake,
	 * which therefore must not fail for want of a path.
	 */
	for (size_t i = 0; i < profile->params.client_count; i++)
		if (profile->trusts[i].ee.raw.len)
			is_optional = true;
	mbedtls_ssl_conf_authmode(
		config, is_optional ? MBEDTLS_SSL_VERIFY_OPTIONAL : MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_ca_chain(config, &profile->offered, NULL);
}

static int configure(struct tls_profile *profile, struct err *err)
{
	mbedtls_ssl_config *config = &profile->config;
	bool is_http = profile->params.transport == ENDPOINT_HTTPS;
	int r = mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_SERVER,
		MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);

	if (r == 0)
		r = mbedtls_ssl_conf_own_cert(config, &profile->cert, &profile->key);
	if (r == 0 && is_http)
		r = mbedtls_ssl_conf_alpn_protocols(config, http_protocols);
	if (r == 0 && is_http)
		r = mbedtls_ssl_ticket_setup(&profile->tickets, tls_random, NULL,
			MBEDTLS_CIPHER_AES_256_GCM, TICKET_LIFETIME);
	if (r != 0)
		return key_err(err, r, NULL, "TLS");
	mbedtls_ssl_conf_rng(config, tls_random, NULL);
	if (is_http)
		mbedtls_ssl_conf_session_tickets_cb(config, mbedtls_ssl_ticket_write,
			mbedtls_ssl_ticket_parse, &profile->tickets);
	else
		set_clients(profile);
	if (!tls_compat_configure(
		    config, profile->params.tls_min, profile->params.tls_max, is_http))
		return err_set(err, -EOPNOTSUPP, NULL, "this version of TLS is not supported");
	return set_suites(profile, err);
}

int tls_profile_new(
	const struct tls_setup *setup, struct tls_profile **ret_profile, struct err *err)
{
	struct tls_profile *profile = XNEW(struct tls_profile);
	int r;

	profile->refs = 1;
	mbedtls_ssl_config_init(&profile->config);
	mbedtls_ssl_ticket_init(&profile->tickets);
	mbedtls_x509_crt_init(&profile->cert);
	mbedtls_x509_crt_init(&profile->offered);
	mbedtls_pk_init(&profile->key);
	endpoint_params_copy(&profile->params, setup->params);
	r = load_identity(profile, setup, err);
	if (r == 0)
		r = load_trust(profile, setup->trusted, err);
	if (r == 0)
		r = configure(profile, err);
	if (r < 0)
		tls_profile_unref(profile);
	else
		*ret_profile = profile;
	return r;
}

bool tls_trust_has(const struct tls_trust *trust, const mbedtls_x509_crt *cert)
{
	const mbedtls_x509_crt *at = trust->ee.raw.len ? &trust->ee : NULL;

	if (mbedtls_x509_time_is_past(&cert->valid_to) ||
		mbedtls_x509_time_is_future(&cert->valid_from))
		return false;
	for (; at; at = at->next)
		if (at->raw.len == cert->raw.len &&
			memcmp(at->raw.p, cert->raw.p, cert->raw.len) == 0)
			return true;
	return false;
}
