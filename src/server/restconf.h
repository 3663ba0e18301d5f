/* RESTCONF's way in, for server.c alone. */
#ifndef ASHLAR_SERVER_RESTCONF_H
#define ASHLAR_SERVER_RESTCONF_H

#include <stdint.h>

#include "ashlar/err.h"
#include "ashlar/yang.h"

/* Loads the certificate from @key_dir (makes one at first start) and listens. */
int restconf_listen(uint16_t port, const char *key_dir, struct err *err) WARN_UNUSED;
/* Closes the listener and drops all connections. */
void restconf_stop(void);
/* Fills the container restconf-state of ietf-restconf-monitoring. */
int restconf_monitoring_show(struct lyd_node *restconf_state, struct err *err);

#endif
