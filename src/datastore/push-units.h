/* Where operational data shows an observed object. */
#ifndef ASHLAR_DATASTORE_PUSH_UNITS_H
#define ASHLAR_DATASTORE_PUSH_UNITS_H

#include "ashlar/object.h"

#include "push-index.h"

/*
 * Calls back for each unit that shows the object, as it was or as it is now (either may be NULL): the way to
 * it, and its path.
 */
void push_units_each(const struct object *was, const struct object *now,
	void (*callback)(struct push_step *steps, size_t count, const char *path, void *arg),
	void *arg);
void push_units_done(void);

#endif
