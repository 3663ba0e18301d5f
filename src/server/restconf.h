/* What RESTCONF tells of itself, for server.c alone. */
#ifndef ASHLAR_SERVER_RESTCONF_H
#define ASHLAR_SERVER_RESTCONF_H

#include "ashlar/err.h"
#include "ashlar/yang.h"

/* Fills the container restconf-state of ietf-restconf-monitoring. */
int restconf_monitoring_show(struct lyd_node *restconf_state, struct err *err);

#endif
