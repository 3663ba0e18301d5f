/* Documents of images: what is taken from them, what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/buf.h"
#include "oci.h"
#include "unpacked.h"

#define A64		       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64		       "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define MEDIA(kind)	       "\"mediaType\":\"application/vnd.oci.image." kind "\""
#define DIGEST(digest)	       "\"digest\":\"sha256:" digest "\",\"size\":7"
#define MANIFEST(digest, more) "{" MEDIA("manifest.v1+json") "," DIGEST(digest) more "}"
#define TAG(tag)	       ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"" tag "\"}"
#define PLATFORM(os, arch)     ",\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch "\"}"

static void test_index(void **state)
{
	static const struct {
		const char *text, *tag;
		int code;
		const char *digest;
	} cases[] = {
		{ "{\"manifests\":[" MANIFEST(A64, "") "]}", NULL, 0, A64 },
		{ "{\"manifests\":[" MANIFEST(A64, TAG("1")) "," MANIFEST(B64, TAG("2")) "]}", "2",
			0, B64 },
		{ "{\"manifests\":[" MANIFEST(A64, TAG("docker.io/library/x:1")) "]}", "1", 0,
			A64 },
		{ "{\"manifests\":[" MANIFEST(A64, TAG("11")) "]}", "1", -ENOENT, NULL },
		{ "{\"manifests\":[" MANIFEST(A64, "") "]}", "1", -ENOENT, NULL },
		{ "{\"manifests\":[" MANIFEST(A64, PLATFORM("linux", "s390x")) "," MANIFEST(
			  B64, PLATFORM("linux", "unknown")) "]}",
			NULL, -ENOENT, NULL },
		{ "{\"manifests\":[" MANIFEST(A64, PLATFORM("windows", "amd64")) "," MANIFEST(
			  B64, "") "]}",
			NULL, 0, B64 },
		{ "{\"manifests\":[]}", NULL, -EBADMSG, NULL },
		{ "{}", NULL, -EBADMSG, NULL },
		{ "[]", NULL, -EBADMSG, NULL },
		{ "", NULL, -EBADMSG, NULL },
		{ "{\"manifests\":[1,null,{}]}", NULL, -ENOENT, NULL },
		{ "{\"manifests\":[" MANIFEST("zz", "") "]}", NULL, -EBADMSG, NULL },
		{ "{\"manifests\":[{" MEDIA("manifest.v1+json") ",\"digest\":\"sha512:" A64
								"\",\"size\":1}]}",
			NULL, -EBADMSG, NULL },
		{ "{\"manifests\":[{" MEDIA("manifest.v1+json") ",\"digest\":\"sha256:" A64
								"\",\"size\":-1}]}",
			NULL, -EBADMSG, NULL },
		{ "{\"manifests\":[" MANIFEST(A64, "") "],\"manifests\":[]}", NULL, -EBADMSG,
			NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct oci_descriptor descriptor = { 0 };
		_cleanup_err_ struct err err = { 0 };
		int r = oci_parse_index(
			cases[i].text, strlen(cases[i].text), cases[i].tag, &descriptor, &err);

		if (r != cases[i].code)
			fail_msg("case %zu: %d, %s", i, r, err_text(&err));
		if (r < 0)
			assert_non_null(err.message);
		else
			assert_string_equal(descriptor.digest, cases[i].digest);
	}
}

#define CONFIG "\"config\":{" MEDIA("config.v1+json") "," DIGEST(A64) "}"
#define LAYER  "{" MEDIA("layer.v1.tar+gzip") "," DIGEST(B64) "}"

static void test_manifest(void **state)
{
	static const struct {
		const char *text;
		int code;
	} cases[] = {
		{ "{" CONFIG ",\"layers\":[" LAYER "," LAYER "]}", 0 },
		{ "{" CONFIG ",\"layers\":[]}", -EBADMSG },
		{ "{" CONFIG "}", -EBADMSG },
		{ "{\"layers\":[" LAYER "]}", -EBADMSG },
		{ "{\"config\":" LAYER ",\"layers\":[" LAYER "]}", -EBADMSG },
		{ "{" CONFIG
		  ",\"layers\":[{" MEDIA("layer.nondistributable.v1.tar") "," DIGEST(B64) "}]}",
			-EBADMSG },
		{ "{" CONFIG ",\"layers\":[" LAYER ",7]}", -EBADMSG },
		{ "{" CONFIG ",\"layers\":{}}", -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct oci_manifest manifest = { 0 };
		int r = oci_parse_manifest(cases[i].text, strlen(cases[i].text), &manifest, NULL);

		if (r != cases[i].code)
			fail_msg("case %zu: %d", i, r);
		if (r < 0)
			continue;
		assert_int_equal(manifest.layer_count, 2);
		assert_string_equal(manifest.config.digest, A64);
		assert_string_equal(manifest.layers[1].digest, B64);
		oci_manifest_done(&manifest);
	}
}

static void test_too_many_layers(void **state)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	struct oci_manifest manifest;

	assert_int_equal(buf_append_str(&text, "{" CONFIG ",\"layers\":[" LAYER), 0);
	for (int i = 0; i < OCI_LAYERS_MAX; i++)
		assert_int_equal(buf_append_str(&text, "," LAYER), 0);
	assert_int_equal(buf_append_str(&text, "]}"), 0);
	assert_int_equal(
		oci_parse_manifest(buf_bytes(&text), text.length, &manifest, NULL), -EBADMSG);
}

static void test_config(void **state)
{
	static const char text[] =
		"{\"config\":{\"Entrypoint\":[\"/init\"],\"Cmd\":[\"a\",\"b c\"],\"Env\":null,"
		"\"WorkingDir\":\"/srv\",\"User\":\"web\",\"StopSignal\":\"SIGINT\","
		"\"Volumes\":{\"/data\":{},\"relative\":{}}}}";
	struct oci_config config = { 0 };

	assert_int_equal(oci_parse_config(text, strlen(text), &config, NULL), 0);
	assert_string_equal(config.entrypoint[0], "/init");
	assert_null(config.entrypoint[1]);
	assert_string_equal(config.cmd[1], "b c");
	assert_null(config.env[0]);
	assert_string_equal(config.volumes[0], "/data");
	assert_null(config.volumes[1]);
	assert_string_equal(config.workdir, "/srv");
	assert_string_equal(config.user, "web");
	assert_int_equal(config.stop_signal, 2);
	oci_config_done(&config);

	assert_int_equal(oci_parse_config("{}", 2, &config, NULL), 0);
	assert_null(config.cmd[0]);
	assert_string_equal(config.workdir, "/");
	assert_int_equal(config.stop_signal, 15);
	oci_config_done(&config);
}

static void test_config_refused(void **state)
{
	static const char *const texts[] = {
		"{\"config\":{\"Cmd\":\"a\"}}",
		"{\"config\":{\"Cmd\":[1]}}",
		"{\"config\":{\"Cmd\":[\"a\\u0000b\"]}}",
		"{\"config\":{\"Env\":{}}}",
		"{\"config\":{\"WorkingDir\":\"srv\"}}",
		"{\"config\":{\"WorkingDir\":7}}",
		"{\"config\":{\"StopSignal\":\"SIGFOO\"}}",
		"{\"config\":{\"StopSignal\":\"65\"}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct oci_config config;
		_cleanup_err_ struct err err = { 0 };

		if (oci_parse_config(texts[i], strlen(texts[i]), &config, &err) != -EBADMSG)
			fail_msg("%s is taken", texts[i]);
		assert_non_null(err.message);
	}
}

static void test_too_large(void **state)
{
	_cleanup_free_ char *text = xmalloc(OCI_DOCUMENT_MAX + 1);
	struct oci_config config;

	memset(text, ' ', OCI_DOCUMENT_MAX + 1);
	assert_int_equal(oci_parse_config(text, OCI_DOCUMENT_MAX + 1, &config, NULL), -EFBIG);
}

static void test_signals(void **state)
{
	assert_int_equal(oci_signal("SIGTERM"), 15);
	assert_int_equal(oci_signal("term"), 15);
	assert_int_equal(oci_signal("9"), 9);
	assert_int_equal(oci_signal("SIGRTMIN+3"), 37);
	assert_int_equal(oci_signal("0"), -EINVAL);
	assert_int_equal(oci_signal(""), -EINVAL);
	assert_int_equal(oci_signal("SIG"), -EINVAL);
}

/* What the unpacking process writes is what the daemon reads. */
static void test_unpacked(void **state)
{
	char *args[] = { (char *)"/bin/\"x\"", (char *)"\xc3\xa4", NULL }, *none[] = { NULL };
	char *volumes[] = { (char *)"/data", NULL };
	struct unpacked from = {
		.digest = A64,
		.id = B64,
		.config = { .entrypoint = args,
			.cmd = none,
			.env = none,
			.volumes = volumes,
			.workdir = (char *)"/srv",
			.user = (char *)"web",
			.stop_signal = 2 },
		.uid = 100,
		.gid = 4294967294U,
		.groups = { 1, 2 },
		.group_count = 2,
	};
	_cleanup_free_ char *text = unpacked_print(&from), *again = NULL;
	struct unpacked to = { 0 };

	assert_int_equal(unpacked_parse(text, strlen(text), &to, NULL), 0);
	assert_string_equal(to.digest, A64);
	assert_string_equal(to.id, B64);
	assert_int_equal(to.uid, 100);
	assert_int_equal(to.gid, 4294967294U);
	assert_int_equal(to.groups[1], 2);
	again = unpacked_print(&to);
	assert_string_equal(again, text);
	unpacked_done(&to);
	assert_int_equal(unpacked_parse("{}", 2, &to, NULL), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_manifest),
		cmocka_unit_test(test_too_many_layers),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_config_refused),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_unpacked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
