/* What a running container uses: of its control group, and of the links in its network namespace. */
#include <stdio.h>
#include <string.h>

#include "ashlar/clock.h"
#include "ashlar/file.h"
#include "cgroup.h"
#include "usage.h"

#define NET_DEV_MAX ((size_t)1 << 16)
#define RATE_MIN_US ((uint64_t)1000000) /* over less, accounting in ticks says nothing */

void usage_start(struct usage_meter *meter)
{
	*meter = (struct usage_meter){ .at_us = clock_us() };
}

/* Sums of all links but the loopback. */
static void read_network(pid_t pid, struct container_usage *usage)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/net/dev", (int)pid);
	_cleanup_free_ char *text = NULL;
	char *at, *line;

	if (file_read_virtual(path, NET_DEV_MAX, &text, NULL) < 0)
		return;
	for (at = text; (line = strsep(&at, "\n"));) {
		unsigned long long received, sent;
		char name[32];

		if (sscanf(line, " %31[^:]: %llu %*u %*u %*u %*u %*u %*u %*u %llu", name, &received,
			    &sent) != 3 ||
			strcmp(name, "lo") == 0)
			continue;
		usage->received_bytes += received;
		usage->sent_bytes += sent;
	}
	usage->set |= 1U << CONTAINER_USAGE_NET;
}

/* Looks that follow each other closely see the same rate. */
static void read_rate(struct usage_meter *meter, uint64_t cpu_us, struct container_usage *usage)
{
	uint64_t now = clock_us();

	if (cpu_us && cpu_us >= meter->cpu_us && now - meter->at_us >= RATE_MIN_US) {
		meter->centipercent =
			(uint32_t)((cpu_us - meter->cpu_us) * 10000 / (now - meter->at_us));
		meter->has_rate = true;
		meter->cpu_us = cpu_us;
		meter->at_us = now;
	}
	if (!meter->has_rate)
		return;
	usage->cpu_centipercent = meter->centipercent;
	usage->set |= 1U << CONTAINER_USAGE_CPU;
}

void usage_read(struct usage_meter *meter, const char *container, pid_t pid, bool has_own_network,
	struct container_usage *ret_usage)
{
	struct container_usage usage = { 0 };
	uint64_t cpu_us = 0;

	cgroup_usage(container, &usage, &cpu_us);
	read_rate(meter, cpu_us, &usage);
	if (has_own_network)
		read_network(pid, &usage);
	*ret_usage = usage;
}
