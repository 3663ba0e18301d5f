/* Images of containers: fetched and unpacked by jobs, kept by digest. */
#ifndef CONTAINERS_IMAGE_H
#define CONTAINERS_IMAGE_H

#include "ashlar/containers.h"
#include "unpacked.h"

#define IMAGE_MARKER "image.json"

void image_init(void);
void image_done(void);
/* Found in a bundle. */
void image_adopt(const char *container);
/* Found at start, and not wanted: what is unpacked stays. */
void image_disown(const char *container);
int image_apply(struct step *step) WARN_UNUSED;
/*
 * What the container's image is, if it is the one that is wanted now; else NULL and why not. Borrowed
 * until the next turn of the loop.
 */
const struct unpacked *image_ready(const char *container, const char **ret_status);
/* STATE-DIR/containers/images/DIGEST/rootfs; malloc'd. */
char *image_rootfs(const char *digest);
/* What is known of an unpacked image; -ENOENT. */
int image_load(const char *digest, struct unpacked *ret_unpacked, struct err *err) WARN_UNUSED;
/* Removes what no container uses or has a claim on. */
void image_sweep(void);

#endif
