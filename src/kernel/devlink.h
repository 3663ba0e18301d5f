/* Switches and their ports, by devlink. */
#ifndef ASHLAR_KERNEL_DEVLINK_H
#define ASHLAR_KERNEL_DEVLINK_H

#include "kernel-private.h"

/* Reads all there are into have. */
void devlink_read(void);

#endif
