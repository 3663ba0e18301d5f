/*
 * The host key is ed25519: the cheapest to sign with (a tenth of RSA-3072), and every client of this decade has
 * it. For TLS it is P-256, as mbedTLS knows no ed25519.
 */
#include <errno.h>
#include <string.h>

#include <mbedtls/x509_crt.h>

#include "ashlar/builtin.h"
#include "ashlar/cert.h"
#include "ashlar/credential.h"
#include "ashlar/file.h"
#include "ashlar/str.h"

#define FILE_MAX ((size_t)65536)

static const struct {
	const char *name, *key_file, *cert_file;
	enum key_format format;
	enum key_public_format public_format;
} kinds[BUILTIN_USES] = {
	[BUILTIN_SSH] = { "built-in-ssh", "ssh_host_ed25519_key", NULL, KEY_FORMAT_OPENSSH,
		KEY_PUBLIC_SSH },
	[BUILTIN_TLS] = { "built-in-tls", "server-key.pem", "server-cert.pem", KEY_FORMAT_EC,
		KEY_PUBLIC_SPKI },
};

static struct {
	char *dir;
	struct builtin *loaded[BUILTIN_USES];
} self;

static void builtin_free(struct builtin *builtin)
{
	if (!builtin)
		return;
	key_free(builtin->key);
	secret_done(&builtin->public);
	secret_done(&builtin->der);
	free(builtin->cert);
	for (size_t i = 0; i < ARRAY_SIZE(builtin->digests); i++)
		free(builtin->digests[i]);
	free(builtin);
}
DEFINE_CLEANUP(struct builtin *, builtin_free)

void builtin_init(const char *key_dir)
{
	self.dir = xstrdup(key_dir);
}

void builtin_done(void)
{
	for (size_t i = 0; i < BUILTIN_USES; i++)
		builtin_free(TAKE(self.loaded[i]));
	free(TAKE(self.dir));
}

/* --- new ones --------------------------------------------------------------------------------- */

static int make_key(enum key_format format, const char *path, struct err *err)
{
	_cleanup_secret_ struct secret bytes = { 0 };
	_cleanup_(key_freep) struct key *key = NULL;
	int r = key_generate(format, &bytes, err);

	if (r == 0)
		r = key_parse(format, &bytes, &key, err);
	return r < 0 ? r : file_write_atomic(path, key->pem, strlen(key->pem), 0600, err);
}

static int make_cert(const struct key *key, const char *path, struct err *err)
{
	_cleanup_secret_ struct secret der = { 0 };
	_cleanup_free_ char *pem = NULL;
	int r = cert_make(key, &der, err);

	if (r == 0)
		r = cert_read(&der, NULL, &pem, err);
	return r < 0 ? r : file_write_atomic(path, pem, strlen(pem), 0600, err);
}

/* --- reading ---------------------------------------------------------------------------------- */

static int read_key(const char *path, struct builtin *builtin, struct err *err)
{
	static const enum key_public_format formats[] = { KEY_PUBLIC_SSH, KEY_PUBLIC_SPKI };
	char *pem = NULL;
	size_t size = 0;
	int r = file_read(path, FILE_MAX, &pem, &size, err);

	if (r == 0 && key_parse_pem(pem, &builtin->key, NULL) < 0)
		r = err_set(err, -EINVAL, NULL, "%s holds no private key that can be read", path);
	if (pem)
		explicit_bzero(pem, size);
	free(pem);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(formats); i++) {
		_cleanup_secret_ struct secret public = { 0 };

		r = key_public(builtin->key, formats[i], &public, err);
		if (r == 0)
			builtin->digests[i] = credential_digest(&public);
	}
	return r < 0 ? r : key_public(builtin->key, builtin->public_format, &builtin->public, err);
}

static int read_cert(const char *path, struct builtin *builtin, struct err *err)
{
	mbedtls_x509_crt cert;
	size_t size;
	int r = file_read(path, FILE_MAX, &builtin->cert, &size, err);

	if (r < 0)
		return r;
	mbedtls_x509_crt_init(&cert);
	r = mbedtls_x509_crt_parse(&cert, (const unsigned char *)builtin->cert, size + 1);
	if (r == 0)
		builtin->der = (struct secret){ xmemdup(cert.raw.p, cert.raw.len), cert.raw.len };
	else
		r = err_set(err, -EINVAL, NULL, "%s holds no certificate that can be read", path);
	mbedtls_x509_crt_free(&cert);
	return r;
}

static int load(enum builtin_use use, bool can_make, struct err *err)
{
	_cleanup_(builtin_freep) struct builtin *builtin = XNEW(struct builtin);
	_cleanup_free_ char *key_path = file_join(self.dir, kinds[use].key_file);
	_cleanup_free_ char *cert_path =
		kinds[use].cert_file ? file_join(self.dir, kinds[use].cert_file) : NULL;
	int r = can_make ? file_make_dirs(self.dir, 0700, err) : 0;

	builtin->name = kinds[use].name;
	builtin->public_format = kinds[use].public_format;
	if (r == 0 && can_make && !file_exists(key_path)) {
		builtin->is_new = true;
		r = make_key(kinds[use].format, key_path, err);
	}
	if (r == 0)
		r = read_key(key_path, builtin, err);
	if (r == 0 && cert_path && can_make && !file_exists(cert_path)) {
		builtin->is_new = true;
		r = make_cert(builtin->key, cert_path, err);
	}
	if (r == 0 && cert_path)
		r = read_cert(cert_path, builtin, err);
	if (r == 0)
		self.loaded[use] = TAKE(builtin);
	return r;
}

int builtin_load(enum builtin_use use, const struct builtin **ret_builtin, struct err *err)
{
	int r = self.loaded[use] ? 0 : load(use, true, err);

	if (r == 0)
		*ret_builtin = self.loaded[use];
	return r;
}

const struct builtin *builtin_seen(enum builtin_use use)
{
	if (!self.loaded[use] && self.dir)
		(void)!load(use, false, NULL); /* then it is not there */
	return self.loaded[use];
}

const struct builtin *builtin_find(const char *digest)
{
	for (size_t use = 0; use < BUILTIN_USES; use++) {
		const struct builtin *builtin = builtin_seen((enum builtin_use)use);

		for (size_t i = 0; builtin && i < ARRAY_SIZE(builtin->digests); i++)
			if (str_equal(builtin->digests[i], digest))
				return builtin;
	}
	return NULL;
}
