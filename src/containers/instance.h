/* A running container as processes: the monitor and the container's first one. */
#ifndef CONTAINERS_INSTANCE_H
#define CONTAINERS_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ashlar/mem.h"

struct instance {
	pid_t pid;	 /* of the container's first process */
	int pidfd;	 /* of it */
	int monitor_fd;	 /* pidfd of its monitor; -1: that one is dead */
	int64_t started; /* Unix time */
};

/*
 * What instance.json of the container's bundle names, if both or one of them live. -ESRCH: neither;
 * nothing is open then.
 */
int instance_open(const char *container, struct instance *ret_instance) WARN_UNUSED;
void instance_close(struct instance *instance);
bool instance_is_alive(const struct instance *instance);
void instance_signal(const struct instance *instance, int signo);
/*
 * Binds the network namespace that it runs in to @path, unless something is bound there: a daemon that
 * was started in a mount namespace of its own does not see what the one before had bound.
 */
void instance_keep_network(const struct instance *instance, const char *path);
/* What exit.json says: a status as a shell has it. -ENOENT: nothing is known. */
int instance_exit_status(const char *container) WARN_UNUSED;

#endif
