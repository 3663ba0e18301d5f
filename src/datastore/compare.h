/* The RPC that compares datastores (RFC 9144). */
#ifndef ASHLAR_DATASTORE_COMPARE_H
#define ASHLAR_DATASTORE_COMPARE_H

#include "ashlar/feature.h"

extern const struct feature_action compare_actions[];

#endif
