/* The SSH host key of a device that has no other: found in the key directory, or made at first start. */
#ifndef ASHLAR_SERVER_KEYS_H
#define ASHLAR_SERVER_KEYS_H

#include "ashlar/err.h"

/*
 * Makes the directory (0700) and the key file (0600) if they are missing; a broken file is an error. The
 * text is the caller's to wipe and free.
 */
int keys_host(const char *key_dir, char **ret_pem, struct err *err) WARN_UNUSED;

#endif
