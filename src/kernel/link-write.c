/*
 * Links: the messages that make, change, move and remove them, and the words for what the kernel refuses
 * without any of its own.
 *
 * Alias, port flags and the name in another network namespace need messages of their own behind the one
 * that makes the link. Numbers of links to be made are chosen here, so that one batch can make a link and
 * all that refers to it.
 */
#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/log.h"
#include "ashlar/map.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "link.h"

#define STACK_MAX   8	  /* links on top of each other, as the kernel has it */
#define FIRST_INDEX 10001 /* the kernel counts its own numbers from 1 */

/* --- numbers of links to come ------------------------------------------------------------------ */

struct chosen {
	char name[KERNEL_NAME_MAX];
	uint32_t ifindex;
	struct nl *nl;
	const struct link_kind *kind; /* of one to be made; NULL: not told */
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

uint32_t link_choose_index(
	const char *name, struct nl *nl, uint32_t index, const struct link_kind *kind)
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
	if (kind)
		chosen->kind = kind;
	return index;
}

bool link_is_chosen_as(const char *name, const struct link_kind *kind)
{
	const struct chosen *chosen = map_get_str(&self.chosen, name);

	return chosen && chosen->kind == kind;
}

void link_forget_chosen(void)
{
	struct chosen *chosen;
	size_t at = 0;

	link_follow_forget();
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
		*ret_nl = chosen ? chosen->nl : nl_of(link ? link_netns(link) : "");
	return chosen ? chosen->ifindex : link ? link->ifindex : 0;
}

/* --- messages ---------------------------------------------------------------------------------- */

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
		return err_set(
			err, -ENODEV, link_path(want, LINK_MASTER), "%s does not exist", master);
	/* A port of something that others have set up is not to be taken from it. */
	if (have && *have->master && *master && !link_is_former(want)) {
		holder = have_get(have_all(), &object_kind_link, have->master);
		if (holder && !state_wanted(&object_kind_link, have->master) &&
			!link_is_made(holder))
			return err_set(err, -EBUSY, link_path(want, LINK_MASTER),
				"%s belongs to %s already, which is not configured here",
				want->object.key, have->master);
	}
	mnl_attr_put_u32(nlh, IFLA_MASTER, index);
	return 0;
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
	const char *altname, uint32_t ifindex)
{
	struct nlmsghdr *nlh =
		nl_batch_begin(batch, nl, removes ? RTM_DELLINKPROP : RTM_NEWLINKPROP,
			removes ? 0 : NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND, step,
			removes ? NL_ANY_ERROR : EEXIST);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	struct nlattr *list = mnl_attr_nest_start(nlh, IFLA_PROP_LIST | NLA_F_NESTED);

	ifi->ifi_index = (int)ifindex;
	mnl_attr_put_strz(nlh, IFLA_ALT_IFNAME, altname);
	mnl_attr_nest_end(nlh, list);
	nl_batch_end(batch);
}

/* Where the message goes. */
struct place {
	struct nl *nl;
	uint32_t ifindex;
};

/*
 * The address that a port had before it was given one; zero where the kernel knows it, or nobody does. One that is
 * to be as it was, whose mark was lost on the way, has had others since: its mark said which was the first.
 */
static const uint8_t *mac_before(const struct link *want, const struct link *have)
{
	static const uint8_t unknown[6];

	if (have->port_mark & (1U << LINK_MAC))
		return have->first_mac;
	if (link_has_mac(have->perm_mac))
		return unknown;
	if (link_is_former(want) && link_has_mac(want->first_mac))
		return want->first_mac;
	if (link_has_mac(have->first_mac))
		return have->first_mac;
	return have->is_bonded ? have->bond_port.own_mac : have->mac;
}

/* Bits 0: none. */
struct mark {
	uint32_t bits;
	const char *name; /* may be NULL */
};

/* Of a port with that mark. */
static void port_mark_text(char text[LINK_PORT_MARK_MAX], const struct link *want,
	const struct link *have, const struct mark *mark)
{
	const uint8_t *mac = mac_before(want, have);

	snprintf(text, LINK_PORT_MARK_MAX, LINK_PORT_MARK "%02x:%u", mark->bits & LINK_MARK_BITS,
		have->port_mark ? have->port_mark_index : have->ifindex);
	if ((mark->bits & (1U << LINK_MAC)) && link_has_mac(mac))
		snprintf(text + strlen(text), LINK_PORT_MARK_MAX - strlen(text),
			":%02x%02x%02x%02x%02x%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
			mac[5]);
	if (mark->name)
		snprintf(text + strlen(text), LINK_PORT_MARK_MAX - strlen(text), "=%s", mark->name);
}

static void mark_port(struct nl_batch *batch, const struct place *place, struct step *step,
	const struct link *want, const struct link *have, const struct mark *old,
	const struct mark *new)
{
	char text[LINK_PORT_MARK_MAX];

	if (old->bits == new->bits && str_equal(old->name, new->name))
		return;
	if (old->bits) {
		port_mark_text(text, want, have, old);
		put_altname(batch, place->nl, true, step, text, place->ifindex);
	}
	if (new->bits) {
		port_mark_text(text, want, have, new);
		put_altname(batch, place->nl, false, step, text, place->ifindex);
	}
}

static void set_up(struct nl_batch *batch, struct step *step, const struct place *place, bool is_up)
{
	struct ifinfomsg *ifi;

	begin(batch, place->nl, RTM_NEWLINK, 0, step, place->ifindex, &ifi);
	ifi->ifi_change = IFF_UP;
	ifi->ifi_flags = is_up ? IFF_UP : 0;
	nl_batch_end(batch);
}

/* A message beside the batch: what comes next depends on the answer. */
static int ask(const struct place *place, uint16_t attribute, const void *value, size_t size)
{
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *ifi;

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_ACK;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = (int)place->ifindex;
	mnl_attr_put(nlh, attribute, size, value);
	nl_count_change();
	return nl_request(place->nl, nlh, NULL, NULL);
}

/* Another one of ours was given this name by others: it gets one that nobody has, until it has its own again. */
static void make_room(const char *name, const struct place *place)
{
	static const char any[] = "ashlar%d";
	const struct link *link;
	size_t at = 0;

	while ((link = have_next(have_all(), &object_kind_link, &at))) {
		struct place other = { place->nl, link->ifindex };

		if (link->netns || other.ifindex == place->ifindex ||
			!str_equal(link_netns_name(link), name))
			continue;
		(void)ask(&other, IFLA_IFNAME, any, sizeof(any)); /* then the name is refused */
		return;
	}
}

/* Kernels before 6.2 do not do it while the link is up. */
static int rename_back(struct nl_batch *batch, struct step *step, const char *name,
	const struct link *have, const struct place *place)
{
	int r;

	nl_batch_flush(batch);
	make_room(name, place);
	r = ask(place, IFLA_IFNAME, name, strlen(name) + 1);
	if (r == -EBUSY && (have->flags & IFF_UP)) {
		set_up(batch, step, place, false);
		nl_batch_flush(batch);
		r = ask(place, IFLA_IFNAME, name, strlen(name) + 1);
		set_up(batch, step, place, true);
		nl_batch_flush(batch);
	}
	watch_drain();
	if (r < 0)
		return err_set(&step->err, r, NULL,
			"it is called %s now, and cannot be renamed: %s", link_netns_name(have),
			r == -EEXIST ? "another interface has its name" : strerror(-r));
	step->is_done = true;
	return 0;
}

/* Into another namespace, or to another name in the one it is in. */
static int move(struct nl_batch *batch, struct step *step, const struct link *want,
	const struct link *have, const struct link_delta *delta, const struct place *place)
{
	const char *key = want->object.key;
	struct nl *from = place->nl, *to = nl_of(delta->netns);
	uint32_t ifindex = place->ifindex;
	bool renumbers = to && to != from && nl_index_is_taken(to, ifindex);
	char altname[sizeof(LINK_ALTNAME) + KERNEL_NAME_MAX];
	struct nlmsghdr *nlh;

	if (!to)
		return err_set(&step->err, -ENOENT, link_path(want, LINK_NETNS),
			"network namespace %s does not exist", delta->netns);
	if (to == from && !*to->netns)
		return rename_back(
			batch, step, *delta->netns_name ? delta->netns_name : key, have, place);
	snprintf(altname, sizeof(altname), LINK_ALTNAME "%s", key);
	if (*to->netns)
		put_altname(batch, from, false, step, altname, ifindex);
	nlh = begin(batch, from, RTM_NEWLINK, 0, step, ifindex, NULL);
	if (to != from) {
		ifindex = link_choose_index(key, to, renumbers ? 0 : ifindex, NULL);
		mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)to->fd);
	}
	if (renumbers)
		mnl_attr_put_u32(nlh, IFLA_NEW_IFINDEX, ifindex);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, *delta->netns ? delta->netns_name : key);
	nl_batch_end(batch);
	if (!*to->netns)
		put_altname(batch, to, true, step, altname, ifindex);
	return 0;
}

/* What one message can say; more than the header: is it worth sending? */
static int put_generic(struct nlmsghdr *nlh, struct ifinfomsg *ifi, const struct link *want,
	const struct link *have, const struct link_delta *delta, struct err *err)
{
	if (delta->attrs & (1U << LINK_MTU))
		mnl_attr_put_u32(nlh, IFLA_MTU, delta->mtu);
	if ((delta->attrs & (1U << LINK_MAC)) && link_has_mac(delta->mac))
		mnl_attr_put(nlh, IFLA_ADDRESS, 6, delta->mac);
	if (delta->attrs & (1U << LINK_ALIAS))
		mnl_attr_put_strz(nlh, IFLA_IFALIAS, delta->alias);
	if (delta->has_group)
		mnl_attr_put_u32(nlh, IFLA_GROUP, delta->group);
	if (delta->to_up || delta->to_down) {
		ifi->ifi_change = IFF_UP;
		ifi->ifi_flags = delta->to_up ? IFF_UP : 0;
	}
	if (delta->has_data)
		put_kind(nlh, want, have);
	return delta->attrs & (1U << LINK_MASTER) ? put_master(nlh, want, have, delta->master, err)
						  : 0;
}

static bool moves(const struct link_delta *delta, const struct link *have)
{
	if (!(delta->attrs & (1U << LINK_NETNS)))
		return false;
	return have ? !str_equal(link_netns(have), delta->netns) ||
			!str_equal(link_netns_name(have), delta->netns_name)
		    : *delta->netns != '\0';
}

/* Just after the MTU of the link below was lowered the kernel would take it, and lower it then. */
static int check_mtu(struct nl_batch *batch, const struct link *want, const struct link *have,
	const struct link_delta *delta, struct err *err)
{
	const struct link *lower;

	if (!(delta->attrs & (1U << LINK_MTU)) || !have || have->kind != &link_kind_vlan)
		return 0;
	lower = have_get(have_all(), &object_kind_link, have->vlan.lower);
	if (lower && delta->mtu > lower->mtu) {
		nl_batch_flush(batch); /* it may be raised in there */
		lower = have_get(have_all(), &object_kind_link, have->vlan.lower);
	}
	if (!lower || delta->mtu <= lower->mtu)
		return 0;
	return err_set(err, -ERANGE, link_path(want, LINK_MTU),
		"%u is more than the MTU of %s below, %u", delta->mtu, have->vlan.lower,
		lower->mtu);
}

/* A bond puts up what joins it, and down what leaves it; nobody else looks after what is taken back. */
static void settle_flags(struct nl_batch *batch, struct step *step, const struct link *want,
	bool joins, const struct place *place)
{
	if (link_is_former(want) || (joins && (want->set & (1U << LINK_DOWN))))
		set_up(batch, step, place, link_is_former(want) && (want->flags & IFF_UP));
}

static bool must_ask_for_mac(const struct link *have, const struct link_delta *delta)
{
	bool leaves_bond = have && have->is_bonded && (delta->attrs & (1U << LINK_MASTER));

	return have && !have->kind && !leaves_bond && (have->flags & IFF_UP) &&
		(delta->attrs & (1U << LINK_MAC)) && link_has_mac(delta->mac);
}

/* Not every driver takes another address while its port is up, and none tells: a port that is up is asked. */
static int ask_for_mac(struct nl_batch *batch, struct step *step, const struct link_delta *delta,
	const struct place *place)
{
	int r;

	nl_batch_flush(batch);
	r = ask(place, IFLA_ADDRESS, delta->mac, sizeof(delta->mac));
	watch_drain();
	step->is_done |= r == 0;
	return r;
}

/* Nothing passes a port of that bridge before it is a member of a VLAN. On the way back, what is wanted was refused. */
static bool filters_vlans(const struct link *port, const char *name)
{
	const struct link *bridge = link_is_former(port)
		? have_get(have_all(), &object_kind_link, name)
		: (const struct link *)state_wanted(&object_kind_link, name);

	return bridge && bridge->kind == &link_kind_bridge && bridge->bridge.vlan_filtering;
}

/*
 * A port of a bridge carries frames as soon as it is one, if it is up. Where its flags keep some from it, it is
 * down until it has them, unless VLANs do that.
 */
static bool hides(const struct link_delta *delta, const struct link *want, const struct link *have)
{
	const struct link_port *port = &delta->port;

	if (!(delta->attrs & (1U << LINK_MASTER)) || !(delta->attrs & (1U << LINK_PORT)) || !have ||
		!(have->flags & IFF_UP) || filters_vlans(want, delta->master))
		return false;
	return port->isolated || port->locked || !port->flood_unicast || !port->flood_multicast ||
		!port->flood_broadcast;
}

/*
 * One that leaves a bond gets the address and the MTU that it had when it joined, and takes them into the next
 * bond: what it is to have comes between the two.
 */
static void leave_bond(struct nl_batch *batch, struct step *step, const struct link_delta *delta,
	const struct place *place)
{
	struct nlmsghdr *nlh;

	if (!(delta->attrs & (1U << LINK_MAC | 1U << LINK_MTU)))
		return;
	nlh = begin(batch, place->nl, RTM_NEWLINK, 0, step, place->ifindex, NULL);
	mnl_attr_put_u32(nlh, IFLA_MASTER, 0);
	nl_batch_end(batch);
}

static void change_data(struct nl_batch *batch, struct step *step, const struct link *want,
	const struct link *have, const struct place *place)
{
	struct nlmsghdr *nlh = begin(batch, place->nl, RTM_NEWLINK, 0, step, place->ifindex, NULL);

	put_kind(nlh, want, have);
	nl_batch_end(batch);
}

/* The port's flags come after it has its master. */
static int change_values(struct nl_batch *batch, struct step *step, const struct link *want,
	const struct link *have, struct link_delta *delta, const struct place *place)
{
	bool moves_port = delta->attrs & (1U << LINK_MASTER);
	bool joins = moves_port && link_is_for_bond(want, delta->master);
	bool leaves = moves_port && have && have->is_bonded;
	bool is_hidden = hides(delta, want, have);
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh;
	uint32_t empty;
	int r;

	if (moves_port && have && *have->master)
		link_follow_keep_mac(batch, step, have->master);
	if (delta->has_data && (delta->attrs & (1U << LINK_MTU)) && want->kind->mtu_stands_alone) {
		change_data(batch, step, want, have, place);
		delta->has_data = false;
	}
	if (leaves)
		leave_bond(batch, step, delta, place);
	nlh = begin(batch, place->nl, RTM_NEWLINK, 0, step, place->ifindex, &ifi);
	empty = nlh->nlmsg_len;
	r = put_generic(nlh, ifi, want, have, delta, &step->err);
	if (joins || is_hidden) { /* a bond takes what is down; the kernel does this before that */
		ifi->ifi_change = IFF_UP;
		ifi->ifi_flags = 0;
	}
	if (r < 0 || (nlh->nlmsg_len == empty && !ifi->ifi_change))
		nl_batch_drop(batch);
	else
		nl_batch_end(batch);
	if (r == 0 && (joins || leaves))
		settle_flags(batch, step, want, joins, place);
	if (r == 0 && (delta->attrs & (1U << LINK_PORT)) && *delta->master) {
		nlh = begin(batch, place->nl, RTM_NEWLINK, 0, step, place->ifindex, NULL);
		link_put_port(nlh, &delta->port, delta->port_fields);
		nl_batch_end(batch);
	}
	if (r == 0 && is_hidden && !delta->to_down)
		set_up(batch, step, place, true);
	return r;
}

/* By the speed that the link has now. */
static void find_cost(struct link_delta *delta, const char *name)
{
	_cleanup_err_ struct err err = { 0 };
	const struct link *link;

	(void)object_kind_ethernet.refresh(name, &err); /* no speed is the lowest */
	link = have_get(have_all(), &object_kind_link, name);
	if (link)
		delta->port.cost = link_port_cost(link);
}

/*
 * The messages that turn @have (NULL: just made, nothing known) into @want. A bridge's port is one only where
 * the bridges are. A link that was up and is to be raised with a new master is raised by its link_up object.
 * A port is marked before anything of it changes, and unmarked after it was given back.
 */
static int change(struct nl_batch *batch, struct step *step, const struct link *want,
	const struct link *was, const struct link *have, struct place place)
{
	struct mark marked = { have ? have->port_mark : 0, have ? have->mark_name : NULL }, mark,
		    last;
	struct link_delta delta;
	bool comes_back;
	int r, asked;

	link_find_delta(&delta, want, was, have);
	if (delta.finds_cost)
		find_cost(&delta, want->object.key);
	last = (struct mark){ delta.port_mark, delta.mark_name };
	mark = delta.has_port_mark && last.bits
		? (struct mark){ marked.bits | last.bits, last.name }
		: marked;
	comes_back = moves(&delta, have) && !*delta.netns;
	r = check_mtu(batch, want, have, &delta, &step->err);
	if (r < 0)
		return r;
	if (have)
		mark_port(batch, &place, step, want, have, &marked, &mark);
	if (comes_back) {
		r = move(batch, step, want, have, &delta, &place);
		if (r < 0)
			return r;
		place.ifindex = link_index(want->object.key, &place.nl);
	}
	delta.has_data = have && want->kind && want->kind == have->kind &&
		want->kind->compare(want, have) == OBJECT_CHANGE &&
		!(want->kind->send &&
			want->kind->send(batch, step, want, have, place.nl, place.ifindex));
	asked = must_ask_for_mac(have, &delta) ? ask_for_mac(batch, step, &delta, &place)
					       : -ENODATA;
	if (asked == 0)
		delta.attrs &= ~(1U << LINK_MAC);
	if (asked == -EBUSY)
		set_up(batch, step, &place, false);
	r = change_values(batch, step, want, have, &delta, &place);
	if (r == 0 && asked == -EBUSY && !delta.to_down)
		set_up(batch, step, &place, true);
	if (r == 0 && have && delta.has_port_mark)
		mark_port(batch, &place, step, want, have, &mark, &last);
	if (r == 0 && !comes_back && moves(&delta, have))
		r = move(batch, step, want, have, &delta, &place);
	return r;
}

/* A bridge that is made again with the address that it had does not follow others any more. */
static uint32_t made_mark(const struct link *want, uint32_t set)
{
	bool is_given = link_is_former(want) && want->kind == &link_kind_bridge &&
		(set & (1U << LINK_MAC)) && link_has_mac(want->mac);

	return link_mark_of(want) | (is_given ? 1U << LINK_MAC : 0);
}

/* A bridge keeps an MTU only when it is given it afterwards. */
static int make(struct nl_batch *batch, struct step *step, const struct link *want)
{
	struct nl *nl = nl_of("");
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh;
	uint32_t ifindex, set = want->set & ~link_follow_comes_back(want, NULL);
	int r = 0;

	if (!want->kind)
		return err_set(&step->err, -ENODEV, NULL, "%s does not exist", want->object.key);
	ifindex = link_choose_index(
		want->object.key, nl, link_is_former(want) ? want->ifindex : 0, want->kind);
	nlh = begin(batch, nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, step, ifindex, &ifi);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, want->object.key);
	mnl_attr_put_u32(nlh, IFLA_GROUP, made_mark(want, set));
	if ((set & (1U << LINK_MTU)) && want->kind != &link_kind_bridge)
		mnl_attr_put_u32(nlh, IFLA_MTU, want->mtu);
	if ((set & (1U << LINK_MAC)) && link_has_mac(want->mac))
		mnl_attr_put(nlh, IFLA_ADDRESS, 6, want->mac);
	if ((want->set & (1U << LINK_MASTER)) && *want->master &&
		!link_is_for_bond(want, want->master))
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

	if (!link_is_former(want))
		memset(fresh.paths, 0, sizeof(fresh.paths));
	fresh.alias = fresh.netns = fresh.netns_name = NULL;
	fresh.port = link_default_port;
	fresh.group = made_mark(want, want->set & ~link_follow_comes_back(want, NULL));
	if (want->kind == &link_kind_bridge)
		fresh.mtu = ETH_DATA_LEN;
	fresh.port_mark = 0;
	fresh.flags = 0;
	fresh.is_bonded = false;
	if (link_is_for_bond(want, fresh.master))
		fresh.master[0] = '\0'; /* it joins afterwards */
	return fresh;
}

static void copy_freep(struct link **copy)
{
	if (*copy)
		object_free(&(*copy)->object);
}

/* The link as it is seen now: what is seen while its messages are made, because some are sent, does not count. */
static struct link *copy_of_seen(const char *key)
{
	const struct object *have = have_get(have_all(), &object_kind_link, key);

	return have ? object_copy(have) : NULL;
}

static int add(struct nl_batch *batch, struct step *step, const struct link *want)
{
	const char *key = want->object.key;
	_cleanup_(copy_freep) struct link *have = NULL;
	const struct link *wanted;
	struct place place;
	struct link fresh;
	int r;

	if (have_get(have_all(), &object_kind_link, key))
		nl_batch_flush(batch); /* its removal may be in this batch */
	have = copy_of_seen(key);
	if (have && object_kind_link.compare(&want->object, NULL, &have->object) == OBJECT_RECREATE)
		return err_set(&step->err, -EEXIST, link_path(want, LINK_KIND),
			"%s is there already, made by others", key);
	place.ifindex = link_index(key, &place.nl);
	fresh = fresh_link(want);
	if (place.ifindex) { /* the other end has made it, with its mark and nothing else */
		wanted = (const struct link *)state_wanted(&object_kind_link, key);
		fresh.group = wanted ? link_mark_of(wanted) : 0;
		fresh.mtu = ETH_DATA_LEN;
		fresh.master[0] = '\0';
		memset(fresh.mac, 0, sizeof(fresh.mac));
		return change(batch, step, want, NULL,
			have && have->ifindex == place.ifindex ? have : &fresh, place);
	}
	r = make(batch, step, want);
	if (r < 0)
		return r;
	place = (struct place){ nl_of(""), link_index(key, NULL) };
	return change(batch, step, want, NULL, &fresh, place);
}

/* As it was before it was configured, as far as that is known. */
static int give_back(struct nl_batch *batch, struct step *step, const struct link *have)
{
	struct link want = { .object = { .kind = &object_kind_link, .key = have->object.key } };
	struct place place = { nl_of(link_netns(have)), have->ifindex };

	want.flags = have->flags; /* that is the business of link_up */
	want.group = link_is_marked(have->group) ? 0 : have->group;
	return change(batch, step, &want, NULL, have, place);
}

static int remove_link(struct nl_batch *batch, struct step *step, const struct link *have)
{
	_cleanup_(copy_freep) struct link *now = copy_of_seen(have->object.key);

	if (!now || now->ifindex != have->ifindex)
		return 0; /* went with its other end, or with what it stood on */
	if (!link_is_made(now))
		return give_back(batch, step, now);
	link_follow_keep_macs(batch, step, now);
	begin(batch, nl_of(link_netns(now)), RTM_DELLINK, 0, step, now->ifindex, NULL);
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
			!link_is_made(link) || !str_equal(link_netns(link), link_netns(first)))
			break;
	}
	return n;
}

/* Each deletion waits for a grace period of the kernel's; a whole group waits once. */
static void remove_together(struct nl_batch *batch, struct step *const *steps, size_t count)
{
	const struct link *link = (const struct link *)steps[0]->have;
	struct nl *nl = nl_of(link_netns(link));
	struct nlmsghdr *nlh;

	for (size_t i = 0; i < count; i++) {
		link = (const struct link *)steps[i]->have;
		link_follow_keep_macs(batch, steps[i], link);
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

bool link_master_is_new(const struct step *step)
{
	const struct link *want = (const struct link *)step->want;

	return step->op == STEP_CHANGE && want->object.kind == &object_kind_link && *want->master &&
		map_get_str(&self.chosen, want->master);
}

/* Of a port that is down the kernel does not tell what others call it: before it is ours it is looked at. */
static struct link *copy_for_change(struct nl_batch *batch, const struct link *want)
{
	struct link *now = copy_of_seen(want->object.key);
	_cleanup_err_ struct err err = { 0 };

	if (!now || want->kind || now->port_mark || link_is_former(want))
		return now;
	nl_batch_flush(batch);
	if (link_refresh(want->object.key, &err) < 0)
		log_debug("link", "%s", err_text(&err));
	object_free(&now->object);
	return copy_of_seen(want->object.key);
}

static int link_encode(struct nl_batch *batch, struct step *step)
{
	const struct link *have = (const struct link *)step->have;
	_cleanup_(copy_freep) struct link *now = NULL;

	switch (step->op) {
	case STEP_ADD:
		return add(batch, step, (const struct link *)step->want);
	case STEP_CHANGE:
		now = copy_for_change(batch, (const struct link *)step->want);
		if (!now)
			return add(batch, step, (const struct link *)step->want);
		return change(batch, step, (const struct link *)step->want,
			(const struct link *)step->was, now,
			(struct place){ nl_of(link_netns(now)), now->ifindex });
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
	struct link_delta delta;

	if (!want)
		return 0;
	if (!step->have)
		return want->set;
	link_find_delta(
		&delta, want, (const struct link *)step->was, (const struct link *)step->have);
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
			? "the interface is in use and cannot be a port of another"
			: "the interface is in use";
	case ELOOP:
		return "a bridge cannot be a port of a bridge";
	case EINVAL:
		return attrs & (1U << LINK_MASTER) ? "the interface cannot be a port of that one"
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
	attrs &= ~(1U << LINK_ALIAS);				   /* is taken in any case */
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

	return attr < LINK_ATTRS ? link_path(want, attr) : NULL;
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
