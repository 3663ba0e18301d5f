/* A pair whose private half is an empty leaf is to be made by the device (key-order.c). */
#include <errno.h>
#include <string.h>

#include "ashlar/cert.h"
#include "ashlar/cms.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "key-pair.h"

int key_pair_bytes(const struct lyd_node *parent, const char *leaf, size_t max,
	struct secret *ret_secret, struct err *err)
{
	int r = secret_decode(node_text(parent, leaf, ""), max, ret_secret, err);

	if (r < 0)
		err_prefix(err, leaf);
	return r;
}

void key_pair_done(struct key_pair *pair)
{
	key_free(TAKE(pair->key));
	secret_done(&pair->public);
}

int key_pair_decrypt(const struct lyd_node *encrypted, struct secret *ret_secret, struct err *err)
{
	const char *format = node_identity(encrypted, "encrypted-value-format");
	const char *name = node_text(encrypted, "encrypted-by/symmetric-key-ref", NULL);
	const struct lyd_node *keys =
		node_child(node_ancestor(encrypted, "keystore"), "symmetric-keys");
	const struct lyd_node *by = name ? node_entry(keys, "symmetric-key", name) : NULL;
	_cleanup_secret_ struct secret key = { 0 }, value = { 0 };
	int r;

	if (!str_equal(format, "cms-encrypted-data-format"))
		return err_set(err, -EOPNOTSUPP, "encrypted-value-format",
			"%s: only cms-encrypted-data-format is supported", format);
	if (!node_exists(by, "cleartext-symmetric-key"))
		return err_set(err, -EOPNOTSUPP, "encrypted-by",
			"only what a symmetric key in clear text has encrypted can be decrypted");
	r = key_pair_bytes(by, "cleartext-symmetric-key", KEY_SIZE_MAX, &key, err);
	if (r == 0)
		r = key_pair_bytes(encrypted, "encrypted-value", CMS_SIZE_MAX, &value, err);
	if (r < 0)
		return r;
	r = cms_decrypt(&value, &key, ret_secret, err);
	if (r < 0)
		err_prefix(err, "encrypted-value");
	return r;
}

static int read_private(const struct lyd_node *node, struct key_pair *pair, struct err *err)
{
	_cleanup_secret_ struct secret private = { 0 };
	const struct lyd_node *encrypted = node_child(node, "encrypted-private-key");
	int r;

	if (encrypted)
		r = key_pair_decrypt(encrypted, &private, err);
	else
		r = key_pair_bytes(node, "cleartext-private-key", KEY_SIZE_MAX, &private, err);
	if (r < 0 && encrypted)
		err_prefix(err, "encrypted-private-key");
	if (r < 0)
		return r;
	if (!private.size && !encrypted) {
		pair->is_lacking = true;
		return 0;
	}
	r = key_parse(pair->format, &private, &pair->key, err);
	if (r < 0) {
		err_prefix(err,
			encrypted ? "encrypted-private-key/encrypted-value"
				  : "cleartext-private-key");
		return r;
	}
	if (!pair->public.size)
		return 0;
	return key_check_public(pair->key, pair->public_format, &pair->public, err);
}

int key_pair_read(const struct lyd_node *node, struct key_pair *ret_pair, struct err *err)
{
	_cleanup_key_pair_ struct key_pair pair = { 0 };
	const char *public_format = node_identity(node, "public-key-format");
	const char *format = node_identity(node, "private-key-format");
	int r;

	pair.public_format = key_public_format_by_name(public_format);
	pair.format = key_format_by_name(format);
	if (public_format && pair.public_format == KEY_PUBLIC_UNKNOWN)
		return err_set(err, -EOPNOTSUPP, "public-key-format",
			"%s: not a format that this device supports", public_format);
	if (format && pair.format == KEY_FORMAT_UNKNOWN)
		return err_set(err, -EOPNOTSUPP, "private-key-format",
			"%s: not a format that this device supports", format);
	r = key_pair_bytes(node, "public-key", KEY_SIZE_MAX, &pair.public, err);
	if (r == 0 && pair.public.size)
		r = key_parse_public(pair.public_format, &pair.public, err);
	if (r < 0)
		return r;
	pair.is_hidden = node_exists(node, "hidden-private-key");
	if (pair.is_hidden)
		pair.is_lacking = !pair.public.size;
	else
		r = read_private(node, &pair, err);
	if (r < 0)
		return r;
	*ret_pair = pair;
	memset(&pair, 0, sizeof(pair));
	return 0;
}

int key_pair_cert(
	const struct key_pair *pair, const struct lyd_node *node, char **ret_pem, struct err *err)
{
	_cleanup_secret_ struct secret data = { 0 }, public = { 0 };
	int r = key_pair_bytes(node, "cert-data", CERT_SIZE_MAX, &data, err);

	*ret_pem = NULL;
	if (r < 0 || !data.size)
		return r;
	if (pair->is_lacking)
		return err_set(
			err, -EINVAL, "cert-data", "a certificate of a key that is not there");
	if (pair->key)
		r = key_public(pair->key, KEY_PUBLIC_SPKI, &public, err);
	else if (pair->public_format != KEY_PUBLIC_SPKI)
		r = err_set(err, -EINVAL, "cert-data",
			"a hidden key has certificates only if its public half is written as in X.509");
	if (r == 0)
		r = cert_read(&data, pair->key ? &public : &pair->public, ret_pem, err);
	return r;
}

int key_pair_offer(struct key_pair *pair, struct credential *credential, struct err *err)
{
	if (pair->is_hidden)
		credential->hidden = credential_digest(&pair->public);
	else
		credential->key = TAKE(pair->key);
	return 0;
}

/* --- requests for certificates ------------------------------------------------------------------ */

static int make_request(struct action_call *call, const char *name, struct err *err)
{
	const struct credential *credential = have_get(have_all(), &object_kind_key, name);
	_cleanup_secret_ struct secret info = { 0 }, request = { 0 };
	_cleanup_free_ char *text = NULL;
	int r;

	if (!credential || !credential->key)
		return err_set(err, -ENOENT, NULL, "the key is not there yet");
	r = key_pair_bytes(call->input, "csr-info", CERT_SIZE_MAX, &info, err);
	if (r == 0)
		r = cert_request(credential->key, &info, &request, err);
	if (r < 0)
		return r;
	text = secret_encode(request.data, request.size);
	return build_output(call->output, "p10-csr", text, err);
}

void key_pair_request(struct action_call *call, const char *name)
{
	_cleanup_err_ struct err err = { 0 };
	int r = make_request(call, name, &err);

	call->done(call, r < 0 ? &err : NULL);
}
