/* What the files about Ethernet ports share. */
#ifndef ASHLAR_FEATURES_ETHERNET_H
#define ASHLAR_FEATURES_ETHERNET_H

#include "interface.h"

#define ETHERNET      "ieee802-ethernet-interface:ethernet"
#define ETHERNET_PATH INTERFACE_PATH "/" ETHERNET

/* Directions of pausing, by name. */
struct ethernet_pausing {
	const char *name;
	bool rx, tx;
};
extern const struct ethernet_pausing ethernet_pausings[4];

/* Builds what is known of a port: feature.show(). */
int ethernet_state_show(const struct unit *unit, const struct have *have, struct lyd_node *node,
	struct err *err) WARN_UNUSED;
/* A port of the hardware, or of a switch. */
bool ethernet_state_is_port(const struct link *link);

#endif
