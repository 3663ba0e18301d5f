/* Messages of the generic netlink family "ethtool": reading ports, and the frame of what changes them. */
#ifndef ASHLAR_KERNEL_ETHTOOL_H
#define ASHLAR_KERNEL_ETHTOOL_H

#include "link.h"

/* Number of a bitset's words that carry modes, and of the modes that are none: ports, pause, FEC … */
void ethtool_put_bitset(struct nlmsghdr *nlh, uint16_t type, const struct ethernet_modes *value,
	const struct ethernet_modes *mask);
/* Begins a message about a link (0: a dump of all) whose header is attribute @header. NULL: the kernel has no
 * such family. */
struct nlmsghdr *ethtool_begin(char buffer[NL_MESSAGE_BYTES], uint8_t command, uint16_t header,
	uint32_t ifindex, uint32_t flags);

enum ethtool_part {
	ETHTOOL_IN_USE, /* what a partner or a cable can change: link modes, speed, duplex */
	ETHTOOL_WHOLE,
};
/*
 * Reads a port, or all of a namespace (0): calls @found for each of which the kernel tells, with a new object
 * that it takes; what was not asked for is as it was in have. Speed and duplex of links that are no ports go
 * into these.
 */
void ethtool_read(struct nl *nl, uint32_t ifindex, enum ethtool_part part,
	void (*found)(struct nl *nl, struct ethernet *ethernet));
/* The same of counters. */
void ethtool_read_counters(struct nl *nl, uint32_t ifindex);
/* One message of counters into an object; of a driver that has none: nothing known. */
void ethtool_take_counters(struct ethernet_counters *counters, const struct nlmsghdr *nlh);
/* Index of the link that a message is about; 0: none is named. */
uint32_t ethtool_ifindex(const struct nlmsghdr *nlh);

#endif
