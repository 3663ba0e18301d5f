/* Back to the factory: ds_factory(), and the restart that ends it. */
#ifndef ASHLAR_DATASTORE_RESET_H
#define ASHLAR_DATASTORE_RESET_H

#include "ashlar/err.h"

/* May anything still be changed? in-use once a reset of the whole device has begun. */
int reset_check(struct err *err) WARN_UNUSED;
/* A restart that has not come yet does not. */
void reset_done(void);

#endif
