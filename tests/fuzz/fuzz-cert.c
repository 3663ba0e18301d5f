/*
 * Keys and certificates: what is taken can be written again, and is taken again as it was written. The first
 * byte says what the rest is.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "ashlar/cert.h"
#include "ashlar/cms.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct secret data = { (unsigned char *)input + 1, size - 1 };
	_cleanup_secret_ struct secret public = { 0 }, again = { 0 };
	_cleanup_(key_freep) struct key *key = NULL;
	_cleanup_free_ char *pem = NULL;

	if (!size)
		return 0;
	if (input[0] == 'e') {
		struct secret by = { (unsigned char *)"0123456789abcdef", 16 };

		(void)!cms_decrypt(&data, &by, &again, NULL);
	} else if (input[0] == 'c') {
		if (cert_read(&data, NULL, &pem, NULL) == 0)
			assert(strstr(pem, "BEGIN CERTIFICATE"));
	} else if (input[0] == 'p') {
		(void)!key_parse_public(KEY_PUBLIC_SSH, &data, NULL);
		(void)!key_parse_public(KEY_PUBLIC_SPKI, &data, NULL);
	} else if (key_parse(KEY_FORMAT_EC, &data, &key, NULL) == 0) {
		assert(key_public(key, KEY_PUBLIC_SPKI, &public, NULL) == 0);
		assert(key_check_public(key, KEY_PUBLIC_SPKI, &public, NULL) == 0);
		assert(cert_request(key, &data, &again, NULL) < 0); /* a key is no request */
	}
	return 0;
}
