/*
 * The keys and certificates of configuration. Nothing is written anywhere: have is where they are found.
 * Hidden keys are the exception: their private halves lie in a directory of their own, each in a file
 * named by the digest of its public half, and are read when the key is wanted.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/builtin.h"
#include "ashlar/cert.h"
#include "ashlar/credential.h"
#include "ashlar/crypto-compat.h"
#include "ashlar/file.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#define DIGEST_SIZE 32
#define FILE_MAX    ((size_t)16384)
#define SUFFIX	    ".pem"

static struct {
	char *hidden_dir;
	void (*changed)(const struct object_kind *kind, const char *name, void *arg);
	void *arg;
} self;

void credential_init(const char *key_dir)
{
	self.hidden_dir = file_join(key_dir, "hidden");
}

void credential_done(void)
{
	free(TAKE(self.hidden_dir));
}

void credential_on_change(
	void (*changed)(const struct object_kind *kind, const char *name, void *arg), void *arg)
{
	self.changed = changed;
	self.arg = arg;
}

void credential_add_cert(struct credential *credential, char *name, char *pem)
{
	credential->certs = xreallocarray(
		credential->certs, credential->cert_count + 1, sizeof(*credential->certs));
	credential->certs[credential->cert_count++] = (struct credential_cert){ name, pem };
}

const struct credential_cert *credential_cert(const struct credential *credential, const char *name)
{
	for (size_t i = 0; i < credential->cert_count; i++)
		if (str_equal(credential->certs[i].name, name))
			return &credential->certs[i];
	return NULL;
}

/* --- hidden keys ------------------------------------------------------------------------------ */

char *credential_digest(const struct secret *public)
{
	unsigned char hash[DIGEST_SIZE];
	char text[2 * DIGEST_SIZE + 1];

	if (crypto_compat_sha256(public->data, public->size, hash) != 0)
		abort(); /* it only fails on arguments */
	str_hex(text, hash, sizeof(hash));
	return xstrdup(text);
}

static char *hidden_path(const char *digest)
{
	return xasprintf("%s/%s" SUFFIX, self.hidden_dir, digest);
}

int credential_hide(const char *digest, const char *pem, struct err *err)
{
	_cleanup_free_ char *path = hidden_path(digest);
	int r = file_make_dirs(self.hidden_dir, 0700, err);

	return r < 0 ? r : file_write_atomic(path, pem, strlen(pem), 0600, err);
}

static int load_hidden(struct credential *credential, struct err *err)
{
	_cleanup_free_ char *path = hidden_path(credential->hidden);
	char *pem = NULL;
	size_t size;
	const struct builtin *builtin = builtin_find(credential->hidden);
	int r;

	if (builtin) {
		credential->key = key_copy(builtin->key);
		return 0;
	}
	r = file_read(path, FILE_MAX, &pem, &size, NULL);
	if (r == -ENOENT)
		return err_set(err, r, "hidden-private-key",
			"the private half of this key is not on this device");
	if (r < 0)
		return err_set(err, r, "hidden-private-key",
			"the private half of this key cannot be read: %s", strerror(-r));
	r = key_parse_pem(pem, &credential->key, err);
	explicit_bzero(pem, size);
	free(pem);
	return r;
}

void credential_sweep(bool (*is_used)(const char *digest, void *arg), void *arg)
{
	DIR *dir = opendir(self.hidden_dir);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		size_t length = strlen(entry->d_name);
		_cleanup_free_ char *digest = NULL;

		if (!str_ends(entry->d_name, SUFFIX))
			continue;
		digest = xstrndup(entry->d_name, length - strlen(SUFFIX));
		/* What cannot be removed now is tried again at the next start. */
		if (!is_used(digest, arg))
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (dir)
		closedir(dir);
}

/* --- the objects ------------------------------------------------------------------------------ */

static void copy(struct object *to, const struct object *from)
{
	struct credential *copied = (void *)to;
	const struct credential *given = (const void *)from;

	copied->key = key_copy(given->key);
	copied->hidden = xstrdup(given->hidden);
	copied->certs = NULL;
	copied->cert_count = 0;
	for (size_t i = 0; i < given->cert_count; i++)
		credential_add_cert(
			copied, xstrdup(given->certs[i].name), xstrdup(given->certs[i].pem));
}

static void done(struct object *object)
{
	struct credential *credential = (void *)object;

	key_free(credential->key);
	free(credential->hidden);
	for (size_t i = 0; i < credential->cert_count; i++) {
		free(credential->certs[i].name);
		free(credential->certs[i].pem);
	}
	free(credential->certs);
}

static bool is_same_key(const struct credential *want, const struct credential *have)
{
	if (want->hidden || have->hidden)
		return str_equal(want->hidden, have->hidden);
	if (!want->key || !have->key)
		return want->key == have->key;
	return want->key->type == have->key->type && str_equal(want->key->pem, have->key->pem) &&
		memcmp(want->key->seed, have->key->seed, sizeof(want->key->seed)) == 0;
}

static enum object_diff compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct credential *wanted = (const void *)want, *seen = (const void *)have;

	if (!is_same_key(wanted, seen) || wanted->cert_count != seen->cert_count)
		return OBJECT_CHANGE;
	for (size_t i = 0; i < wanted->cert_count; i++)
		if (!str_equal(wanted->certs[i].name, seen->certs[i].name) ||
			!str_equal(wanted->certs[i].pem, seen->certs[i].pem))
			return OBJECT_CHANGE;
	return OBJECT_SAME;
}

static enum object_owner owner(const struct object *have)
{
	return OBJECT_OURS;
}

static void describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "%s %s", object->kind == &object_kind_key ? "key" : "trust",
		object->key);
}

static int take(const struct object *want, struct err *err)
{
	struct credential *seen = object_copy(want);
	int r = seen->hidden ? load_hidden(seen, err) : 0;

	if (r < 0) {
		object_free(&seen->object);
		return r;
	}
	have_put(&seen->object);
	return 0;
}

static void run(struct step *step)
{
	const struct object *object = step->want ? step->want : step->have;
	_cleanup_free_ char *name = xstrdup(object->key);
	const struct object_kind *kind = object->kind;

	if (step->op == STEP_REMOVE)
		have_remove(kind, name);
	else
		step->error = take(step->want, &step->err);
	step->is_done = step->error == 0;
	if (step->is_done && self.changed)
		self.changed(kind, name, self.arg);
}

static size_t apply(struct step *const *steps, size_t count, bool stop_on_error)
{
	return apply_each(steps, count, stop_on_error, run);
}

static const struct target target_credential = {
	.name = "credential",
	.is_immediate = true,
	.apply = apply,
};

const struct object_kind object_kind_key = {
	.name = "key",
	.rank = 1,
	.size = sizeof(struct credential),
	.target = &target_credential,
	.compare = compare,
	.copy = copy,
	.done = done,
	.owner = owner,
	.describe = describe,
};

const struct object_kind object_kind_trust = {
	.name = "trust",
	.rank = 1,
	.size = sizeof(struct credential),
	.target = &target_credential,
	.compare = compare,
	.copy = copy,
	.done = done,
	.owner = owner,
	.describe = describe,
};

int credential_authorities(struct buf *out, struct err *err)
{
	const struct credential *trust;
	size_t at = 0;

	while ((trust = have_next(have_all(), &object_kind_trust, &at))) {
		/* A path is the name of trust that stands where it is used. */
		for (size_t i = 0; trust->object.key[0] != '/' && i < trust->cert_count; i++) {
			_cleanup_free_ char *pem = cert_authorities(trust->certs[i].pem);

			if (pem && buf_append_str(out, pem) < 0)
				return err_tagged(err, ERR_TAG_TOO_BIG, NULL,
					"the truststore holds more than a server can be checked with");
		}
	}
	return 0;
}
