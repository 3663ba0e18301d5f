/* What ports of a bridge have to know of it. */
#ifndef ASHLAR_FEATURES_BRIDGE_H
#define ASHLAR_FEATURES_BRIDGE_H

#include <stdint.h>

#include "ashlar/yang.h"

/*
 * Reserved groups that the bridge @entry is to forward, a bit each. Of those that a bridge keeps back whatever it
 * is told (BRIDGE_GROUPS_OF_PORTS) its ports can be told; of pause frames nobody can.
 */
uint16_t bridge_groups(const struct lyd_node *entry);
#define BRIDGE_GROUPS_OF_PORTS 0x0005 /* spanning tree, LACP */
#define BRIDGE_GROUP_PAUSE     1

#endif
