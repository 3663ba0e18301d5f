/* --check: is a configuration file one that a boot would take? */
#ifndef ASHLAR_CHECK_H
#define ASHLAR_CHECK_H

#include "ashlar/err.h"

/* With the layers started. Prints that it is valid, and what of it this device would not apply. */
int check_file(const char *path, struct err *err) WARN_UNUSED;

#endif
