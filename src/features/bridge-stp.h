/* The spanning tree as the kernel speaks it (IEEE 802.1D, 1998), shown of bridges and of their ports. */
#ifndef ASHLAR_FEATURES_BRIDGE_STP_H
#define ASHLAR_FEATURES_BRIDGE_STP_H

#include "ashlar/kernel.h"
#include "ashlar/state.h"
#include "ashlar/yang.h"

/* Adds what is found out of the tree below @bridge, the container "bridge". */
int bridge_stp_show(
	const struct link *link, const struct have *have, struct lyd_node *bridge, struct err *err);
/* The same of a port of @bridge below the container "bridge-port". */
int bridge_stp_show_port(
	const struct link *link, const struct link *bridge, struct lyd_node *port, struct err *err);

#endif
