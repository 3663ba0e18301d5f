/* The SSH host key: found in the key directory, or made there at first start. */
#ifndef ASHLAR_SERVER_KEYS_H
#define ASHLAR_SERVER_KEYS_H

#include <libssh/libssh.h>

#include "ashlar/err.h"

/* Makes the directory (0700) and the key file (0600) if they are missing; a broken file is an error. */
int keys_host(const char *key_dir, ssh_key *ret_key, struct err *err) WARN_UNUSED;

#endif
