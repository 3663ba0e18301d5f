/*
 * VXLAN tunnels. Number of the network, UDP port, family of the addresses and whether the hop limit is that of
 * the inner packet make the link; the rest changes in place.
 */
#include <arpa/inet.h>
#include <linux/if_link.h>
#include <string.h>

#include "link.h"

#define TOS_INHERIT 1

static bool vxlan_ends_differ(const struct link_tunnel *want, const struct link_tunnel *have)
{
	return memcmp(&want->local, &have->local, sizeof(want->local)) ||
		memcmp(&want->remote, &have->remote, sizeof(want->remote));
}

static enum object_diff vxlan_compare(const struct link *want_link, const struct link *have_link)
{
	const struct link_tunnel *want = &want_link->tunnel, *have = &have_link->tunnel;

	if (want->vni != have->vni || want->port != have->port || want->family != have->family ||
		want->inherits_ttl != have->inherits_ttl)
		return OBJECT_RECREATE;
	return vxlan_ends_differ(want, have) || want->ttl != have->ttl || want->tos != have->tos ||
			want->inherits_tos != have->inherits_tos
		? OBJECT_CHANGE
		: OBJECT_SAME;
}

/* One network can be had once on a port. */
static bool vxlan_blocks(const struct link *have, const struct link *want)
{
	return have->tunnel.vni == want->tunnel.vni && have->tunnel.port == want->tunnel.port;
}

static void vxlan_put_data(struct nlmsghdr *nlh, const struct link *want, const struct link *have)
{
	const struct link_tunnel *tunnel = &want->tunnel;
	bool is_ipv6 = tunnel->family == AF_INET6;
	size_t size = is_ipv6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);

	mnl_attr_put(nlh, is_ipv6 ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL, size, &tunnel->local);
	mnl_attr_put(nlh, is_ipv6 ? IFLA_VXLAN_GROUP6 : IFLA_VXLAN_GROUP, size, &tunnel->remote);
	mnl_attr_put_u8(nlh, IFLA_VXLAN_TTL, tunnel->ttl);
	mnl_attr_put_u8(nlh, IFLA_VXLAN_TOS, tunnel->inherits_tos ? TOS_INHERIT : tunnel->tos);
	if (have)
		return;
	mnl_attr_put_u32(nlh, IFLA_VXLAN_ID, tunnel->vni);
	mnl_attr_put_u16(nlh, IFLA_VXLAN_PORT, htons(tunnel->port));
	if (tunnel->inherits_ttl)
		mnl_attr_put(nlh, IFLA_VXLAN_TTL_INHERIT, 0, NULL);
}

static void take_value(struct link_tunnel *tunnel, const struct nlattr *attr)
{
	switch (mnl_attr_get_type(attr)) {
	case IFLA_VXLAN_ID:
		link_take_number(&tunnel->vni, sizeof(tunnel->vni), attr);
		break;
	case IFLA_VXLAN_PORT:
		link_take_number(&tunnel->port, sizeof(tunnel->port), attr);
		tunnel->port = ntohs(tunnel->port);
		break;
	case IFLA_VXLAN_LOCAL:
	case IFLA_VXLAN_LOCAL6:
		link_take_end(tunnel, &tunnel->local, attr);
		break;
	case IFLA_VXLAN_GROUP:
	case IFLA_VXLAN_GROUP6:
		link_take_end(tunnel, &tunnel->remote, attr);
		break;
	case IFLA_VXLAN_TTL:
		link_take_number(&tunnel->ttl, sizeof(tunnel->ttl), attr);
		break;
	case IFLA_VXLAN_TTL_INHERIT: { /* a flag to write, a number to read */
		uint8_t inherits = 0;

		link_take_number(&inherits, sizeof(inherits), attr);
		tunnel->inherits_ttl = inherits;
		break;
	}
	case IFLA_VXLAN_TOS:
		link_take_number(&tunnel->tos, sizeof(tunnel->tos), attr);
		tunnel->inherits_tos = tunnel->tos == TOS_INHERIT;
		tunnel->tos = tunnel->inherits_tos ? 0 : tunnel->tos;
		break;
	}
}

static void vxlan_take_data(struct link *link, const struct nlattr *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, data)
		take_value(&link->tunnel, attr);
}

const struct link_kind link_kind_vxlan = {
	.name = "vxlan",
	.compare = vxlan_compare,
	.blocks = vxlan_blocks,
	.put_data = vxlan_put_data,
	.take_data = vxlan_take_data,
	.mtu_stands_alone = true,
	.lacking = "this kernel has no VXLAN tunnels (CONFIG_VXLAN)",
};
