/* What the files of this layer share: where things are, and small files of a container's bundle. */
#ifndef CONTAINERS_PRIVATE_H
#define CONTAINERS_PRIVATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ashlar/containers.h"

/* Above what the kernel's kinds have: a container comes after its network. */
#define CONTAINERS_RANK 100
/* What a marker says of something whose removal has begun. */
#define CONTAINERS_DOOMED "doomed"
/* Bytes of a bundle's file: a record holds the contents of mounts. */
#define CONTAINERS_FILE_MAX ((size_t)8 << 20)
/* A failed job is tried again after 1, 2, 4 … seconds, at most a minute. */
#define CONTAINERS_RETRY_MIN_MS ((uint64_t)1000)
#define CONTAINERS_RETRY_MAX_MS ((uint64_t)60000)
/* What was removed from configuration is kept for as long: its transaction may yet be undone. */
#define CONTAINERS_GRACE_MS ((uint64_t)3000)

struct containers_paths {
	bool record;	 /* nothing is run */
	bool is_settled; /* configuration is in force */
	char *bundles;	 /* RUN-DIR/containers: a directory for each container */
	char *crun;	 /* RUN-DIR/crun: crun's own state */
	char *images;	 /* STATE-DIR/containers/images: a directory for each digest */
	char *refs;	 /* what each container's image resolved to */
	char *claims;	 /* a pattern of other such directories; NULL: none */
	char *volumes;	 /* STATE-DIR/containers/volumes: a directory for each container */
	char *trash;	 /* STATE-DIR/containers/trash: being removed */
	char *archives;	 /* STATE-DIR/containers/oci: where images without path are looked for */
	char *logs;	 /* STATE-DIR/log/containers */
	char *monitor, *unpack; /* programs */
};
extern struct containers_paths containers_paths;
extern const struct target containers_target;

/* RUN-DIR/containers/CONTAINER, made if it is missing. */
int containers_make_bundle(const char *container, struct err *err) WARN_UNUSED;
/* RUN-DIR/containers/CONTAINER[/FILE]; malloc'd. */
char *containers_bundle(const char *container, const char *file);
/* Removes the bundle if nothing is in it any more. */
void containers_drop_bundle(const char *container);
/* Replaces a small file as a whole, not synced: for what need not outlive the boot, or can be made
 * again. */
int containers_save(const char *path, const char *text, struct err *err) WARN_UNUSED;
/* A JSON object out of a small file; NULL: absent or not one. */
json_t *containers_load(const char *path);
/* The wait before try number @failures + 1. */
uint64_t containers_retry_ms(unsigned failures);

#endif
