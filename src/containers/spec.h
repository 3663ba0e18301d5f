/* A wanted container → the config.json that crun runs (OCI runtime-spec 1.0). */
#ifndef CONTAINERS_SPEC_H
#define CONTAINERS_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "ashlar/containers.h"
#include "unpacked.h"

struct spec_input {
	const struct container *container;
	const struct unpacked *image;
	const char *rootfs;		    /* of the image */
	const char *volumes;		    /* directory of the container's volumes */
	const char *files;		    /* directory of what is made for it: see spec_files() */
	const char *cgroup;		    /* path below the root of cgroup v2; NULL: none */
	bool has_memory, has_cpu, has_pids; /* controllers */
	bool has_seccomp;
	uint64_t capability_bounds; /* what this process may hand on */
};

/*
 * The text of config.json, malloc'd; the same input gives the same bytes. Looks at the file system for
 * glob mounts only. -EINVAL with a reason for what cannot run (no command).
 */
int spec_print(const struct spec_input *input, char **ret_text, struct err *err) WARN_UNUSED;
/* What is run, for people: arguments separated by blanks; malloc'd. */
char *spec_cmdline(const struct container *container, const struct unpacked *image);
/* Writes the files that spec_print() refers to: contents of mounts, resolv.conf, hosts. */
int spec_files(const struct spec_input *input, struct err *err) WARN_UNUSED;
/* "NET_ADMIN" or "net_admin" → CAP_NET_ADMIN; -ENOENT. */
int spec_capability(const char *name) WARN_UNUSED;

#endif
