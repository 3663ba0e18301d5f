/*
 * Links: what differs between a wanted and an observed one, and the messages that make them agree.
 *
 * A link with a kind is made and unmade; one without (a port of the machine) is adopted: changed while it
 * is configured, given back afterwards. What was configured is marked in the link's group number (link.h),
 * so that a restarted daemon still knows which attributes to put back. Alias, port flags and the name in
 * another network namespace need messages of their own behind the one that makes or moves the link.
 *
 * A MAC address that was configured and is not any more goes back to the permanent one, or to that of the
 * link below or of the ports; the end of a pair has nothing of the kind and keeps what it has.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/map.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "link.h"

#define FIRST_INDEX  10001 /* the kernel counts its own numbers from 1 */
#define MTU_LOOPBACK 65536

/* --- numbers of links to come ------------------------------------------------------------------ */

struct chosen {
	char name[KERNEL_NAME_MAX];
	uint32_t ifindex;
	struct nl *nl;
};

static struct {
	struct map chosen; /* name → struct chosen * */
	uint32_t next;
} self;

static bool is_taken(uint32_t ifindex)
{
	struct nl *nl;

	for (size_t i = 0; (nl = nl_at(i)); i++) {
		if (nl_index_is_taken(nl, ifindex))
			return true;
	}
	return false;
}

uint32_t link_choose_index(const char *name, struct nl *nl, uint32_t index)
{
	struct chosen *chosen = map_get_str(&self.chosen, name);

	if (!index) {
		if (self.next < FIRST_INDEX || self.next > INT32_MAX)
			self.next = FIRST_INDEX;
		while (is_taken(self.next))
			self.next++;
		index = self.next++;
	}
	if (!chosen) {
		chosen = XNEW(struct chosen);
		snprintf(chosen->name, sizeof(chosen->name), "%s", name);
		map_put_str(&self.chosen, chosen->name, chosen);
	}
	chosen->ifindex = index;
	chosen->nl = nl;
	return index;
}

void link_forget_chosen(void)
{
	struct chosen *chosen;
	size_t at = 0;

	if (!self.chosen.count)
		return;
	while ((chosen = map_next(&self.chosen, &at)))
		free(chosen);
	map_done(&self.chosen);
	memset(&self.chosen, 0, sizeof(self.chosen));
}

uint32_t link_index(const char *name, struct nl **ret_nl)
{
	const struct chosen *chosen = map_get_str(&self.chosen, name);
	const struct link *link = have_get(have_all(), &object_kind_link, name);

	if (ret_nl)
		*ret_nl = chosen ? chosen->nl : nl_of(link ? link->netns : "");
	return chosen ? chosen->ifindex : link ? link->ifindex : 0;
}

/* --- wanted links ------------------------------------------------------------------------------ */

static const struct link_kind *const kinds[] = { &link_kind_bridge, &link_kind_vlan,
	&link_kind_veth };

const struct link_kind *link_kind_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (str_equal(kinds[i]->name, name))
			return kinds[i];
	}
	return NULL;
}

const char *link_kind_name(const struct link_kind *kind)
{
	return kind->name;
}

int link_set(struct link *link, enum link_attr attr, const char *path, struct err *err)
{
	if (link->set & (1U << attr))
		return err_set(err, -EEXIST, path, "%s and %s both decide one attribute of %s",
			path, link->paths[attr], link->object.key);
	link->set |= 1U << attr;
	link->paths[attr] = path;
	return 0;
}

/* --- what differs ------------------------------------------------------------------------------ */

/* An observed link that is to be as it was is "wanted" by no unit. */
static bool is_former(const struct link *want)
{
	return !want->object.want;
}

uint32_t link_mark_of(const struct link *want)
{
	return is_former(want) ? want->group : LINK_MARK | want->set;
}

/* Attributes that were configured and are not any more. */
static uint32_t given_up(const struct link *want, const struct link *was, const struct link *have)
{
	uint32_t before = was ? was->set : 0;

	if (link_is_marked(have->group))
		before |= have->group & LINK_MARK_BITS;
	return before & ~want->set;
}

static uint32_t default_mtu(const struct link *have)
{
	const struct link *lower = NULL;

	if (have->arptype == ARPHRD_LOOPBACK)
		return MTU_LOOPBACK;
	if (have->kind == &link_kind_vlan)
		lower = have_get(have_all(), &object_kind_link, have->vlan.lower);
	return lower ? lower->mtu : ETH_DATA_LEN;
}

static bool has_mac(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return memcmp(mac, none, sizeof(none)) != 0;
}

/* A bridge that chooses by itself takes the lowest of its ports'. */
static const uint8_t *lowest_mac(const struct link *bridge)
{
	const uint8_t *lowest = bridge->perm_mac;
	void *const *links;
	size_t count = have_group(have_all(), &object_kind_link, bridge->object.key, &links);

	for (size_t i = 0; i < count; i++) {
		const struct link *port = links[i];

		if (str_equal(port->master, bridge->object.key) &&
			(!has_mac(lowest) || memcmp(port->mac, lowest, 6) < 0))
			lowest = port->mac;
	}
	return lowest;
}

/* What it had when it was made, where that can be told; zero otherwise. */
static const uint8_t *default_mac(const struct link *have)
{
	struct nl *nl = nl_of(have->netns);
	const char *name = nl ? nl_name_of(nl, have->lower_ifindex) : NULL;
	const struct link *lower = name ? have_get(have_all(), &object_kind_link, name) : NULL;

	if (has_mac(have->perm_mac))
		return have->perm_mac;
	if (have->kind == &link_kind_bridge)
		return lowest_mac(have);
	return lower && (have->is_dsa || have->kind == &link_kind_vlan) ? lower->mac
									: have->perm_mac;
}

static const struct link_port default_port = {
	.flood_unicast = true,
	.flood_multicast = true,
	.flood_broadcast = true,
	.multicast_router = 1,
};

static bool ports_equal(const struct link_port *a, const struct link_port *b)
{
	return a->flood_unicast == b->flood_unicast && a->flood_multicast == b->flood_multicast &&
		a->flood_broadcast == b->flood_broadcast && a->fast_leave == b->fast_leave &&
		a->multicast_router == b->multicast_router;
}

/* What to set: the values of @want, or the defaults for what is given up. */
struct delta {
	uint32_t attrs; /* those that differ */
	uint32_t mtu;
	const char *alias, *master, *netns, *netns_name;
	const uint8_t *mac;
	const struct link_port *port;
	uint32_t group;
	bool has_group, to_up, to_down;
};

static void compare_flags(struct delta *delta, const struct link *want, const struct link *have)
{
	bool is_up = have->flags & IFF_UP;

	if (is_former(want)) {
		delta->to_up = !is_up && (want->flags & IFF_UP);
		delta->to_down = is_up && !(want->flags & IFF_UP);
	} else {
		delta->to_down = is_up && (want->set & (1U << LINK_DOWN));
	}
}

/* @have of a link that was made in the same batch is not known: everything differs. */
static void find_delta(struct delta *delta, const struct link *want, const struct link *was,
	const struct link *have)
{
	uint32_t up = have ? given_up(want, was, have) : 0, set = want->set;

	*delta = (struct delta){ .mtu = want->mtu,
		.alias = want->alias,
		.master = want->master,
		.netns = want->netns,
		.netns_name = want->netns_name,
		.mac = want->mac,
		.port = &want->port };
	delta->group = link_mark_of(want);
	if (!have) {
		delta->attrs = set & ~(1U << LINK_KIND | 1U << LINK_DOWN);
		delta->has_group = delta->group != 0;
		delta->to_up = is_former(want) && (want->flags & IFF_UP);
		return;
	}
	if (up & (1U << LINK_MTU))
		delta->mtu = default_mtu(have);
	if (up & (1U << LINK_ALIAS))
		delta->alias = "";
	if (up & (1U << LINK_MASTER))
		delta->master = "";
	if (up & (1U << LINK_MAC))
		delta->mac = default_mac(have);
	if (up & (1U << LINK_PORT))
		delta->port = &default_port;
	if (up & (1U << LINK_NETNS))
		delta->netns = delta->netns_name = "";
	set |= up;
	if ((set & (1U << LINK_ALIAS)) && !str_equal(delta->alias, have->alias))
		delta->attrs |= 1U << LINK_ALIAS;
	if ((set & (1U << LINK_MTU)) && delta->mtu != have->mtu)
		delta->attrs |= 1U << LINK_MTU;
	if ((set & (1U << LINK_MAC)) && has_mac(delta->mac) && memcmp(delta->mac, have->mac, 6))
		delta->attrs |= 1U << LINK_MAC;
	if ((set & (1U << LINK_MASTER)) && !str_equal(delta->master, have->master))
		delta->attrs |= 1U << LINK_MASTER;
	/* Out of its bridge it has no port flags; a new bridge begins with the defaults. */
	if ((set & (1U << LINK_PORT)) &&
		*((set & (1U << LINK_MASTER)) ? delta->master : have->master) &&
		!ports_equal(delta->port,
			delta->attrs & (1U << LINK_MASTER) ? &default_port : &have->port))
		delta->attrs |= 1U << LINK_PORT;
	if ((set & (1U << LINK_NETNS)) &&
		(!str_equal(delta->netns, have->netns) ||
			!str_equal(delta->netns_name, have->netns_name)))
		delta->attrs |= 1U << LINK_NETNS;
	delta->has_group = delta->group != have->group;
	compare_flags(delta, want, have);
}

static enum object_diff link_compare(const struct object *want_object, const struct object *was,
	const struct object *have_object)
{
	const struct link *want = (const struct link *)want_object;
	const struct link *have = (const struct link *)have_object;
	enum object_diff diff = OBJECT_SAME;
	struct delta delta;

	if (want->kind && want->kind != have->kind)
		return OBJECT_RECREATE;
	if (want->kind)
		diff = want->kind->compare(want, have);
	if (diff == OBJECT_RECREATE)
		return diff;
	find_delta(&delta, want, (const struct link *)was, have);
	if (kernel_is_recording())
		delta.has_group = delta.to_up = delta.to_down = false;
	return delta.attrs || delta.has_group || delta.to_up || delta.to_down ? OBJECT_CHANGE
									      : diff;
}

static void link_describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "interface %s", object->key);
}

static enum object_owner link_owner(const struct object *have)
{
	const struct link *link = (const struct link *)have;

	return link_is_marked(link->group) || link_is_made(link) ? OBJECT_OURS : OBJECT_FOREIGN;
}

static size_t link_groups(const struct object *have, const char **ret_names)
{
	const struct link *link = (const struct link *)have;
	size_t count = 0;

	if (*link->master)
		ret_names[count++] = link->master;
	if (link->kind == &link_kind_vlan && *link->vlan.lower)
		ret_names[count++] = link->vlan.lower;
	return count;
}

/* Only what was made can be unmade. */
static bool link_vanishes(const struct object *have)
{
	return kernel_is_recording() || link_is_made((const struct link *)have);
}

static bool link_can_be_added(const struct object *want)
{
	return kernel_is_recording() || ((const struct link *)want)->kind;
}

static bool link_blocks(const struct object *have_object, const struct object *want_object)
{
	const struct link *have = (const struct link *)have_object;
	const struct link *want = (const struct link *)want_object;

	if (want->kind == &link_kind_veth && str_equal(want->veth.peer, have->object.key))
		return true;
	/* Two with the same tag on one lower link cannot be. */
	return want->kind == &link_kind_vlan && have->kind == &link_kind_vlan &&
		want->vlan.id == have->vlan.id && want->vlan.protocol == have->vlan.protocol &&
		str_equal(want->vlan.lower, have->vlan.lower);
}

/* Ports that are put back into a bridge get the numbers they had. */
static int link_order(const struct object *a, const struct object *b)
{
	return ((const struct link *)a)->port.number - ((const struct link *)b)->port.number;
}

const struct object_kind object_kind_link = {
	.name = "link",
	.rank = KERNEL_RANK_LINK,
	.size = sizeof(struct link),
	.target = &kernel_target,
	.compare = link_compare,
	.blocks = link_blocks,
	.order = link_order,
	.vanishes = link_vanishes,
	.can_be_added = link_can_be_added,
	.is_removed_last = true,
	.describe = link_describe,
	.owner = link_owner,
	.groups = link_groups,
	.refresh = link_refresh,
};

/* --- writing ----------------------------------------------------------------------------------- */

static struct nlmsghdr *begin(struct nl_batch *batch, struct nl *nl, uint16_t type, uint16_t flags,
	struct step *step, uint32_t ifindex, struct ifinfomsg **ret_ifi)
{
	struct nlmsghdr *nlh =
		nl_batch_begin(batch, nl, type, flags, step, type == RTM_DELLINK ? ENODEV : 0);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_index = (int)ifindex;
	if (ret_ifi)
		*ret_ifi = ifi;
	return nlh;
}

static int put_master(struct nlmsghdr *nlh, const struct link *want, const struct link *have,
	const char *master, struct err *err)
{
	uint32_t index = *master ? link_index(master, NULL) : 0;
	const struct link *holder;

	if (*master && !index)
		return err_set(err, -ENODEV, want->paths[LINK_MASTER], "%s does not exist", master);
	/* A port of something that others have set up is not to be taken from it. */
	if (have && *have->master && *master && !is_former(want)) {
		holder = have_get(have_all(), &object_kind_link, have->master);
		if (holder && !state_wanted(&object_kind_link, have->master) &&
			!link_is_made(holder))
			return err_set(err, -EBUSY, want->paths[LINK_MASTER],
				"%s belongs to %s already, which is not configured here",
				want->object.key, have->master);
	}
	mnl_attr_put_u32(nlh, IFLA_MASTER, index);
	return 0;
}

static void put_port(struct nlmsghdr *nlh, const struct link_port *port)
{
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_SLAVE_KIND, "bridge");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_SLAVE_DATA);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_UNICAST_FLOOD, port->flood_unicast);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_MCAST_FLOOD, port->flood_multicast);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_BCAST_FLOOD, port->flood_broadcast);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_FAST_LEAVE, port->fast_leave);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_MULTICAST_ROUTER, port->multicast_router);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
}

static void put_kind(struct nlmsghdr *nlh, const struct link *want, const struct link *have)
{
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, want->kind->name);
	if (want->kind->put_data) {
		data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
		want->kind->put_data(nlh, want, have);
		mnl_attr_nest_end(nlh, data);
	}
	mnl_attr_nest_end(nlh, info);
}

static void put_altname(struct nl_batch *batch, struct nl *nl, bool removes, struct step *step,
	const char *key, uint32_t ifindex)
{
	struct nlmsghdr *nlh = nl_batch_begin(batch, nl, removes ? RTM_DELLINKPROP : RTM_NEWLINKPROP,
		removes ? 0 : NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND, step,
		removes ? EINVAL : EEXIST);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	struct nlattr *list = mnl_attr_nest_start(nlh, IFLA_PROP_LIST | NLA_F_NESTED);
	char name[sizeof(LINK_ALTNAME) + KERNEL_NAME_MAX];

	ifi->ifi_index = (int)ifindex;
	snprintf(name, sizeof(name), LINK_ALTNAME "%s", key);
	mnl_attr_put_strz(nlh, IFLA_ALT_IFNAME, name);
	mnl_attr_nest_end(nlh, list);
	nl_batch_end(batch);
}

/* Into another namespace, or to another name in the one it is in. */
static int move(struct nl_batch *batch, struct step *step, const struct link *want, struct nl *from,
	const struct delta *delta, uint32_t ifindex)
{
	const char *key = want->object.key;
	struct nl *to = nl_of(delta->netns);
	bool renumbers = to && to != from && nl_index_is_taken(to, ifindex);
	struct nlmsghdr *nlh;

	if (!to)
		return err_set(&step->err, -ENOENT, want->paths[LINK_NETNS],
			"network namespace %s does not exist", delta->netns);
	if (*to->netns)
		put_altname(batch, from, false, step, key, ifindex);
	nlh = begin(batch, from, RTM_NEWLINK, 0, step, ifindex, NULL);
	if (to != from) {
		ifindex = link_choose_index(key, to, renumbers ? 0 : ifindex);
		mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)to->fd);
	}
	if (renumbers)
		mnl_attr_put_u32(nlh, IFLA_NEW_IFINDEX, ifindex);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, *delta->netns ? delta->netns_name : key);
	nl_batch_end(batch);
	if (!*to->netns)
		put_altname(batch, to, true, step, key, ifindex);
	return 0;
}

/* What one message can say; more than the header: is it worth sending? */
static int put_generic(struct nlmsghdr *nlh, struct ifinfomsg *ifi, const struct link *want,
	const struct link *have, const struct delta *delta, struct err *err)
{
	if (delta->attrs & (1U << LINK_MTU))
		mnl_attr_put_u32(nlh, IFLA_MTU, delta->mtu);
	if ((delta->attrs & (1U << LINK_MAC)) && has_mac(delta->mac))
		mnl_attr_put(nlh, IFLA_ADDRESS, 6, delta->mac);
	if (delta->attrs & (1U << LINK_ALIAS))
		mnl_attr_put_strz(nlh, IFLA_IFALIAS, delta->alias);
	if (delta->has_group)
		mnl_attr_put_u32(nlh, IFLA_GROUP, delta->group);
	if (delta->to_up || delta->to_down) {
		ifi->ifi_change = IFF_UP;
		ifi->ifi_flags = delta->to_up ? IFF_UP : 0;
	}
	if (have && want->kind && want->kind == have->kind &&
		want->kind->compare(want, have) == OBJECT_CHANGE)
		put_kind(nlh, want, have);
	return delta->attrs & (1U << LINK_MASTER) ? put_master(nlh, want, have, delta->master, err)
						  : 0;
}

static bool moves(const struct delta *delta, const struct link *have)
{
	if (!(delta->attrs & (1U << LINK_NETNS)))
		return false;
	return have ? !str_equal(have->netns, delta->netns) ||
				!str_equal(have->netns_name, delta->netns_name)
		    : *delta->netns != '\0';
}

/*
 * The messages that turn @have (NULL: just made, nothing known) into @want. The port's flags come after it
 * has its master, and that only where the bridges are. A link that was up and is to be raised with a new
 * master is raised by its link_up object.
 */
static int change(struct nl_batch *batch, struct step *step, const struct link *want,
	const struct link *was, const struct link *have, struct nl *nl, uint32_t ifindex)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh;
	struct delta delta;
	bool comes_back;
	uint32_t empty;
	int r;

	find_delta(&delta, want, was, have);
	comes_back = moves(&delta, have) && !*delta.netns;
	if (comes_back) {
		r = move(batch, step, want, nl, &delta, ifindex);
		if (r < 0)
			return r;
		ifindex = link_index(want->object.key, &nl);
	}
	nlh = begin(batch, nl, RTM_NEWLINK, 0, step, ifindex, &ifi);
	empty = nlh->nlmsg_len;
	r = put_generic(nlh, ifi, want, have, &delta, &step->err);
	if (r < 0 || (nlh->nlmsg_len == empty && !ifi->ifi_change))
		nl_batch_drop(batch);
	else
		nl_batch_end(batch);
	if (r == 0 && (delta.attrs & (1U << LINK_PORT)) && *delta.master) {
		nlh = begin(batch, nl, RTM_NEWLINK, 0, step, ifindex, NULL);
		put_port(nlh, delta.port);
		nl_batch_end(batch);
	}
	if (r == 0 && !comes_back && moves(&delta, have))
		r = move(batch, step, want, nl, &delta, ifindex);
	return r;
}

static int make(struct nl_batch *batch, struct step *step, const struct link *want)
{
	struct nl *nl = nl_of("");
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh;
	uint32_t ifindex;
	int r = 0;

	if (!want->kind)
		return err_set(&step->err, -ENODEV, NULL, "%s does not exist", want->object.key);
	ifindex = link_choose_index(want->object.key, nl, is_former(want) ? want->ifindex : 0);
	nlh = begin(batch, nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, step, ifindex, &ifi);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, want->object.key);
	mnl_attr_put_u32(nlh, IFLA_GROUP, link_mark_of(want));
	if (want->set & (1U << LINK_MTU))
		mnl_attr_put_u32(nlh, IFLA_MTU, want->mtu);
	if ((want->set & (1U << LINK_MAC)) && has_mac(want->mac))
		mnl_attr_put(nlh, IFLA_ADDRESS, 6, want->mac);
	if ((want->set & (1U << LINK_MASTER)) && *want->master)
		r = put_master(nlh, want, NULL, want->master, &step->err);
	if (r == 0 && want->kind->put_base)
		r = want->kind->put_base(nlh, want, &step->err);
	if (r < 0) {
		nl_batch_drop(batch);
		return r;
	}
	put_kind(nlh, want, NULL);
	nl_batch_end(batch);
	return 0;
}

/* What make() has made: the rest is as the kernel begins it. */
static struct link fresh_link(const struct link *want)
{
	struct link fresh = *want;

	fresh.alias[0] = fresh.netns[0] = fresh.netns_name[0] = '\0';
	fresh.port = default_port;
	fresh.group = link_mark_of(want);
	fresh.flags = 0;
	return fresh;
}

static int add(struct nl_batch *batch, struct step *step, const struct link *want)
{
	const char *key = want->object.key;
	const struct link *have;
	struct link fresh;
	struct nl *nl;
	uint32_t ifindex;
	int r;

	if (have_get(have_all(), &object_kind_link, key))
		nl_batch_flush(batch); /* its removal may be in this batch */
	have = have_get(have_all(), &object_kind_link, key);
	if (have && link_compare(&want->object, NULL, &have->object) == OBJECT_RECREATE)
		return err_set(&step->err, -EEXIST, want->paths[LINK_KIND],
			"%s is there already, made by others", key);
	ifindex = link_index(key, &nl);
	fresh = fresh_link(want);
	if (ifindex) { /* the other end has made it, with its mark and nothing else */
		fresh.mtu = ETH_DATA_LEN;
		fresh.master[0] = '\0';
		memset(fresh.mac, 0, sizeof(fresh.mac));
		return change(batch, step, want, NULL,
			have && have->ifindex == ifindex ? have : &fresh, nl, ifindex);
	}
	r = make(batch, step, want);
	if (r < 0)
		return r;
	return change(batch, step, want, NULL, &fresh, nl_of(""), link_index(key, NULL));
}

/* As it was before it was configured, as far as that is known. */
static int give_back(struct nl_batch *batch, struct step *step, const struct link *have)
{
	struct link want = { .object = { .kind = &object_kind_link, .key = have->object.key } };
	struct nl *nl = nl_of(have->netns);

	want.flags = have->flags; /* that is the business of link_up */
	return change(batch, step, &want, NULL, have, nl, have->ifindex);
}

static int remove_link(struct nl_batch *batch, struct step *step, const struct link *have)
{
	const struct link *now = have_get(have_all(), &object_kind_link, have->object.key);

	if (!now || now->ifindex != have->ifindex)
		return 0; /* went with its other end, or with what it stood on */
	if (!link_is_made(now))
		return give_back(batch, step, now);
	begin(batch, nl_of(now->netns), RTM_DELLINK, 0, step, now->ifindex, NULL);
	nl_batch_end(batch);
	return 0;
}

/* How many steps from the first on remove links that we made, all in one namespace. */
static size_t count_removals(struct step *const *steps, size_t count)
{
	const struct link *first = (const struct link *)steps[0]->have, *link;
	size_t n = 0;

	for (; n < count && steps[n]->op == STEP_REMOVE; n++) {
		if (steps[n]->have->kind != &object_kind_link)
			break;
		link = have_get(have_all(), &object_kind_link, steps[n]->have->key);
		if (!link || link->ifindex != ((const struct link *)steps[n]->have)->ifindex ||
			!link_is_made(link) || !str_equal(link->netns, first->netns))
			break;
	}
	return n;
}

/* Each deletion waits for a grace period of the kernel's; a whole group waits once. */
static void remove_together(struct nl_batch *batch, struct step *const *steps, size_t count)
{
	const struct link *link = (const struct link *)steps[0]->have;
	struct nl *nl = nl_of(link->netns);
	struct nlmsghdr *nlh;

	for (size_t i = 0; i < count; i++) {
		link = (const struct link *)steps[i]->have;
		nlh = nl_batch_begin(batch, nl, RTM_SETLINK, 0, steps[i], ENODEV);
		((struct ifinfomsg *)mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg)))
			->ifi_index = (int)link->ifindex;
		mnl_attr_put_u32(nlh, IFLA_GROUP, LINK_DOOMED);
		nl_batch_end(batch);
	}
	nlh = begin(batch, nl, RTM_DELLINK, 0, steps[count - 1], 0, NULL);
	mnl_attr_put_u32(nlh, IFLA_GROUP, LINK_DOOMED);
	nl_batch_end(batch);
}

static int link_encode(struct nl_batch *batch, struct step *step)
{
	const struct link *have = (const struct link *)step->have, *now;

	switch (step->op) {
	case STEP_ADD:
		return add(batch, step, (const struct link *)step->want);
	case STEP_CHANGE:
		now = have_get(have_all(), &object_kind_link, step->want->key);
		if (!now)
			return add(batch, step, (const struct link *)step->want);
		return change(batch, step, (const struct link *)step->want,
			(const struct link *)step->was, now, nl_of(now->netns), now->ifindex);
	case STEP_REMOVE:
		return remove_link(batch, step, have);
	}
	return -EINVAL;
}

static size_t link_encode_run(struct nl_batch *batch, struct step *const *steps, size_t count)
{
	size_t removals = count_removals(steps, count);
	int r;

	if (removals > 1) {
		remove_together(batch, steps, removals);
		return removals;
	}
	r = link_encode(batch, steps[0]);
	if (r == 0 && steps[0]->op == STEP_ADD)
		steps[0]->is_done = true; /* the other end of a pair may have nothing to be said */
	if (r < 0 && !steps[0]->error) {
		steps[0]->error = r;
		if (!steps[0]->err.code)
			err_set(&steps[0]->err, r, NULL, "%s", strerror(-r));
	}
	return 1;
}

/* --- words ------------------------------------------------------------------------------------- */

static uint32_t changed_attrs(const struct step *step)
{
	const struct link *want = (const struct link *)step->want;
	struct delta delta;

	if (!want)
		return 0;
	if (!step->have)
		return want->set;
	find_delta(&delta, want, (const struct link *)step->was, (const struct link *)step->have);
	return delta.attrs;
}

/* A kernel that was built without it says no more than "not supported". */
static bool lacks_vlan_filtering(const struct link *want)
{
	return want && want->kind == &link_kind_bridge && want->bridge.vlan_filtering &&
		!kernel_can(KERNEL_CAN_VLAN_FILTERING);
}

static const char *link_explain(const struct step *step, int error)
{
	const struct link *want = (const struct link *)step->want;
	uint32_t attrs = changed_attrs(step);

	switch (error) {
	case EEXIST:
		return "an interface of this name is there already";
	case ENODEV:
		return "the interface, or what it stands on, does not exist";
	case EOPNOTSUPP:
		if (lacks_vlan_filtering(want))
			return "this kernel has no bridge VLAN filtering (CONFIG_BRIDGE_VLAN_FILTERING)";
		return want && want->kind && step->op == STEP_ADD ? want->kind->lacking
								  : "the interface cannot do this";
	case ERANGE:
		return attrs & (1U << LINK_MTU)
			? "the MTU is outside of what the interface, or the one "
			  "below it, can do"
			: NULL;
	case EADDRNOTAVAIL:
		return "the interface does not take this MAC address";
	case EBUSY:
		return attrs & (1U << LINK_MASTER)
			? "the interface is in use and cannot be a bridge port"
			: "the interface is in use";
	case ELOOP:
		return "a bridge cannot be a port of a bridge";
	case EINVAL:
		return attrs & (1U << LINK_MASTER) ? "the interface cannot be a port of this bridge"
						   : NULL;
	default:
		return NULL;
	}
}

static bool is_mtu_out_of_range(const struct step *step, uint32_t attrs)
{
	const struct link *want = (const struct link *)step->want;
	const struct link *have = (const struct link *)step->have;

	return (attrs & (1U << LINK_MTU)) && have &&
		(want->mtu < have->min_mtu || (have->max_mtu && want->mtu > have->max_mtu));
}

static enum link_attr attr_of(const struct step *step, uint16_t attribute)
{
	uint32_t attrs = changed_attrs(step);

	switch (attribute) {
	case IFLA_MTU:
		return LINK_MTU;
	case IFLA_ADDRESS:
		return LINK_MAC;
	case IFLA_IFALIAS:
		return LINK_ALIAS;
	case IFLA_MASTER:
		return LINK_MASTER;
	case IFLA_NET_NS_FD:
		return LINK_NETNS;
	case IFLA_LINKINFO:
		return step->op == STEP_ADD || !(attrs & (1U << LINK_PORT)) ? LINK_KIND : LINK_PORT;
	}
	if (is_mtu_out_of_range(step, attrs))
		return LINK_MTU;
	switch (-step->error) {
	case EOPNOTSUPP:
		if (lacks_vlan_filtering((const struct link *)step->want))
			return LINK_KIND;
		break;
	case EADDRNOTAVAIL:
		return LINK_MAC;
	case ERANGE:
		return attrs & (1U << LINK_MTU) ? LINK_MTU : LINK_KIND;
	case EBUSY:
	case ELOOP:
		return LINK_MASTER;
	}
	attrs &= ~(1U << LINK_ALIAS); /* is taken in any case */
	for (enum link_attr attr = 0; attr < LINK_ATTRS; attr++) { /* the only one */
		if (attrs == 1U << attr)
			return attr;
	}
	return attrs & (1U << LINK_MASTER) && -step->error == EINVAL ? LINK_MASTER : LINK_ATTRS;
}

static const char *link_blame(const struct step *step, uint16_t attribute)
{
	const struct link *want = (const struct link *)step->want;
	enum link_attr attr = want ? attr_of(step, attribute) : LINK_ATTRS;

	return attr < LINK_ATTRS ? want->paths[attr] : NULL;
}

/* --- without a kernel --------------------------------------------------------------------------- */

static void forget_all_of(const struct object_kind *kind, const char *name)
{
	void *const *objects;
	size_t count;

	while ((count = have_group(have_all(), kind, name, &objects)))
		have_remove(kind, ((const struct object *)objects[count - 1])->key);
}

void link_forget(const char *name)
{
	have_remove(&object_kind_link_up, name);
	sysctl_link_gone(name);
	forget_all_of(&object_kind_address, name);
	forget_all_of(&object_kind_route, name);
	bridge_vlan_link_gone(name);
	have_remove(&object_kind_link, name);
}

void link_record(const struct step *step)
{
	struct link *link;

	if (step->op == STEP_REMOVE) {
		link_forget(step->have->key);
		return;
	}
	link = object_copy(step->want);
	link->ifindex = step->have ? ((const struct link *)step->have)->ifindex : ++self.next;
	link->arptype = str_equal(link->object.key, "lo") ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
	link->has_mac = has_mac(link->mac);
	if (link->kind)
		snprintf(link->kind_name, sizeof(link->kind_name), "%s", link->kind->name);
	if (!link->mtu)
		link->mtu = default_mtu(link);
	link->flags = have_get(have_all(), &object_kind_link_up, link->object.key)
		? IFF_UP | IFF_RUNNING
		: 0;
	link->operstate = link->flags ? IF_OPER_UP : IF_OPER_DOWN;
	link->set = LINK_ALL_ATTRS;
	have_put(&link->object);
}

static const uint16_t types[] = { RTM_NEWLINK, RTM_DELLINK, 0 };

const struct nl_object link_object = {
	.kind = &object_kind_link,
	.encode_run = link_encode_run,
	.types = types,
	.seen = link_seen,
	.dump = link_dump,
	.explain = link_explain,
	.blame = link_blame,
};
