/* How running comes up, and judging a file as that would. */
#ifndef ASHLAR_DATASTORE_BOOT_H
#define ASHLAR_DATASTORE_BOOT_H

#include "ashlar/datastore.h"

/*
 * Queues what ds_start() does. @is_up is called when running is what it will be, before history has
 * recorded it: with true when it is what it was before a restart of the daemon.
 */
void boot_submit(const struct ds_client *client, void (*is_up)(bool is_same_boot), ds_done_fn done,
	void *arg);
void boot_done(void);

#endif
