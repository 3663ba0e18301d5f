/* The trees: running in memory, startup in its file. */
#ifndef ASHLAR_DATASTORE_STORE_H
#define ASHLAR_DATASTORE_STORE_H

#include "ashlar/datastore.h"

extern struct ds_config store_config; /* directories; owned copies */

void store_init(const struct ds_config *config);
void store_done(void);
/* First top-level node of running, to be changed only by the transaction. */
struct lyd_node **store_running(void);
/* The datastore has changed. */
void store_touch(enum ds ds);

#endif
