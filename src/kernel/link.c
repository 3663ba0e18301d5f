/*
 * Links: what differs between a wanted and an observed one. The messages that make them agree are in
 * link-write.c, what the kernel tells in link-seen.c.
 *
 * A link with a kind is made and unmade; one without (a port of the machine) is adopted: changed while it
 * is configured, given back afterwards. What was configured is marked in the kernel (link.h), so that a
 * restarted daemon still knows which attributes to put back.
 *
 * A MAC address that was configured and is not any more goes back to the permanent one, to the one before, or
 * to that of the link below or of the ports; the end of a pair that never had one of its own gets one.
 * What others give it is in link-follow.c.
 */
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/clock.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "link-local.h"
#include "link.h"

#define MTU_LOOPBACK 65536

/* --- wanted links ------------------------------------------------------------------------------ */

bool link_is_former(const struct link *want)
{
	return !want->object.want;
}

static const struct link_kind *const kinds[] = { &link_kind_bridge, &link_kind_vlan,
	&link_kind_veth, &link_kind_dummy, &link_kind_bond, &link_kind_vxlan, &link_kind_gre,
	&link_kind_gretap, &link_kind_ip6gre, &link_kind_ip6gretap, &link_kind_wireguard };

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

const char *link_kind_lacking(const struct link_kind *kind)
{
	return kind->lacking;
}

const char *link_alias(const struct link *link)
{
	return link->alias ? link->alias : "";
}

const char *link_netns(const struct link *link)
{
	return link->netns ? link->netns : "";
}

const char *link_netns_name(const struct link *link)
{
	return link->netns_name ? link->netns_name : "";
}

void link_put_text(char **field, const char *text)
{
	free(*field);
	*field = *text ? xstrdup(text) : NULL;
}

const char *link_path(const struct link *want, enum link_attr attr)
{
	return link_is_former(want) ? NULL : want->paths[attr];
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

/* What is up or down is nothing that would have to be put back. What we make has no alias but ours. */
static uint32_t mark_bits(const struct link *want)
{
	uint32_t alias = want->kind ? 1U << LINK_ALIAS : 0;

	return LINK_MARK | alias | (want->set & ~(1U << LINK_DOWN));
}

/* Nor does a port that had none when it was first configured: its first description needs no other mark. */
static uint32_t owns_alias(const struct link *have)
{
	return *link_alias(have) ? have->port_mark & (1U << LINK_ALIAS) : 1U << LINK_ALIAS;
}

uint32_t link_mark_of(const struct link *want)
{
	return link_is_former(want) ? want->group : mark_bits(want);
}

/* Attributes that were configured and are not any more. */
static uint32_t given_up(const struct link *want, const struct link *was, const struct link *have)
{
	uint32_t before = was ? was->set : 0;

	before |= link_mark(have) & LINK_MARK_BITS;
	if (!link_is_former(want))
		before |= link_follow_attrs(have);
	return before & ~want->set;
}

static uint32_t default_mtu(const struct link *have)
{
	const struct link *lower = NULL;

	if (have->arptype == ARPHRD_LOOPBACK)
		return MTU_LOOPBACK;
	if (have->kind == &link_kind_bridge)
		return link_follow_mtu(have);
	if (have->kind == &link_kind_vlan)
		lower = have_get(have_all(), &object_kind_link, have->vlan.lower);
	if (have->kind && have->kind->mtu)
		return have->kind->mtu;
	return lower ? lower->mtu : ETH_DATA_LEN;
}

bool link_has_mac(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return memcmp(mac, none, sizeof(none)) != 0;
}

/* A locally administered one, the same for the same link for as long as we run. */
static const uint8_t *generated_mac(const struct link *have)
{
	static uint8_t mac[6];
	char text[KERNEL_NAME_MAX + 16];
	uint32_t hash;

	snprintf(text, sizeof(text), "%s %u", have->object.key, have->ifindex);
	hash = map_hash(text, strlen(text));
	mac[0] = 0x02;
	mac[1] = (uint8_t)map_hash(&hash, sizeof(hash));
	memcpy(mac + 2, &hash, sizeof(hash));
	return mac;
}

/* What it had before, where that can be told; zero otherwise. */
static const uint8_t *default_mac(const struct link *have)
{
	struct nl *nl = nl_of(link_netns(have));
	const char *name = nl ? nl_name_of(nl, have->lower_ifindex) : NULL;
	const struct link *lower = name ? have_get(have_all(), &object_kind_link, name) : NULL;

	if (link_has_mac(have->perm_mac))
		return have->perm_mac;
	if (have->kind == &link_kind_bridge && link_has_mac(link_follow_mac(have)))
		return link_follow_mac(have);
	if (have->kind == &link_kind_bridge)
		return link_has_mac(have->mac) ? have->mac : generated_mac(have);
	if (lower && (have->is_dsa || have->kind == &link_kind_vlan))
		return lower->mac;
	if (have->kind && !link_has_mac(have->first_mac))
		return generated_mac(have);
	return have->first_mac;
}

/* One that was to be up goes down by its link_up object, which goes in the same plan. */
static void compare_flags(struct link_delta *delta, const struct link *want, const struct link *was,
	const struct link *have)
{
	bool is_up = have->flags & IFF_UP;

	if (link_is_former(want)) {
		delta->to_up = !is_up && (want->flags & IFF_UP);
		delta->to_down = is_up && !(want->flags & IFF_UP);
	} else {
		delta->to_down = is_up && (want->set & (1U << LINK_DOWN)) &&
			(!was || (was->set & (1U << LINK_DOWN)));
	}
}

/* An address that was configured and is not any more goes when the port leaves its bond, not before. */
static uint32_t keeps_mac(const struct link_delta *delta, const struct link *have)
{
	return link_mark(have) && have->is_bonded && !(delta->attrs & (1U << LINK_MASTER))
		? link_mark(have) & (1U << LINK_MAC)
		: 0;
}

/* One that is to be as it was has the mark that it had. */
static const char *mark_name_of(const struct link *want)
{
	return link_is_former(want) ? want->mark_name : want->object.key;
}

static void find_marks(struct link_delta *delta, const struct link *want, const struct link *have)
{
	bool is_former = link_is_former(want);
	uint32_t group = have ? have->group : 0;
	uint32_t kept = have && !is_former ? keeps_mac(delta, have) : 0;

	delta->port_mark = is_former ? want->port_mark : want->kind ? 0 : mark_bits(want) | kept;
	if (have && delta->port_mark && !is_former)
		delta->port_mark |= owns_alias(have);
	if (is_former || want->kind)
		delta->group = link_mark_of(want);
	else
		delta->group = link_is_marked(group) ? 0 : group;
	if (have && link_is_made(have))
		delta->group |= link_follow_marks(have, delta->attrs) | kept;
	delta->has_group = delta->group != group;
	/* Others may have changed theirs meanwhile. */
	if (have && is_former && !link_is_marked(delta->group) && !link_is_made(have) &&
		!link_is_marked(group))
		delta->has_group = false;
	delta->mark_name = delta->port_mark ? mark_name_of(want) : have ? have->mark_name : NULL;
	delta->has_port_mark = have &&
		(delta->port_mark != have->port_mark ||
			!str_equal(delta->mark_name, have->mark_name));
}

bool link_is_for_bond(const struct link *want, const char *master)
{
	return *master && (link_is_former(want) ? want->is_bonded : link_is_bond(master));
}

/* What depends on the master: a bond's port has no flags, and its own MAC address only until it joins. */
static void find_port_delta(struct link_delta *delta, uint32_t set, const struct link *want,
	const struct link *was, const struct link *have)
{
	const char *master = (set & (1U << LINK_MASTER)) ? delta->master : have->master;
	bool moves = delta->attrs & (1U << LINK_MASTER);
	bool is_bonded = moves ? link_is_for_bond(want, master) : have->is_bonded;
	bool leaves = moves && have->is_bonded && link_has_mac(have->bond_port.own_mac);
	const uint8_t *mac = leaves ? have->bond_port.own_mac : have->mac; /* once it is out */

	if (is_bonded && link_is_former(want) && moves) /* what it had in there is the bond's */
		delta->attrs &= ~(1U << LINK_MTU);
	if (is_bonded && !moves)
		return;
	if (is_bonded && link_is_former(want)) /* it joined with its own */
		memcpy(delta->mac, want->bond_port.own_mac, sizeof(delta->mac));
	if ((set & (1U << LINK_MAC)) && link_has_mac(delta->mac) && memcmp(delta->mac, mac, 6))
		delta->attrs |= 1U << LINK_MAC;
	/* Out of its bridge it has no port flags; a new bridge begins with the defaults. */
	if (!(set & (1U << LINK_PORT)) || !*master || is_bonded)
		return;
	if (!moves && !link_is_former(want) && was && was->port.cost && !delta->port.cost) {
		delta->finds_cost = true;
		delta->port.cost = link_port_cost(have);
	}
	delta->port_fields =
		link_port_differences(&delta->port, moves ? &link_default_port : &have->port);
	if (delta->port_fields)
		delta->attrs |= 1U << LINK_PORT;
}

/* Others have called it otherwise. */
static bool has_lost_its_name(const struct link *want, const struct link *have)
{
	return !link_is_former(want) && !(want->set & (1U << LINK_NETNS)) && !*link_netns(have) &&
		*link_netns_name(have);
}

void link_find_delta(struct link_delta *delta, const struct link *want, const struct link *was,
	const struct link *have)
{
	uint32_t up = have ? given_up(want, was, have) : 0, set = want->set;

	*delta = (struct link_delta){ .mtu = want->mtu,
		.alias = link_alias(want),
		.master = want->master,
		.netns = link_netns(want),
		.netns_name = link_netns_name(want),
		.port = want->port };
	memcpy(delta->mac, want->mac, sizeof(delta->mac));
	if (!have) {
		find_marks(delta, want, have);
		delta->attrs = set & ~(1U << LINK_KIND | 1U << LINK_DOWN);
		delta->to_up = link_is_former(want) && (want->flags & IFF_UP);
		return;
	}
	if (up & (1U << LINK_MTU))
		delta->mtu = default_mtu(have);
	if (up & (1U << LINK_ALIAS))
		delta->alias = "";
	if (up & (1U << LINK_MASTER))
		delta->master = "";
	if (up & (1U << LINK_MAC))
		memcpy(delta->mac, default_mac(have), sizeof(delta->mac));
	if (up & (1U << LINK_PORT))
		delta->port = link_default_port;
	if (up & (1U << LINK_NETNS))
		delta->netns = delta->netns_name = "";
	set = (set | up) & ~link_follow_comes_back(want, have);
	if ((set & (1U << LINK_ALIAS)) && !str_equal(delta->alias, link_alias(have)))
		delta->attrs |= 1U << LINK_ALIAS;
	if ((set & (1U << LINK_MTU)) && delta->mtu != have->mtu)
		delta->attrs |= 1U << LINK_MTU;
	if ((set & (1U << LINK_MASTER)) && !str_equal(delta->master, have->master))
		delta->attrs |= 1U << LINK_MASTER;
	find_port_delta(delta, set, want, was, have);
	if ((set & (1U << LINK_NETNS)) &&
		(!str_equal(delta->netns, link_netns(have)) ||
			!str_equal(delta->netns_name, link_netns_name(have))))
		delta->attrs |= 1U << LINK_NETNS;
	if (has_lost_its_name(want, have))
		delta->attrs |= 1U << LINK_NETNS;
	find_marks(delta, want, have);
	compare_flags(delta, want, was, have);
}

/* What we have made is no port of the machine, whatever it is called. */
static bool is_in_place_of_port(const struct link *want, const struct link *have)
{
	return !link_is_former(want) &&
		(kernel_is_recording() ? have->kind != NULL : link_is_made(have));
}

static enum object_diff link_compare(const struct object *want_object, const struct object *was,
	const struct object *have_object)
{
	const struct link *want = (const struct link *)want_object;
	const struct link *have = (const struct link *)have_object;
	enum object_diff diff = OBJECT_SAME;
	struct link_delta delta;

	if (want->kind ? want->kind != have->kind : is_in_place_of_port(want, have))
		return OBJECT_RECREATE;
	if (want->kind && link_is_former(want) && want->ifindex != have->ifindex &&
		str_equal(link_netns(want), link_netns(have)))
		return OBJECT_RECREATE; /* the same again, and what was on it went with the old one */
	if (want->kind)
		diff = want->kind->compare(want, have);
	if (diff == OBJECT_RECREATE)
		return diff;
	link_find_delta(&delta, want, (const struct link *)was, have);
	if (kernel_is_recording())
		delta.has_group = delta.has_port_mark = delta.to_up = delta.to_down = false;
	return delta.attrs || delta.has_group || delta.has_port_mark || delta.to_up || delta.to_down
		? OBJECT_CHANGE
		: diff;
}

static void link_copy(struct object *to_object, const struct object *from_object)
{
	const struct link *from = (const struct link *)from_object;
	struct link *to = (struct link *)to_object;

	to->alias = xstrdup(from->alias);
	to->netns = xstrdup(from->netns);
	to->netns_name = xstrdup(from->netns_name);
	if (from_object->want)
		memset(to->paths, 0, sizeof(to->paths));
	else if (from->stats)
		to->stats = xmemdup(from->stats, sizeof(*from->stats));
	if (!from_object->want)
		to->mark_name = xstrdup(from->mark_name);
	if (!from_object->want && from->stp_stats)
		to->stp_stats = xmemdup(from->stp_stats, sizeof(*from->stp_stats));
}

static void link_done(struct object *object)
{
	struct link *link = (struct link *)object;

	free(link->alias);
	free(link->netns);
	free(link->netns_name);
	if (object->want)
		return;
	free(link->mark_name);
	free(link->stats);
	free(link->stp_stats);
}

static bool link_equal(const struct object *one_object, const struct object *other_object)
{
	const struct link *one = (const struct link *)one_object;
	const struct link *other = (const struct link *)other_object;
	size_t from = offsetof(struct link, set);

	return one->kind == other->kind && str_equal(one->alias, other->alias) &&
		str_equal(one->netns, other->netns) &&
		str_equal(one->netns_name, other->netns_name) &&
		!memcmp((const char *)one + from, (const char *)other + from,
			offsetof(struct link, paths) - from);
}

static void link_describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "interface %s", object->key);
}

static enum object_owner link_owner(const struct object *have)
{
	const struct link *link = (const struct link *)have;

	return link_mark(link) || link_is_made(link) ? OBJECT_OURS : OBJECT_FOREIGN;
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

/* A VLAN goes with the link below; a port stays when its bridge goes. */
static bool link_goes_with(const struct object *have, const char *gone)
{
	const struct link *link = (const struct link *)have;

	return link->kind == &link_kind_vlan && str_equal(link->vlan.lower, gone);
}

static const char *link_twin(const struct object *have)
{
	const struct link *link = (const struct link *)have;

	return link->kind == &link_kind_veth && *link->veth.peer ? link->veth.peer : NULL;
}

/* What leaves a bond is down. */
static const struct object_kind *link_takes_along(
	const struct object *want, const struct object *was, const struct object *have_object)
{
	const struct link *have = (const struct link *)have_object;
	struct link_delta delta;
	bool leaves;

	link_find_delta(&delta, (const struct link *)want, (const struct link *)was, have);
	leaves = have->is_bonded && (delta.attrs & (1U << LINK_MASTER)) &&
		!link_is_for_bond((const struct link *)want, delta.master);
	return leaves || delta.to_down ? &object_kind_link_up : NULL;
}

static bool link_can_be_added(const struct object *want)
{
	return kernel_is_recording() || ((const struct link *)want)->kind;
}

static bool link_is_same(const struct object *one, const struct object *other)
{
	return ((const struct link *)one)->ifindex == ((const struct link *)other)->ifindex;
}

static bool link_blocks(const struct object *have_object, const struct object *want_object)
{
	const struct link *have = (const struct link *)have_object;
	const struct link *want = (const struct link *)want_object;

	if (want->kind == &link_kind_veth && str_equal(want->veth.peer, have->object.key))
		return true;
	return want->kind && want->kind == have->kind && want->kind->blocks &&
		want->kind->blocks(have, want);
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
	.copy = link_copy,
	.done = link_done,
	.equal = link_equal,
	.blocks = link_blocks,
	.order = link_order,
	.vanishes = link_vanishes,
	.is_same = link_is_same,
	.goes_with = link_goes_with,
	.twin = link_twin,
	.takes_along = link_takes_along,
	.can_be_added = link_can_be_added,
	.is_removed_last = true,
	.describe = link_describe,
	.owner = link_owner,
	.groups = link_groups,
	.refresh = link_refresh,
};

/* --- without a kernel --------------------------------------------------------------------------- */

static void forget_all_of(const struct object_kind *kind, const char *name)
{
	void *const *objects;
	size_t count;

	while ((count = have_group(have_all(), kind, name, &objects)))
		have_remove(kind, ((const struct object *)objects[count - 1])->key);
}

/* When links went that are wanted: name → struct gone. */
static struct map gone;

struct gone {
	uint64_t ms;
	char name[KERNEL_NAME_MAX];
};

uint64_t link_gone_ms(const char *name)
{
	const struct gone *entry = gone.count ? map_get_str(&gone, name) : NULL;

	return entry ? entry->ms : 0;
}

static void note_gone(const char *name)
{
	struct gone *entry = map_get_str(&gone, name);

	if (!have_get(have_all(), &object_kind_link, name) ||
		!state_wanted(&object_kind_link, name))
		return;
	if (!entry) {
		entry = XNEW(struct gone);
		snprintf(entry->name, sizeof(entry->name), "%s", name);
		map_put_str(&gone, entry->name, entry);
	}
	entry->ms = clock_ms();
}

void link_forget_gone(void)
{
	struct gone *entry;
	size_t at = 0;

	while ((entry = map_next(&gone, &at)))
		free(entry);
	map_done(&gone);
	memset(&gone, 0, sizeof(gone));
}

void link_forget(const char *name)
{
	note_gone(name);
	have_remove(&object_kind_link_up, name);
	have_remove(&object_kind_bridge_stp_off, name);
	have_remove(&object_kind_wireguard, name);
	ethernet_link_gone(name);
	link_local_forget(name);
	sysctl_link_gone(name);
	forget_all_of(&object_kind_address, name);
	forget_all_of(&object_kind_neighbour, name);
	neighbour_forget_learned(name);
	route_link_gone(name);
	bridge_vlan_link_gone(name);
	bridge_multicast_link_gone(name);
	bridge_mdb_link_gone(name);
	bridge_fdb_link_gone(name);
	have_remove(&object_kind_link, name);
}

void link_record(const struct step *step)
{
	static uint32_t ifindex;
	struct link *link;

	if (step->op == STEP_REMOVE) {
		link_forget(step->have->key);
		return;
	}
	link = object_copy(step->want);
	link->ifindex = step->have ? ((const struct link *)step->have)->ifindex : ++ifindex;
	link->arptype = str_equal(link->object.key, "lo") ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
	link->has_mac = link_has_mac(link->mac);
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
