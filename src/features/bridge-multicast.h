/* What the configuration of multicast means for the bridge as a whole. */
#ifndef ASHLAR_FEATURES_BRIDGE_MULTICAST_H
#define ASHLAR_FEATURES_BRIDGE_MULTICAST_H

#include "ashlar/kernel.h"
#include "ashlar/yang.h"

/* Fills in what of the interface @node's configuration belongs to the link. */
void bridge_multicast_fill(const struct lyd_node *node, struct link_bridge *bridge);
/* A port's "router". */
uint8_t bridge_multicast_router(const struct lyd_node *port);

#endif
