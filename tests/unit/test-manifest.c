/* Manifests: whose are believed, what is taken from them, what is refused; and parts of boot images. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/oid.h>

#include "ashlar/crypto-compat.h"
#include "ashlar/str.h"
#include "manifest.h"
#include "uki.h"

#define A64    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TEXT   "{\"version\":\"1\"}"
#define IS     "\"version\":\"2.0\",\"compatible\":\"x\",\"security-counter\":3"
#define MODULE ",\"modules\":[\"b@2\",\"a-b@1\",\"a@1\"]"
#define FORM   ",\"format\":1,\"chunk-size\":1048576"
#define BOOT   "{\"name\":\"boot.efi\",\"size\":9,\"sha256\":\"" A64 "\",\"chunks\":[\"" A64 "\"]}"
#define ROOT(size, chunks)                                                                         \
	"{\"name\":\"root.img\",\"size\":" size ",\"sha256\":\"" A64 "\",\"chunks\":[" chunks "]}"
#define VERITY(blocks)                                                                             \
	",\"verity\":{\"blocks\":" blocks ",\"hash\":\"" A64 "\",\"salt\":\"" A64 "\"}"
#define FILES(root) ",\"files\":[" BOOT "," root "]"
#define TWO	    "\"" A64 "\",\"" A64 "\""
#define WHOLE	    "{" IS MODULE FORM FILES(ROOT("1048577", TWO)) VERITY("256") "}"

static struct {
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
} chance;

struct party {
	mbedtls_pk_context key;
	char cert[2048];
};

static void make_key(mbedtls_pk_context *key)
{
	mbedtls_pk_init(key);
	assert_int_equal(mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
	assert_int_equal(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key),
				 mbedtls_ctr_drbg_random, &chance.random),
		0);
}

/* @issuer NULL: signed by itself. */
static void make_party(struct party *party, const char *name, struct party *issuer,
	const char *issuer_name, bool is_authority, const char *from, const char *until)
{
	unsigned char serial[] = { 7 };
	mbedtls_x509write_cert cert;

	make_key(&party->key);
	mbedtls_x509write_crt_init(&cert);
	mbedtls_x509write_crt_set_md_alg(&cert, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(&cert, &party->key);
	mbedtls_x509write_crt_set_issuer_key(&cert, issuer ? &issuer->key : &party->key);
	assert_int_equal(mbedtls_x509write_crt_set_subject_name(&cert, name), 0);
	assert_int_equal(
		mbedtls_x509write_crt_set_issuer_name(&cert, issuer ? issuer_name : name), 0);
	assert_int_equal(mbedtls_x509write_crt_set_validity(&cert, from, until), 0);
	assert_int_equal(crypto_compat_set_serial(&cert, serial, sizeof(serial)), 0);
	assert_int_equal(mbedtls_x509write_crt_set_basic_constraints(&cert, is_authority, -1), 0);
	assert_int_equal(mbedtls_x509write_crt_pem(&cert, (unsigned char *)party->cert,
				 sizeof(party->cert), mbedtls_ctr_drbg_random, &chance.random),
		0);
	mbedtls_x509write_crt_free(&cert);
}

static size_t sign(struct party *party, const char *text, unsigned char *signature)
{
	unsigned char hash[32];
	size_t size;

	assert_int_equal(crypto_compat_sha256(text, strlen(text), hash), 0);
	assert_int_equal(crypto_compat_sign(&party->key, hash, signature, &size,
				 mbedtls_ctr_drbg_random, &chance.random),
		0);
	return size;
}

static int verify(const char *text, const unsigned char *signature, size_t size, const char *chain,
	const char *anchors)
{
	_cleanup_err_ struct err err = { 0 };
	int r = manifest_verify(text, strlen(text), signature, size, chain, anchors, &err);

	assert_true((r < 0) == (err.message != NULL));
	return r;
}

static void test_signature(void **state)
{
	unsigned char signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
	struct party ca, signer, stranger, old;
	size_t size;

	make_party(&ca, "CN=ca", NULL, NULL, true, "20200101000000", "20990101000000");
	make_party(&signer, "CN=signer", &ca, "CN=ca", false, "20200101000000", "20990101000000");
	make_party(&stranger, "CN=ca", NULL, NULL, true, "20200101000000", "20990101000000");
	make_party(&old, "CN=old", &ca, "CN=ca", false, "20010101000000", "20020101000000");
	size = sign(&signer, TEXT, signature);
	assert_int_equal(verify(TEXT, signature, size, signer.cert, ca.cert), 0);
	assert_int_equal(
		verify("{\"version\":\"2\"}", signature, size, signer.cert, ca.cert), -EBADMSG);
	assert_int_equal(verify(TEXT, signature, size - 1, signer.cert, ca.cert), -EBADMSG);
	assert_int_equal(verify(TEXT, signature, 0, signer.cert, ca.cert), -EBADMSG);
	assert_int_equal(verify(TEXT, signature, size, signer.cert, stranger.cert), -EBADMSG);
	assert_int_equal(verify(TEXT, signature, size, stranger.cert, ca.cert), -EBADMSG);
	assert_int_equal(verify(TEXT, signature, size, "", ca.cert), -EBADMSG);
	assert_int_equal(verify(TEXT, signature, size, signer.cert, ""), -ENOKEY);
	signature[size / 2] ^= 1;
	assert_int_equal(verify(TEXT, signature, size, signer.cert, ca.cert), -EBADMSG);
	/* the authority itself signs certificates, nothing else */
	size = sign(&ca, TEXT, signature);
	assert_int_equal(verify(TEXT, signature, size, ca.cert, ca.cert), -EBADMSG);
	/* a device's clock decides nothing */
	size = sign(&old, TEXT, signature);
	assert_int_equal(verify(TEXT, signature, size, old.cert, ca.cert), 0);
	mbedtls_pk_free(&ca.key);
	mbedtls_pk_free(&signer.key);
	mbedtls_pk_free(&stranger.key);
	mbedtls_pk_free(&old.key);
}

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int code;
	} cases[] = {
		{ WHOLE, 0 },
		{ "", -EBADMSG },
		{ "[]", -EBADMSG },
		{ "{" IS "," IS MODULE FORM FILES(ROOT("1048577", TWO)) VERITY("256") "}",
			-EBADMSG },
		{ "{" IS MODULE ",\"format\":2,\"chunk-size\":1048576" FILES(ROOT("1048577", TWO))
				VERITY("256") "}",
			-EBADMSG },
		{ "{" IS MODULE ",\"format\":1,\"chunk-size\":512" FILES(ROOT("1048577", TWO))
				VERITY("256") "}",
			-EBADMSG },
		{ "{" IS FORM FILES(ROOT("1048577", TWO)) VERITY("256") "}", -EBADMSG },
		{ "{" IS ",\"modules\":[\"@1\"]" FORM FILES(ROOT("1048577", TWO)) VERITY("256") "}",
			-EBADMSG },
		/* a chunk too few, one too many, none */
		{ "{" IS MODULE FORM FILES(ROOT("1048577", "\"" A64 "\"")) VERITY("256") "}",
			-EBADMSG },
		{ "{" IS MODULE FORM FILES(ROOT("1048576", TWO)) VERITY("256") "}", -EBADMSG },
		{ "{" IS MODULE FORM FILES(ROOT("0", "")) VERITY("256") "}", -EBADMSG },
		{ "{" IS MODULE FORM FILES(ROOT("1048577", "\"" A64 "\",\"aa\"")) VERITY("256") "}",
			-EBADMSG },
		/* larger than any slot; a hash tree beyond the end */
		{ "{" IS MODULE FORM FILES(ROOT("1073741825", TWO)) VERITY("256") "}", -EBADMSG },
		{ "{" IS MODULE FORM FILES(ROOT("-1", TWO)) VERITY("256") "}", -EBADMSG },
		{ "{" IS MODULE FORM FILES(ROOT("1048577", TWO)) VERITY("257") "}", -EBADMSG },
		{ "{" IS MODULE FORM FILES(BOOT) VERITY("256") "}", -EBADMSG },
		{ "{" IS MODULE FORM VERITY("256") "}", -EBADMSG },
		{ "{\"version\":\"a b\",\"compatible\":\"x\",\"security-counter\":3" MODULE FORM
				FILES(ROOT("1048577", TWO)) VERITY("256") "}",
			-EBADMSG },
		{ "{\"version\":\"" A64
		  "\",\"compatible\":\"x\",\"security-counter\":3" MODULE FORM FILES(
			  ROOT("1048577", TWO)) VERITY("256") "}",
			-EBADMSG },
		{ "{\"version\":\"1\",\"compatible\":\"x\",\"security-counter\":1000001" MODULE FORM
				FILES(ROOT("1048577", TWO)) VERITY("256") "}",
			-EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_err_ struct err err = { 0 };
		struct manifest manifest;
		int r = manifest_parse(cases[i].text, strlen(cases[i].text), &manifest, &err);

		if (r != cases[i].code)
			fail_msg("case %zu: %d, %s", i, r, err_text(&err));
		if (r < 0)
			continue;
		assert_string_equal(manifest.release.version, "2.0");
		assert_int_equal(manifest.release.security, 3);
		assert_int_equal(manifest.files[MANIFEST_ROOT].chunk_count, 2);
		assert_int_equal(manifest.files[MANIFEST_BOOT].size, 9);
		assert_int_equal(manifest.blocks, 256);
		assert_string_equal(manifest.release.modules[0], "a@1");
		assert_string_equal(manifest.release.modules[1], "a-b@1");
		manifest_done(&manifest);
	}
}

static void test_too_large(void **state)
{
	_cleanup_free_ char *text = xmalloc(MANIFEST_MAX + 2);
	struct manifest manifest;

	memset(text, ' ', MANIFEST_MAX + 1);
	memcpy(text, WHOLE, strlen(WHOLE));
	assert_int_equal(manifest_parse(text, MANIFEST_MAX + 1, &manifest, NULL), -EFBIG);
	assert_int_equal(manifest_parse(text, MANIFEST_MAX, &manifest, NULL), 0);
	manifest_done(&manifest);
}

static void test_fits(void **state)
{
	const struct release ours = { "1", "x", 3, NULL };
	const struct release same = { "0", "x", 3, NULL }, newer = { "2", "x", 4, NULL };
	const struct release older = { "9", "x", 2, NULL }, other = { "2", "xx", 4, NULL };

	assert_int_equal(release_fits(&ours, &same, NULL), 0);
	assert_int_equal(release_fits(&ours, &newer, NULL), 0);
	assert_int_equal(release_fits(&ours, &older, NULL), -EPERM);
	assert_int_equal(release_fits(&ours, &other, NULL), -EINVAL);
}

static void note(const char *name, const char *old, const char *new, void *arg)
{
	char *text = arg;

	(void)snprintf(text + strlen(text), 128 - strlen(text), "%s:%s>%s ", name, old ? old : "-",
		new ? new : "-");
}

static void test_compare(void **state)
{
	static const char ours_text[] =
		"{" IS ",\"modules\":[\"a@1\",\"a-b@1\",\"c@1\",\"d\",\"z@1\"]}";
	static const char theirs_text[] =
		"{" IS ",\"modules\":[\"e@5\",\"d@2\",\"c@1\",\"a-b@2\",\"a@1\"]}";
	struct release ours, theirs;
	char told[128] = "";

	assert_int_equal(release_parse(ours_text, strlen(ours_text), &ours, NULL), 0);
	assert_int_equal(release_parse(theirs_text, strlen(theirs_text), &theirs, NULL), 0);
	release_compare(&ours, &theirs, note, told);
	assert_string_equal(told, "a-b:1>2 d:>2 e:->5 z:1>- ");
	release_done(&ours);
	release_done(&theirs);
}

static void test_section(void **state)
{
	uint8_t file[0x200] = "MZ";
	const uint8_t *section = NULL;
	size_t size = 0;

	file[0x3c] = 0x40;
	memcpy(file + 0x40, "PE\0\0", 4);
	file[0x46] = 1;
	memcpy(file + 0x58, ".linux\0\0", 8);
	file[0x60] = 5; /* bytes that count */
	file[0x69] = 1; /* 256 raw ones */
	file[0x6d] = 1; /* from 256 on */
	memcpy(file + 0x100, "hello", 5);
	assert_int_equal(uki_section(file, sizeof(file), ".linux", &section, &size), 0);
	assert_int_equal(size, 5);
	assert_memory_equal(section, "hello", 5);
	assert_int_equal(uki_section(file, sizeof(file), ".initrd", &section, &size), -ENOENT);
	assert_int_equal(uki_section(file, 0x104, ".linux", &section, &size), -EBADMSG);
	assert_int_equal(uki_section(file, 0x60, ".linux", &section, &size), -EBADMSG);
	file[0x61] = 2; /* more that count than there are */
	assert_int_equal(uki_section(file, sizeof(file), ".linux", &section, &size), -EBADMSG);
	file[0x3f] = 0xff;
	assert_int_equal(uki_section(file, sizeof(file), ".linux", &section, &size), -EBADMSG);
}

static int set_up(void **state)
{
	mbedtls_entropy_init(&chance.entropy);
	mbedtls_ctr_drbg_init(&chance.random);
	return mbedtls_ctr_drbg_seed(
		&chance.random, mbedtls_entropy_func, &chance.entropy, NULL, 0);
}

static int tear_down(void **state)
{
	mbedtls_ctr_drbg_free(&chance.random);
	mbedtls_entropy_free(&chance.entropy);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_fits),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_section),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
