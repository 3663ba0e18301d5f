/*
 * Manifests of upgrades. The signature is ECDSA or RSA over the SHA-256 of the manifest's bytes, by a key
 * whose certificate is in the bundle; trust begins with the authorities in the image that runs.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <mbedtls/oid.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/crypto-compat.h"
#include "ashlar/str.h"

#include "manifest.h"

#define FORMAT	      1
#define BLOCK	      4096
#define MODULE_MAX    256
#define SECURITY_MAX  1000000
#define X509_TIMES    (MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE)
#define WHAT_MANIFEST "the bundle's manifest"
#define WHAT_RELEASE  "the image's release.json"

const char *const manifest_part_names[MANIFEST_PARTS] = {
	[MANIFEST_BOOT] = "boot.efi",
	[MANIFEST_ROOT] = "root.img",
};

static const uint64_t part_max[MANIFEST_PARTS] = {
	[MANIFEST_BOOT] = MANIFEST_BOOT_MAX,
	[MANIFEST_ROOT] = MANIFEST_ROOT_MAX,
};

void release_done(struct release *release)
{
	for (char **module = release->modules; module && *module; module++)
		free(*module);
	free(TAKE(release->modules));
}

void manifest_done(struct manifest *manifest)
{
	release_done(&manifest->release);
	for (size_t i = 0; i < MANIFEST_PARTS; i++)
		free(TAKE(manifest->files[i].chunks));
}

/* --- the signature ------------------------------------------------------------------------------ */

static int parse_certs(const char *pem, mbedtls_x509_crt *certs)
{
	mbedtls_x509_crt_init(certs);
	return mbedtls_x509_crt_parse(certs, (const unsigned char *)pem, strlen(pem) + 1) == 0
		? 0
		: -EBADMSG;
}

static bool is_trusted(mbedtls_x509_crt *chain, mbedtls_x509_crt *anchors)
{
	uint32_t flags = 0;
	int r = mbedtls_x509_crt_verify(chain, anchors, NULL, NULL, &flags, NULL, NULL);

	return r == 0 || (r == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED && !(flags & ~X509_TIMES));
}

static bool may_sign(const mbedtls_x509_crt *cert)
{
	return !crypto_compat_is_authority(cert) &&
		mbedtls_x509_crt_check_extended_key_usage(cert, MBEDTLS_OID_CODE_SIGNING,
			MBEDTLS_OID_SIZE(MBEDTLS_OID_CODE_SIGNING)) == 0;
}

int manifest_verify(const void *text, size_t size, const void *signature, size_t signature_size,
	const char *chain, const char *anchors, struct err *err)
{
	mbedtls_x509_crt signers, trusted;
	unsigned char hash[MANIFEST_DIGEST];
	int r = parse_certs(chain, &signers);

	if (parse_certs(anchors, &trusted) < 0)
		r = err_set(err, -ENOKEY, NULL,
			"this image trusts nobody: it was made without an authority for upgrades");
	else if (r < 0)
		r = err_set(err, r, NULL, "the bundle's certificate cannot be read");
	else if (!is_trusted(&signers, &trusted))
		r = err_set(
			err, -EBADMSG, NULL, "the bundle is signed by someone who is not trusted");
	else if (!may_sign(&signers))
		r = err_set(err, -EBADMSG, NULL, "the bundle's certificate is not one for signing");
	else if (crypto_compat_sha256(text, size, hash) != 0 ||
		mbedtls_pk_verify(&signers.pk, MBEDTLS_MD_SHA256, hash, sizeof(hash), signature,
			signature_size) != 0)
		r = err_set(
			err, -EBADMSG, NULL, "the bundle's signature is not that of its manifest");
	mbedtls_x509_crt_free(&signers);
	mbedtls_x509_crt_free(&trusted);
	return r;
}

/* --- what it says ------------------------------------------------------------------------------- */

static int bad(struct err *err, const char *what, const char *name)
{
	return err_set(err, -EBADMSG, NULL, "%s: \"%s\" is absent or wrong", what, name);
}

static int load(const char *text, size_t size, const char *what, json_t **ret_root, struct err *err)
{
	json_error_t error;
	json_t *root = NULL;

	if (size > MANIFEST_MAX)
		return err_set(err, -EFBIG, NULL, "%s has more than %zu bytes", what, MANIFEST_MAX);
	root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		return err_set(err, -EBADMSG, NULL, "%s is not JSON: %s", what, error.text);
	*ret_root = root;
	return 0;
}

static bool take_number(
	const json_t *object, const char *name, uint64_t min, uint64_t max, uint64_t *ret_number)
{
	const json_t *value = json_object_get(object, name);
	json_int_t number = json_integer_value(value);

	*ret_number = (uint64_t)number;
	return json_is_integer(value) && number >= 0 && (uint64_t)number >= min &&
		(uint64_t)number <= max;
}

/* A word of printable ASCII: it comes into messages, and onto the console. */
static bool take_text(const json_t *object, const char *name, char *text, size_t room)
{
	const json_t *value = json_object_get(object, name);
	const char *given = json_string_value(value);

	if (!given || !*given || strlen(given) != json_string_length(value) ||
		str_copy(text, room, given) < 0)
		return false;
	for (; *given; given++) {
		if (*given <= ' ' || *given >= 0x7f)
			return false;
	}
	return true;
}

static bool take_digest(const json_t *value, uint8_t digest[MANIFEST_DIGEST])
{
	const char *text = json_string_value(value);

	return text && strlen(text) == (size_t)2 * MANIFEST_DIGEST &&
		str_unhex(digest, MANIFEST_DIGEST, text, 0) == 0;
}

/* The order of their names, of "name@revision". */
static int compare_names(const char *a, const char *b)
{
	size_t a_size = strcspn(a, "@"), b_size = strcspn(b, "@");
	int order = memcmp(a, b, a_size < b_size ? a_size : b_size);

	return order ? order : (a_size > b_size) - (a_size < b_size);
}

static int compare_modules(const void *a, const void *b)
{
	return compare_names(*(char *const *)a, *(char *const *)b);
}

static int take_modules(
	const json_t *list, const char *what, struct release *release, struct err *err)
{
	size_t count = json_array_size(list);

	if (!json_is_array(list) || count > MANIFEST_MODULES_MAX)
		return bad(err, what, "modules");
	release->modules = xcalloc(count + 1, sizeof(*release->modules));
	for (size_t i = 0; i < count; i++) {
		const json_t *item = json_array_get(list, i);
		const char *text = json_string_value(item);

		if (!text || !*text || *text == '@' || strlen(text) != json_string_length(item) ||
			strlen(text) > MODULE_MAX)
			return bad(err, what, "modules");
		release->modules[i] = xstrdup(text);
	}
	qsort(release->modules, count, sizeof(*release->modules), compare_modules);
	return 0;
}

static int take_release(
	const json_t *root, const char *what, struct release *release, struct err *err)
{
	uint64_t security;

	if (!take_text(root, "version", release->version, sizeof(release->version)))
		return bad(err, what, "version");
	if (!take_text(root, "compatible", release->compatible, sizeof(release->compatible)))
		return bad(err, what, "compatible");
	if (!take_number(root, "security-counter", 0, SECURITY_MAX, &security))
		return bad(err, what, "security-counter");
	release->security = (uint32_t)security;
	return take_modules(json_object_get(root, "modules"), what, release, err);
}

static int take_file(
	const json_t *entry, enum manifest_part part, struct manifest_file *file, struct err *err)
{
	const json_t *chunks = json_object_get(entry, "chunks");

	if (!str_equal(
		    json_string_value(json_object_get(entry, "name")), manifest_part_names[part]) ||
		!take_number(entry, "size", 1, part_max[part], &file->size) ||
		!take_digest(json_object_get(entry, "sha256"), file->sha256))
		return bad(err, WHAT_MANIFEST, "files");
	file->chunk_count = (size_t)((file->size + MANIFEST_CHUNK - 1) / MANIFEST_CHUNK);
	if (json_array_size(chunks) != file->chunk_count)
		return bad(err, WHAT_MANIFEST, "chunks");
	file->chunks = xcalloc(file->chunk_count, sizeof(*file->chunks));
	for (size_t i = 0; i < file->chunk_count; i++) {
		if (!take_digest(json_array_get(chunks, i), file->chunks[i]))
			return bad(err, WHAT_MANIFEST, "chunks");
	}
	return 0;
}

static int take_files(const json_t *root, struct manifest *manifest, struct err *err)
{
	const json_t *files = json_object_get(root, "files");
	const json_t *verity = json_object_get(root, "verity");
	uint64_t root_size;
	int r = 0;

	if (json_array_size(files) != MANIFEST_PARTS)
		return bad(err, WHAT_MANIFEST, "files");
	for (size_t i = 0; r == 0 && i < MANIFEST_PARTS; i++)
		r = take_file(json_array_get(files, i), i, &manifest->files[i], err);
	if (r < 0)
		return r;
	root_size = manifest->files[MANIFEST_ROOT].size;
	if (!take_number(verity, "blocks", 1, root_size / BLOCK, &manifest->blocks) ||
		!take_digest(json_object_get(verity, "hash"), manifest->root_hash) ||
		!take_digest(json_object_get(verity, "salt"), manifest->salt))
		return bad(err, WHAT_MANIFEST, "verity");
	return 0;
}

int release_parse(const char *text, size_t size, struct release *ret_release, struct err *err)
{
	struct release release = { .modules = NULL };
	json_t *root = NULL;
	int r = load(text, size, WHAT_RELEASE, &root, err);

	if (r < 0)
		return r;
	r = take_release(root, WHAT_RELEASE, &release, err);
	json_decref(root);
	if (r < 0)
		release_done(&release);
	else
		*ret_release = release;
	return r;
}

int manifest_parse(const char *text, size_t size, struct manifest *ret_manifest, struct err *err)
{
	struct manifest manifest = { .blocks = 0 };
	uint64_t number;
	json_t *root = NULL;
	int r = load(text, size, WHAT_MANIFEST, &root, err);

	if (r < 0)
		return r;
	if (!take_number(root, "format", FORMAT, FORMAT, &number))
		r = bad(err, WHAT_MANIFEST, "format");
	else if (!take_number(root, "chunk-size", MANIFEST_CHUNK, MANIFEST_CHUNK, &number))
		r = bad(err, WHAT_MANIFEST, "chunk-size");
	else
		r = take_release(root, WHAT_MANIFEST, &manifest.release, err);
	if (r == 0)
		r = take_files(root, &manifest, err);
	json_decref(root);
	if (r < 0)
		manifest_done(&manifest);
	else
		*ret_manifest = manifest;
	return r;
}

int release_fits(const struct release *ours, const struct release *theirs, struct err *err)
{
	if (!str_equal(ours->compatible, theirs->compatible))
		return err_set(err, -EINVAL, NULL,
			"the bundle is for \"%s\", this device is \"%s\"", theirs->compatible,
			ours->compatible);
	if (theirs->security < ours->security)
		return err_set(err, -EPERM, NULL,
			"the bundle's security counter is %" PRIu32 ", this image's %" PRIu32
			": versions with known faults are not gone back to",
			theirs->security, ours->security);
	return 0;
}

/* --- how the data model changes ------------------------------------------------------------------- */

static const char *revision(const char *module)
{
	const char *at = strchr(module, '@');

	return at ? at + 1 : "";
}

void release_compare(const struct release *ours, const struct release *theirs,
	void (*tell)(const char *name, const char *old, const char *new, void *arg), void *arg)
{
	char **old = ours->modules, **new = theirs->modules;

	while (*old || *new) {
		int order = !*old ? 1 : !*new ? -1 : compare_names(*old, *new);
		const char *module = order <= 0 ? *old : *new;
		_cleanup_free_ char *name = xstrndup(module, strcspn(module, "@"));

		if (order != 0 || !str_equal(revision(*old), revision(*new)))
			tell(name, order <= 0 ? revision(*old) : NULL,
				order >= 0 ? revision(*new) : NULL, arg);
		old += order <= 0;
		new += order >= 0;
	}
}
