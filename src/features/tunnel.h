/* What the tunnels of infix-interfaces have in common (grouping tunnel-common). */
#ifndef ASHLAR_FEATURES_TUNNEL_H
#define ASHLAR_FEATURES_TUNNEL_H

#include "interface.h"

/* Reads what stands in @container of the unit; errors have paths below it. */
int tunnel_read(
	const struct lyd_node *container, struct link_tunnel *tunnel, struct err *err) WARN_UNUSED;
/* Shows of a tunnel that is not configured what an entry needs. */
int tunnel_show(
	const struct link_tunnel *tunnel, struct lyd_node *container, struct err *err) WARN_UNUSED;

#endif
