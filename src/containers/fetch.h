/* An image's source → a directory in OCI layout, and verified documents out of it. */
#ifndef CONTAINERS_FETCH_H
#define CONTAINERS_FETCH_H

#include <stdint.h>

#include "ashlar/err.h"
#include "oci.h"

struct fetch_limits {
	uint64_t bytes;	  /* of all blobs together */
	uint64_t entries; /* of the archive */
};

/*
 * Copies index and blobs of an OCI archive (a tar of an OCI layout, compressed or not) into the empty
 * directory @layout. @algorithm and @expected (both NULL: none) are the checksum of the file's bytes.
 */
int fetch_archive(int fd, const char *algorithm, const char *expected, int layout,
	const struct fetch_limits *limits, struct err *err) WARN_UNUSED;
/* The image named @tag (NULL: the first for this machine) in a layout; digests are verified. */
int fetch_image(int layout, const char *tag, char ret_digest[OCI_DIGEST_MAX],
	struct oci_manifest *ret_manifest, struct oci_config *ret_config,
	struct err *err) WARN_UNUSED;
/* Opens a blob for reading, which must be a regular file of the described size. */
int fetch_open_blob(int layout, const struct oci_descriptor *descriptor, int *ret_fd,
	struct err *err) WARN_UNUSED;

#endif
