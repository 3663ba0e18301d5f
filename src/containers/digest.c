/* Digests of bytes as they pass, by mbedTLS. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"
#include "digest.h"

static const struct {
	const char *name;
	mbedtls_md_type_t type;
} algorithms[] = {
	{ "md5", MBEDTLS_MD_MD5 },
	{ "sha256", MBEDTLS_MD_SHA256 },
	{ "sha512", MBEDTLS_MD_SHA512 },
};

int digest_init(struct digest *digest, const char *algorithm)
{
	const mbedtls_md_info_t *info = NULL;
	size_t i;

	mbedtls_md_init(&digest->context);
	for (i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (strcmp(algorithms[i].name, algorithm) == 0)
			info = mbedtls_md_info_from_type(algorithms[i].type);
	if (!info || mbedtls_md_setup(&digest->context, info, 0) != 0 ||
		mbedtls_md_starts(&digest->context) != 0)
		return -EINVAL;
	digest->size = mbedtls_md_get_size(info);
	return 0;
}

void digest_add(struct digest *digest, const void *data, size_t size)
{
	int ret = mbedtls_md_update(&digest->context, data, size);

	assert(ret == 0); /* fails for a context that was not started only */
	(void)ret;
}

void digest_text(struct digest *digest, char text[DIGEST_TEXT_MAX])
{
	unsigned char result[MBEDTLS_MD_MAX_SIZE];
	int ret = mbedtls_md_finish(&digest->context, result);

	assert(ret == 0);
	(void)ret;
	str_hex(text, result, digest->size);
}

void digest_done(struct digest *digest)
{
	mbedtls_md_free(&digest->context);
}
