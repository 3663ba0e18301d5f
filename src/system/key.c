/*
 * RSA and elliptic curves are mbedTLS's; Ed25519, which it does not know, and what SSH writes are libssh's.
 * X25519 keys are bare numbers (RFC 7748), calculated with here.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <libssh/libssh.h>
#include <mbedtls/base64.h>
#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/rsa.h>

#include "ashlar/crypto-compat.h"
#include "ashlar/key.h"
#include "ashlar/str.h"

#define RSA_BITS_NEW 2048 /* more would stall the loop at each handshake */
#define RSA_EXPONENT 65537
#define PEM_MAX	     8192
#define X25519_SIZE  32
#define ED25519_SIZE 32
#define SSH_TYPE_MAX 64
#define PEM_LINE     64

/* RFC 8410: what stands before the bytes of an Ed25519 public key. */
static const unsigned char ed25519_prefix[] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65,
	0x70, 0x03, 0x21, 0x00 };

/* --- bytes ------------------------------------------------------------------------------------ */

void secret_done(struct secret *secret)
{
	if (secret->data)
		explicit_bzero(secret->data, secret->size);
	free(TAKE(secret->data));
	secret->size = 0;
}

int secret_decode(const char *base64, size_t max, struct secret *ret_secret, struct err *err)
{
	size_t length = strlen(base64), size = 0;
	_cleanup_secret_ struct secret secret = { 0 };

	if (length / 4 * 3 > max + 3)
		return err_set(err, -EFBIG, NULL, "more than %zu bytes", max);
	secret.size = length / 4 * 3 + 3;
	secret.data = xcalloc(1, secret.size + 1);
	if (mbedtls_base64_decode(
		    secret.data, secret.size, &size, (const unsigned char *)base64, length) != 0)
		return err_set(err, -EINVAL, NULL, "no base64");
	*ret_secret = (struct secret){ TAKE(secret.data), size };
	return 0;
}

char *secret_encode(const void *data, size_t size)
{
	size_t room = (size + 2) / 3 * 4 + 1, length = 0;
	char *text = xmalloc(room);

	if (mbedtls_base64_encode((unsigned char *)text, room, &length, data, size) != 0)
		abort(); /* there is room */
	text[length] = '\0';
	return text;
}

static void wipe_text(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

int key_err(struct err *err, int code, const char *path, const char *what)
{
	char text[128];

	mbedtls_strerror(code, text, sizeof(text));
	return err_set(err, -EINVAL, path, "%s: %s", what, text);
}

int key_random(void *arg, unsigned char *out, size_t size)
{
	while (size) {
		ssize_t got = getrandom(out, size, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return MBEDTLS_ERR_PK_BAD_INPUT_DATA;
		out += got;
		size -= (size_t)got;
	}
	return 0;
}

/* --- formats ---------------------------------------------------------------------------------- */

enum key_format key_format_by_name(const char *identity)
{
	static const char *const names[] = {
		[KEY_FORMAT_RSA] = "rsa-private-key-format",
		[KEY_FORMAT_EC] = "ec-private-key-format",
		[KEY_FORMAT_PKCS8] = "private-key-info-format",
		[KEY_FORMAT_OPENSSH] = "openssh-private-key-format",
		[KEY_FORMAT_X25519] = "x25519-private-key-format",
	};

	for (size_t i = 0; identity && i < ARRAY_SIZE(names); i++)
		if (str_equal(names[i], identity))
			return (enum key_format)i;
	return KEY_FORMAT_UNKNOWN;
}

enum key_public_format key_public_format_by_name(const char *identity)
{
	if (str_equal(identity, "ssh-public-key-format"))
		return KEY_PUBLIC_SSH;
	if (str_equal(identity, "subject-public-key-info-format") ||
		str_equal(identity, "x509-public-key-format"))
		return KEY_PUBLIC_SPKI;
	if (str_equal(identity, "x25519-public-key-format"))
		return KEY_PUBLIC_X25519;
	return KEY_PUBLIC_UNKNOWN;
}

/* "-----BEGIN label-----" around base64 in lines. */
static char *armour(const char *label, const void *data, size_t size)
{
	char *body = secret_encode(data, size), *pem, *to;
	size_t length = strlen(body);

	pem = to = xmalloc(length + length / PEM_LINE + 2 * strlen(label) + 64);
	to += sprintf(to, "-----BEGIN %s-----\n", label);
	for (size_t at = 0; at < length; at += PEM_LINE)
		to += sprintf(to, "%.*s\n", PEM_LINE, body + at);
	sprintf(to, "-----END %s-----\n", label);
	wipe_text(body);
	return pem;
}

/* The bytes between the lines of a PEM text. */
static int disarm(const char *pem, struct secret *ret_data, struct err *err)
{
	const char *begin = strchr(pem, '\n'), *end = begin ? strstr(begin, "-----END") : NULL;
	char *body;
	int r;

	if (!end)
		return err_set(err, -EINVAL, NULL, "no PEM text");
	body = xstrndup(begin + 1, (size_t)(end - begin) - 1);
	r = secret_decode(body, PEM_MAX, ret_data, err);
	wipe_text(body);
	return r;
}

/* --- parsing ---------------------------------------------------------------------------------- */

struct key *key_copy(const struct key *key)
{
	struct key *copy = key ? xmemdup(key, sizeof(*key)) : NULL;

	if (copy)
		copy->pem = xstrdup(key->pem);
	return copy;
}

void key_free(struct key *key)
{
	if (!key)
		return;
	wipe_text(key->pem);
	explicit_bzero(key, sizeof(*key));
	free(key);
}

static int check_rsa(const mbedtls_pk_context *pk, struct err *err)
{
	size_t bits = mbedtls_pk_get_bitlen(pk);

	if (bits < KEY_RSA_MIN || bits > KEY_RSA_MAX)
		return err_set(err, -EOPNOTSUPP, NULL,
			"an RSA key of %zu bits; %d to %d are supported", bits, KEY_RSA_MIN,
			KEY_RSA_MAX);
	return 0;
}

/* What mbedTLS has read. */
static int take_pk(mbedtls_pk_context *pk, struct key *key, struct err *err)
{
	unsigned char pem[PEM_MAX];
	int r;

	key->bits = (unsigned)mbedtls_pk_get_bitlen(pk);
	if (mbedtls_pk_get_type(pk) == MBEDTLS_PK_RSA) {
		key->type = KEY_RSA;
		r = check_rsa(pk, err);
		if (r < 0)
			return r;
	} else if (mbedtls_pk_can_do(pk, MBEDTLS_PK_ECDSA)) {
		key->type = KEY_EC;
	} else {
		return err_set(err, -EOPNOTSUPP, NULL, "a kind of key that is not supported");
	}
	r = mbedtls_pk_write_key_pem(pk, pem, sizeof(pem));
	if (r == 0)
		key->pem = xstrdup((const char *)pem);
	explicit_bzero(pem, sizeof(pem));
	return r == 0 ? 0 : key_err(err, r, NULL, "the key cannot be used");
}

static int parse_pk(const unsigned char *data, size_t size, struct key *key, struct err *err)
{
	mbedtls_pk_context pk;
	int r;

	mbedtls_pk_init(&pk);
	r = crypto_compat_parse_key(&pk, data, size, key_random, NULL);
	if (r == 0)
		r = take_pk(&pk, key, err);
	else
		r = key_err(err, r, NULL, "no private key");
	mbedtls_pk_free(&pk);
	return r;
}

/* Whatever libssh reads. */
static int parse_ssh(const char *pem, struct key *key, struct err *err)
{
	ssh_key ssh = NULL;
	enum ssh_keytypes_e type;

	if (ssh_pki_import_privkey_base64(pem, NULL, NULL, NULL, &ssh) != SSH_OK)
		return err_set(err, -EINVAL, NULL, "no private key that can be read");
	type = ssh_key_type(ssh);
	ssh_key_free(ssh);
	if (type == SSH_KEYTYPE_ED25519)
		key->type = KEY_ED25519;
	else if (type == SSH_KEYTYPE_RSA)
		key->type = KEY_RSA;
	else if (type >= SSH_KEYTYPE_ECDSA_P256 && type <= SSH_KEYTYPE_ECDSA_P521)
		key->type = KEY_EC;
	else
		return err_set(err, -EOPNOTSUPP, NULL, "a kind of key that is not supported");
	key->pem = xstrdup(pem);
	return 0;
}

int key_parse_pem(const char *pem, struct key **ret_key, struct err *err)
{
	_cleanup_(key_freep) struct key *key = XNEW(struct key);
	int r;

	if (strstr(pem, "OPENSSH PRIVATE KEY"))
		r = parse_ssh(pem, key, err);
	else
		r = parse_pk((const unsigned char *)pem, strlen(pem) + 1, key, err);
	if (r == 0)
		*ret_key = TAKE(key);
	return r;
}

static int parse_openssh(const struct secret *data, struct key *key, struct err *err)
{
	char *pem = armour("OPENSSH PRIVATE KEY", data->data, data->size);
	int r = parse_ssh(pem, key, err);

	wipe_text(pem);
	return r;
}

static int parse(
	enum key_format format, const struct secret *data, struct key *key, struct err *err)
{
	int r;

	switch (format) {
	case KEY_FORMAT_RSA:
	case KEY_FORMAT_EC:
		r = parse_pk(data->data, data->size, key, err);
		if (r == 0 && key->type != (format == KEY_FORMAT_RSA ? KEY_RSA : KEY_EC))
			return err_set(err, -EINVAL, NULL, "the key is not of its format's kind");
		return r;
	case KEY_FORMAT_PKCS8:
		/* Not Ed25519: of that neither library works out the public half. */
		return parse_pk(data->data, data->size, key, err);
	case KEY_FORMAT_OPENSSH:
		return parse_openssh(data, key, err);
	case KEY_FORMAT_X25519:
		if (data->size != X25519_SIZE)
			return err_set(err, -EINVAL, NULL, "a key on Curve25519 has %d bytes",
				X25519_SIZE);
		key->type = KEY_X25519;
		memcpy(key->seed, data->data, X25519_SIZE);
		return 0;
	case KEY_FORMAT_UNKNOWN:
		break;
	}
	return err_set(err, -EOPNOTSUPP, NULL, "the format of the private key is not supported");
}

int key_parse(
	enum key_format format, const struct secret *data, struct key **ret_key, struct err *err)
{
	_cleanup_(key_freep) struct key *key = XNEW(struct key);
	int r = parse(format, data, key, err);

	if (r == 0)
		*ret_key = TAKE(key);
	return r;
}

int key_load(const struct key *key, mbedtls_pk_context *pk, struct err *err)
{
	int r;

	if ((key->type != KEY_RSA && key->type != KEY_EC) || strstr(key->pem, "OPENSSH"))
		return err_set(err, -EOPNOTSUPP, NULL,
			"a key of this kind or format cannot be used for X.509");
	r = crypto_compat_parse_key(
		pk, (const unsigned char *)key->pem, strlen(key->pem) + 1, key_random, NULL);
	return r == 0 ? 0 : key_err(err, r, NULL, "the key cannot be used");
}

/* --- the public half ---------------------------------------------------------------------------- */

static int public_x25519(const unsigned char *seed, struct secret *ret_public)
{
	unsigned char scalar[X25519_SIZE], point[X25519_SIZE + 1];
	mbedtls_ecp_group group;
	mbedtls_ecp_point result;
	mbedtls_mpi number;
	size_t size = 0;
	int r;

	memcpy(scalar, seed, sizeof(scalar));
	/* RFC 7748 section 5: the number that it stands for, biggest byte last. */
	scalar[0] &= 248;
	scalar[31] = (unsigned char)((scalar[31] & 127) | 64);
	mbedtls_ecp_group_init(&group);
	mbedtls_ecp_point_init(&result);
	mbedtls_mpi_init(&number);
	r = mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_CURVE25519);
	if (r == 0)
		r = mbedtls_mpi_read_binary_le(&number, scalar, sizeof(scalar));
	if (r == 0)
		r = mbedtls_ecp_mul(&group, &result, &number, &group.G, key_random, NULL);
	if (r == 0)
		r = mbedtls_ecp_point_write_binary(
			&group, &result, MBEDTLS_ECP_PF_UNCOMPRESSED, &size, point, sizeof(point));
	mbedtls_mpi_free(&number);
	mbedtls_ecp_point_free(&result);
	mbedtls_ecp_group_free(&group);
	explicit_bzero(scalar, sizeof(scalar));
	if (r == 0)
		*ret_public = (struct secret){ xmemdup(point, size), size };
	return r;
}

static int public_ssh(const struct key *key, struct secret *ret_public, struct err *err)
{
	ssh_key private = NULL, public = NULL;
	char *base64 = NULL;
	int r = -EINVAL;

	if (ssh_pki_import_privkey_base64(key->pem, NULL, NULL, NULL, &private) == SSH_OK &&
		ssh_pki_export_privkey_to_pubkey(private, &public) == SSH_OK &&
		ssh_pki_export_pubkey_base64(public, &base64) == SSH_OK)
		r = secret_decode(base64, KEY_SIZE_MAX, ret_public, err);
	else
		r = err_set(err, r, NULL, "SSH cannot use this key");
	ssh_string_free_char(base64);
	ssh_key_free(public);
	ssh_key_free(private);
	return r;
}

/* The last 32 bytes of the SSH form are the key. */
static int public_spki_ed25519(const struct key *key, struct secret *ret_public, struct err *err)
{
	_cleanup_secret_ struct secret ssh = { 0 };
	int r = public_ssh(key, &ssh, err);

	if (r < 0)
		return r;
	ret_public->size = sizeof(ed25519_prefix) + ED25519_SIZE;
	ret_public->data = xmalloc(ret_public->size);
	memcpy(ret_public->data, ed25519_prefix, sizeof(ed25519_prefix));
	memcpy(ret_public->data + sizeof(ed25519_prefix), ssh.data + ssh.size - ED25519_SIZE,
		ED25519_SIZE);
	return 0;
}

static int public_spki(const struct key *key, struct secret *ret_public, struct err *err)
{
	unsigned char der[PEM_MAX];
	mbedtls_pk_context pk;
	int r;

	mbedtls_pk_init(&pk);
	r = key_load(key, &pk, err);
	if (r == 0) {
		r = mbedtls_pk_write_pubkey_der(&pk, der, sizeof(der)); /* at the end */
		if (r > 0)
			*ret_public = (struct secret){ xmemdup(der + sizeof(der) - r, (size_t)r),
				(size_t)r };
		r = r > 0 ? 0 : key_err(err, r, NULL, "the public key cannot be written");
	}
	mbedtls_pk_free(&pk);
	return r;
}

int key_public(const struct key *key, enum key_public_format format, struct secret *ret_public,
	struct err *err)
{
	int r;

	if ((key->type == KEY_X25519) != (format == KEY_PUBLIC_X25519) ||
		format == KEY_PUBLIC_UNKNOWN)
		return err_set(err, -EOPNOTSUPP, "public-key-format",
			"the public half of such a key is not written in this format");
	switch (format) {
	case KEY_PUBLIC_SSH:
		return public_ssh(key, ret_public, err);
	case KEY_PUBLIC_SPKI:
		return key->type == KEY_ED25519 ? public_spki_ed25519(key, ret_public, err)
						: public_spki(key, ret_public, err);
	default:
		r = public_x25519(key->seed, ret_public);
		return r == 0 ? 0 : key_err(err, r, NULL, "no key on Curve25519");
	}
}

int key_check_public(const struct key *key, enum key_public_format format,
	const struct secret *public, struct err *err)
{
	_cleanup_secret_ struct secret right = { 0 };
	int r = key_public(key, format, &right, err);

	if (r < 0)
		return r;
	if (right.size != public->size || memcmp(right.data, public->data, right.size) != 0)
		return err_set(err, -EINVAL, "public-key",
			"the public key does not belong to the private key");
	return 0;
}

static int parse_public_ssh(const struct secret *public, struct err *err)
{
	char type[SSH_TYPE_MAX], *base64;
	size_t size = public->size >= 4 ? (size_t) public->data[2] << 8 | public->data[3] : 0;
	ssh_key key = NULL;
	int r;

	if (!size || size >= sizeof(type) || size > public->size - 4 || public->data[0] ||
		public->data[1])
		return err_set(err, -EINVAL, "public-key", "no public key as SSH writes it");
	memcpy(type, public->data + 4, size);
	type[size] = '\0';
	base64 = secret_encode(public->data, public->size);
	r = ssh_pki_import_pubkey_base64(base64, ssh_key_type_from_name(type), &key);
	free(base64);
	ssh_key_free(key);
	return r == SSH_OK ? 0
			   : err_set(err, -EINVAL, "public-key",
				     "no public key of a kind that SSH here knows");
}

static int parse_public_spki(const struct secret *public, struct err *err)
{
	mbedtls_pk_context pk;
	int r;

	if (public->size == sizeof(ed25519_prefix) + ED25519_SIZE &&
		memcmp(public->data, ed25519_prefix, sizeof(ed25519_prefix)) == 0)
		return 0;
	mbedtls_pk_init(&pk);
	r = mbedtls_pk_parse_public_key(&pk, public->data, public->size);
	mbedtls_pk_free(&pk);
	return r == 0 ? 0 : key_err(err, r, "public-key", "no public key as X.509 writes it");
}

int key_parse_public(enum key_public_format format, const struct secret *public, struct err *err)
{
	switch (format) {
	case KEY_PUBLIC_SSH:
		return parse_public_ssh(public, err);
	case KEY_PUBLIC_SPKI:
		return parse_public_spki(public, err);
	case KEY_PUBLIC_X25519:
		return public->size == X25519_SIZE
			? 0
			: err_set(err, -EINVAL, "public-key", "a key on Curve25519 has %d bytes",
				  X25519_SIZE);
	case KEY_PUBLIC_UNKNOWN:
		break;
	}
	return err_set(err, -EOPNOTSUPP, "public-key-format",
		"the format of the public key is not supported");
}

/* --- new ones --------------------------------------------------------------------------------- */

static int generate_pk(enum key_format format, struct secret *ret_private, struct err *err)
{
	unsigned char der[PEM_MAX];
	mbedtls_pk_context pk;
	bool is_rsa = format == KEY_FORMAT_RSA;
	int r;

	mbedtls_pk_init(&pk);
	r = mbedtls_pk_setup(
		&pk, mbedtls_pk_info_from_type(is_rsa ? MBEDTLS_PK_RSA : MBEDTLS_PK_ECKEY));
	if (r == 0 && is_rsa)
		r = mbedtls_rsa_gen_key(
			mbedtls_pk_rsa(pk), key_random, NULL, RSA_BITS_NEW, RSA_EXPONENT);
	else if (r == 0)
		r = mbedtls_ecp_gen_key(
			MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(pk), key_random, NULL);
	if (r == 0)
		r = mbedtls_pk_write_key_der(&pk, der, sizeof(der)); /* at the end */
	if (r > 0)
		*ret_private =
			(struct secret){ xmemdup(der + sizeof(der) - r, (size_t)r), (size_t)r };
	mbedtls_pk_free(&pk);
	explicit_bzero(der, sizeof(der));
	return r > 0 ? 0 : key_err(err, r, NULL, "no key could be made");
}

static int generate_ed25519(struct secret *ret_private, struct err *err)
{
	char *pem = NULL;
	ssh_key key = NULL;
	int r;

	if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK ||
		ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &pem) != SSH_OK)
		r = err_set(err, -EIO, NULL, "no key could be made");
	else
		r = disarm(pem, ret_private, err);
	if (pem)
		explicit_bzero(pem, strlen(pem));
	ssh_string_free_char(pem);
	ssh_key_free(key);
	return r;
}

int key_generate(enum key_format format, struct secret *ret_private, struct err *err)
{
	switch (format) {
	case KEY_FORMAT_RSA:
	case KEY_FORMAT_EC:
		return generate_pk(format, ret_private, err);
	case KEY_FORMAT_OPENSSH:
		return generate_ed25519(ret_private, err);
	case KEY_FORMAT_X25519:
		ret_private->size = X25519_SIZE;
		ret_private->data = xmalloc(X25519_SIZE);
		if (key_random(NULL, ret_private->data, X25519_SIZE) != 0)
			return err_set(err, -EIO, NULL, "no random numbers");
		ret_private->data[0] &= 248;
		ret_private->data[31] = (unsigned char)((ret_private->data[31] & 127) | 64);
		return 0;
	case KEY_FORMAT_PKCS8:
	case KEY_FORMAT_UNKNOWN:
		break;
	}
	return err_set(err, -EOPNOTSUPP, "private-key-format",
		"the device makes no keys in this format; give the key, or another format");
}
