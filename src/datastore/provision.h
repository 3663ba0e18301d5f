/* What begins with ds_provision in ashlar/datastore.h, and its end. */
#ifndef ASHLAR_DATASTORE_PROVISION_H
#define ASHLAR_DATASTORE_PROVISION_H

#include "ashlar/datastore.h"

void provision_done(void);

#endif
