/*
 * Bridges: the link itself. Its ports are in bridge-port.c, its VLANs in bridge-vlan.c.
 *
 * A bridge is made with filtering as configured and without a default PVID, so that a port carries nothing
 * before it is a member of a VLAN. Two of the reserved groups are forwarded by what its ports are told: see
 * bridge.h.
 *
 * The kernel's own spanning tree is the original one (802.1D, 1998). Bridges that speak rapid spanning tree
 * understand it, and force-protocol names the highest version that may be spoken: rstp is the model's default.
 * What is spoken is stp, as operational state says; one who asks for rstp by name finds that among what is not
 * applied.
 */
#include <linux/if_ether.h>
#include <stdio.h>

#include "ashlar/str.h"

#include "bridge-multicast.h"
#include "bridge-stp.h"
#include "bridge-vlan.h"
#include "bridge.h"
#include "interface.h"

#define BRIDGE	"infix-interfaces:bridge"
#define FORWARD BRIDGE "/ieee-group-forward"
#define VLANS	BRIDGE "/vlans"
#define STP	BRIDGE "/stp"
#define TREE	INTERFACE_PATH "/infix-interfaces:bridge/stp/cist"

static int fill(struct edit *edit, const struct unit *unit, struct err *err)
{
	if (!str_equal(interface_guess(interface_name(unit->node), NULL, NULL), "bridge"))
		return 0;
	return interface_fill_type(edit, unit, "bridge", err);
}

/* Last octet of the group's address. */
static unsigned read_group(const char *text)
{
	static const struct {
		const char *name;
		unsigned group;
	} names[] = { { "stp", 0 }, { "lacp", 2 }, { "dot1x", 3 }, { "lldp", 14 } };
	uint64_t group = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (str_equal(names[i].name, text))
			return names[i].group;
	}
	return str_u64(text, 0, 15, &group) < 0 ? 0 : (unsigned)group;
}

uint16_t bridge_groups(const struct lyd_node *entry)
{
	const struct lyd_node *item;
	uint16_t mask = 0;

	NODE_FOREACH (item, node_child(entry, BRIDGE), "ieee-group-forward")
		mask |= (uint16_t)(1U << read_group(node_value(item)));
	return mask;
}

static int check(const struct unit *unit, struct err *err)
{
	if (!interface_is(unit->node, "bridge"))
		return 0;
	if (!kernel_can(KERNEL_CAN_BRIDGE))
		return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, "type",
			"the kernel of this device has no bridges");
	if (node_exists(unit->node, VLANS) && !kernel_can(KERNEL_CAN_VLAN_FILTERING))
		return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, VLANS,
			"the bridges of this device's kernel cannot keep VLANs apart "
			"(bridge VLAN filtering)");
	if (bridge_groups(unit->node) & (1U << BRIDGE_GROUP_PAUSE))
		return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, FORWARD "[.='1']",
			"pause frames (1) end at the port, no bridge forwards them");
	return 0;
}

static bool asks_for_rstp(const struct lyd_node *node)
{
	const struct lyd_node *leaf = node_at(node, STP "/force-protocol");

	return leaf && !(leaf->flags & LYD_DEFAULT) && str_equal(node_value(leaf), "rstp");
}

static void want_stp(const struct lyd_node *node, const struct link *link, struct want *want)
{
	const char *key = link->object.key;

	if (!link->bridge.stp)
		want_needs(want_object(want, &object_kind_bridge_stp_off, key, STP),
			&object_kind_link, key);
	else if (asks_for_rstp(node))
		want_object(want, &object_kind_bridge_rapid_stp, key, STP "/force-protocol");
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const struct lyd_node *node = unit->node;
	struct link_bridge *bridge;
	struct link *link;
	int r;

	if (!interface_is(node, "bridge"))
		return 0;
	link = interface_link(unit, want);
	r = link_set(link, LINK_KIND, BRIDGE, err);
	if (r < 0)
		return r;
	link->kind = &link_kind_bridge;
	bridge = &link->bridge;
	bridge->vlan_filtering = node_exists(node, VLANS);
	bridge->vlan_protocol = str_equal(node_identity(node, VLANS "/proto"), "s-vlan")
		? ETH_P_8021AD
		: ETH_P_8021Q;
	bridge->group_fwd_mask = bridge_groups(node) & (uint16_t)~BRIDGE_GROUPS_OF_PORTS;
	bridge->stp = node_exists(node, STP);
	want_stp(node, link, want);
	bridge->stp_priority = (uint16_t)(node_u64(node, STP "/cist/priority", 8) * 4096);
	bridge->stp_hello_s = (uint16_t)node_u64(node, STP "/hello-time", 2);
	bridge->stp_forward_delay_s = (uint16_t)node_u64(node, STP "/forward-delay", 15);
	bridge->stp_max_age_s = (uint16_t)node_u64(node, STP "/max-age", 20);
	bridge_multicast_fill(node, bridge);
	return 0;
}

/* --- show -------------------------------------------------------------------------------------- */

/* By the bridge, or by each of its ports. */
static uint16_t groups_forwarded(const struct link *bridge, const struct have *have)
{
	void *const *links;
	size_t count = have_group(have, &object_kind_link, bridge->object.key, &links), ports = 0;
	uint16_t by_all = UINT16_MAX;

	for (size_t i = 0; i < count; i++) {
		const struct link *link = links[i];

		if (!str_equal(link->master, bridge->object.key))
			continue;
		by_all &= link->port.group_forward;
		ports++;
	}
	return bridge->bridge.group_fwd_mask | (ports ? by_all : 0);
}

static int show_groups(
	const struct link *link, const struct have *have, struct lyd_node *bridge, struct err *err)
{
	uint16_t mask = groups_forwarded(link, have);
	char text[4];
	int r = 0;

	if (node_exists(bridge, "ieee-group-forward"))
		return 0;
	for (unsigned group = 0; r == 0 && group < 16; group++) {
		if (!(mask & (1U << group)))
			continue;
		snprintf(text, sizeof(text), "%u", group);
		r = build_item(bridge, "ieee-group-forward", text, err);
	}
	return r;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct link *link = interface_seen(unit, have, node);
	struct lyd_node *bridge = NULL, *vlans = NULL;
	int r;

	if (!link || link->kind != &link_kind_bridge || !interface_is_shown_as(node, "bridge"))
		return 0;
	r = build_container(node, BRIDGE, &bridge, err);
	if (r == 0)
		r = show_groups(link, have, bridge, err);
	if (r == 0 && link->bridge.vlan_filtering)
		r = build_container(bridge, "vlans", &vlans, err);
	if (r == 0 && vlans)
		r = bridge_vlan_show_others(unit, link, have, vlans, err);
	if (r == 0 && link->bridge.stp)
		r = bridge_stp_show(link, have, bridge, err);
	return r;
}

const struct feature feature_bridge = {
	.name = "bridge",
	.roots =
		(const char *const[]){
			INTERFACE_PATH "/infix-interfaces:bridge",
			NULL,
		},
	.except =
		(const char *const[]){
			INTERFACE_VLANS_PATH,
			INTERFACE_PATH "/infix-interfaces:bridge/stp/transmit-hold-count",
			INTERFACE_PATH "/infix-interfaces:bridge/stp/max-hops",
			NULL,
		},
	.vital = (const char *const[]){ INTERFACE_PATH "/infix-interfaces:bridge/vlans", NULL },
	.link_types = (const char *const[]){ "bridge", NULL },
	.silent =
		(const char *const[]){
			TREE "/root-id",
			TREE "/root-port",
			TREE "/topology-change",
			NULL,
		},
	.fill = fill,
	.check = check,
	.want = want,
	.show = show,
};
