/*
 * Which interface's configured prefix holds a gateway, and which routes have their gateway in a prefix.
 * Both are found in indexes made from the configuration when they are asked for, and made again after they
 * were told that what they come from has changed.
 */
#ifndef ASHLAR_FEATURES_NEXT_HOP_H
#define ASHLAR_FEATURES_NEXT_HOP_H

#include <netinet/in.h>

#include "ashlar/feature.h"

/* An address of either family, network byte order. */
union next_hop_addr {
	struct in_addr in;
	struct in6_addr in6;
};

/* Addresses of interfaces, or static routes, have changed (or may have). */
void next_hop_addresses_changed(void);
void next_hop_routes_changed(void);
/*
 * The interface whose configured prefix holds @gateway (the longest one, of several the first); NULL: none.
 * @node is any node of the tree; the name is borrowed from it.
 */
const char *next_hop_interface(
	const struct lyd_node *node, int family, const union next_hop_addr *gateway);
/* Adds the routes of the tree that have a gateway in the prefix and no outgoing interface. */
void next_hop_add_routes(const struct lyd_node *node, int family, const union next_hop_addr *prefix,
	unsigned length, struct unit_set *set);
/* Clears the bits beyond @length. */
void next_hop_mask(int family, union next_hop_addr *addr, unsigned length);
/* "192.0.2.0/24", with the bits beyond the length cleared. -EINVAL. */
int next_hop_prefix(int family, const char *text, union next_hop_addr *ret_addr,
	uint8_t *ret_length) WARN_UNUSED;
/* The first top-level node of @node's tree with this module and name; NULL. */
const struct lyd_node *next_hop_top(
	const struct lyd_node *node, const char *module, const char *name);

#endif
