/* What a device that has no configuration is brought: a configuration, or conveyed information (RFC 8572). */
#ifndef ASHLAR_IMAGE_CONVEYED_H
#define ASHLAR_IMAGE_CONVEYED_H

#include "ashlar/buf.h"
#include "ashlar/err.h"

#define CONVEYED_MAX ((size_t)16 << 20) /* bytes of either */

struct conveyed_rules {
	bool is_authentic;   /* where it comes from is known: it need not be signed */
	const char *anchors; /* PEM: who may vouch for signers; "": nobody */
	const char *version; /* of the software that runs; NULL: not known */
};

/* To the configuration, JSON; *ret_is_merge: it is put on top of what there is. */
int conveyed_open(const void *bytes, size_t size, const struct conveyed_rules *rules,
	struct buf *ret_config, bool *ret_is_merge, struct err *err) WARN_UNUSED;

#endif
