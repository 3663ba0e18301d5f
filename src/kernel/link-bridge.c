/*
 * Bridges. One is made with its VLAN filtering as wanted and without default PVID, so that a port carries
 * nothing before it is a member of a VLAN; the default PVID is touched afterwards only where others have set
 * one: that has taken the PVIDs from ports, and so does the way back, which takes their membership in that VLAN
 * as well. The VLANs come later in the plan. Everything else changes in place.
 *
 * The kernel counts the timers in hundredths of a second. A kernel without VLAN filtering is told nothing
 * about VLANs unless they are wanted, and then it refuses.
 */
#include <arpa/inet.h>
#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "link.h"

#define CLOCK_HZ 100 /* USER_HZ, the unit of the bridge's timers */
#define NS_PER_S 1000000000
#define BY_VLAN	 (1U << BR_BOOLOPT_MCAST_VLAN_SNOOPING)

/* One value of the wanted and of the observed bridge, and how it is written. */
struct field {
	uint16_t attribute;
	uint8_t size; /* of the attribute's payload */
	uint32_t scale;
	uint32_t want, have;
};

#define FIELDS 17

static void fill_fields(
	struct field *fields, const struct link_bridge *want, const struct link_bridge *have)
{
	const struct field values[FIELDS] = {
		{ IFLA_BR_VLAN_PROTOCOL, 2, 1, want->vlan_protocol, have->vlan_protocol },
		{ IFLA_BR_VLAN_FILTERING, 1, 1, want->vlan_filtering, have->vlan_filtering },
		{ IFLA_BR_VLAN_DEFAULT_PVID, 2, 1, want->default_pvid, have->default_pvid },
		{ IFLA_BR_GROUP_FWD_MASK, 2, 1, want->group_fwd_mask, have->group_fwd_mask },
		{ IFLA_BR_HELLO_TIME, 4, CLOCK_HZ, want->stp_hello_s, have->stp_hello_s },
		{ IFLA_BR_FORWARD_DELAY, 4, CLOCK_HZ, want->stp_forward_delay_s,
			have->stp_forward_delay_s },
		{ IFLA_BR_MAX_AGE, 4, CLOCK_HZ, want->stp_max_age_s, have->stp_max_age_s },
		{ IFLA_BR_PRIORITY, 2, 1, want->stp_priority, have->stp_priority },
		{ IFLA_BR_MCAST_SNOOPING, 1, 1, want->multicast_snooping,
			have->multicast_snooping },
		{ IFLA_BR_MCAST_QUERIER, 1, 1, want->multicast_querier, have->multicast_querier },
		{ IFLA_BR_MCAST_QUERY_USE_IFADDR, 1, 1, want->multicast_query_ifaddr,
			have->multicast_query_ifaddr },
		{ IFLA_BR_MCAST_QUERY_INTVL, 8, CLOCK_HZ, want->multicast.query,
			have->multicast.query },
		{ IFLA_BR_MCAST_MEMBERSHIP_INTVL, 8, CLOCK_HZ, want->multicast.membership,
			have->multicast.membership },
		{ IFLA_BR_MCAST_QUERIER_INTVL, 8, CLOCK_HZ, want->multicast.other_querier,
			have->multicast.other_querier },
		{ IFLA_BR_MCAST_STARTUP_QUERY_INTVL, 8, 1, want->multicast.startup_hundredths,
			have->multicast.startup_hundredths },
		/* it is turned off later: see bridge-stp.c */
		{ IFLA_BR_STP_STATE, 4, 1, want->stp || have->stp, have->stp },
		{ IFLA_BR_MULTI_BOOLOPT, 8, 1, want->multicast_by_vlan, have->multicast_by_vlan },
	};

	memcpy(fields, values, sizeof(values));
}

static enum object_diff bridge_compare(const struct link *want, const struct link *have)
{
	struct field fields[FIELDS];

	fill_fields(fields, &want->bridge, &have->bridge);
	for (size_t i = 0; i < FIELDS; i++) {
		if (fields[i].want != fields[i].have)
			return OBJECT_CHANGE;
	}
	return OBJECT_SAME;
}

static void put_field(struct nlmsghdr *nlh, const struct field *field)
{
	uint64_t value = (uint64_t)field->want * field->scale;
	struct br_boolopt_multi option = { .optval = value ? BY_VLAN : 0, .optmask = BY_VLAN };

	if (field->attribute == IFLA_BR_MULTI_BOOLOPT)
		mnl_attr_put(nlh, field->attribute, sizeof(option), &option);
	else if (field->attribute == IFLA_BR_VLAN_PROTOCOL)
		mnl_attr_put_u16(nlh, field->attribute, htons((uint16_t)value));
	else if (field->size == 1)
		mnl_attr_put_u8(nlh, field->attribute, (uint8_t)value);
	else if (field->size == 2)
		mnl_attr_put_u16(nlh, field->attribute, (uint16_t)value);
	else if (field->size == 4)
		mnl_attr_put_u32(nlh, field->attribute, (uint32_t)value);
	else
		mnl_attr_put_u64(nlh, field->attribute, value);
}

static void bridge_put_data(struct nlmsghdr *nlh, const struct link *want, const struct link *have)
{
	/* What the kernel makes by itself. */
	const struct link_bridge fresh = {
		.vlan_protocol = ETH_P_8021Q,
		.stp_priority = 0x8000,
		.stp_hello_s = 2,
		.stp_forward_delay_s = 15,
		.stp_max_age_s = 20,
		.multicast_snooping = true,
		.multicast = multicast_intervals(MULTICAST_QUERY_S),
	};
	struct field fields[FIELDS];

	if (!have && kernel_can(KERNEL_CAN_VLAN_FILTERING))
		mnl_attr_put_u16(nlh, IFLA_BR_VLAN_DEFAULT_PVID, 0);
	fill_fields(fields, &want->bridge, have ? &have->bridge : &fresh);
	for (size_t i = 0; i < FIELDS; i++) {
		if (fields[i].want != fields[i].have)
			put_field(nlh, &fields[i]);
	}
}

static void take_value(struct link_bridge *bridge, uint16_t type, uint64_t value)
{
	switch (type) {
	case IFLA_BR_VLAN_PROTOCOL:
		bridge->vlan_protocol = ntohs((uint16_t)value);
		break;
	case IFLA_BR_VLAN_FILTERING:
		bridge->vlan_filtering = value;
		break;
	case IFLA_BR_VLAN_DEFAULT_PVID:
		bridge->default_pvid = (uint16_t)value;
		break;
	case IFLA_BR_GROUP_FWD_MASK:
		bridge->group_fwd_mask = (uint16_t)value;
		break;
	case IFLA_BR_HELLO_TIME:
		bridge->stp_hello_s = (uint16_t)(value / CLOCK_HZ);
		break;
	case IFLA_BR_FORWARD_DELAY:
		bridge->stp_forward_delay_s = (uint16_t)(value / CLOCK_HZ);
		break;
	case IFLA_BR_MAX_AGE:
		bridge->stp_max_age_s = (uint16_t)(value / CLOCK_HZ);
		break;
	case IFLA_BR_PRIORITY:
		bridge->stp_priority = (uint16_t)value;
		break;
	case IFLA_BR_ROOT_PORT:
		bridge->root_port = (uint16_t)value;
		break;
	case IFLA_BR_TOPOLOGY_CHANGE:
		bridge->topology_changes = value;
		break;
	case IFLA_BR_MCAST_SNOOPING:
		bridge->multicast_snooping = value;
		break;
	case IFLA_BR_MCAST_QUERIER:
		bridge->multicast_querier = value;
		break;
	case IFLA_BR_MCAST_QUERY_USE_IFADDR:
		bridge->multicast_query_ifaddr = value;
		break;
	case IFLA_BR_MCAST_QUERY_INTVL:
		bridge->multicast.query = (uint16_t)(value / CLOCK_HZ);
		break;
	case IFLA_BR_MCAST_MEMBERSHIP_INTVL:
		bridge->multicast.membership = (uint16_t)(value / CLOCK_HZ);
		break;
	case IFLA_BR_MCAST_QUERIER_INTVL:
		bridge->multicast.other_querier = (uint16_t)(value / CLOCK_HZ);
		break;
	case IFLA_BR_MCAST_STARTUP_QUERY_INTVL:
		bridge->multicast.startup_hundredths = multicast_startup_told(value);
		break;
	case IFLA_BR_STP_STATE:
		bridge->stp = value;
		break;
	}
}

/* What is no number. */
static void take_struct(struct link_bridge *bridge, const struct nlattr *attr)
{
	struct br_boolopt_multi options;

	switch (mnl_attr_get_type(attr)) {
	case IFLA_BR_ROOT_ID:
		link_take_number(&bridge->root_id, sizeof(bridge->root_id), attr);
		break;
	case IFLA_BR_BRIDGE_ID:
		link_take_number(&bridge->id, sizeof(bridge->id), attr);
		break;
	case IFLA_BR_MULTI_BOOLOPT:
		if (mnl_attr_get_payload_len(attr) != sizeof(options))
			break;
		memcpy(&options, mnl_attr_get_payload(attr), sizeof(options));
		bridge->multicast_by_vlan = options.optval & BY_VLAN;
		break;
	}
}

/* The kernel's ticks, as many a second as it was built for. */
static uint16_t seconds_of_ticks(uint64_t ticks)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) < 0)
		return 0;
	return (uint16_t)((ticks * (uint64_t)tick.tv_nsec + NS_PER_S / 2) / NS_PER_S);
}

/*
 * The timers that netlink tells are those in force: the root's. What a bridge would use as the root, and
 * was configured, only this old call tells, one of them in USER_HZ and the others in ticks (br_ioctl.c).
 */
static void take_own_timers(struct link *link)
{
	struct __bridge_info info = { 0 };
	unsigned long call[4] = { BRCTL_GET_BRIDGE_INFO, (unsigned long)&info };
	struct ifreq request = { .ifr_ifindex = (int)link->ifindex };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCGIFNAME, &request) < 0)
		return;
	request.ifr_data = (char *)call;
	if (ioctl(fd, SIOCDEVPRIVATE, &request) < 0)
		return;
	link->bridge.stp_hello_s = seconds_of_ticks(info.bridge_hello_time);
	link->bridge.stp_forward_delay_s = (uint16_t)(info.bridge_forward_delay / CLOCK_HZ);
	link->bridge.stp_max_age_s = seconds_of_ticks(info.bridge_max_age);
}

static void bridge_take_data(struct link *link, const struct nlattr *data)
{
	struct link_bridge *bridge = &link->bridge;
	const struct nlattr *attr;

	bridge->vlan_protocol = ETH_P_8021Q; /* a kernel without VLAN filtering tells none */
	mnl_attr_for_each_nested (attr, data) {
		take_value(bridge, mnl_attr_get_type(attr), nl_number(attr));
		take_struct(bridge, attr);
	}
	if (bridge->stp && memcmp(&bridge->id, &bridge->root_id, sizeof(bridge->id)))
		take_own_timers(link);
}

const struct link_kind link_kind_bridge = {
	.name = "bridge",
	.compare = bridge_compare,
	.put_data = bridge_put_data,
	.take_data = bridge_take_data,
	.lacking = "this kernel has no bridges (CONFIG_BRIDGE)",
};
