/* The RPCs of ashlar-history. */
#ifndef ASHLAR_DATASTORE_HISTORY_CALL_H
#define ASHLAR_DATASTORE_HISTORY_CALL_H

#include "ashlar/feature.h"

/* Ends with path NULL. */
extern const struct feature_action history_actions[];

#endif
