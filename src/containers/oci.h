/*
 * Documents of an OCI image: index, manifest, configuration. Pure: bytes in, structs out; every
 * count and length is limited here.
 */
#ifndef CONTAINERS_OCI_H
#define CONTAINERS_OCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ashlar/err.h"
#include "ashlar/mem.h"

#define OCI_DIGEST_MAX	  65 /* 64 hexadecimal digits and the NUL */
#define OCI_DOCUMENT_MAX  ((size_t)1 << 20)
#define OCI_LAYERS_MAX	  128
#define OCI_MANIFESTS_MAX 256
#define OCI_STRINGS_MAX	  1024 /* arguments, variables, volumes: each */
#define OCI_STRING_MAX	  ((size_t)64 * 1024)

enum oci_media {
	OCI_MEDIA_INDEX,
	OCI_MEDIA_MANIFEST,
	OCI_MEDIA_CONFIG,
	OCI_MEDIA_LAYER, /* however compressed */
	OCI_MEDIA_OTHER,
};

/* A blob, named by what it contains. */
struct oci_descriptor {
	enum oci_media media;
	char digest[OCI_DIGEST_MAX]; /* lower-case SHA-256 */
	uint64_t size;
};

struct oci_manifest {
	struct oci_descriptor config;
	struct oci_descriptor *layers; /* lowest first */
	size_t layer_count;
};

/* What an image says about the program in it. Arrays end with NULL; none is NULL itself. */
struct oci_config {
	char **entrypoint, **cmd, **env, **volumes;
	char *workdir; /* absolute */
	char *user;    /* "", "user", "user:group", numbers or names */
	int stop_signal;
};

/*
 * The manifest to take: the one whose reference name is @tag (NULL: whichever), for this machine.
 * Its media may be OCI_MEDIA_INDEX: ask again with that document and tag NULL.
 */
int oci_parse_index(const char *text, size_t size, const char *tag,
	struct oci_descriptor *ret_descriptor, struct err *err) WARN_UNUSED;
int oci_parse_manifest(const char *text, size_t size, struct oci_manifest *ret_manifest,
	struct err *err) WARN_UNUSED;
void oci_manifest_done(struct oci_manifest *manifest);
int oci_parse_config(
	const char *text, size_t size, struct oci_config *ret_config, struct err *err) WARN_UNUSED;
void oci_config_done(struct oci_config *config);

/* "SIGTERM", "TERM", "15" → 15; -EINVAL. */
int oci_signal(const char *text) WARN_UNUSED;
/* Frees an array of strings that ends with NULL. */
void oci_strings_free(char **strings);
DEFINE_CLEANUP(char **, oci_strings_free)

#endif
