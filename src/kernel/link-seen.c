/*
 * Links as the kernel tells of them, in dumps and events alike, and their counters, which it does not tell
 * by itself.
 *
 * In the daemon's own network namespace a link is known by its name. In others only those count that we
 * have moved there: they bear our mark and their configured name as an alternative name.
 */
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ashlar/clock.h"
#include "ashlar/log.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "link-local.h"
#include "link.h"

/* Who gives names to ports does so at once when they come. */
#define NAMING_MS 3000

struct seen {
	struct link link;
	char ifname[KERNEL_NAME_MAX], altname[KERNEL_NAME_MAX];
	uint32_t master;
	bool has_peer_netns, is_event;
	const struct nlattr *af_spec, *info_data;
};

/* --- attributes -------------------------------------------------------------------------------- */

static void take_text(char *to, size_t size, const struct nlattr *attr)
{
	size_t length = mnl_attr_get_payload_len(attr);

	if (!length || length > size || mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
		return;
	memcpy(to, mnl_attr_get_payload(attr), length);
}

static void take_u32(uint32_t *to, const struct nlattr *attr)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
		*to = mnl_attr_get_u32(attr);
}

static void take_u8(uint8_t *to, const struct nlattr *attr)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U8) >= 0)
		*to = mnl_attr_get_u8(attr);
}

static void take_info(struct seen *seen, const struct nlattr *info)
{
	const struct nlattr *attr, *slave_data = NULL;
	char slave_kind[16] = "";

	mnl_attr_for_each_nested (attr, info) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_INFO_KIND:
			take_text(seen->link.kind_name, sizeof(seen->link.kind_name), attr);
			break;
		case IFLA_INFO_DATA:
			seen->info_data = attr;
			break;
		case IFLA_INFO_SLAVE_KIND:
			take_text(slave_kind, sizeof(slave_kind), attr);
			break;
		case IFLA_INFO_SLAVE_DATA:
			slave_data = attr;
			break;
		}
	}
	if (slave_data && str_equal(slave_kind, "bridge"))
		link_take_port(&seen->link.port, slave_data);
	seen->link.is_bonded = str_equal(slave_kind, "bond");
	if (slave_data && seen->link.is_bonded)
		link_take_bond_port(&seen->link.bond_port, slave_data);
}

static void take_port_mark(struct link *link, const char *text)
{
	const char *name = strchr(text, '=');
	uint8_t *mac = link->first_mac;
	unsigned bits, number;

	if (sscanf(text, "%2x:%10u:%2hhx%2hhx%2hhx%2hhx%2hhx%2hhx", &bits, &number, &mac[0],
		    &mac[1], &mac[2], &mac[3], &mac[4], &mac[5]) < 2)
		return;
	link->port_mark = LINK_MARK | bits;
	link->port_mark_index = number;
	link_put_text(&link->mark_name, name ? name + 1 : "");
}

/* The alternative names that we have given: see link.h. */
static void take_altnames(struct seen *seen, const struct nlattr *list)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, list) {
		char text[LINK_PORT_MARK_MAX] = "";
		const char *name = text + sizeof(LINK_ALTNAME) - 1;

		if (mnl_attr_get_type(attr) == IFLA_ALT_IFNAME)
			take_text(text, sizeof(text), attr);
		if (str_starts(text, LINK_ALTNAME) && strlen(name) < sizeof(seen->altname))
			memcpy(seen->altname, name, strlen(name) + 1);
		else if (str_starts(text, LINK_PORT_MARK))
			take_port_mark(&seen->link, text + sizeof(LINK_PORT_MARK) - 1);
	}
}

static void take_stats(struct link *link, const struct nlattr *attr)
{
	struct rtnl_link_stats64 raw = { 0 };
	size_t size = mnl_attr_get_payload_len(attr);

	memcpy(&raw, mnl_attr_get_payload(attr), size < sizeof(raw) ? size : sizeof(raw));
	if (!link->stats)
		link->stats = XNEW(struct link_stats);
	*link->stats = (struct link_stats){
		.rx_packets = raw.rx_packets,
		.rx_bytes = raw.rx_bytes,
		.rx_errors = raw.rx_errors,
		.rx_dropped = raw.rx_dropped,
		.rx_multicast = raw.multicast,
		.rx_nohandler = raw.rx_nohandler,
		.tx_packets = raw.tx_packets,
		.tx_bytes = raw.tx_bytes,
		.tx_errors = raw.tx_errors,
		.tx_dropped = raw.tx_dropped,
	};
}

static void take_mac(struct link *link, const struct nlattr *attr, bool is_permanent)
{
	if (mnl_attr_get_payload_len(attr) != 6)
		return;
	memcpy(is_permanent ? link->perm_mac : link->mac, mnl_attr_get_payload(attr), 6);
	link->has_mac |= !is_permanent;
}

static void take_attribute(struct seen *seen, const struct nlattr *attr)
{
	struct link *link = &seen->link;
	char alias[KERNEL_ALIAS_MAX] = "", bus[8] = "";

	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		take_text(seen->ifname, sizeof(seen->ifname), attr);
		break;
	case IFLA_PROP_LIST:
		take_altnames(seen, attr);
		break;
	case IFLA_IFALIAS:
		take_text(alias, sizeof(alias), attr);
		link_put_text(&link->alias, alias);
		break;
	case IFLA_MTU:
		take_u32(&link->mtu, attr);
		break;
	case IFLA_MIN_MTU:
		take_u32(&link->min_mtu, attr);
		break;
	case IFLA_MAX_MTU:
		take_u32(&link->max_mtu, attr);
		break;
	case IFLA_GROUP:
		take_u32(&link->group, attr);
		break;
	case IFLA_LINK:
		take_u32(&link->lower_ifindex, attr);
		break;
	case IFLA_LINK_NETNSID:
		seen->has_peer_netns = true;
		break;
	case IFLA_MASTER:
		take_u32(&seen->master, attr);
		break;
	case IFLA_OPERSTATE:
		take_u8(&link->operstate, attr);
		break;
	case IFLA_ADDRESS:
		take_mac(link, attr, false);
		break;
	case IFLA_PERM_ADDRESS:
		take_mac(link, attr, true);
		break;
	case IFLA_PARENT_DEV_BUS_NAME:
		take_text(bus, sizeof(bus), attr);
		link->is_usb = str_equal(bus, "usb");
		break;
	case IFLA_STATS64:
		if (!seen->is_event) /* who wants them asks */
			take_stats(link, attr);
		break;
	case IFLA_LINKINFO:
		take_info(seen, attr);
		break;
	case IFLA_AF_SPEC:
		seen->af_spec = attr;
		break;
	}
}

static uint32_t value_at(const struct nlattr *conf, unsigned index)
{
	uint32_t value = 0;

	if (mnl_attr_get_payload_len(conf) >= (index + 1) * sizeof(value))
		memcpy(&value, (const uint32_t *)mnl_attr_get_payload(conf) + index, sizeof(value));
	return value;
}

static void take_ip(struct link *link, const struct nlattr *af_spec)
{
	const struct nlattr *family, *attr;

	link->ipv6_disabled = true; /* a link that IPv6 cannot use has no values */
	if (!af_spec)
		return;
	mnl_attr_for_each_nested (family, af_spec) {
		uint16_t of = mnl_attr_get_type(family);

		if (of != AF_INET && of != AF_INET6)
			continue;
		mnl_attr_for_each_nested (attr, family) {
			if (of == AF_INET && mnl_attr_get_type(attr) == IFLA_INET_CONF) {
				link->ipv4_forwarding = value_at(attr, IPV4_DEVCONF_FORWARDING - 1);
			} else if (of == AF_INET6 && mnl_attr_get_type(attr) == IFLA_INET6_CONF) {
				link->ipv6_forwarding = value_at(attr, DEVCONF_FORWARDING);
				link->ipv6_disabled = value_at(attr, DEVCONF_DISABLE_IPV6);
			}
		}
	}
}

/* --- names of what is around it ---------------------------------------------------------------- */

/* The other end of a pair: in this namespace, or in the one of ours where two ends point at each other. */
static const struct link *find_peer(struct nl *nl, const struct seen *seen)
{
	const struct link *peer;
	const char *name;
	struct nl *other;

	for (size_t i = 0; (other = nl_at(i)); i++) {
		if ((other == nl) == seen->has_peer_netns)
			continue;
		name = nl_name_of(other, seen->link.lower_ifindex);
		peer = name ? have_get(have_all(), &object_kind_link, name) : NULL;
		/* The one that is made first has not been told of the other. */
		if (peer && peer->kind == &link_kind_veth &&
			(peer->lower_ifindex == seen->link.ifindex ||
				(other == nl && !peer->lower_ifindex)))
			return peer;
	}
	return NULL;
}

static void name_peer(struct nl *nl, struct seen *seen, const char *key)
{
	const struct link *peer = find_peer(nl, seen);
	struct link *copy;

	if (!peer)
		return;
	snprintf(seen->link.veth.peer, sizeof(seen->link.veth.peer), "%s", peer->object.key);
	if (str_equal(peer->veth.peer, key))
		return;
	copy = object_copy(&peer->object); /* it came before we were known */
	snprintf(copy->veth.peer, sizeof(copy->veth.peer), "%s", key);
	copy->lower_ifindex = seen->link.ifindex;
	watch_put(nl_of(link_netns(copy)), &copy->object);
}

static void copy_name(char *to, struct nl *nl, uint32_t ifindex, bool *unresolved)
{
	const char *name = ifindex ? nl_name_of(nl, ifindex) : NULL;

	if (name)
		snprintf(to, KERNEL_NAME_MAX, "%s", name);
	else if (ifindex)
		*unresolved = true;
}

/* Links whose lower link or master was not known when they were told of. */
static bool has_unresolved;

static void name_neighbours(struct nl *nl, struct seen *seen, const char *key)
{
	struct link *link = &seen->link;

	copy_name(link->master, nl, seen->master, &has_unresolved);
	if (link->kind == &link_kind_vlan)
		copy_name(link->vlan.lower, nl, link->lower_ifindex, &has_unresolved);
	else if (link->kind == &link_kind_veth)
		name_peer(nl, seen, key);
}

/* --- into have --------------------------------------------------------------------------------- */

/*
 * The address before ours, of a link that we made. The kernel forgets it, and tells of a new address before
 * it tells of the mark that the same message has set. A port of a bond has the address of that: before it tells
 * that it is one, and until after it tells that it is none any more.
 */
static const uint8_t *first_mac(const struct link *link, const struct link *before)
{
	const uint8_t *first = before->first_mac;

	if (!memcmp(before->mac, link->mac, 6) || (link_mark(before) & (1U << LINK_MAC)))
		return first;
	if (link->is_bonded)
		return link_has_mac(first) ? first : link->bond_port.own_mac;
	return memcmp(first, link->mac, 6) ? before->mac : first;
}

static void keep_first_mac(struct link *link, const struct link *before)
{
	if (before && link->kind && !link->port_mark)
		memcpy(link->first_mac, first_mac(link, before), 6);
}

static void carry_over(struct link *link, const struct link *before, bool is_event)
{
	keep_first_mac(link, before);
	link->speed_mbps = before ? before->speed_mbps : 0;
	link->duplex = before ? before->duplex : 0xff;
	link->autoneg = before ? before->autoneg : 0xff;
	if (!before || before->ifindex != link->ifindex) {
		link->since_ms = link->last_change_ms = before || is_event ? watch_now_ms() : 0;
		return;
	}
	link->since_ms = before->since_ms;
	link->last_change_ms = before->last_change_ms;
	if (before->operstate != link->operstate || ((before->flags ^ link->flags) & IFF_UP))
		link->last_change_ms = watch_now_ms();
}

static void look_at_follower(const char *name)
{
	const struct link *link = have_get(have_all(), &object_kind_link, name);

	if (link && link_follow_attrs(link))
		state_look_at(&object_kind_link, name);
}

/* Those whose address or MTU is that of the link: what it is a port of, or was, and what is on top of it. */
static void look_at_followers(const char *key, const char *former_master)
{
	const struct link *link = have_get(have_all(), &object_kind_link, key);
	void *const *links;
	size_t count = have_group(have_all(), &object_kind_link, key, &links);

	look_at_follower(former_master);
	look_at_follower(link->master);
	for (size_t i = 0; i < count; i++)
		look_at_follower(((const struct object *)links[i])->key);
}

static void put_up(struct nl *nl, const struct link *link)
{
	const char *key = link->object.key;
	bool was_up = have_get(have_all(), &object_kind_link_up, key);

	if ((link->flags & IFF_UP) && !was_up) {
		have_put(object_new(&object_kind_link_up, key));
	} else if (!(link->flags & IFF_UP)) {
		if (was_up)
			have_remove(&object_kind_link_up, key);
		route_link_down(key);
	}
}

/* Another port of that name, or one that has found or lost its partner. */
static bool may_run_otherwise(const struct link *before, const struct link *now)
{
	return before->ifindex != now->ifindex || before->operstate != now->operstate ||
		((before->flags ^ now->flags) & IFF_RUNNING);
}

static void put_link(struct nl *nl, struct seen *seen, const char *key)
{
	const struct link *before = have_get(have_all(), &object_kind_link, key);
	struct link *link = object_new(&object_kind_link, key);
	bool is_event = seen->is_event;
	bool was_by_vlan =
		before && before->kind == &link_kind_bridge && before->bridge.multicast_by_vlan;
	bool is_new = is_event && !(before && before->kind == seen->link.kind);
	bool is_moved = is_event && before && may_run_otherwise(before, &seen->link);
	bool has_new_mtu = before && before->mtu != seen->link.mtu;
	bool is_raised =
		(seen->link.flags & IFF_UP) && !have_get(have_all(), &object_kind_link_up, key);
	bool is_followed = !before || has_new_mtu || memcmp(before->mac, seen->link.mac, 6) ||
		!str_equal(before->master, seen->link.master);
	char master[KERNEL_NAME_MAX] = "";

	seen->link.object = link->object;
	*link = seen->link;
	memset(&seen->link, 0, sizeof(seen->link));
	carry_over(link, before, is_event);
	if (before)
		memcpy(master, before->master, sizeof(master));
	if (*master && !str_equal(master, link->master)) {
		bridge_vlan_link_gone(key); /* they are of the bridge it was in */
		bridge_mdb_link_gone(key);
		bridge_fdb_link_gone(key);
	}
	watch_put(nl, &link->object);
	if (is_followed)
		look_at_followers(key, master);
	if (*link->master && !str_equal(master, link->master))
		state_retry_needing(&object_kind_link, key); /* VLANs may be on their way */
	if (is_new && link->kind == &link_kind_wireguard)
		wireguard_read(nl, link);
	if (is_new || is_moved)
		ethernet_read(nl, link);
	put_up(nl, link);
	bridge_stp_seen_link(nl, link);
	if (seen->is_event)
		bridge_multicast_seen_link(nl, link, was_by_vlan);
	if (seen->af_spec)
		sysctl_seen_link(nl, key, seen->af_spec);
	link_local_link_seen(link);
	if (is_event && (is_raised || has_new_mtu))
		sysctl_mtu_reset(key);
}

/*
 * Whether a link that others have called otherwise is still known by its name in configuration, which it then gets
 * back. Not a port whose new name is the one that another entry waits for, nor one that came just now: who gives
 * names to ports has only heard of it.
 */
static bool keeps_name(const char *key, const struct seen *seen)
{
	const struct link *have = have_get(have_all(), &object_kind_link, key);
	const struct link *other =
		(const struct link *)state_wanted(&object_kind_link, seen->ifname);

	if ((!state_wanted(&object_kind_link, key) && !str_equal(seen->link.mark_name, key)) ||
		!have || have->netns || have->ifindex != seen->link.ifindex)
		return false;
	if (link_is_made(have) || *link_netns_name(have))
		return true;
	if (other && !other->kind && !have_get(have_all(), &object_kind_link, seen->ifname))
		return false;
	return !have->since_ms || watch_now_ms() - have->since_ms > NAMING_MS;
}

/* It sits on the name of another: see own_key(). */
static bool is_hidden(struct nl *nl, uint32_t ifindex)
{
	return !*nl->netns && nl_index_is_taken(nl, ifindex) && !nl_name_of(nl, ifindex);
}

/* In our own namespace. Where a link sits on the name of another, it is that one's. A port that was given another
 * one before we began bears its name in its mark. */
static const char *own_key(struct nl *nl, const struct seen *seen)
{
	const char *known = nl_name_of(nl, seen->link.ifindex), *marked = seen->link.mark_name;
	const struct link *other = have_get(have_all(), &object_kind_link, seen->ifname);

	if (known && !str_equal(known, seen->ifname) && keeps_name(known, seen))
		return known;
	if (!known && marked && !have_get(have_all(), &object_kind_link, marked) &&
		!is_hidden(nl, seen->link.ifindex))
		return marked;
	return other && other->ifindex != seen->link.ifindex && !other->netns &&
			*link_netns_name(other)
		? NULL
		: seen->ifname;
}

/* Its name in configuration; NULL: none of our business. */
static const char *key_of(struct nl *nl, const struct seen *seen)
{
	const struct link *other;

	if (!*nl->netns)
		return own_key(nl, seen);
	if (!*seen->altname || !link_mark(&seen->link))
		return NULL;
	/* A container cannot pass for an interface of the device. */
	other = have_get(have_all(), &object_kind_link, seen->altname);
	return other && !other->netns ? NULL : seen->altname;
}

/* Something has left a name: perhaps that of one that waits for it. */
static void look_at_names(void)
{
	const struct link *link;
	size_t at = 0;

	while ((link = have_next(have_all(), &object_kind_link, &at))) {
		if (!link->netns && *link_netns_name(link))
			state_look_at(&object_kind_link, link->object.key);
	}
}

static void drop_name(struct nl *nl, uint32_t ifindex)
{
	const char *name = nl_name_of(nl, ifindex);
	const struct link *link = name ? have_get(have_all(), &object_kind_link, name) : NULL;

	char master[KERNEL_NAME_MAX] = "";

	if (link && link->ifindex == ifindex && str_equal(link_netns(link), nl->netns)) {
		memcpy(master, link->master, sizeof(master));
		watch_forget(nl, link->object.key);
		link_forget(link->object.key);
		look_at_follower(master);
	} else if (is_hidden(nl, ifindex)) {
		look_at_names();
	}
	nl_name_set(nl, ifindex, NULL);
}

static void parse(struct nl *nl, const struct nlmsghdr *nlh, struct seen *seen)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct link *link = &seen->link;
	const struct nlattr *attr;

	link->ifindex = (uint32_t)ifi->ifi_index;
	link->flags = ifi->ifi_flags;
	link->arptype = ifi->ifi_type;
	mnl_attr_for_each (attr, nlh, sizeof(*ifi))
		take_attribute(seen, attr);
	link->kind = link_kind_by_name(link->kind_name);
	if (link->kind && link->kind->take_data && seen->info_data)
		link->kind->take_data(link, seen->info_data);
	link->is_dsa = str_equal(link->kind_name, "dsa");
	link->is_ours = link_mark(link) != 0;
	link->set = LINK_ALL_ATTRS & ~(1U << LINK_DOWN | (link->kind ? 0 : 1U << LINK_KIND));
	if (*nl->netns) {
		link_put_text(&link->netns, nl->netns);
		link_put_text(&link->netns_name, seen->ifname);
	}
	take_ip(link, seen->af_spec);
}

static void seen_done(struct seen *seen)
{
	object_kind_link.done(&seen->link.object);
}

void link_seen(struct nl *nl, const struct nlmsghdr *nlh, bool is_event)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const char *key, *known;
	_cleanup_(seen_done) struct seen seen = { 0 };
	bool is_renamed, was_hidden;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi) || ifi->ifi_index <= 0)
		return;
	/* Of VLANs these tell in part: bridge-vlan.c has them whole. */
	if (ifi->ifi_family == AF_BRIDGE && nlh->nlmsg_type == RTM_NEWLINK && is_event)
		link_port_seen(nl, nlh);
	if (ifi->ifi_family == AF_INET6 && nlh->nlmsg_type == RTM_NEWLINK)
		sysctl_seen_ipv6(nl, nlh);
	if (ifi->ifi_family != AF_UNSPEC)
		return;
	if (nlh->nlmsg_type == RTM_DELLINK) {
		drop_name(nl, (uint32_t)ifi->ifi_index);
		return;
	}
	seen.is_event = is_event;
	parse(nl, nlh, &seen);
	key = key_of(nl, &seen);
	known = nl_name_of(nl, seen.link.ifindex);
	is_renamed = known && !str_equal(known, key);
	was_hidden = is_hidden(nl, seen.link.ifindex);
	if (is_renamed)
		drop_name(nl, seen.link.ifindex);
	if (is_renamed || !known)
		nl_name_set(nl, seen.link.ifindex, key ? key : "");
	key = nl_name_of(nl, seen.link.ifindex);
	if (!key)
		return;
	if (!*nl->netns && !str_equal(key, seen.ifname))
		link_put_text(&seen.link.netns_name, seen.ifname);
	name_neighbours(nl, &seen, key);
	put_link(nl, &seen, key);
	if (was_hidden)
		look_at_names();
	if (is_renamed && is_event) { /* what is on it is known by the old name */
		_cleanup_err_ struct err err = { 0 };

		if (watch_dump(nl, &err) < 0) /* a later event or dump makes good for it */
			log_debug("link", "%s", err_text(&err));
	}
}

/* --- asking ------------------------------------------------------------------------------------ */

static int take_link(const struct nlmsghdr *nlh, void *arg)
{
	if (nlh->nlmsg_type == RTM_NEWLINK)
		link_seen(arg, nlh, false);
	return 0;
}

static int ask(struct nl *nl, uint16_t flags, uint32_t ifindex, const char *name, uint32_t mask)
{
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *ifi;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = flags;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = (int)ifindex;
	if (name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	if (mask)
		mnl_attr_put_u32(nlh, IFLA_EXT_MASK, mask);
	return nl_request(nl, nlh, take_link, nl);
}

int link_dump(struct nl *nl, struct err *err)
{
	int r;

	has_unresolved = false;
	r = ask(nl, NLM_F_DUMP, 0, NULL, RTEXT_FILTER_SKIP_STATS);
	/* A link may come before the one it stands on: now all names are known. */
	if (r == 0 && has_unresolved)
		r = ask(nl, NLM_F_DUMP, 0, NULL, RTEXT_FILTER_SKIP_STATS);
	return r < 0 ? err_set(err, r, NULL, "reading interfaces: %s", strerror(-r)) : 0;
}

int link_read_named(struct nl *nl, const char *name, struct err *err)
{
	int r = ask(nl, 0, 0, name, RTEXT_FILTER_SKIP_STATS);

	return r < 0 && r != -ENODEV ? err_set(err, r, NULL, "reading %s: %s", name, strerror(-r))
				     : 0;
}

static int take_all_stats(const struct nlmsghdr *nlh, void *arg)
{
	const struct if_stats_msg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	const char *name;
	struct link *link;

	if (nlh->nlmsg_type != RTM_NEWSTATS || mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return 0;
	name = nl_name_of(arg, msg->ifindex);
	link = name ? have_get(have_all(), &object_kind_link, name) : NULL;
	mnl_attr_for_each (attr, nlh, sizeof(*msg)) {
		if (link && mnl_attr_get_type(attr) == IFLA_STATS_LINK_64)
			take_stats(link, attr);
	}
	return 0;
}

/* The bridge whose spanning tree the link is a port of: what the port's part is depends on it. */
static uint32_t tree_of(const struct link *link)
{
	const struct link *bridge = link && *link->master
		? have_get(have_all(), &object_kind_link, link->master)
		: NULL;

	return bridge && bridge->kind == &link_kind_bridge && bridge->bridge.stp ? bridge->ifindex
										 : 0;
}

static void take_stp_stats(struct link *link, const struct nlattr *bridge)
{
	struct bridge_stp_xstats raw;
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, bridge) {
		if (mnl_attr_get_type(attr) != BRIDGE_XSTATS_STP ||
			mnl_attr_get_payload_len(attr) < sizeof(raw))
			continue;
		memcpy(&raw, mnl_attr_get_payload(attr), sizeof(raw));
		if (!link->stp_stats)
			link->stp_stats = XNEW(struct link_stp_stats);
		*link->stp_stats = (struct link_stp_stats){
			.rx_bpdu = raw.rx_bpdu,
			.tx_bpdu = raw.tx_bpdu,
			.rx_tcn = raw.rx_tcn,
			.tx_tcn = raw.tx_tcn,
			.to_blocking = raw.transition_blk,
			.to_forwarding = raw.transition_fwd,
		};
	}
}

static int take_port_stats(const struct nlmsghdr *nlh, void *arg)
{
	const struct if_stats_msg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr, *kind;
	const char *name;
	struct link *link;

	if (nlh->nlmsg_type != RTM_NEWSTATS || mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return 0;
	name = nl_name_of(arg, msg->ifindex);
	link = name ? have_get(have_all(), &object_kind_link, name) : NULL;
	if (!link || !tree_of(link))
		return 0;
	mnl_attr_for_each (attr, nlh, sizeof(*msg)) {
		if (mnl_attr_get_type(attr) != IFLA_STATS_LINK_XSTATS_SLAVE)
			continue;
		mnl_attr_for_each_nested (kind, attr) {
			if (mnl_attr_get_type(kind) == LINK_XSTATS_TYPE_BRIDGE)
				take_stp_stats(link, kind);
		}
	}
	return 0;
}

/*
 * Counters of the spanning tree, of one port or (0) of all. In the same message are those of each VLAN, of which
 * there may be too many for one message: then all are asked, because those come in parts.
 */
static int ask_stp_stats(struct nl *nl, uint32_t ifindex)
{
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct if_stats_msg *msg;
	int r;

	nlh->nlmsg_type = RTM_GETSTATS;
	nlh->nlmsg_flags = ifindex ? 0 : NLM_F_DUMP;
	msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));
	msg->ifindex = ifindex;
	msg->filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_XSTATS_SLAVE);
	r = nl_request(nl, nlh, take_port_stats, nl);
	return r == -ENOSPC && ifindex ? ask_stp_stats(nl, 0) : r;
}

/* All ports of a bridge or bond. */
static int ask_ports(struct nl *nl, uint32_t master)
{
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_u32(nlh, IFLA_MASTER, master);
	return nl_request(nl, nlh, take_link, nl);
}

/*
 * What LACP and the spanning tree find out of bonds, bridges and their ports is not told by itself. What is
 * read goes into have, so the numbers are gathered before.
 */
static int refresh_masters(struct nl *nl)
{
	_cleanup_free_ uint32_t *indexes = NULL;
	size_t count = 0, room = 0, at = 0;
	bool has_tree = false;
	const struct link *link;
	int r = 0;

	while ((link = have_next(have_all(), &object_kind_link, &at))) {
		if ((link->kind != &link_kind_bond &&
			    (link->kind != &link_kind_bridge || !link->bridge.stp)) ||
			!str_equal(link_netns(link), nl->netns))
			continue;
		ARRAY_GROW(indexes, count, room);
		indexes[count++] = link->ifindex;
		has_tree |= link->kind == &link_kind_bridge;
	}
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = ask(nl, 0, indexes[i], NULL, 0);
		if (r == 0)
			r = ask_ports(nl, indexes[i]);
	}
	if (r == 0 && has_tree)
		r = ask_stp_stats(nl, 0);
	return r == -ENODEV ? 0 : r;
}

static int refresh_all(void)
{
	struct nl *nl;
	int r = 0;

	for (size_t i = 0; r == 0 && (nl = nl_at(i)); i++) {
		char buffer[NL_MESSAGE_BYTES] = { 0 };
		struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
		struct if_stats_msg *msg;

		nlh->nlmsg_type = RTM_GETSTATS;
		nlh->nlmsg_flags = NLM_F_DUMP;
		msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));
		msg->filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64);
		r = nl_request(nl, nlh, take_all_stats, nl);
		if (r == 0)
			r = refresh_masters(nl);
	}
	return r;
}

/* A VLAN's MTU is lowered with that of the link below; the kernel does it soon, but not at once. */
static void lower_mtu_above(const char *name)
{
	const struct link *link = have_get(have_all(), &object_kind_link, name);
	void *const *links;
	size_t count = have_group(have_all(), &object_kind_link, name, &links), found = 0;
	_cleanup_free_ struct link **lowered = NULL;

	if (!link || !count)
		return;
	lowered = xcalloc(count, sizeof(struct link *));
	for (size_t i = 0; i < count; i++) {
		const struct link *above = links[i];

		if (above->kind != &link_kind_vlan || above->mtu <= link->mtu ||
			!str_equal(above->vlan.lower, name))
			continue;
		lowered[found] = object_copy(&above->object);
		lowered[found++]->mtu = link->mtu;
	}
	for (size_t i = 0; i < found; i++) {
		have_put(&lowered[i]->object);
		lower_mtu_above(lowered[i]->object.key);
	}
}

void link_check(const struct step *step)
{
	const struct object *want = step->want ? step->want : step->have;
	const struct object *have = have_get(have_all(), &object_kind_link, want->key);
	struct nl *nl;
	uint32_t ifindex = link_index(want->key, &nl);

	if (ifindex &&
		(step->error || !step->want || !have ||
			want->kind->compare(want, step->was, have) != OBJECT_SAME) &&
		ask(nl, 0, ifindex, NULL, RTEXT_FILTER_SKIP_STATS) == -ENODEV)
		drop_name(nl, ifindex);
	if (step->op != STEP_ADD)
		lower_mtu_above(want->key);
}

static int refresh_one(const char *key)
{
	const struct link *link = have_get(have_all(), &object_kind_link, key);
	struct nl *nl = nl_of(link ? link_netns(link) : "");
	uint32_t ifindex = link ? link->ifindex : 0, tree = tree_of(link);
	int r = ask(nl, 0, ifindex, ifindex ? NULL : key, 0);

	if (r == -ENODEV && link)
		drop_name(nl, ifindex);
	if (r == 0 && tree)
		r = ask(nl, 0, tree, NULL, RTEXT_FILTER_SKIP_STATS);
	if (r == 0 && tree)
		r = ask_stp_stats(nl, ifindex);
	return r == -ENODEV ? 0 : r;
}

int link_refresh(const char *key, struct err *err)
{
	int r = kernel_is_recording() ? 0 : key ? refresh_one(key) : refresh_all();

	return r < 0 ? err_set(err, r, NULL, "reading counters: %s", strerror(-r)) : 0;
}
