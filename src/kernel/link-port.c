/*
 * Ports of bridges: their flags and their part in the spanning tree. The kernel tells of them in the link's
 * own messages and, when a flag or the spanning tree's state of a port changes, in messages of the bridges'
 * family: both carry the same attributes.
 *
 * A port's cost is the kernel's to find, by the speed of the link, until one is set; from then on it is not
 * found any more for as long as the port is one. Giving up a configured cost therefore sets what the kernel
 * would find at that time.
 */
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "ashlar/state.h"

#include "link.h"

#define ATTRIBUTE(name, field)                                                                     \
	{                                                                                          \
		IFLA_BRPORT_##name, offsetof(struct link_port, field),                             \
			sizeof(((struct link_port *)NULL)->field)                                  \
	}

/* Numbers have the size that the kernel gives them, flags are bytes of 0 or 1. */
static const struct {
	uint16_t attribute;
	size_t offset, size;
} fields[] = {
	/* what can be set */
	ATTRIBUTE(UNICAST_FLOOD, flood_unicast),
	ATTRIBUTE(MCAST_FLOOD, flood_multicast),
	ATTRIBUTE(BCAST_FLOOD, flood_broadcast),
	ATTRIBUTE(FAST_LEAVE, fast_leave),
	ATTRIBUTE(MULTICAST_ROUTER, multicast_router),
	ATTRIBUTE(LEARNING, learning),
	ATTRIBUTE(ISOLATED, isolated),
	ATTRIBUTE(LOCKED, locked),
	ATTRIBUTE(PRIORITY, priority),
	ATTRIBUTE(COST, cost),
	ATTRIBUTE(GROUP_FWD_MASK, group_forward),
	/* what can only be seen */
	ATTRIBUTE(STATE, state),
	ATTRIBUTE(NO, number),
	ATTRIBUTE(ID, id),
	ATTRIBUTE(BRIDGE_ID, designated_bridge),
	ATTRIBUTE(DESIGNATED_PORT, designated_port),
};

#define COST	 9
#define SETTABLE 11

const struct link_port link_default_port = {
	.flood_unicast = true,
	.flood_multicast = true,
	.flood_broadcast = true,
	.multicast_router = 1,
	.learning = true,
	.priority = 32,
};

uint32_t link_port_differences(const struct link_port *want, const struct link_port *have)
{
	uint32_t found = 0;

	for (size_t i = 0; i < SETTABLE; i++) {
		const char *a = (const char *)want + fields[i].offset;
		const char *b = (const char *)have + fields[i].offset;

		if (memcmp(a, b, fields[i].size) && (i != COST || want->cost))
			found |= 1U << i;
	}
	return found;
}

/* As the kernel finds it. */
uint32_t link_port_cost(const struct link *link)
{
	static const struct {
		uint32_t speed_mbps, cost;
	} costs[] = { { 10000, 2 }, { 5000, 3 }, { 2500, 4 }, { 1000, 5 }, { 100, 19 } };

	if (link->speed_mbps > costs[0].speed_mbps)
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(costs); i++) {
		if (costs[i].speed_mbps == link->speed_mbps)
			return costs[i].cost;
	}
	return 100;
}

void link_put_port(struct nlmsghdr *nlh, const struct link_port *port, uint32_t which)
{
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_SLAVE_KIND, "bridge");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_SLAVE_DATA);
	for (size_t i = 0; i < SETTABLE; i++) {
		if (which & (1U << i))
			mnl_attr_put(nlh, fields[i].attribute, fields[i].size,
				(const char *)port + fields[i].offset);
	}
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
}

/* --- reading ---------------------------------------------------------------------------------- */

void link_take_port(struct link_port *port, const struct nlattr *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, data) {
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
			if (fields[i].attribute == mnl_attr_get_type(attr) &&
				fields[i].size == mnl_attr_get_payload_len(attr))
				memcpy((char *)port + fields[i].offset, mnl_attr_get_payload(attr),
					fields[i].size);
		}
	}
}

void link_port_seen(struct nl *nl, const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const char *name = nl_name_of(nl, (uint32_t)ifi->ifi_index);
	const struct link *link = name ? have_get(have_all(), &object_kind_link, name) : NULL;
	const struct nlattr *attr;
	struct link *copy;

	if (!link || !*link->master)
		return;
	copy = object_copy(&link->object);
	mnl_attr_for_each (attr, nlh, sizeof(*ifi)) {
		if ((mnl_attr_get_type(attr) & NLA_TYPE_MASK) == IFLA_PROTINFO)
			link_take_port(&copy->port, attr);
	}
	if (memcmp(&copy->port, &link->port, sizeof(copy->port)))
		watch_put(nl, &copy->object);
	else
		object_free(&copy->object);
}
