/* What a running container uses. */
#ifndef CONTAINERS_USAGE_H
#define CONTAINERS_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ashlar/containers.h"

/* What an earlier look saw, for rates. */
struct usage_meter {
	uint64_t cpu_us, at_us;
	bool has_rate;
	uint32_t centipercent;
};

void usage_start(struct usage_meter *meter);
/* @pid: its first process. */
void usage_read(struct usage_meter *meter, const char *container, pid_t pid, bool has_own_network,
	struct container_usage *ret_usage);

#endif
