/* Digests of bytes as they pass. */
#ifndef CONTAINERS_DIGEST_H
#define CONTAINERS_DIGEST_H

#include <mbedtls/md.h>
#include <stddef.h>

#include "ashlar/mem.h"

#define DIGEST_TEXT_MAX 129 /* SHA-512 in hexadecimal and the NUL */

struct digest {
	mbedtls_md_context_t context;
	size_t size; /* of the result */
};

/* "md5", "sha256", "sha512"; -EINVAL for another or when the library lacks it. */
int digest_init(struct digest *digest, const char *algorithm) WARN_UNUSED;
void digest_add(struct digest *digest, const void *data, size_t size);
/* Lower-case hexadecimal; nothing can be added afterwards. */
void digest_text(struct digest *digest, char text[DIGEST_TEXT_MAX]);
void digest_done(struct digest *digest);

#endif
