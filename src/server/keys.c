/*
 * The host key is ed25519: the cheapest to sign with (a tenth of RSA-3072), and every client of this
 * decade has it. It is never overwritten: clients know the device by it.
 */
#include <errno.h>
#include <string.h>

#include <libssh/libssh.h>

#include "ashlar/file.h"
#include "ashlar/key.h"
#include "ashlar/log.h"

#include "keys.h"

#define KEY_FILE     "ssh_host_ed25519_key"
#define KEY_FILE_MAX ((size_t)65536)

static int load(const char *path, char **ret_pem, struct err *err)
{
	_cleanup_(key_freep) struct key *key = NULL;
	size_t size;
	int ret = file_read(path, KEY_FILE_MAX, ret_pem, &size, err);

	if (ret == 0 && key_parse_pem(*ret_pem, &key, NULL) < 0) {
		explicit_bzero(*ret_pem, size);
		free(TAKE(*ret_pem));
		ret = err_set(err, -EINVAL, NULL, "%s holds no private key that can be read", path);
	}
	return ret;
}

static int generate(const char *path, struct err *err)
{
	_cleanup_secret_ struct secret bytes = { 0 };
	_cleanup_(key_freep) struct key *key = NULL;
	int ret = key_generate(KEY_FORMAT_OPENSSH, &bytes, err);

	if (ret == 0)
		ret = key_parse(KEY_FORMAT_OPENSSH, &bytes, &key, err);
	if (ret == 0)
		ret = file_write_atomic(path, key->pem, strlen(key->pem), 0600, err);
	if (ret == 0)
		log_notice("keys", "event=host-key-generated file=\"%s\"", path);
	return ret;
}

int keys_host(const char *key_dir, char **ret_pem, struct err *err)
{
	_cleanup_free_ char *path = file_join(key_dir, KEY_FILE);
	int ret = file_make_dirs(key_dir, 0700, err);

	if (ret == 0 && !file_exists(path))
		ret = generate(path, err);
	return ret < 0 ? ret : load(path, ret_pem, err);
}
