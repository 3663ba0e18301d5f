/*
 * OCI distribution, as far as pulling an artifact takes it: ask for the manifest, get a token where one is
 * demanded (anonymously), ask again, then for the blobs. What the manifest is worth is told by its digest, if
 * the URL has one; what the blobs are worth, by the bundle's own signature.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/buf.h"
#include "ashlar/crypto-compat.h"
#include "ashlar/str.h"

#include "registry.h"

#define ARTIFACT       "application/vnd.ashlar.bundle.v1"
#define MEDIA_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define TITLE	       "org.opencontainers.image.title"
#define HOST_MAX       256
#define PATH_TEXT_MAX  256
#define TAG_MAX	       128
#define FILE_MAX       ((uint64_t)2 << 30)
#define SHA256_PREFIX  "sha256:"
#define TOKEN_URL_MAX  2048

/* --- names -------------------------------------------------------------------------------------- */

static bool is_of(const char *text, size_t size, const char *more)
{
	for (size_t i = 0; i < size; i++) {
		char c = text[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    (c && strchr(more, c))))
			return false;
	}
	return size > 0;
}

static bool is_digest(const char *text)
{
	uint8_t bytes[32];

	return str_starts(text, SHA256_PREFIX) && strlen(text) == REGISTRY_DIGEST_MAX - 1 &&
		str_unhex(bytes, sizeof(bytes), text + strlen(SHA256_PREFIX), 0) == 0;
}

void registry_place_done(struct registry_place *place)
{
	free(TAKE(place->base));
	free(TAKE(place->reference));
}

int registry_parse_url(const char *url, struct registry_place *ret_place, struct err *err)
{
	const char *host = str_starts(url, REGISTRY_SCHEME) ? url + strlen(REGISTRY_SCHEME) : "";
	size_t host_size = strcspn(host, "/");
	const char *name = host[host_size] ? host + host_size + 1 : "";
	size_t name_size = strcspn(name, ":@");
	const char *tag = name[name_size] == ':' ? name + name_size + 1 : "";
	size_t tag_size = strcspn(tag, "@");
	const char *digest = strchr(name, '@');

	if (!is_of(host, host_size, ".-:[]") || host_size > HOST_MAX ||
		!is_of(name, name_size, "._-/") || name_size > PATH_TEXT_MAX || *name == '/' ||
		strstr(name, "//") || strstr(name, "..") || name[name_size - 1] == '/')
		return err_set(err, -EINVAL, NULL,
			"the URL is not of the form oci://HOST/NAME:TAG or oci://HOST/NAME@DIGEST");
	if (name[name_size] == ':' && (!is_of(tag, tag_size, "._-") || tag_size > TAG_MAX))
		return err_set(err, -EINVAL, NULL, "the URL's tag is none");
	if (digest && !is_digest(digest + 1))
		return err_set(
			err, -EINVAL, NULL, "the URL's digest is not \"sha256:\" and 64 digits");
	*ret_place = (struct registry_place){ .base = NULL };
	if (digest)
		memcpy(ret_place->digest, digest + 1, REGISTRY_DIGEST_MAX);
	ret_place->base =
		xasprintf("https://%.*s/v2/%.*s", (int)host_size, host, (int)name_size, name);
	ret_place->reference = digest ? xstrdup(digest + 1)
		: *tag		      ? xstrndup(tag, tag_size)
				      : xstrdup("latest");
	return 0;
}

/* --- documents ---------------------------------------------------------------------------------- */

static int not_a_bundle(struct err *err, const char *why)
{
	return err_set(err, -EBADMSG, NULL, "what the registry has is no bundle: %s", why);
}

static int take_layer(const json_t *layer, struct registry *registry, struct err *err)
{
	const char *name =
		json_string_value(json_object_get(json_object_get(layer, "annotations"), TITLE));
	const char *digest = json_string_value(json_object_get(layer, "digest"));
	json_int_t size = json_integer_value(json_object_get(layer, "size"));
	struct registry_file *file = &registry->files[registry->count];

	if (!name) /* whatever else somebody has added */
		return 0;
	if (str_copy(file->name, sizeof(file->name), name) < 0 || !digest || !is_digest(digest) ||
		size < 0 || (uint64_t)size > FILE_MAX)
		return not_a_bundle(err, "one of its files is not described as such");
	memcpy(file->digest, digest, REGISTRY_DIGEST_MAX);
	file->size = (uint64_t)size;
	registry->count++;
	return 0;
}

int registry_parse_manifest(
	const char *text, size_t size, struct registry *registry, struct err *err)
{
	json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	const json_t *layers = json_object_get(root, "layers");
	size_t count = json_array_size(layers);
	int r = 0;

	registry->count = 0;
	if (!str_equal(json_string_value(json_object_get(root, "artifactType")), ARTIFACT))
		r = not_a_bundle(err, "its artifactType is not " ARTIFACT);
	else if (count > REGISTRY_FILES_MAX)
		r = not_a_bundle(err, "it has too many files");
	for (size_t i = 0; r == 0 && i < count; i++)
		r = take_layer(json_array_get(layers, i), registry, err);
	json_decref(root);
	return r;
}

/* The value of NAME="…" in a challenge; malloc'd, NULL: there is none. */
static char *parameter(const char *challenge, const char *name)
{
	size_t length = strlen(name);
	const char *at = challenge;

	while ((at = strstr(at, name))) {
		if ((at == challenge || strchr(" ,", at[-1])) && at[length] == '=' &&
			at[length + 1] == '"') {
			at += length + 2;
			return xstrndup(at, strcspn(at, "\""));
		}
		at += length;
	}
	return NULL;
}

char *registry_token_url(const char *challenge)
{
	static const char *const names[] = { "service", "scope" };
	_cleanup_free_ char *realm = parameter(challenge, "realm");
	_cleanup_(buf_done) struct buf url = { 0 };
	char separator = '?';

	if (strncasecmp(challenge, "Bearer ", 7) != 0 || !realm || !str_starts(realm, "https://") ||
		!is_of(realm, strlen(realm), "./:-_?=&%~[]+"))
		return NULL;
	buf_init(&url, TOKEN_URL_MAX);
	if (buf_append_str(&url, realm) < 0)
		return NULL;
	if (strchr(realm, '?'))
		separator = '&';
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *value = parameter(challenge, names[i]);
		char *escaped = value ? curl_easy_escape(NULL, value, (int)strlen(value)) : NULL;
		int r = escaped ? buf_printf(&url, "%c%s=%s", separator, names[i], escaped) : 0;

		separator = escaped ? '&' : separator;
		curl_free(escaped);
		if (r < 0)
			return NULL;
	}
	return buf_take(&url);
}

/* --- asking --------------------------------------------------------------------------------------- */

static int get_token(const char *challenge, const struct transfer_trust *trust, char **ret_token,
	struct err *err)
{
	struct transfer_opts opts = {
		.protocols = "https", .trust = trust, .max = REGISTRY_DOCUMENT_MAX
	};
	_cleanup_free_ char *url = challenge ? registry_token_url(challenge) : NULL;
	_cleanup_free_ char *text = NULL;
	const char *token;
	size_t size;
	json_t *root;
	int r;

	if (!url)
		return err_set(err, -EACCES, NULL,
			"the registry wants to know who asks, and not by a token");
	r = transfer_text(url, &opts, &text, &size, NULL, err);
	if (r < 0)
		return err_wrap(err, "the registry's token");
	root = json_loadb(text, size, 0, NULL);
	token = json_string_value(json_object_get(root, "token"));
	if (!token)
		token = json_string_value(json_object_get(root, "access_token"));
	/* It goes into a header line. */
	if (token && is_of(token, strlen(token), "-._~+/="))
		*ret_token = xstrdup(token);
	else
		r = err_set(err, -EBADMSG, NULL, "the registry's token is none");
	json_decref(root);
	return r;
}

static int check_digest(const char *text, size_t size, const char *digest, struct err *err)
{
	unsigned char hash[32];
	char hex[2 * sizeof(hash) + 1];

	if (!*digest)
		return 0;
	if (crypto_compat_sha256(text, size, hash) != 0)
		return err_set(err, -EIO, NULL, "no digest can be made");
	str_hex(hex, hash, sizeof(hash));
	if (!str_equal(hex, digest + strlen(SHA256_PREFIX)))
		return err_set(
			err, -EBADMSG, NULL, "the registry sends something else than %s", digest);
	return 0;
}

/* The manifest's text; without a token -EACCES when one is needed, and *ret_challenge. */
static int get_manifest(const struct registry *registry, const struct transfer_trust *trust,
	char **ret_text, size_t *ret_size, char **ret_challenge, struct err *err)
{
	struct transfer_opts opts = {
		.protocols = "https",
		.trust = trust,
		.accept = MEDIA_MANIFEST,
		.bearer = registry->token,
		.max = REGISTRY_DOCUMENT_MAX,
	};
	_cleanup_free_ char *url =
		xasprintf("%s/manifests/%s", registry->place.base, registry->place.reference);
	struct transfer_reply reply = { .status = 0 };
	int r = transfer_text(url, &opts, ret_text, ret_size, &reply, err);

	if (r == 0 && reply.status == 401)
		r = err_set(err, -EACCES, NULL, "the registry does not let us have %s",
			registry->place.reference);
	else if (r == 0 && reply.status != 200)
		r = err_set(err, -EIO, NULL, "the registry answers %ld for %s", reply.status,
			registry->place.reference);
	if (r < 0) /* also what an error says */
		free(TAKE(*ret_text));
	*ret_challenge = TAKE(reply.www_authenticate);
	return r;
}

int registry_open(const char *url, const struct transfer_trust *trust,
	struct registry *ret_registry, struct err *err)
{
	_cleanup_free_ char *text = NULL, *challenge = NULL, *second = NULL;
	struct registry registry = { .token = NULL };
	size_t size = 0;
	int r = registry_parse_url(url, &registry.place, err);

	if (r < 0)
		return r;
	r = get_manifest(&registry, trust, &text, &size, &challenge, err);
	if (r == -EACCES) {
		r = get_token(challenge, trust, &registry.token, err);
		if (r == 0)
			r = get_manifest(&registry, trust, &text, &size, &second, err);
	}
	if (r == 0)
		r = check_digest(text, size, registry.place.digest, err);
	if (r == 0)
		r = registry_parse_manifest(text, size, &registry, err);
	if (r < 0)
		registry_done(&registry);
	else
		*ret_registry = registry;
	return r;
}

void registry_done(struct registry *registry)
{
	registry_place_done(&registry->place);
	free(TAKE(registry->token));
}

struct transfer *registry_get(const struct registry *registry, const struct registry_file *file,
	const struct transfer_trust *trust)
{
	struct transfer_opts opts = {
		.protocols = "https", .trust = trust, .bearer = registry->token, .max = file->size
	};
	_cleanup_free_ char *url = xasprintf("%s/blobs/%s", registry->place.base, file->digest);

	return transfer_new(url, &opts); /* libcurl keeps a copy */
}
