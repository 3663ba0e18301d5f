/*
 * Units of the running configuration that their features refused at boot. A client's change is refused as
 * a whole; a boot goes on without what it cannot have, and says so (ds_not_applied).
 */
#ifndef ASHLAR_DATASTORE_REFUSED_H
#define ASHLAR_DATASTORE_REFUSED_H

#include "ashlar/err.h"

/* Remembers why the unit was left out; replaces what was known of it. */
void refused_note(const char *unit_path, const struct err *err);
/* The unit was accepted, or is gone. Costs nothing while there are none. */
void refused_forget(const char *unit_path);
void refused_done(void);

#endif
