/* VLANs of a bridge that are nobody's units. */
#ifndef ASHLAR_FEATURES_BRIDGE_VLAN_H
#define ASHLAR_FEATURES_BRIDGE_VLAN_H

#include "ashlar/feature.h"
#include "ashlar/kernel.h"

/* Adds those that configuration does not know, with their members, below the bridge's @vlans. */
int bridge_vlan_show_others(const struct unit *unit, const struct link *bridge,
	const struct have *have, struct lyd_node *vlans, struct err *err);

#endif
