/* What the image is made of, as the bill of materials in it says (SPDX, made by image/build). */
#ifndef ASHLAR_SBOM_H
#define ASHLAR_SBOM_H

#include <stddef.h>

#include "ashlar/err.h"

struct sbom_package {
	char *name, *version;
	char *sha256;  /* of the Debian package; NULL: our own sources */
	char *licence; /* NULL: not told */
};

/* @share_dir/sbom.json, which is read when it is first asked for: images do not change. */
void sbom_init(const char *share_dir);
void sbom_done(void);
/* Borrowed; an absent file: none. */
int sbom_packages(
	const struct sbom_package **ret_packages, size_t *ret_count, struct err *err) WARN_UNUSED;
/* The same of a text, the caller's to free. */
int sbom_parse(const char *text, size_t size, struct sbom_package **ret_packages, size_t *ret_count,
	struct err *err) WARN_UNUSED;
void sbom_free(struct sbom_package *packages, size_t count);

#endif
