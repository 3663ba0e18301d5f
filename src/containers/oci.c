/*
 * Documents of an OCI image (image-spec 1.0: index, manifest, config), and their Docker twins, which
 * differ in media types only. They come from strangers: jansson bounds nesting, the rest is bounded
 * here. Only SHA-256 digests are known, the one algorithm that the specification requires.
 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "ashlar/str.h"
#include "oci.h"

#define REF_NAME "org.opencontainers.image.ref.name"

static const struct {
	const char *name;
	enum oci_media media;
} medias[] = {
	{ "application/vnd.oci.image.index.v1+json", OCI_MEDIA_INDEX },
	{ "application/vnd.docker.distribution.manifest.list.v2+json", OCI_MEDIA_INDEX },
	{ "application/vnd.oci.image.manifest.v1+json", OCI_MEDIA_MANIFEST },
	{ "application/vnd.docker.distribution.manifest.v2+json", OCI_MEDIA_MANIFEST },
	{ "application/vnd.oci.image.config.v1+json", OCI_MEDIA_CONFIG },
	{ "application/vnd.docker.container.image.v1+json", OCI_MEDIA_CONFIG },
	{ "application/vnd.oci.image.layer.v1.tar", OCI_MEDIA_LAYER },
	{ "application/vnd.oci.image.layer.v1.tar+gzip", OCI_MEDIA_LAYER },
	{ "application/vnd.oci.image.layer.v1.tar+zstd", OCI_MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar", OCI_MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar.gzip", OCI_MEDIA_LAYER },
};

/* The names that images use. */
static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "HUP", SIGHUP },
	{ "INT", SIGINT },
	{ "QUIT", SIGQUIT },
	{ "KILL", SIGKILL },
	{ "USR1", SIGUSR1 },
	{ "USR2", SIGUSR2 },
	{ "TERM", SIGTERM },
	{ "CONT", SIGCONT },
	{ "WINCH", SIGWINCH },
	{ "PWR", SIGPWR },
	{ "ALRM", SIGALRM },
	{ "RTMIN+3", 37 },
};

void oci_strings_free(char **strings)
{
	size_t i;

	if (!strings)
		return;
	for (i = 0; strings[i]; i++)
		free(strings[i]);
	free(strings);
}

void oci_manifest_done(struct oci_manifest *manifest)
{
	free(manifest->layers);
	*manifest = (struct oci_manifest){ 0 };
}

void oci_config_done(struct oci_config *config)
{
	oci_strings_free(config->entrypoint);
	oci_strings_free(config->cmd);
	oci_strings_free(config->env);
	oci_strings_free(config->volumes);
	free(config->workdir);
	free(config->user);
	*config = (struct oci_config){ 0 };
}

int oci_signal(const char *text)
{
	uint64_t number;
	size_t i;

	if (str_u64(text, 1, 64, &number) == 0)
		return (int)number;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		if (strcasecmp(signals[i].name, text) == 0)
			return signals[i].number;
	return -EINVAL;
}

static int parse(
	const char *text, size_t size, const char *what, json_t **ret_root, struct err *err)
{
	json_error_t error;
	json_t *root;

	if (size > OCI_DOCUMENT_MAX)
		return err_set(err, -EFBIG, NULL, "the image's %s is larger than %zu bytes", what,
			OCI_DOCUMENT_MAX);
	root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		return err_set(
			err, -EBADMSG, NULL, "the image's %s is not JSON: %s", what, error.text);
	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(err, -EBADMSG, NULL, "the image's %s is not an object", what);
	}
	*ret_root = root;
	return 0;
}

static enum oci_media media_of(const json_t *descriptor)
{
	const char *type = json_string_value(json_object_get(descriptor, "mediaType"));
	size_t i;

	for (i = 0; type && i < ARRAY_SIZE(medias); i++)
		if (strcmp(medias[i].name, type) == 0)
			return medias[i].media;
	return OCI_MEDIA_OTHER;
}

static int parse_descriptor(const json_t *json, const char *what,
	struct oci_descriptor *ret_descriptor, struct err *err)
{
	const char *digest = json_string_value(json_object_get(json, "digest"));
	const json_t *size = json_object_get(json, "size");
	uint8_t bytes[32];

	if (!digest || !json_is_integer(size) || json_integer_value(size) < 0)
		return err_set(err, -EBADMSG, NULL, "the image's %s lacks digest or size", what);
	if (!str_starts(digest, "sha256:") || strlen(digest) != 7 + 64 ||
		str_unhex(bytes, sizeof(bytes), digest + 7, 0) < 0)
		return err_set(
			err, -EBADMSG, NULL, "the image's %s has a digest other than sha256", what);
	ret_descriptor->media = media_of(json);
	ret_descriptor->size = (uint64_t)json_integer_value(size);
	str_hex(ret_descriptor->digest, bytes, sizeof(bytes));
	return 0;
}

/* The machine's name in image indexes. */
static const char *architecture(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#elif defined(__arm__)
	return "arm";
#elif defined(__riscv)
	return "riscv64";
#elif defined(__i386__)
	return "386";
#else
	return "unknown";
#endif
}

/* An entry without platform fits every machine. */
static bool fits_machine(const json_t *entry)
{
	const json_t *platform = json_object_get(entry, "platform");
	const char *os = json_string_value(json_object_get(platform, "os"));
	const char *arch = json_string_value(json_object_get(platform, "architecture"));

	return (!os || strcmp(os, "linux") == 0) && (!arch || strcmp(arch, architecture()) == 0);
}

static bool has_tag(const json_t *entry, const char *tag)
{
	const json_t *notes = json_object_get(entry, "annotations");
	const char *name = json_string_value(json_object_get(notes, REF_NAME));
	size_t name_length, tag_length;

	if (!tag)
		return true;
	if (!name)
		return false;
	if (strcmp(name, tag) == 0)
		return true;
	/* Some tools write the whole reference: "docker.io/library/name:tag". */
	name_length = strlen(name);
	tag_length = strlen(tag);
	return name_length > tag_length && name[name_length - tag_length - 1] == ':' &&
		str_ends(name, tag);
}

int oci_parse_index(const char *text, size_t size, const char *tag,
	struct oci_descriptor *ret_descriptor, struct err *err)
{
	_cleanup_(json_decrefp) json_t *root = NULL;
	bool seen_tag = false;
	const json_t *list;
	size_t i, count;
	int ret;

	ret = parse(text, size, "index", &root, err);
	if (ret < 0)
		return ret;
	list = json_object_get(root, "manifests");
	count = json_array_size(list);
	if (!count || count > OCI_MANIFESTS_MAX)
		return err_set(err, -EBADMSG, NULL,
			"the image's index lists %zu manifests, 1 to %d are allowed", count,
			OCI_MANIFESTS_MAX);
	for (i = 0; i < count; i++) {
		const json_t *entry = json_array_get(list, i);
		enum oci_media media = media_of(entry);

		if (media != OCI_MEDIA_MANIFEST && media != OCI_MEDIA_INDEX)
			continue;
		if (!has_tag(entry, tag))
			continue;
		seen_tag = true;
		if (fits_machine(entry))
			return parse_descriptor(entry, "index", ret_descriptor, err);
	}
	if (tag && !seen_tag)
		return err_set(err, -ENOENT, NULL, "the archive holds no image named %s", tag);
	return err_set(
		err, -ENOENT, NULL, "the archive holds no image for linux on %s", architecture());
}

static int parse_layers(const json_t *list, struct oci_manifest *manifest, struct err *err)
{
	size_t count = json_array_size(list), i;
	int ret;

	if (!count || count > OCI_LAYERS_MAX)
		return err_set(err, -EBADMSG, NULL, "the image has %zu layers, 1 to %d are allowed",
			count, OCI_LAYERS_MAX);
	manifest->layers = xcalloc(count, sizeof(*manifest->layers));
	for (i = 0; i < count; i++) {
		ret = parse_descriptor(
			json_array_get(list, i), "manifest", &manifest->layers[i], err);
		if (ret < 0)
			return ret;
		if (manifest->layers[i].media != OCI_MEDIA_LAYER)
			return err_set(err, -EBADMSG, NULL,
				"layer %zu of the image has a media type that is not known", i + 1);
		manifest->layer_count++;
	}
	return 0;
}

int oci_parse_manifest(
	const char *text, size_t size, struct oci_manifest *ret_manifest, struct err *err)
{
	_cleanup_(oci_manifest_done) struct oci_manifest manifest = { 0 };
	_cleanup_(json_decrefp) json_t *root = NULL;
	int ret;

	ret = parse(text, size, "manifest", &root, err);
	if (ret == 0)
		ret = parse_descriptor(
			json_object_get(root, "config"), "manifest", &manifest.config, err);
	if (ret == 0 && manifest.config.media != OCI_MEDIA_CONFIG)
		ret = err_set(err, -EBADMSG, NULL,
			"the archive holds something other than a container image");
	if (ret == 0)
		ret = parse_layers(json_object_get(root, "layers"), &manifest, err);
	if (ret < 0)
		return ret;
	*ret_manifest = manifest;
	manifest.layers = NULL;
	return 0;
}

/* It goes into argv, an environment or a path (jansson has refused what holds a NUL). */
static int take_string(const json_t *json, const char *what, char **ret_text, struct err *err)
{
	const char *text = json_string_value(json);

	if (!text)
		return err_set(err, -EBADMSG, NULL, "the image's %s is not text", what);
	if (json_string_length(json) > OCI_STRING_MAX)
		return err_set(err, -EFBIG, NULL, "the image's %s is longer than %zu bytes", what,
			OCI_STRING_MAX);
	*ret_text = xstrdup(text);
	return 0;
}

/* Absent and null are an empty array. */
static int take_strings(
	const json_t *config, const char *name, char ***ret_strings, struct err *err)
{
	const json_t *list = json_object_get(config, name);
	_cleanup_(oci_strings_freep) char **strings = NULL;
	size_t count = json_array_size(list), i;
	int ret;

	if (list && !json_is_null(list) && !json_is_array(list))
		return err_set(err, -EBADMSG, NULL, "the image's %s is not a list", name);
	if (count > OCI_STRINGS_MAX)
		return err_set(err, -EFBIG, NULL, "the image's %s has more than %d items", name,
			OCI_STRINGS_MAX);
	strings = xcalloc(count + 1, sizeof(*strings));
	for (i = 0; i < count; i++) {
		ret = take_string(json_array_get(list, i), name, &strings[i], err);
		if (ret < 0)
			return ret;
	}
	*ret_strings = TAKE(strings);
	return 0;
}

/* The keys of an object: {"/data": {}}. */
static int take_volumes(json_t *config, char ***ret_strings, struct err *err)
{
	json_t *object = json_object_get(config, "Volumes");
	char **strings;
	const char *key;
	json_t *value;
	size_t at = 0;

	if (json_object_size(object) > OCI_STRINGS_MAX)
		return err_set(
			err, -EFBIG, NULL, "the image has more than %d volumes", OCI_STRINGS_MAX);
	strings = xcalloc(json_object_size(object) + 1, sizeof(*strings));
	json_object_foreach(object, key, value)
	{
		if (key[0] == '/' && strlen(key) < 4096)
			strings[at++] = xstrdup(key);
	}
	*ret_strings = strings;
	return 0;
}

static int take_optional(const json_t *config, const char *name, const char *fallback,
	char **ret_text, struct err *err)
{
	const json_t *json = json_object_get(config, name);

	if (!json || json_is_null(json) ||
		(json_is_string(json) && json_string_length(json) == 0)) {
		*ret_text = xstrdup(fallback);
		return 0;
	}
	return take_string(json, name, ret_text, err);
}

static int take_stop_signal(const json_t *config, int *ret_signal, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int ret;

	ret = take_optional(config, "StopSignal", "SIGTERM", &text, err);
	if (ret < 0)
		return ret;
	ret = oci_signal(text);
	if (ret < 0)
		return err_set(
			err, -EBADMSG, NULL, "the image's stop signal %s is not known", text);
	*ret_signal = ret;
	return 0;
}

int oci_parse_config(const char *text, size_t size, struct oci_config *ret_config, struct err *err)
{
	_cleanup_(oci_config_done) struct oci_config config = { 0 };
	_cleanup_(json_decrefp) json_t *root = NULL;
	json_t *json;
	int ret;

	ret = parse(text, size, "configuration", &root, err);
	if (ret < 0)
		return ret;
	json = json_object_get(root, "config");
	ret = take_strings(json, "Entrypoint", &config.entrypoint, err);
	if (ret == 0)
		ret = take_strings(json, "Cmd", &config.cmd, err);
	if (ret == 0)
		ret = take_strings(json, "Env", &config.env, err);
	if (ret == 0)
		ret = take_volumes(json, &config.volumes, err);
	if (ret == 0)
		ret = take_optional(json, "WorkingDir", "/", &config.workdir, err);
	if (ret == 0)
		ret = take_optional(json, "User", "", &config.user, err);
	if (ret == 0)
		ret = take_stop_signal(json, &config.stop_signal, err);
	if (ret == 0 && config.workdir[0] != '/')
		ret = err_set(err, -EBADMSG, NULL, "the image's working directory is not absolute");
	if (ret < 0)
		return ret;
	*ret_config = config;
	config = (struct oci_config){ 0 };
	return 0;
}
