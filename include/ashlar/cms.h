/* Encrypted values: CMS EncryptedData (RFC 5652 section 8), as cms-encrypted-data-format of RFC 9640 says. */
#ifndef ASHLAR_CMS_H
#define ASHLAR_CMS_H

#include "ashlar/err.h"
#include "ashlar/key.h"

#define CMS_SIZE_MAX ((size_t)16384)

/* AES-CBC (RFC 3565) of the size of @key: 16, 24 or 32 bytes. -EINVAL: no such value, or not of this key. */
int cms_decrypt(const struct secret *data, const struct secret *key, struct secret *ret_content,
	struct err *err) WARN_UNUSED;

#endif
