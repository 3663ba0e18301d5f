/* Layers of an image → one root file system. */
#ifndef CONTAINERS_UNPACK_H
#define CONTAINERS_UNPACK_H

#include <stdbool.h>
#include <stdint.h>

#include "ashlar/err.h"
#include "ashlar/map.h"
#include "oci.h"

struct unpack_limits {
	uint64_t bytes;	  /* of all files, as their sizes say */
	uint64_t entries; /* of all layers */
	unsigned depth;	  /* of a path, in components */
};

/* Embedded; one for all layers of an image. */
struct unpack {
	int root; /* the root file system's directory; borrowed */
	const struct unpack_limits *limits;
	uint64_t bytes, entries; /* so far */
	uint64_t skipped;	 /* device nodes and sockets */
	struct map seen;	 /* inodes that the layer at hand made or went through */
	struct arena *arena;	 /* keys of seen */
	char *parent_path;	 /* the directory opened last … */
	int parent;		 /* … O_PATH; -1: none */
};

void unpack_init(struct unpack *unpack, int root, const struct unpack_limits *limits);
void unpack_done(struct unpack *unpack);
/*
 * Applies one layer: @fd is its blob (plain or compressed), whose digest is verified to the last byte.
 * The tree is half-done after a failure: throw it away.
 */
int unpack_layer(struct unpack *unpack, int fd, const struct oci_descriptor *layer,
	struct err *err) WARN_UNUSED;

/*
 * An archive's path as one below the root, in place: no leading or doubled "/", no "." components.
 * -EINVAL for "..", for more than @depth components, and for one longer than 255 bytes. "" is the root.
 */
int unpack_clean_path(char *path, unsigned depth) WARN_UNUSED;

#endif
