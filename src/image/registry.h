/*
 * Upgrades in registries: "oci://HOST[:PORT]/NAME[:TAG][@sha256:DIGEST]", by the distribution API of OCI. The
 * artifact has a blob for each file of a bundle, named by its annotation "title".
 */
#ifndef IMAGE_REGISTRY_H
#define IMAGE_REGISTRY_H

#include "ashlar/err.h"
#include "ashlar/transfer.h"

#define REGISTRY_SCHEME	      "oci://"
#define REGISTRY_FILES_MAX    16
#define REGISTRY_NAME_MAX     32 /* of a file */
#define REGISTRY_DIGEST_MAX   72 /* "sha256:" and 64 digits, with the NUL */
#define REGISTRY_DOCUMENT_MAX ((size_t)1 << 20)

struct registry_place {
	char *base;			  /* "https://HOST/v2/NAME" */
	char *reference;		  /* what is asked for: digest or tag */
	char digest[REGISTRY_DIGEST_MAX]; /* "": any */
};

struct registry_file {
	char name[REGISTRY_NAME_MAX];
	char digest[REGISTRY_DIGEST_MAX];
	uint64_t size;
};

struct registry {
	struct registry_place place;
	char *token; /* NULL: none was asked for */
	struct registry_file files[REGISTRY_FILES_MAX];
	size_t count;
};

/* Pure, each -EINVAL or -EBADMSG. */
int registry_parse_url(
	const char *url, struct registry_place *ret_place, struct err *err) WARN_UNUSED;
void registry_place_done(struct registry_place *place);
int registry_parse_manifest(
	const char *text, size_t size, struct registry *registry, struct err *err) WARN_UNUSED;
/* Where to ask for a token, of a WWW-Authenticate header; malloc'd, NULL: it does not tell. */
char *registry_token_url(const char *challenge);

/* Asks for the artifact, with a token if the registry wants one. */
int registry_open(const char *url, const struct transfer_trust *trust,
	struct registry *ret_registry, struct err *err) WARN_UNUSED;
void registry_done(struct registry *registry);
/* A blob as a stream. The registry outlives it. */
struct transfer *registry_get(const struct registry *registry, const struct registry_file *file,
	const struct transfer_trust *trust);

#endif
