/*
 * What ethtool tells, read by generic netlink: of one link, or in a dump of all. A link of which a driver does
 * not tell something answers with EOPNOTSUPP, and is passed over in a dump.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <string.h>

#include "ashlar/log.h"
#include "ashlar/state.h"

#include "ethtool.h"

#define MODE_WORDS  (ETHERNET_MODES / 32)
#define STAT_GROUPS 8 /* bits of their set */

/* --- messages ---------------------------------------------------------------------------------- */

struct nlmsghdr *ethtool_begin(char buffer[NL_MESSAGE_BYTES], uint8_t command, uint16_t header,
	uint32_t ifindex, uint32_t flags)
{
	static int family;
	struct nlmsghdr *nlh;
	struct genlmsghdr *genl;
	struct nlattr *nest;

	if (!family)
		family = nl_genl_family(ETHTOOL_GENL_NAME);
	if (family < 0)
		return NULL;
	memset(buffer, 0, NL_MESSAGE_BYTES);
	nlh = mnl_nlmsg_put_header(buffer);
	nlh->nlmsg_type = (uint16_t)family;
	nlh->nlmsg_flags = ifindex ? 0 : NLM_F_DUMP;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = command;
	genl->version = ETHTOOL_GENL_VERSION;
	nest = mnl_attr_nest_start(nlh, header);
	if (ifindex)
		mnl_attr_put_u32(nlh, ETHTOOL_A_HEADER_DEV_INDEX, ifindex);
	mnl_attr_put_u32(nlh, ETHTOOL_A_HEADER_FLAGS, flags | ETHTOOL_FLAG_COMPACT_BITSETS);
	mnl_attr_nest_end(nlh, nest);
	return nlh;
}

void ethtool_put_bitset(struct nlmsghdr *nlh, uint16_t type, const struct ethernet_modes *value,
	const struct ethernet_modes *mask)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	mnl_attr_put_u32(nlh, ETHTOOL_A_BITSET_SIZE, ETHERNET_MODES);
	mnl_attr_put(nlh, ETHTOOL_A_BITSET_VALUE, sizeof(value->words), value->words);
	mnl_attr_put(nlh, ETHTOOL_A_BITSET_MASK, sizeof(mask->words), mask->words);
	mnl_attr_nest_end(nlh, nest);
}

static uint32_t ifindex_of(const struct nlattr *header)
{
	uint32_t ifindex = 0;
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, header) {
		if (mnl_attr_get_type(attr) == ETHTOOL_A_HEADER_DEV_INDEX)
			link_take_number(&ifindex, sizeof(ifindex), attr);
	}
	return ifindex;
}

/* The header is attribute 1, or 2 of counters, where 1 is padding and never comes. */
uint32_t ethtool_ifindex(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;

	mnl_attr_for_each (attr, nlh, sizeof(struct genlmsghdr)) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type == 1 || type == ETHTOOL_A_STATS_HEADER)
			return ifindex_of(attr);
	}
	return 0;
}

/* --- settings ---------------------------------------------------------------------------------- */

static void take_bits(struct ethernet_modes *to, const struct nlattr *attr)
{
	size_t size = mnl_attr_get_payload_len(attr);

	memset(to, 0, sizeof(*to));
	memcpy(to, mnl_attr_get_payload(attr), size < sizeof(*to) ? size : sizeof(*to));
}

/* @mask may be NULL. */
static void take_bitset(
	struct ethernet_modes *value, struct ethernet_modes *mask, const struct nlattr *bitset)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, bitset) {
		if (mnl_attr_get_type(attr) == ETHTOOL_A_BITSET_VALUE)
			take_bits(value, attr);
		else if (mnl_attr_get_type(attr) == ETHTOOL_A_BITSET_MASK && mask)
			take_bits(mask, attr);
	}
}

static void take_mode(struct ethernet *to, const struct nlattr *attr)
{
	switch (mnl_attr_get_type(attr)) {
	case ETHTOOL_A_LINKMODES_SPEED:
		link_take_number(&to->speed_mbps, sizeof(to->speed_mbps), attr);
		if (to->speed_mbps == (uint32_t)SPEED_UNKNOWN)
			to->speed_mbps = 0;
		break;
	case ETHTOOL_A_LINKMODES_DUPLEX:
		link_take_number(&to->duplex, sizeof(to->duplex), attr);
		break;
	case ETHTOOL_A_LINKMODES_AUTONEG:
		link_take_number(&to->autoneg, sizeof(to->autoneg), attr);
		break;
	case ETHTOOL_A_LINKMODES_OURS:
		take_bitset(&to->offered, &to->supported, attr);
		break;
	case ETHTOOL_A_LINKMODES_PEER:
		take_bitset(&to->peer, NULL, attr);
		break;
	}
}

static void take_info(struct ethernet *to, const struct nlattr *attr)
{
	if (mnl_attr_get_type(attr) == ETHTOOL_A_LINKINFO_TP_MDIX)
		link_take_number(&to->mdix_status, sizeof(to->mdix_status), attr);
	else if (mnl_attr_get_type(attr) == ETHTOOL_A_LINKINFO_TP_MDIX_CTRL)
		link_take_number(&to->mdix, sizeof(to->mdix), attr);
}

static void take_pause(struct ethernet *to, const struct nlattr *attr)
{
	uint8_t value = 0;

	link_take_number(&value, sizeof(value), attr);
	if (mnl_attr_get_type(attr) == ETHTOOL_A_PAUSE_AUTONEG)
		to->negotiates_pause = value;
	else if (mnl_attr_get_type(attr) == ETHTOOL_A_PAUSE_RX)
		to->pause_rx = value;
	else if (mnl_attr_get_type(attr) == ETHTOOL_A_PAUSE_TX)
		to->pause_tx = value;
}

static const struct part {
	enum ethernet_attr tells;
	uint8_t command;
	void (*take)(struct ethernet *to, const struct nlattr *attr);
} parts[] = {
	{ ETHERNET_MODE, ETHTOOL_MSG_LINKMODES_GET, take_mode },
	{ ETHERNET_MDIX, ETHTOOL_MSG_LINKINFO_GET, take_info },
	{ ETHERNET_PAUSE, ETHTOOL_MSG_PAUSE_GET, take_pause },
};

struct reading {
	struct nl *nl;
	enum ethtool_part part;
	const struct part *at;
	struct map found; /* name → struct ethernet */
};

static struct ethernet *begin_port(struct reading *reading, const char *name)
{
	const struct ethernet *known = have_get(have_all(), &object_kind_ethernet, name);
	struct ethernet *port = map_get_str(&reading->found, name);

	if (port)
		return port;
	if (known && reading->part == ETHTOOL_IN_USE)
		port = (struct ethernet *)object_copy(&known->object);
	else
		port = object_new(&object_kind_ethernet, name);
	map_put_str(&reading->found, port->object.key, port);
	return port;
}

/* What was told before goes first: an attribute may be missing now. */
static void blank(struct ethernet *port, enum ethernet_attr attr)
{
	port->set &= ~(1U << attr);
	if (attr != ETHERNET_MODE)
		return;
	port->autoneg = port->duplex = 0xff;
	port->speed_mbps = 0;
	memset(&port->offered, 0, sizeof(port->offered));
	memset(&port->supported, 0, sizeof(port->supported));
	memset(&port->peer, 0, sizeof(port->peer));
}

/* Of an MDI nobody knows anything where it is no twisted pair, or the driver does not say. */
static bool tells(const struct ethernet *port, enum ethernet_attr attr)
{
	return attr != ETHERNET_MDIX || port->mdix != ETH_TP_MDI_INVALID ||
		port->mdix_status != ETH_TP_MDI_INVALID;
}

static int take_reply(const struct nlmsghdr *nlh, void *arg)
{
	struct reading *reading = arg;
	const struct part *part = reading->at;
	const char *name = nl_name_of(reading->nl, ethtool_ifindex(nlh));
	struct link *link = name ? have_get(have_all(), &object_kind_link, name) : NULL;
	struct ethernet scratch = { 0 }, *port = &scratch;
	const struct nlattr *attr;

	if (!link || nl_of(link_netns(link)) != reading->nl)
		return 0;
	if (ethernet_is_port(link))
		port = begin_port(reading, name);
	else if (part->tells != ETHERNET_MODE)
		return 0;
	blank(port, part->tells);
	mnl_attr_for_each (attr, nlh, sizeof(struct genlmsghdr))
		part->take(port, attr);
	if (tells(port, part->tells))
		port->set |= 1U << part->tells;
	if (part->tells == ETHERNET_MODE) {
		link->speed_mbps = port->speed_mbps;
		link->duplex = port->duplex;
		link->autoneg = port->autoneg;
	}
	return 0;
}

static void ask(struct nl *nl, uint32_t ifindex, uint8_t command, uint16_t header, uint32_t flags,
	const struct ethernet_modes *groups, nl_reply_fn reply, void *arg)
{
	char buffer[NL_MESSAGE_BYTES];
	struct nlmsghdr *nlh = ethtool_begin(buffer, command, header, ifindex, flags);
	struct nlattr *nest;
	int r;

	if (!nlh)
		return;
	if (groups) {
		nest = mnl_attr_nest_start(nlh, ETHTOOL_A_STATS_GROUPS);
		mnl_attr_put(nlh, ETHTOOL_A_BITSET_NOMASK, 0, NULL);
		mnl_attr_put_u32(nlh, ETHTOOL_A_BITSET_SIZE, STAT_GROUPS);
		mnl_attr_put_u32(nlh, ETHTOOL_A_BITSET_VALUE, groups->words[0]);
		mnl_attr_nest_end(nlh, nest);
	}
	r = nl_genl_request(nl, nlh, reply, arg);
	if (r < 0 && r != -EOPNOTSUPP && r != -ENODEV)
		log_debug("ethtool", "message %u: %s", command, strerror(-r));
}

void ethtool_read(struct nl *nl, uint32_t ifindex, enum ethtool_part part,
	void (*found)(struct nl *nl, struct ethernet *ethernet))
{
	struct reading reading = { .nl = nl, .part = part };
	struct ethernet *port;
	size_t at = 0, count = part == ETHTOOL_WHOLE ? ARRAY_SIZE(parts) : 1;

	for (size_t i = 0; i < count; i++) {
		reading.at = &parts[i];
		ask(nl, ifindex, parts[i].command, ETHTOOL_A_LINKMODES_HEADER, 0, NULL, take_reply,
			&reading);
	}
	while ((port = map_next(&reading.found, &at))) {
		map_del_str(&reading.found, port->object.key);
		found(nl, port);
	}
	map_done(&reading.found);
}

/* --- counters ---------------------------------------------------------------------------------- */

static const struct {
	uint32_t group;
	uint16_t id;
	enum ethernet_counter counter;
} counter_ids[] = {
	{ ETHTOOL_STATS_ETH_MAC, ETHTOOL_A_STATS_ETH_MAC_5_RX_PKT, ETHERNET_RX_FRAMES },
	{ ETHTOOL_STATS_ETH_MAC, ETHTOOL_A_STATS_ETH_MAC_14_RX_BYTES, ETHERNET_RX_OCTETS },
	{ ETHTOOL_STATS_ETH_MAC, ETHTOOL_A_STATS_ETH_MAC_21_RX_MCAST, ETHERNET_RX_MULTICAST },
	{ ETHTOOL_STATS_ETH_MAC, ETHTOOL_A_STATS_ETH_MAC_22_RX_BCAST, ETHERNET_RX_BROADCAST },
	{ ETHTOOL_STATS_ETH_MAC, ETHTOOL_A_STATS_ETH_MAC_6_FCS_ERR, ETHERNET_RX_FCS_ERRORS },
	{ ETHTOOL_STATS_ETH_MAC, ETHTOOL_A_STATS_ETH_MAC_7_ALIGN_ERR,
		ETHERNET_RX_ALIGNMENT_ERRORS },
	{ ETHTOOL_STATS_ETH_MAC, ETHTOOL_A_STATS_ETH_MAC_25_TOO_LONG_ERR, ETHERNET_RX_TOO_LONG },
	{ ETHTOOL_STATS_ETH_MAC, ETHTOOL_A_STATS_ETH_MAC_15_RX_INT_ERR,
		ETHERNET_RX_INTERNAL_ERRORS },
	{ ETHTOOL_STATS_ETH_MAC, ETHTOOL_A_STATS_ETH_MAC_2_TX_PKT, ETHERNET_TX_FRAMES },
	{ ETHTOOL_STATS_ETH_MAC, ETHTOOL_A_STATS_ETH_MAC_8_TX_BYTES, ETHERNET_TX_OCTETS },
	{ ETHTOOL_STATS_ETH_MAC, ETHTOOL_A_STATS_ETH_MAC_18_TX_MCAST, ETHERNET_TX_MULTICAST },
	{ ETHTOOL_STATS_ETH_MAC, ETHTOOL_A_STATS_ETH_MAC_19_TX_BCAST, ETHERNET_TX_BROADCAST },
	{ ETHTOOL_STATS_RMON, ETHTOOL_A_STATS_RMON_UNDERSIZE, ETHERNET_RMON_UNDERSIZE },
	{ ETHTOOL_STATS_RMON, ETHTOOL_A_STATS_RMON_OVERSIZE, ETHERNET_RMON_OVERSIZE },
	{ ETHTOOL_STATS_RMON, ETHTOOL_A_STATS_RMON_FRAG, ETHERNET_RMON_FRAGMENTS },
	{ ETHTOOL_STATS_RMON, ETHTOOL_A_STATS_RMON_JABBER, ETHERNET_RMON_JABBERS },
};

static void count(
	struct ethernet_counters *to, enum ethernet_counter counter, const struct nlattr *attr)
{
	if (mnl_attr_get_payload_len(attr) != sizeof(uint64_t))
		return;
	to->values[counter] = mnl_attr_get_u64(attr);
	to->known |= 1U << counter;
}

static void take_counter(struct ethernet_counters *to, uint32_t group, const struct nlattr *attr)
{
	for (size_t i = 0; i < ARRAY_SIZE(counter_ids); i++) {
		if (counter_ids[i].group == group && counter_ids[i].id == mnl_attr_get_type(attr))
			count(to, counter_ids[i].counter, attr);
	}
}

static void take_group(struct ethernet_counters *to, const struct nlattr *group)
{
	uint32_t id = UINT32_MAX;
	const struct nlattr *attr, *counter;

	mnl_attr_for_each_nested (attr, group) {
		if (mnl_attr_get_type(attr) == ETHTOOL_A_STATS_GRP_ID)
			link_take_number(&id, sizeof(id), attr);
	}
	mnl_attr_for_each_nested (attr, group) {
		if (mnl_attr_get_type(attr) != ETHTOOL_A_STATS_GRP_STAT)
			continue;
		mnl_attr_for_each_nested (counter, attr)
			take_counter(to, id, counter);
	}
}

static void take_pause_counters(struct ethernet_counters *to, const struct nlattr *stats)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, stats) {
		if (mnl_attr_get_type(attr) == ETHTOOL_A_PAUSE_STAT_RX_FRAMES)
			count(to, ETHERNET_RX_PAUSE, attr);
		else if (mnl_attr_get_type(attr) == ETHTOOL_A_PAUSE_STAT_TX_FRAMES)
			count(to, ETHERNET_TX_PAUSE, attr);
	}
}

/* Numbers of attributes say nothing without the message that they are in. */
void ethtool_take_counters(struct ethernet_counters *counters, const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	mnl_attr_for_each (attr, nlh, sizeof(*genl)) {
		uint16_t type = mnl_attr_get_type(attr);

		if (genl->cmd == ETHTOOL_MSG_STATS_GET_REPLY && type == ETHTOOL_A_STATS_GRP)
			take_group(counters, attr);
		else if (genl->cmd == ETHTOOL_MSG_PAUSE_GET_REPLY && type == ETHTOOL_A_PAUSE_STATS)
			take_pause_counters(counters, attr);
	}
}

static int take_counters_reply(const struct nlmsghdr *nlh, void *arg)
{
	struct nl *nl = arg;
	const char *name = nl_name_of(nl, ethtool_ifindex(nlh));
	const struct link *link = name ? have_get(have_all(), &object_kind_link, name) : NULL;
	struct ethernet_counters *counters;

	if (!link || !ethernet_is_port(link) || nl_of(link_netns(link)) != nl)
		return 0;
	counters = have_get(have_all(), &object_kind_ethernet_counters, name);
	if (!counters) {
		counters = object_new(&object_kind_ethernet_counters, name);
		have_put(&counters->object);
	}
	ethtool_take_counters(counters, nlh);
	return 0;
}

void ethtool_read_counters(struct nl *nl, uint32_t ifindex)
{
	struct ethernet_modes groups = { .words = { 1U << ETHTOOL_STATS_ETH_MAC |
						 1U << ETHTOOL_STATS_RMON } };

	ask(nl, ifindex, ETHTOOL_MSG_STATS_GET, ETHTOOL_A_STATS_HEADER, 0, &groups,
		take_counters_reply, nl);
	ask(nl, ifindex, ETHTOOL_MSG_PAUSE_GET, ETHTOOL_A_PAUSE_HEADER, ETHTOOL_FLAG_STATS, NULL,
		take_counters_reply, nl);
}
