/*
 * The host key is ed25519: the cheapest to sign with (a tenth of RSA-3072), and every client of this
 * decade has it. It is never overwritten: clients know the device by it.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/file.h"
#include "ashlar/log.h"

#include "keys.h"

#define KEY_FILE     "ssh_host_ed25519_key"
#define KEY_FILE_MAX ((size_t)65536)

static int load(const char *path, ssh_key *ret_key, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int ret = file_read(path, KEY_FILE_MAX, &text, &size, err);

	if (ret < 0)
		return ret;
	if (ssh_pki_import_privkey_base64(text, NULL, NULL, NULL, ret_key) != SSH_OK)
		ret = err_set(err, -EINVAL, NULL, "%s holds no private key that can be read", path);
	explicit_bzero(text, size);
	return ret;
}

static int generate(const char *path, ssh_key *ret_key, struct err *err)
{
	ssh_key key = NULL;
	char *text = NULL;
	int ret;

	if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK)
		return err_set(err, -EIO, NULL, "cannot generate an SSH host key");
	if (ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &text) != SSH_OK) {
		ssh_key_free(key);
		return err_set(err, -EIO, NULL, "cannot export the SSH host key");
	}
	ret = file_write_atomic(path, text, strlen(text), 0600, err);
	explicit_bzero(text, strlen(text));
	ssh_string_free_char(text);
	if (ret < 0) {
		ssh_key_free(key);
		return ret;
	}
	log_notice("keys", "event=host-key-generated file=\"%s\"", path);
	*ret_key = key;
	return 0;
}

int keys_host(const char *key_dir, ssh_key *ret_key, struct err *err)
{
	_cleanup_free_ char *path = file_join(key_dir, KEY_FILE);
	int ret;

	ret = file_make_dirs(key_dir, 0700, err);
	if (ret < 0)
		return ret;
	if (file_exists(path))
		return load(path, ret_key, err);
	return generate(path, ret_key, err);
}
