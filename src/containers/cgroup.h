/* Control groups, version 2, wherever the machine has them mounted or not. */
#ifndef CONTAINERS_CGROUP_H
#define CONTAINERS_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "ashlar/containers.h"

/* @parent: "/ashlar", below which containers have their groups. */
void cgroup_init(const char *parent);
void cgroup_done(void);
const char *cgroup_parent_path(void);
/* "memory", "cpu", "pids", "io"; false as well when there is no version 2. */
bool cgroup_has(const char *controller);
/* "/ashlar/NAME"; NULL when there is no version 2. Malloc'd. */
char *cgroup_path(const char *container);
/* What the group of the container has used; @cpu_us too (0: unknown). Adds to usage->set. */
void cgroup_usage(const char *container, struct container_usage *usage, uint64_t *ret_cpu_us);
/* Removes the parent if nothing is left below it. */
void cgroup_drop_parent(void);

#endif
