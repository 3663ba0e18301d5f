/*
 * GRE tunnels, for packets (gre) and for frames (gretap), over IPv4 and over IPv6: kinds of their own to the
 * kernel. All changes in place, but what a change does not name is reset, so all is always named. There is one
 * tunnel of a kind between two ends: who wants the ends of another makes room first, and is made again.
 */
#include <arpa/inet.h>
#include <linux/if_tunnel.h>
#include <linux/ip6_tunnel.h>
#include <string.h>

#include "ashlar/state.h"

#include "link.h"

#define TOS_INHERIT 1
#define ENCAP_LIMIT 4 /* tunnels within tunnels, RFC 2473 section 4.1.1 */

static bool ends_equal(const struct link_tunnel *a, const struct link_tunnel *b)
{
	return !memcmp(&a->local, &b->local, sizeof(a->local)) &&
		!memcmp(&a->remote, &b->remote, sizeof(a->remote));
}

static bool gre_blocks(const struct link *have, const struct link *want)
{
	return ends_equal(&have->tunnel, &want->tunnel);
}

/* Is there another between the ends that are wanted? A change of an ip6gretap finds an ip6gre in its way, too,
 * that was none when it was made. */
static bool ends_are_taken(const struct link *want, const struct link *have)
{
	const struct link *other;
	size_t at = 0;

	while ((other = have_next(have_all(), &object_kind_link, &at))) {
		if (other->kind != want->kind &&
			!(want->kind == &link_kind_ip6gretap && other->kind == &link_kind_ip6gre))
			continue;
		if (other->ifindex != have->ifindex && ends_equal(&other->tunnel, &want->tunnel))
			return true;
	}
	return false;
}

static enum object_diff gre_compare(const struct link *want_link, const struct link *have_link)
{
	const struct link_tunnel *want = &want_link->tunnel, *have = &have_link->tunnel;

	if (ends_equal(want, have) && want->ttl == have->ttl &&
		want->inherits_ttl == have->inherits_ttl && want->tos == have->tos &&
		want->inherits_tos == have->inherits_tos &&
		want->discovers_mtu == have->discovers_mtu)
		return OBJECT_SAME;
	return ends_are_taken(want_link, have_link) ? OBJECT_RECREATE : OBJECT_CHANGE;
}

static void put_ipv6(struct nlmsghdr *nlh, const struct link_tunnel *tunnel)
{
	mnl_attr_put_u8(nlh, IFLA_GRE_ENCAP_LIMIT, ENCAP_LIMIT);
	mnl_attr_put_u32(nlh, IFLA_GRE_FLOWINFO,
		htonl((uint32_t)(tunnel->inherits_tos ? 0 : tunnel->tos) << 20));
	mnl_attr_put_u32(nlh, IFLA_GRE_FLAGS, tunnel->inherits_tos ? IP6_TNL_F_USE_ORIG_TCLASS : 0);
}

static void gre_put_data(struct nlmsghdr *nlh, const struct link *want, const struct link *have)
{
	const struct link_tunnel *tunnel = &want->tunnel;
	bool is_ipv6 = tunnel->family == AF_INET6;
	size_t size = is_ipv6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);

	mnl_attr_put(nlh, IFLA_GRE_LOCAL, size, &tunnel->local);
	mnl_attr_put(nlh, IFLA_GRE_REMOTE, size, &tunnel->remote);
	mnl_attr_put_u8(nlh, IFLA_GRE_TTL, tunnel->ttl);
	if (is_ipv6) {
		put_ipv6(nlh, tunnel);
		return;
	}
	mnl_attr_put_u8(nlh, IFLA_GRE_TOS, tunnel->inherits_tos ? TOS_INHERIT : tunnel->tos);
	mnl_attr_put_u8(nlh, IFLA_GRE_PMTUDISC, tunnel->discovers_mtu);
}

static void take_value(struct link_tunnel *tunnel, const struct nlattr *attr)
{
	uint32_t number = 0;
	uint8_t octet = 0;

	link_take_number(&number, sizeof(number), attr);
	link_take_number(&octet, sizeof(octet), attr);
	switch (mnl_attr_get_type(attr)) {
	case IFLA_GRE_LOCAL:
		link_take_end(tunnel, &tunnel->local, attr);
		break;
	case IFLA_GRE_REMOTE:
		link_take_end(tunnel, &tunnel->remote, attr);
		break;
	case IFLA_GRE_TTL:
		tunnel->ttl = octet;
		tunnel->inherits_ttl = !octet;
		break;
	case IFLA_GRE_TOS:
		tunnel->inherits_tos = octet & TOS_INHERIT;
		tunnel->tos = octet & ~TOS_INHERIT;
		break;
	case IFLA_GRE_FLOWINFO:
		tunnel->tos = (uint8_t)(ntohl(number) >> 20);
		break;
	case IFLA_GRE_FLAGS:
		tunnel->inherits_tos = number & IP6_TNL_F_USE_ORIG_TCLASS;
		break;
	case IFLA_GRE_PMTUDISC:
		tunnel->discovers_mtu = octet;
		break;
	}
}

/* Over IPv6 nobody fragments on the way, and nothing is said of it. */
static void gre_take_data(struct link *link, const struct nlattr *data)
{
	const struct nlattr *attr;

	link->tunnel.discovers_mtu = true;
	mnl_attr_for_each_nested (attr, data)
		take_value(&link->tunnel, attr);
}

#define GRE(kind, size, lacks)                                                                     \
	{                                                                                          \
		.name = (kind), .mtu = (size), .compare = gre_compare, .blocks = gre_blocks,       \
		.put_data = gre_put_data, .take_data = gre_take_data, .lacking = (lacks)           \
	}

/* MTUs: 1500 less the outer headers, and those of the frame. */
const struct link_kind link_kind_gre =
	GRE("gre", 1476, "this kernel has no GRE tunnels (CONFIG_NET_IPGRE)");
const struct link_kind link_kind_gretap =
	GRE("gretap", 1462, "this kernel has no GRE tunnels (CONFIG_NET_IPGRE)");
const struct link_kind link_kind_ip6gre =
	GRE("ip6gre", 1448, "this kernel has no GRE tunnels over IPv6 (CONFIG_IPV6_GRE)");
const struct link_kind link_kind_ip6gretap =
	GRE("ip6gretap", 1434, "this kernel has no GRE tunnels over IPv6 (CONFIG_IPV6_GRE)");
