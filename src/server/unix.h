/* NETCONF for local processes: a Unix socket; the user is the peer's account. */
#ifndef ASHLAR_SERVER_UNIX_H
#define ASHLAR_SERVER_UNIX_H

#include "ashlar/err.h"

int unix_server_start(const char *path, struct err *err) WARN_UNUSED;
/* Closes the listener and drops all connections. */
void unix_server_stop(void);

#endif
