/* Routes: what route.c and route-read.c know of each other. */
#ifndef ASHLAR_KERNEL_ROUTE_H
#define ASHLAR_KERNEL_ROUTE_H

#include "nl.h"

size_t route_address_size(uint8_t family);
/*
 * What a message says, with nothing of its object; others is to be freed. False: it is none of those that are
 * shown (another table's, a multicast's, a cache's).
 */
bool route_parse(struct nl *nl, const struct nlmsghdr *nlh, struct route *ret_route);
/* A request for the routes of the main table. */
void route_request(struct nlmsghdr *nlh, uint8_t family, uint8_t protocol);
/* Additions of what is there already, as far as it is ours: made good by @batch, which is empty. */
void route_take_up(struct nl_batch *batch, struct step *const *steps, size_t count);

#endif
