/*
 * The keystore (RFC 9642). A symmetric key without bytes, or an asymmetric one without a private half, is made
 * by the device: the entry as it stands is an order, which a job carries out, and what it makes is put into the entry (Infix's genkey and
 * gencert). A key of which only the private half is given gets its public half, and an empty certificate is
 * one that the key signs itself.
 *
 * Built-in keys (section 3) are shown, hidden, in operational; as long as configuration has no entry of their name.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/builtin.h"
#include "ashlar/cert.h"
#include "ashlar/datastore.h"
#include "ashlar/str.h"

#include "key-pair.h"

static bool is_asymmetric(const struct unit *unit)
{
	return str_equal(unit->schema->name, "asymmetric-key");
}

/* --- fill ------------------------------------------------------------------------------------- */

static int set_leaf(struct edit *edit, const struct lyd_node *parent, const char *name,
	const char *value, struct err *err)
{
	const struct lyd_node *leaf = node_child(parent, name);

	return leaf ? edit_rewrite(edit, leaf, value, err)
		    : edit_fill(edit, parent, name, value, err);
}

static int set_bytes(struct edit *edit, const struct lyd_node *parent, const char *name,
	const struct secret *bytes, struct err *err)
{
	_cleanup_free_ char *text = secret_encode(bytes->data, bytes->size);

	return set_leaf(edit, parent, name, text, err);
}

/* What is to be made, if nothing says it: by the public half's format. */
static int fill_formats(struct edit *edit, const struct unit *unit, bool is_hidden, struct err *err)
{
	static const struct {
		const char *public, *private;
	} formats[] = {
		[KEY_PUBLIC_SSH] = { "infix-crypto-types:ssh-public-key-format",
			"libnetconf2-netconf-server:openssh-private-key-format" },
		[KEY_PUBLIC_SPKI] = { "infix-crypto-types:x509-public-key-format",
			"ietf-crypto-types:ec-private-key-format" },
		[KEY_PUBLIC_X25519] = { "infix-crypto-types:x25519-public-key-format",
			"infix-crypto-types:x25519-private-key-format" },
	};
	const char *name = node_identity(unit->node, "public-key-format");
	enum key_public_format public = name ? key_public_format_by_name(name) : KEY_PUBLIC_SPKI;
	int r = 0;

	if (public == KEY_PUBLIC_UNKNOWN)
		return 0; /* check() says so */
	if (!name)
		r = edit_fill(edit, unit->node, "public-key-format", formats[public].public, err);
	if (r == 0 && !is_hidden && !node_exists(unit->node, "private-key-format"))
		r = edit_fill(edit, unit->node, "private-key-format", formats[public].private, err);
	return r;
}

static bool has_private(const struct lyd_node *node)
{
	return node_exists(node, "cleartext-private-key") ||
		node_exists(node, "hidden-private-key") ||
		node_exists(node, "encrypted-private-key");
}

static int fill_public(
	struct edit *edit, const struct unit *unit, struct key_pair *pair, struct err *err)
{
	_cleanup_secret_ struct secret public = { 0 };
	int r;

	if (pair->public.size || pair->public_format == KEY_PUBLIC_UNKNOWN)
		return 0;
	r = key_public(pair->key, pair->public_format, &public, err);
	return r < 0 ? r : set_bytes(edit, unit->node, "public-key", &public, err);
}

static int fill_certs(
	struct edit *edit, const struct unit *unit, struct key_pair *pair, struct err *err)
{
	const struct lyd_node *cert;

	NODE_FOREACH (cert, node_child(unit->node, "certificates"), "certificate") {
		_cleanup_secret_ struct secret der = { 0 };
		int r;

		if (*node_text(cert, "cert-data", "-"))
			continue;
		r = cert_make(pair->key, &der, err);
		if (r == 0)
			r = set_bytes(edit, cert, "cert-data", &der, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int fill_symmetric(struct edit *edit, const struct unit *unit, struct err *err)
{
	int r = 0;

	if (node_exists(unit->node, "encrypted-symmetric-key") ||
		*node_text(unit->node, "cleartext-symmetric-key", ""))
		return 0;
	if (!node_exists(unit->node, "key-format"))
		r = edit_fill(edit, unit->node, "key-format",
			"ietf-crypto-types:octet-string-key-format", err);
	if (r == 0 && !node_exists(unit->node, "cleartext-symmetric-key"))
		r = edit_fill(edit, unit->node, "cleartext-symmetric-key", "", err);
	return r;
}

static int fill(struct edit *edit, const struct unit *unit, struct err *err)
{
	_cleanup_key_pair_ struct key_pair pair = { 0 };
	int r = 0;

	if (!is_asymmetric(unit))
		return fill_symmetric(edit, unit, err);
	if (!has_private(unit->node))
		r = edit_fill(edit, unit->node, "cleartext-private-key", "", err);
	if (r < 0)
		return r;
	/* What cannot be read is for check() to refuse: a file may hold it. */
	if (key_pair_read(unit->node, &pair, NULL) < 0)
		return 0;
	if (pair.is_lacking)
		return fill_formats(edit, unit, pair.is_hidden, err);
	if (!pair.key)
		return 0;
	r = fill_public(edit, unit, &pair, err);
	return r < 0 ? r : fill_certs(edit, unit, &pair, err);
}

/* --- want ------------------------------------------------------------------------------------- */

static int want_order(const struct unit *unit, const struct key_pair *pair, bool is_certified,
	struct want *want, struct err *err)
{
	struct key_order *order;
	enum key_format format = pair->format;

	if (pair->is_hidden)
		format = pair->public_format == KEY_PUBLIC_SSH ? KEY_FORMAT_OPENSSH : KEY_FORMAT_EC;
	if (pair->public_format == KEY_PUBLIC_UNKNOWN)
		return err_set(err, -EINVAL, "public-key-format",
			"a key that the device makes needs a format for its public half");
	if (format == KEY_FORMAT_PKCS8 || format == KEY_FORMAT_UNKNOWN)
		return err_set(err, -EOPNOTSUPP, "private-key-format",
			"the device makes no keys in this format; give the key, or another format");
	if (pair->is_hidden && pair->public_format == KEY_PUBLIC_X25519)
		return err_set(err, -EOPNOTSUPP, "hidden-private-key",
			"keys on Curve25519 cannot be hidden");
	if ((format == KEY_FORMAT_X25519) != (pair->public_format == KEY_PUBLIC_X25519))
		return err_set(err, -EINVAL, "public-key-format",
			"the formats of both halves do not go together");
	if (is_certified && format != KEY_FORMAT_RSA && format != KEY_FORMAT_EC)
		return err_set(err, -EOPNOTSUPP, "certificates",
			"the device makes certificates for RSA and EC keys only");
	order = want_object(want, &object_kind_key_order, node_text(unit->node, "name", ""), "");
	order->format = format;
	order->public_format = pair->public_format;
	order->is_hidden = pair->is_hidden;
	order->is_certified = is_certified;
	return 0;
}

static int want_certs(const struct unit *unit, const struct key_pair *pair,
	struct credential *credential, bool *ret_is_lacking, struct err *err)
{
	const struct lyd_node *cert;

	NODE_FOREACH (cert, node_child(unit->node, "certificates"), "certificate") {
		const char *name = node_text(cert, "name", "");
		char *pem = NULL;
		int r = key_pair_cert(pair, cert, &pem, err);

		if (r < 0) {
			_cleanup_free_ char *at =
				xasprintf("certificates/certificate[name='%s']", name);

			err_prefix(err, at);
			return r;
		}
		if (pem)
			credential_add_cert(credential, xstrdup(name), pem);
		else
			*ret_is_lacking = true;
	}
	return 0;
}

static int want_asymmetric(const struct unit *unit, struct want *want, struct err *err)
{
	_cleanup_key_pair_ struct key_pair pair = { 0 };
	struct credential *credential =
		object_new(&object_kind_key, node_text(unit->node, "name", ""));
	bool is_lacking = false;
	int r = key_pair_read(unit->node, &pair, err);

	if (r == 0)
		r = want_certs(unit, &pair, credential, &is_lacking, err);
	if (r == 0 && pair.is_lacking) {
		r = want_order(unit, &pair, is_lacking, want, err);
	} else if (r == 0) {
		struct credential *wanted =
			want_object(want, &object_kind_key, credential->object.key, "");

		wanted->certs = TAKE(credential->certs);
		wanted->cert_count = credential->cert_count;
		credential->cert_count = 0;
		r = key_pair_offer(&pair, wanted, err);
	}
	object_free(&credential->object);
	return r;
}

static int want_symmetric(const struct unit *unit, struct want *want, struct err *err)
{
	const char *format = node_identity(unit->node, "key-format");

	if (*node_text(unit->node, "cleartext-symmetric-key", "-"))
		return 0;
	if (!str_equal(format, "octet-string-key-format"))
		return err_set(err, -EOPNOTSUPP, "key-format",
			"the device makes no keys in this format; give the key, or another format");
	(void)want_object(
		want, &object_kind_symmetric_order, node_text(unit->node, "name", ""), "");
	return 0;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	return is_asymmetric(unit) ? want_asymmetric(unit, want, err)
				   : want_symmetric(unit, want, err);
}

/* --- check ------------------------------------------------------------------------------------ */

static int check(const struct unit *unit, struct err *err)
{
	_cleanup_secret_ struct secret secret = { 0 };
	const struct lyd_node *encrypted;
	int r;

	if (is_asymmetric(unit))
		return 0; /* want() reads it all */
	encrypted = node_child(unit->node, "encrypted-symmetric-key");
	if (encrypted)
		r = key_pair_decrypt(encrypted, &secret, err);
	else
		r = key_pair_bytes(
			unit->node, "cleartext-symmetric-key", KEY_SIZE_MAX, &secret, err);
	if (r < 0 && encrypted)
		err_prefix(err, "encrypted-symmetric-key");
	/* An empty one in clear text is to be made. */
	if (r == 0 && encrypted && !secret.size)
		r = err_set(
			err, -EINVAL, "encrypted-symmetric-key/encrypted-value", "an empty key");
	return r;
}

/* What a symmetric key has encrypted is another when the key is. */
static void affects_encrypted(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	const struct lyd_node *keystore = node_ancestor(node, "keystore"), *entry;

	NODE_FOREACH (entry, node_child(keystore, "asymmetric-keys"), "asymmetric-key")
		if (node_exists(entry, "encrypted-private-key"))
			unit_set_add(set, entry);
	NODE_FOREACH (entry, node_child(keystore, "symmetric-keys"), "symmetric-key")
		if (node_exists(entry, "encrypted-symmetric-key"))
			unit_set_add(set, entry);
}

/* --- show ------------------------------------------------------------------------------------- */

static void units(const struct have *have, const struct lysc_node *unit_schema,
	void (*add)(void *arg, const char *key), void *arg)
{
	for (size_t use = 0; use < BUILTIN_USES; use++) {
		const struct builtin *builtin = builtin_seen((enum builtin_use)use);

		if (builtin && str_equal(unit_schema->name, "asymmetric-key"))
			add(arg, builtin->name);
	}
}

static int show_bytes(
	struct lyd_node *node, const char *leaf, const struct secret *bytes, struct err *err)
{
	_cleanup_free_ char *text = secret_encode(bytes->data, bytes->size);

	return build_leaf(node, leaf, text, err);
}

static int show_builtin(const struct builtin *builtin, struct lyd_node *node, struct err *err)
{
	bool is_ssh = builtin->public_format == KEY_PUBLIC_SSH;
	struct lyd_node *certs = NULL, *cert = NULL;
	int r = build_leaf(node, "public-key-format",
		is_ssh ? "infix-crypto-types:ssh-public-key-format"
		       : "infix-crypto-types:x509-public-key-format",
		err);

	if (r == 0)
		r = show_bytes(node, "public-key", &builtin->public, err);
	if (r == 0)
		r = build_leaf(node, "hidden-private-key", NULL, err);
	if (r < 0 || !builtin->cert)
		return r;
	r = build_container(node, "certificates", &certs, err);
	if (r == 0)
		r = build_entry(certs, "certificate", "self-signed", &cert, err);
	return r < 0 ? r : show_bytes(cert, "cert-data", &builtin->der, err);
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	for (size_t use = 0; !unit->node && is_asymmetric(unit) && use < BUILTIN_USES; use++) {
		const struct builtin *builtin = builtin_seen((enum builtin_use)use);

		if (builtin && str_equal(node_text(node, "name", ""), builtin->name))
			return show_builtin(builtin, node, err);
	}
	return 0;
}

/* --- actions ---------------------------------------------------------------------------------- */

static void run_request(struct action_call *call)
{
	key_pair_request(call, node_text(call->target, "name", ""));
}

const struct feature feature_keystore = {
	.name = "keystore",
	.modules =
		(const struct feature_module[]){
			{ "ietf-keystore",
				(const char *const[]){ "central-keystore-supported",
					"inline-definitions-supported", "asymmetric-keys",
					"symmetric-keys", NULL } },
			{ "ietf-crypto-types",
				(const char *const[]){ "cleartext-private-keys",
					"cleartext-symmetric-keys", "cleartext-passwords",
					"hidden-private-keys", "csr-generation", "p10-csr-format",
					"certificate-expiration-notification",
					"encrypted-private-keys", "encrypted-symmetric-keys",
					"symmetrically-encrypted-value-format",
					"cms-encrypted-data-format", NULL } },
			{ "infix-crypto-types", NULL },
			{ "infix-keystore", NULL },
			{ "libnetconf2-netconf-server", NULL },
			{ NULL, NULL },
		},
	.roots =
		(const char *const[]){
			"/ietf-keystore:keystore/asymmetric-keys/asymmetric-key",
			"/ietf-keystore:keystore/symmetric-keys/symmetric-key",
			NULL,
		},
	.vital =
		(const char *const[]){
			"/ietf-keystore:keystore/asymmetric-keys/asymmetric-key",
			"/ietf-keystore:keystore/symmetric-keys/symmetric-key",
			NULL,
		},
	.except =
		(const char *const[]){
			"/ietf-keystore:keystore/asymmetric-keys/asymmetric-key/"
			"encrypted-private-key/encrypted-by/asymmetric-key-ref",
			"/ietf-keystore:keystore/symmetric-keys/symmetric-key/"
			"encrypted-symmetric-key/encrypted-by/asymmetric-key-ref",
			NULL,
		},
	.reads =
		(const struct feature_reads[]){
			{ "/ietf-keystore:keystore/symmetric-keys/symmetric-key/"
			  "cleartext-symmetric-key",
				affects_encrypted },
			{ NULL, NULL },
		},
	.fill = fill,
	.check = check,
	.want = want,
	.units = units,
	.show = show,
	.actions =
		(const struct feature_action[]){
			{ "/ietf-keystore:keystore/asymmetric-keys/asymmetric-key/generate-csr",
				run_request },
			{ NULL, NULL },
		},
};
