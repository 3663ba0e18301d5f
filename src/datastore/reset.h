/* Back to the factory: ds_factory(), and the restart that ends it. */
#ifndef ASHLAR_DATASTORE_RESET_H
#define ASHLAR_DATASTORE_RESET_H

/* A restart that has not come yet does not. */
void reset_done(void);

#endif
