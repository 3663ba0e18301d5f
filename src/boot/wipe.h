/* What a reset of the device removes. */
#ifndef ASHLAR_BOOT_WIPE_H
#define ASHLAR_BOOT_WIPE_H

#include "ashlar/err.h"

/* Writes zeros over all of a partition (or file), on disk when it returns; @feed is called now and then. */
int wipe(const char *path, void (*feed)(void)) WARN_UNUSED;

#endif
