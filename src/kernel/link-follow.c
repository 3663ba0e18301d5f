/*
 * What a link has from others: a bridge the lowest MAC address and the lowest MTU of its ports, a VLAN those of the
 * link below. The kernel sees to it, but for ever stops where it was told another once: such a bridge or VLAN
 * keeps the mark of that (link.h), and is made to follow. The MTU of a VLAN is lowered with that of the link
 * below, and raised only here.
 */
#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/state.h"
#include "ashlar/str.h"

#include "link.h"

#define STACK_MAX 8 /* links on top of each other, as the kernel has it */

static char kept[KERNEL_NAME_MAX]; /* the last bridge of the batch that was given its own address */

/* What the kernel does not do by itself any more once it was set, as it was or is now (@attrs). */
uint32_t link_follow_marks(const struct link *have, uint32_t attrs)
{
	uint32_t bits = 1U << LINK_MAC;

	if (have->kind != &link_kind_bridge && have->kind != &link_kind_vlan)
		return 0;
	if (have->kind == &link_kind_bridge)
		bits |= 1U << LINK_MTU;
	return (link_mark(have) | attrs) & bits;
}

uint32_t link_follow_attrs(const struct link *have)
{
	bool is_vlan = have->kind == &link_kind_vlan && link_is_made(have);

	if (!have->ifindex)
		return 0; /* one that is made just now has them from the start */
	if (have->kind == &link_kind_bridge && link_is_made(have) && !link_has_mac(have->mac))
		return link_follow_marks(have, 1U << LINK_MAC); /* somebody took its last port */
	return link_follow_marks(have, 0) | (is_vlan ? 1U << LINK_MTU : 0);
}

static bool is_another_s_mac(const uint8_t mac[6], const char *key)
{
	const struct link *link;
	size_t at = 0;

	while ((link = have_next(have_all(), &object_kind_link, &at))) {
		if (!memcmp(link->mac, mac, 6) && !str_equal(link->object.key, key))
			return true;
	}
	return false;
}

uint32_t link_follow_comes_back(const struct link *want, const struct link *have)
{
	uint32_t marks = link_mark(want) | (have ? link_mark(have) : 0), bits = 0;

	if (!link_is_former(want))
		return 0;
	if (want->kind == &link_kind_bridge && is_another_s_mac(want->mac, want->object.key))
		bits = 1U << LINK_MAC | 1U << LINK_MTU;
	else if (want->kind == &link_kind_bridge)
		bits = 1U << LINK_MTU;
	else if (want->kind == &link_kind_vlan)
		bits = 1U << LINK_MAC;
	return bits & ~marks;
}

/* A bridge that chooses by itself takes the lowest of its ports'. */
const uint8_t *link_follow_mac(const struct link *bridge)
{
	const uint8_t *lowest = bridge->perm_mac;
	void *const *links;
	size_t count = have_group(have_all(), &object_kind_link, bridge->object.key, &links);

	for (size_t i = 0; i < count; i++) {
		const struct link *port = links[i];

		if (str_equal(port->master, bridge->object.key) &&
			(!link_has_mac(lowest) || memcmp(port->mac, lowest, 6) < 0))
			lowest = port->mac;
	}
	return lowest;
}

/* A bridge can carry what all of its ports can. */
uint32_t link_follow_mtu(const struct link *bridge)
{
	uint32_t lowest = UINT32_MAX;
	void *const *links;
	size_t count = have_group(have_all(), &object_kind_link, bridge->object.key, &links);

	for (size_t i = 0; i < count; i++) {
		const struct link *port = links[i];

		if (str_equal(port->master, bridge->object.key) && port->mtu < lowest)
			lowest = port->mtu;
	}
	return lowest == UINT32_MAX ? ETH_DATA_LEN : lowest;
}

/* --- before its ports go ------------------------------------------------------------------------ */

/* What a bridge is to have: ports that are there, and something of its own in a VLAN or on top of it. */
struct around {
	const char *bridge;
	bool has_port, has_own;
};

static void look_around(const struct object *object, void *arg)
{
	const struct link *link = (const struct link *)object;
	struct around *around = arg;

	if (object->kind == &object_kind_link && str_equal(link->master, around->bridge))
		around->has_port |= link_index(object->key, NULL) != 0;
	else if (object->kind == &object_kind_link)
		around->has_own = true;
	else if (object->kind == &object_kind_bridge_vlan)
		around->has_own |=
			str_equal(((const struct bridge_vlan *)object)->link, around->bridge);
}

/*
 * A bridge whose last port leaves has no address from then on, and nothing of its own could be put in a VLAN or
 * on top of it. Where that is to be it gets the address that it has for its own before.
 */
void link_follow_keep_mac(struct nl_batch *batch, struct step *step, const char *name)
{
	const struct link *bridge = have_get(have_all(), &object_kind_link, name);
	const struct link *want = (const struct link *)state_wanted(&object_kind_link, name);
	struct around around = { name, false, false };
	struct nlmsghdr *nlh;

	if (!bridge || !want || want->kind != &link_kind_bridge || !link_is_made(bridge) ||
		bridge->kind != want->kind || (link_mark(bridge) & (1U << LINK_MAC)) ||
		!link_has_mac(bridge->mac) || str_equal(kept, name))
		return;
	state_each_needing(&object_kind_link, name, look_around, &around);
	if (around.has_port || !around.has_own)
		return;
	snprintf(kept, sizeof(kept), "%s", name);
	nlh = nl_batch_begin(batch, nl_of(""), RTM_NEWLINK, 0, step, 0);
	((struct ifinfomsg *)mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg)))->ifi_index =
		(int)bridge->ifindex;
	mnl_attr_put(nlh, IFLA_ADDRESS, 6, bridge->mac);
	mnl_attr_put_u32(nlh, IFLA_GROUP, bridge->group | 1U << LINK_MAC);
	nl_batch_end(batch);
}

/* Of all bridges that a link's removal takes a port from: VLANs on top of it go as well, and the other end. */
static void keep_macs(
	struct nl_batch *batch, struct step *step, const struct link *link, unsigned depth)
{
	const struct link *peer = link->kind == &link_kind_veth
		? have_get(have_all(), &object_kind_link, link->veth.peer)
		: NULL;
	void *const *links;
	size_t count = have_group(have_all(), &object_kind_link, link->object.key, &links);

	if (*link->master)
		link_follow_keep_mac(batch, step, link->master);
	if (!depth)
		return;
	for (size_t i = 0; i < count; i++) {
		const struct link *above = links[i];

		if (above->kind == &link_kind_vlan &&
			str_equal(above->vlan.lower, link->object.key))
			keep_macs(batch, step, above, depth - 1);
	}
	if (peer)
		keep_macs(batch, step, peer, 0);
}

void link_follow_keep_macs(struct nl_batch *batch, struct step *step, const struct link *link)
{
	keep_macs(batch, step, link, STACK_MAX);
}

void link_follow_forget(void)
{
	kept[0] = '\0';
}
