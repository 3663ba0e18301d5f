/* NETCONF over SSH (RFC 6242): the subsystem "netconf", nothing else. */
#ifndef ASHLAR_SERVER_SSH_H
#define ASHLAR_SERVER_SSH_H

#include <stdint.h>

#include "ashlar/err.h"

int ssh_server_start(uint16_t port, const char *key_dir, struct err *err) WARN_UNUSED;
/* Closes the listener and drops all connections. */
void ssh_server_stop(void);

#endif
