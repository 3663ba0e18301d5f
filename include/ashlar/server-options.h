/* What configuration says of the servers as a whole (libnetconf2-netconf-server), as one object. */
#ifndef ASHLAR_SERVER_OPTIONS_H
#define ASHLAR_SERVER_OPTIONS_H

#include "ashlar/object.h"

/* A certificate is told of from so long before its end, every so often, until the next interval begins. */
struct server_interval {
	uint32_t anchor_s, period_s;
};

struct server_options {
	struct object object; /* key: "" */
	struct server_interval
		*intervals;    /* the longest anchor first, of the same the longest period */
	size_t interval_count; /* 0: as is recommended */
	char **unannounced;    /* modules that no hello names */
	size_t unannounced_count;
};
extern const struct object_kind object_kind_server_options;

void server_options_add_interval(
	struct server_options *options, uint32_t anchor_s, uint32_t period_s);
void server_options_add_unannounced(struct server_options *options, const char *module);
/* Told now and of each change; NULL: nothing is said. NULL to unset. */
void server_options_on_change(void (*changed)(const struct server_options *options));

#endif
