/*
 * What an interface brings to its bridge: membership and the flags of the port. PVID and VLAN membership
 * are in bridge-vlan.c. A bridge has a bridge-port of its own that holds only its PVID.
 */
#include <errno.h>

#include "ashlar/str.h"

#include "bridge-multicast.h"
#include "bridge-stp.h"
#include "bridge.h"
#include "interface.h"

#define PORT   "infix-interfaces:bridge-port"
#define MASTER PORT "/bridge"
#define COST   PORT "/stp/cist/external-path-cost"
#define TREE   INTERFACE_PATH "/infix-interfaces:bridge-port/stp/cist"

#define PRIORITY_SCALE 4 /* of 16 steps; the kernel's are 64 */
#define COST_MAX       65535 /* of the kernel's spanning tree (802.1D, 1998); later ones count further */

/* 0: as the kernel finds it, by the speed. */
static uint32_t read_cost(const char *text)
{
	uint64_t cost = 0;

	return str_u64(text, 1, COST_MAX, &cost) < 0 ? 0 : (uint32_t)cost;
}

static int check_cost(const struct lyd_node *node, struct err *err)
{
	const char *cost = node_text(node, COST, "auto");

	if (str_equal(cost, "auto") || read_cost(cost))
		return 0;
	return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, COST,
		"%s: the kernel's spanning tree takes a cost of 1 to %d, or auto", cost, COST_MAX);
}

static int check(const struct unit *unit, struct err *err)
{
	const char *bridge = node_text(unit->node, MASTER, NULL);

	if (!bridge)
		return 0;
	if (str_equal(bridge, interface_name(unit->node)))
		return err_set(err, -EINVAL, MASTER, "an interface cannot be a port of itself");
	if (interface_is_above(unit->node, bridge))
		return err_set(err, -EINVAL, MASTER,
			"%s is on top of %s and cannot be one of its ports as well: that is a loop",
			interface_name(unit->node), bridge);
	return check_cost(unit->node, err);
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const struct lyd_node *node = unit->node;
	const char *master = node_text(node, MASTER, NULL);
	struct link *link;
	int r;

	if (!master)
		return 0;
	link = interface_link(unit, want);
	r = link_set(link, LINK_MASTER, MASTER, err);
	if (r == 0)
		r = link_set(link, LINK_PORT, PORT, err);
	if (r == 0)
		r = interface_copy_name(link->master, master, MASTER, err);
	if (r < 0)
		return r;
	want_needs(link, &object_kind_link, link->master);
	link->port.flood_broadcast = node_bool(node, PORT "/flood/broadcast", true);
	link->port.flood_unicast = node_bool(node, PORT "/flood/unicast", true);
	link->port.flood_multicast = node_bool(node, PORT "/flood/multicast", true);
	link->port.fast_leave = node_bool(node, PORT "/multicast/fast-leave", false);
	link->port.multicast_router = bridge_multicast_router(node);
	link->port.isolated = node_bool(node, PORT "/ashlar-bridge:isolated", false);
	link->port.locked = node_bool(node, PORT "/ashlar-bridge:locked", false);
	link->port.learning = node_bool(node, PORT "/ashlar-bridge:learning", true);
	link->port.priority =
		(uint16_t)(node_u64(node, PORT "/stp/cist/priority", 8) * PRIORITY_SCALE);
	link->port.group_forward =
		bridge_groups(interface_find(node, master)) & BRIDGE_GROUPS_OF_PORTS;
	link->port.cost = read_cost(node_text(node, COST, "auto"));
	return 0;
}

/* --- what is forwarded is said of the bridge -------------------------------------------------------- */

static void add_port(const struct object *object, void *arg)
{
	if (object->kind == &object_kind_link &&
		((const struct link *)object)->set & (1U << LINK_PORT))
		unit_set_add_path(arg, want_unit_path(object->want));
}

/* Ports that the same change adds are asked anyway. */
static void groups_affect(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	state_each_needing(
		&object_kind_link, interface_name(node_ancestor(node, "interface")), add_port, set);
}

/* --- show -------------------------------------------------------------------------------------- */

static const char *router_of(uint8_t router)
{
	static const char *const names[] = { "off", "auto", "permanent" };

	/* 3: one was heard of */
	return names[router < ARRAY_SIZE(names) ? router : 1];
}

static int show_flags(const struct link_port *port, struct lyd_node *node, struct err *err)
{
	const struct {
		const char *container, *name;
		bool value;
	} flags[] = {
		{ "flood", "broadcast", port->flood_broadcast },
		{ "flood", "unicast", port->flood_unicast },
		{ "flood", "multicast", port->flood_multicast },
		{ "multicast", "fast-leave", port->fast_leave },
		{ NULL, "ashlar-bridge:isolated", port->isolated },
		{ NULL, "ashlar-bridge:locked", port->locked },
		{ NULL, "ashlar-bridge:learning", port->learning },
	};
	struct lyd_node *multicast = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(flags); i++) {
		struct lyd_node *parent = node;

		if (flags[i].container)
			r = build_container(node, flags[i].container, &parent, err);
		if (r == 0)
			r = build_bool(parent, flags[i].name, flags[i].value, err);
	}
	if (r == 0)
		r = build_container(node, "multicast", &multicast, err);
	return r < 0 ? r : build_leaf(multicast, "router", router_of(port->multicast_router), err);
}

/* NULL: its master is a bond, or something that others made. */
static const struct link *bridge_of(const struct link *link, const struct have *have)
{
	const struct link *master =
		link && *link->master ? have_get(have, &object_kind_link, link->master) : NULL;

	return master && master->kind == &link_kind_bridge ? master : NULL;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct link *link = interface_seen(unit, have, node), *bridge = bridge_of(link, have);
	struct lyd_node *port = NULL;
	int r;

	if (!bridge)
		return 0;
	r = build_container(node, PORT, &port, err);
	if (r == 0)
		r = build_leaf(port, "bridge", link->master, err);
	if (r == 0)
		r = show_flags(&link->port, port, err);
	return r < 0 ? r : bridge_stp_show_port(link, bridge, port, err);
}

const struct feature feature_bridge_port = {
	.name = "bridge-port",
	.modules = (const struct feature_module[]){ { "ashlar-bridge", NULL }, { NULL, NULL } },
	.roots =
		(const char *const[]){
			INTERFACE_PATH "/infix-interfaces:bridge-port",
			NULL,
		},
	.reads =
		(const struct feature_reads[]){
			{ INTERFACE_PATH "/infix-interfaces:bridge/ieee-group-forward",
				groups_affect },
			{ NULL, NULL },
		},
	.except =
		(const char *const[]){
			INTERFACE_PATH "/infix-interfaces:bridge-port/stp/edge",
			TREE "/internal-path-cost",
			NULL,
		},
	/* Of the tree only states of ports are told as they change. */
	.silent =
		(const char *const[]){
			TREE "/external-path-cost",
			TREE "/port-id",
			TREE "/role",
			TREE "/designated",
			INTERFACE_PATH "/infix-interfaces:bridge-port/stp/statistics",
			NULL,
		},
	.check = check,
	.want = want,
	.show = show,
};
