/* What somebody has signed: CMS SignedData (RFC 5652 section 5) with its content inside. */
#ifndef ASHLAR_IMAGE_SIGNED_DATA_H
#define ASHLAR_IMAGE_SIGNED_DATA_H

#include <stddef.h>

#include "ashlar/err.h"

/* Borrowed from the message. */
struct signed_part {
	const unsigned char *at;
	size_t size;
};

struct signed_data {
	struct signed_part type; /* of the content: an object identifier's value */
	struct signed_part content;
	bool is_signed; /* false: a content type of its own, which nobody has signed */
};

/*
 * Reads @message, DER, and checks a signature if there is one: by a certificate inside that is no authority's and
 * that one of @anchors (PEM) vouches for, RSA (PKCS #1 1.5) or ECDSA over SHA-256, SHA-384 or SHA-512. A certificate's
 * times do not count: a device without a configuration does not know the time. -EBADMSG: no such message, or not
 * signed by him who certifies it; -ENOKEY: nobody who is trusted vouches for him.
 */
int signed_data_open(const void *message, size_t size, const char *anchors,
	struct signed_data *ret_data, struct err *err) WARN_UNUSED;

#endif
