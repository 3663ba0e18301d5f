/* What is known of an unpacked image: the document beside its root file system. */
#ifndef CONTAINERS_UNPACKED_H
#define CONTAINERS_UNPACKED_H

#include <stddef.h>
#include <stdint.h>

#include "ashlar/err.h"
#include "oci.h"

#define UNPACKED_FILE	    "image.json"
#define UNPACKED_ROOTFS	    "rootfs"
#define UNPACKED_SIZE_MAX   ((size_t)4 << 20)
#define UNPACKED_GROUPS_MAX 64

struct unpacked {
	char digest[OCI_DIGEST_MAX]; /* of the manifest: the image's name on disk */
	char id[OCI_DIGEST_MAX];     /* of the configuration: the image's name to people */
	struct oci_config config;
	uint32_t uid, gid; /* config.user, looked up in the image */
	uint32_t groups[UNPACKED_GROUPS_MAX];
	size_t group_count;
};

void unpacked_done(struct unpacked *unpacked);
/* JSON, malloc'd. */
char *unpacked_print(const struct unpacked *unpacked);
int unpacked_parse(
	const char *text, size_t size, struct unpacked *ret_unpacked, struct err *err) WARN_UNUSED;
/*
 * Fills in uid, gid and groups from config.user and the files /etc/passwd and /etc/group below @root
 * (a directory's descriptor), as image-spec says. -ENOENT for a name that is not there.
 */
int unpacked_find_user(struct unpacked *unpacked, int root, struct err *err) WARN_UNUSED;

#endif
