/* Which YANG modules there are: what every server of these protocols has, and what the features own. */
#ifndef ASHLAR_DATASTORE_MODULES_H
#define ASHLAR_DATASTORE_MODULES_H

#include "ashlar/err.h"

/* Loads them all from @dir. */
int modules_load(const char *dir, struct err *err) WARN_UNUSED;

#endif
