/* Names, documents and challenges of registries. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/str.h"
#include "registry.h"

#define A16	 "aaaaaaaaaaaaaaaa"
#define DIGEST	 "sha256:" A16 A16 A16 A16
#define ARTIFACT "\"artifactType\":\"application/vnd.ashlar.bundle.v1\""
#define LAYER(name, digest, size)                                                                  \
	"{\"digest\":\"" digest "\",\"size\":" size                                                \
	",\"annotations\":{\"org.opencontainers.image.title\":\"" name "\"}}"

static void test_url(void **state)
{
	static const struct {
		const char *url, *base, *reference, *digest;
	} cases[] = {
		{ "oci://h/n", "https://h/v2/n", "latest", "" },
		{ "oci://h:5000/a/b-c.d_e:v1.0", "https://h:5000/v2/a/b-c.d_e", "v1.0", "" },
		{ "oci://[::1]:5000/n@" DIGEST, "https://[::1]:5000/v2/n", DIGEST, DIGEST },
		{ "oci://h/n:1@" DIGEST, "https://h/v2/n", DIGEST, DIGEST },
		{ "oci://h", NULL, NULL, NULL },
		{ "oci:///n", NULL, NULL, NULL },
		{ "oci://h/", NULL, NULL, NULL },
		{ "oci://h//n", NULL, NULL, NULL },
		{ "oci://h/n/", NULL, NULL, NULL },
		{ "oci://h/../n", NULL, NULL, NULL },
		{ "oci://h/n:", NULL, NULL, NULL },
		{ "oci://h/n:a/b", NULL, NULL, NULL },
		{ "oci://h/n@sha256:aa", NULL, NULL, NULL },
		{ "oci://h/n@sha512:" A16 A16 A16 A16, NULL, NULL, NULL },
		{ "oci://user@h/n", NULL, NULL, NULL },
		{ "oci://h/n?x=y", NULL, NULL, NULL },
		{ "https://h/n", NULL, NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct registry_place place = { NULL, NULL, "" };
		int r = registry_parse_url(cases[i].url, &place, NULL);

		if ((r == 0) != (cases[i].base != NULL))
			fail_msg("%s: %d", cases[i].url, r);
		if (r < 0)
			continue;
		assert_string_equal(place.base, cases[i].base);
		assert_string_equal(place.reference, cases[i].reference);
		assert_string_equal(place.digest, cases[i].digest);
		registry_place_done(&place);
	}
}

static void test_manifest(void **state)
{
	static const struct {
		const char *text;
		int code;
		size_t count;
	} cases[] = {
		{ "{" ARTIFACT ",\"layers\":[" LAYER("root.img", DIGEST, "7") ",{}]}", 0, 1 },
		{ "{" ARTIFACT "}", 0, 0 },
		{ "{\"layers\":[]}", -EBADMSG, 0 },
		{ "{\"artifactType\":\"application/x\",\"layers\":[]}", -EBADMSG, 0 },
		{ "{" ARTIFACT ",\"layers\":[" LAYER("root.img", "sha256:aa", "7") "]}", -EBADMSG,
			0 },
		{ "{" ARTIFACT ",\"layers\":[" LAYER("root.img", DIGEST, "-7") "]}", -EBADMSG, 0 },
		{ "{" ARTIFACT ",\"layers\":[" LAYER("root.img", DIGEST, "4294967296") "]}",
			-EBADMSG, 0 },
		{ "{" ARTIFACT ",\"layers\":[" LAYER(A16 A16 A16, DIGEST, "7") "]}", -EBADMSG, 0 },
		{ "{" ARTIFACT ",\"layers\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}", -EBADMSG,
			0 },
		{ "", -EBADMSG, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct registry registry = { .token = NULL };
		int r = registry_parse_manifest(
			cases[i].text, strlen(cases[i].text), &registry, NULL);

		if (r != cases[i].code || (r == 0 && registry.count != cases[i].count))
			fail_msg("case %zu: %d", i, r);
	}
}

static void test_challenge(void **state)
{
	static const struct {
		const char *challenge, *url;
	} cases[] = {
		{ "Bearer realm=\"https://a/t\",service=\"s x\",scope=\"repository:a/b:pull\"",
			"https://a/t?service=s%20x&scope=repository%3Aa%2Fb%3Apull" },
		{ "bearer realm=\"https://a/t?x=1\", scope=\"y\"", "https://a/t?x=1&scope=y" },
		{ "Bearer realm=\"https://a/t\"", "https://a/t" },
		{ "Bearer realm=\"http://a/t\"", NULL },
		{ "Bearer realm=\"https://a/t\r\nx\"", NULL },
		{ "Basic realm=\"https://a/t\"", NULL },
		{ "Bearer xrealm=\"https://a/t\"", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *url = registry_token_url(cases[i].challenge);

		if (!str_equal(url, cases[i].url))
			fail_msg("%s: %s", cases[i].challenge, url ? url : "none");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url),
		cmocka_unit_test(test_manifest),
		cmocka_unit_test(test_challenge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
