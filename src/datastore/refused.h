/*
 * What features refused of the running configuration at boot. A client's change is refused as a whole; a boot
 * goes on without what it cannot have, and says so (ds_not_applied).
 */
#ifndef ASHLAR_DATASTORE_REFUSED_H
#define ASHLAR_DATASTORE_REFUSED_H

#include "ashlar/err.h"

struct refusal {
	char *path, *reason;
};

/* Of one unit; zeroed is empty. */
struct refusals {
	struct refusal *items;
	size_t count, room;
};

/* Once each, however often it is said. @err has an absolute path. */
void refusals_add(struct refusals *refusals, const struct err *err);
void refusals_done(struct refusals *refusals);

/* What is refused of the unit from now on; takes what is in @refusals. Costs nothing while there are none. */
void refused_replace(const char *unit_path, struct refusals *refusals);
/* The very same is listed already. */
bool refused_is_known(const char *unit_path, const struct err *err);
void refused_done(void);

#endif
