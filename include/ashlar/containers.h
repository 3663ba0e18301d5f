/*
 * Containers: programs run isolated from images that arrive as OCI archives. Three object kinds:
 *
 *   image      what a container is made of: found, verified and unpacked once a digest
 *   volume     a directory of a container that outlives its processes
 *   container  the program itself, run by crun and kept running
 *
 * Applying a step accepts the intent at once; jobs make it so, are retried with back-off, and tell how
 * far they are in the observed objects. Containers run on when the daemon ends, and are found again by
 * the next one.
 */
#ifndef ASHLAR_CONTAINERS_H
#define ASHLAR_CONTAINERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ashlar/err.h"
#include "ashlar/object.h"

/* What configuration may ask for; features refuse more. */
#define CONTAINER_NAME_MAX    64
#define CONTAINER_CONTENT_MAX ((size_t)1 << 20) /* bytes of one mount's content */
#define CONTAINER_ITEMS_MAX   256		/* of env, mounts, volumes … each */
#define CONTAINER_STATUS_MAX  512

/* --- life ------------------------------------------------------------------------------------- */

struct containers_config {
	const char *run_dir;   /* RUN-DIR: what a boot does not outlive (bundles, crun's state) */
	const char *state_dir; /* STATE-DIR: images, volumes, logs */
	const char *refs_dir;  /* what images resolved to; NULL: STATE-DIR/containers/refs */
	const char *
		claims; /* a pattern of other such directories: images that they name stay; NULL: none */
	/* Below the root of cgroup v2: "/ashlar". Daemons side by side need different ones. */
	const char *cgroup_parent;
	/* --no-kernel: nothing is run or unpacked; what is applied is believed to exist. */
	bool record;
};

/*
 * Makes the directories, finds the containers that run already and puts them into have. Call after
 * state_init() and before kernel_init(), which finds their network namespaces then.
 */
int containers_init(const struct containers_config *config, struct err *err) WARN_UNUSED;
/*
 * Configuration is in force: what was found at start and nobody wants is let go. Programs end; what
 * they kept (volumes, unpacked images) goes only where an earlier daemon was told to remove it.
 */
void containers_settled(void);
/*
 * None is to run any more, because the machine is about to end: @ended is called when all have come to their end,
 * each by its own stop signal as long as it takes one. NULL: they run again.
 */
void containers_end(void (*ended)(void));
/* Containers run on. */
void containers_done(void);

/* --- image ------------------------------------------------------------------------------------ */

enum image_checksum {
	IMAGE_CHECKSUM_NONE,
	IMAGE_CHECKSUM_MD5,
	IMAGE_CHECKSUM_SHA256,
	IMAGE_CHECKSUM_SHA512,
};

enum image_state {
	IMAGE_WAITING, /* for its turn, or for the next try */
	IMAGE_UNPACKING,
	IMAGE_READY,
};

#define IMAGE_DIGEST_MAX 65 /* 64 hexadecimal digits of SHA-256 and the NUL */

struct image {
	struct object object; /* key: the container's name */
	char *reference;      /* "oci-archive:/path[:tag]", "oci:/dir[:tag]", "name.tar.gz" */
	enum image_checksum checksum_kind;
	char *checksum; /* lower-case hexadecimal of the archive's bytes; NULL: none */

	/* Observed only. */
	enum image_state state;
	char *status;		       /* why it is not ready; NULL: it is */
	char digest[IMAGE_DIGEST_MAX]; /* of the manifest; "" before the first success */
	char id[IMAGE_DIGEST_MAX];     /* of the image's configuration */
};
extern const struct object_kind object_kind_image;

/* Whether the reference is one that can be fetched; the error names the forms that can. */
int image_check_reference(const char *reference, bool has_checksum, struct err *err) WARN_UNUSED;
/* Reads the image's source again; the container restarts if it became another one. -ENOENT. */
int image_upgrade(const char *name, struct err *err) WARN_UNUSED;

/* --- volume ----------------------------------------------------------------------------------- */

/* Removing one removes its content, a few seconds later: an undone transaction keeps it. */
struct volume {
	struct object object; /* key by volume_key() */
};
extern const struct object_kind object_kind_volume;
#define VOLUME_KEY_MAX (2 * CONTAINER_NAME_MAX + 2)
/* @key holds VOLUME_KEY_MAX: "container/name". */
void volume_key(char *key, const char *container, const char *name);

/* --- container -------------------------------------------------------------------------------- */

enum container_restart {
	CONTAINER_RESTART_NEVER,
	CONTAINER_RESTART_RETRY, /* when it failed: exit status not 0, or a signal */
	CONTAINER_RESTART_ALWAYS,
};

enum container_mount_kind {
	CONTAINER_MOUNT_BIND,	 /* source appears at target */
	CONTAINER_MOUNT_GLOB,	 /* what matches source appears below target, each under its name */
	CONTAINER_MOUNT_CONTENT, /* a file with this content appears at target */
};

struct container_env {
	char *key, *value;
};

struct container_mount {
	char *name, *target;
	enum container_mount_kind kind;
	char *source; /* not for CONTENT */
	void *content;
	size_t content_size;
	mode_t mode; /* of the content's file */
	bool is_read_only;
};

struct container_volume {
	char *name, *target;
};

enum container_state {
	CONTAINER_STOPPED,
	CONTAINER_WAITING, /* for its image, or for the next try */
	CONTAINER_STARTING,
	CONTAINER_RUNNING,
	CONTAINER_STOPPING,
};

/* A value is there when its bit is set in container_usage.set. */
enum container_usage_item {
	CONTAINER_USAGE_MEMORY,
	CONTAINER_USAGE_CPU,
	CONTAINER_USAGE_IO,
	CONTAINER_USAGE_NET,
	CONTAINER_USAGE_PIDS,
};

struct container_usage {
	uint32_t set;
	uint64_t memory_bytes;
	uint32_t cpu_centipercent; /* of one processor, since the last look (or the start) */
	uint64_t read_bytes, write_bytes;
	uint64_t received_bytes, sent_bytes;
	uint64_t pids;
};

struct container {
	struct object object; /* key: the name */
	bool is_enabled, is_manual, is_privileged;
	enum container_restart restart;
	char *netns;	/* path of the network namespace to join; NULL: the daemon's own */
	char *hostname; /* NULL: the container's name */
	char *command;	/* instead of the image's entry point and arguments; NULL: theirs */
	uint64_t cap_add, cap_drop; /* bits 1 << CAP_*, against the default set */
	uint64_t memory_bytes;	    /* limit; 0: none */
	uint32_t cpu_millicores;    /* limit; 0: none */
	struct container_env *env;
	size_t env_count;
	struct container_mount *mounts;
	size_t mount_count;
	struct container_volume *volumes;
	size_t volume_count;
	char **dns, **search, **interfaces; /* interfaces: names of the links given to it */
	size_t dns_count, search_count, interface_count;

	/* Observed only. */
	enum container_state state;
	char *status; /* for people: "running (pid 7)", "ended with status 1; next try in 4 s" … */
	char *id;     /* of this run, 64 hexadecimal digits; NULL: never started */
	char *cmdline; /* what was run; NULL: never started */
	char image_id[IMAGE_DIGEST_MAX];
	pid_t pid;		      /* 0: not running */
	struct container_usage usage; /* fresh after object_kind_container.refresh() */
};
extern const struct object_kind object_kind_container;

/* Fill in a wanted container; everything is copied. @mount's strings too. */
void container_add_env(struct container *container, const char *key, const char *value);
void container_add_mount(struct container *container, const struct container_mount *mount);
void container_add_volume(struct container *container, const char *name, const char *target);
void container_add_dns(struct container *container, const char *address);
void container_add_search(struct container *container, const char *domain);
void container_add_interface(struct container *container, const char *link);
/* Number of a capability by its lower-case name without "cap_" ("net_admin"); -ENOENT. */
int container_capability(const char *name) WARN_UNUSED;

/*
 * Accepts what an operator asks for: started or stopped until told otherwise (or the next boot).
 * -ENOENT: no such container; -EPERM: configuration has it disabled.
 */
int container_start(const char *name, struct err *err) WARN_UNUSED;
int container_stop(const char *name, struct err *err) WARN_UNUSED;
int container_restart(const char *name, struct err *err) WARN_UNUSED;

#endif
