/*
 * Link aggregates. Some of what they are can only be changed while they are down (LACP's rate, who speaks
 * first), and the mode only while there are no ports in them besides. Then all that happens in one step:
 * ports out, down, change, ports in, up, with the address that the aggregate had.
 *
 * A port joins while it is down, and is raised by the kernel; one that leaves is lowered by it. While it is
 * in there its address is that of the aggregate. Delays are whole multiples of the time between two looks at
 * the carrier; whoever wants a link sees to that.
 *
 * What LACP has found out comes with the messages about the links, but most of its changes are not told.
 */
#include <errno.h>
#include <linux/if_bonding.h>
#include <linux/if_link.h>
#include <string.h>

#include "ashlar/state.h"
#include "ashlar/str.h"

#include "link.h"

static bool bond_speaks_lacp(const struct link_bond *bond)
{
	return bond->mode == BOND_MODE_8023AD;
}

/* --- what differs ------------------------------------------------------------------------------ */

static bool delays_differ(const struct link_bond *want, const struct link_bond *have)
{
	return want->look_ms != have->look_ms || want->up_delay_ms != have->up_delay_ms ||
		want->down_delay_ms != have->down_delay_ms;
}

/* Outside of that mode the kernel keeps the values, and refuses to change them. */
static bool lacp_differs(const struct link_bond *want, const struct link_bond *have)
{
	return bond_speaks_lacp(want) &&
		(want->lacp_fast != have->lacp_fast || want->lacp_active != have->lacp_active);
}

static bool priority_differs(const struct link_bond *want, const struct link_bond *have)
{
	return bond_speaks_lacp(want) &&
		(want->system_priority != have->system_priority || want->mode != have->mode);
}

static enum object_diff bond_compare(const struct link *want_link, const struct link *have_link)
{
	const struct link_bond *want = &want_link->bond, *have = &have_link->bond;

	return want->mode != have->mode || want->hash != have->hash || delays_differ(want, have) ||
			lacp_differs(want, have) || priority_differs(want, have)
		? OBJECT_CHANGE
		: OBJECT_SAME;
}

static bool must_be_down(const struct link_bond *want, const struct link_bond *have)
{
	return want->mode != have->mode || lacp_differs(want, have);
}

bool link_is_bond(const char *name)
{
	const struct link *want = (const struct link *)state_wanted(&object_kind_link, name);
	const struct link *have = have_get(have_all(), &object_kind_link, name);

	if (want)
		return want->kind == &link_kind_bond;
	return (have && have->kind == &link_kind_bond) || link_is_chosen_as(name, &link_kind_bond);
}

/* --- messages ---------------------------------------------------------------------------------- */

/* The kernel takes the attributes in an order of its own: mode, times, LACP. */
static void bond_put_data(
	struct nlmsghdr *nlh, const struct link *want_link, const struct link *have_link)
{
	static const struct link_bond fresh = { .mode = 0xff, .hash = 0xff };
	const struct link_bond *want = &want_link->bond;
	const struct link_bond *have = have_link ? &have_link->bond : &fresh;

	if (want->mode != have->mode)
		mnl_attr_put_u8(nlh, IFLA_BOND_MODE, want->mode);
	if (!have_link || delays_differ(want, have)) {
		mnl_attr_put_u32(nlh, IFLA_BOND_MIIMON, want->look_ms);
		mnl_attr_put_u32(nlh, IFLA_BOND_UPDELAY, want->up_delay_ms);
		mnl_attr_put_u32(nlh, IFLA_BOND_DOWNDELAY, want->down_delay_ms);
	}
	if (want->hash != have->hash)
		mnl_attr_put_u8(nlh, IFLA_BOND_XMIT_HASH_POLICY, want->hash);
	if (!bond_speaks_lacp(want))
		return;
	if (!have_link || want->lacp_active != have->lacp_active)
		mnl_attr_put_u8(nlh, IFLA_BOND_AD_LACP_ACTIVE, want->lacp_active);
	if (!have_link || want->lacp_fast != have->lacp_fast)
		mnl_attr_put_u8(nlh, IFLA_BOND_AD_LACP_RATE, want->lacp_fast);
	if (priority_differs(want, have))
		mnl_attr_put_u16(nlh, IFLA_BOND_AD_ACTOR_SYS_PRIO, want->system_priority);
}

struct sending {
	struct nl_batch *batch;
	struct step *step;
	struct nl *nl;
};

static struct nlmsghdr *begin(
	const struct sending *to, uint32_t ifindex, struct ifinfomsg **ret_ifi)
{
	struct nlmsghdr *nlh = nl_batch_begin(to->batch, to->nl, RTM_NEWLINK, 0, to->step, 0);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_index = (int)ifindex;
	if (ret_ifi)
		*ret_ifi = ifi;
	return nlh;
}

static void send_flags(const struct sending *to, uint32_t ifindex, bool up, const uint8_t *mac)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = begin(to, ifindex, &ifi);

	ifi->ifi_change = IFF_UP;
	ifi->ifi_flags = up ? IFF_UP : 0;
	if (mac)
		mnl_attr_put(nlh, IFLA_ADDRESS, 6, mac);
	nl_batch_end(to->batch);
}

/* Out of an aggregate, or into it: as it is put down by the first, the second finds it. */
static void send_master(const struct sending *to, const struct link *port, uint32_t master)
{
	mnl_attr_put_u32(begin(to, port->ifindex, NULL), IFLA_MASTER, master);
	nl_batch_end(to->batch);
	if (master && !(port->flags & IFF_UP))
		send_flags(to, port->ifindex, false, NULL);
}

static void move_ports(const struct sending *to, const struct link *bond, uint32_t master)
{
	void *const *links;
	size_t count = have_group(have_all(), &object_kind_link, bond->object.key, &links);

	for (size_t i = 0; i < count; i++) {
		const struct link *port = links[i];

		if (str_equal(port->master, bond->object.key))
			send_master(to, port, master);
	}
}

static bool bond_send(struct nl_batch *batch, struct step *step, const struct link *want,
	const struct link *have, struct nl *nl, uint32_t ifindex)
{
	const struct sending to = { batch, step, nl };
	bool is_up = have->flags & IFF_UP, is_other = want->bond.mode != have->bond.mode;
	struct nlattr *info, *data;
	struct nlmsghdr *nlh;

	if (!must_be_down(&want->bond, &have->bond))
		return false;
	if (is_other)
		move_ports(&to, have, 0);
	if (is_up || is_other)
		send_flags(&to, ifindex, false, is_other ? have->mac : NULL);
	nlh = begin(&to, ifindex, NULL);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, link_kind_bond.name);
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	bond_put_data(nlh, want, have);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	nl_batch_end(batch);
	if (is_other)
		move_ports(&to, have, ifindex);
	if (is_up)
		send_flags(&to, ifindex, true, NULL);
	return true;
}

/* --- what the kernel tells --------------------------------------------------------------------- */

static void take_aggregator(struct link_bond *bond, const struct nlattr *info)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, info) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_BOND_AD_INFO_AGGREGATOR:
			bond->aggregator = (uint16_t)nl_number(attr);
			break;
		case IFLA_BOND_AD_INFO_ACTOR_KEY:
			bond->actor_key = (uint16_t)nl_number(attr);
			break;
		case IFLA_BOND_AD_INFO_PARTNER_KEY:
			bond->partner_key = (uint16_t)nl_number(attr);
			break;
		case IFLA_BOND_AD_INFO_PARTNER_MAC:
			if (mnl_attr_get_payload_len(attr) == sizeof(bond->partner_mac))
				memcpy(bond->partner_mac, mnl_attr_get_payload(attr),
					sizeof(bond->partner_mac));
			break;
		}
	}
}

static void take_value(struct link_bond *bond, const struct nlattr *attr)
{
	uint32_t value = (uint32_t)nl_number(attr);

	switch (mnl_attr_get_type(attr)) {
	case IFLA_BOND_MODE:
		bond->mode = (uint8_t)value;
		break;
	case IFLA_BOND_XMIT_HASH_POLICY:
		bond->hash = (uint8_t)value;
		break;
	case IFLA_BOND_MIIMON:
		bond->look_ms = value;
		break;
	case IFLA_BOND_UPDELAY:
		bond->up_delay_ms = value;
		break;
	case IFLA_BOND_DOWNDELAY:
		bond->down_delay_ms = value;
		break;
	case IFLA_BOND_AD_LACP_ACTIVE:
		bond->lacp_active = value;
		break;
	case IFLA_BOND_AD_LACP_RATE:
		bond->lacp_fast = value;
		break;
	case IFLA_BOND_AD_ACTOR_SYS_PRIO:
		bond->system_priority = (uint16_t)value;
		break;
	case IFLA_BOND_AD_INFO:
		take_aggregator(bond, attr);
		break;
	}
}

static void bond_take_data(struct link *link, const struct nlattr *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, data)
		take_value(&link->bond, attr);
}

void link_take_bond_port(struct link_bond_port *port, const struct nlattr *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, data) {
		uint32_t value = (uint32_t)nl_number(attr);

		switch (mnl_attr_get_type(attr)) {
		case IFLA_BOND_SLAVE_STATE:
			port->is_active = value == BOND_STATE_ACTIVE;
			break;
		case IFLA_BOND_SLAVE_LINK_FAILURE_COUNT:
			port->failures = value;
			break;
		case IFLA_BOND_SLAVE_PERM_HWADDR:
			if (mnl_attr_get_payload_len(attr) == sizeof(port->own_mac))
				memcpy(port->own_mac, mnl_attr_get_payload(attr),
					sizeof(port->own_mac));
			break;
		case IFLA_BOND_SLAVE_AD_AGGREGATOR_ID:
			port->aggregator = (uint16_t)value;
			break;
		case IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE:
			port->actor_state = (uint8_t)value;
			break;
		case IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE:
			port->partner_state = (uint8_t)value;
			break;
		}
	}
}

const struct link_kind link_kind_bond = {
	.name = "bond",
	.compare = bond_compare,
	.put_data = bond_put_data,
	.send = bond_send,
	.take_data = bond_take_data,
	.lacking = "this kernel has no link aggregates (CONFIG_BONDING)",
};
