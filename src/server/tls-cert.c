/*
 * A P-256 key and a self-signed certificate for the first start. The subject is the host's name; clients
 * know it by its fingerprint.
 */
#include <stdio.h>
#include <string.h>

#include "ashlar/cert.h"
#include "ashlar/file.h"
#include "ashlar/log.h"

#include "tls-cert.h"

#define KEY_FILE  "server-key.pem"
#define CERT_FILE "server-cert.pem"
#define FILE_MAX  ((size_t)65536)

static int make_key(const char *path, struct err *err)
{
	_cleanup_secret_ struct secret der = { 0 };
	_cleanup_(key_freep) struct key *key = NULL;
	int r = key_generate(KEY_FORMAT_EC, &der, err);

	if (r == 0)
		r = key_parse(KEY_FORMAT_EC, &der, &key, err);
	if (r == 0)
		r = file_write_atomic(path, key->pem, strlen(key->pem), 0600, err);
	if (r == 0)
		log_notice("tls", "event=tls-key-generated file=\"%s\"", path);
	return r;
}

static int make_cert(const char *path, const char *key_pem, struct err *err)
{
	_cleanup_secret_ struct secret der = { 0 };
	_cleanup_(key_freep) struct key *key = NULL;
	_cleanup_free_ char *pem = NULL;
	int r = key_parse_pem(key_pem, &key, err);

	if (r == 0)
		r = cert_make(key, &der, err);
	if (r == 0)
		r = cert_read(&der, NULL, &pem, err);
	if (r == 0)
		r = file_write_atomic(path, pem, strlen(pem), 0600, err);
	if (r == 0)
		log_notice("tls", "event=tls-certificate-generated file=\"%s\"", path);
	return r;
}

int tls_cert_load(const char *key_dir, char **ret_key, char **ret_cert, struct err *err)
{
	_cleanup_free_ char *key_path = file_join(key_dir, KEY_FILE),
			    *cert_path = file_join(key_dir, CERT_FILE);
	_cleanup_free_ char *key = NULL, *cert = NULL;
	size_t size;
	int r = file_make_dirs(key_dir, 0700, err);

	if (r == 0 && !file_exists(key_path))
		r = make_key(key_path, err);
	if (r == 0)
		r = file_read(key_path, FILE_MAX, &key, &size, err);
	if (r == 0 && !file_exists(cert_path))
		r = make_cert(cert_path, key, err);
	if (r == 0)
		r = file_read(cert_path, FILE_MAX, &cert, &size, err);
	if (r < 0)
		return r;
	*ret_key = TAKE(key);
	*ret_cert = TAKE(cert);
	return 0;
}
