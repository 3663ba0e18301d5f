/*
 * What an interface brings to its bridge: membership and the flags of the port. PVID and VLAN membership
 * are in bridge-vlan.c. A bridge has a bridge-port of its own that holds only its PVID.
 */
#include <errno.h>

#include "ashlar/str.h"

#include "interface.h"

#define PORT   "infix-interfaces:bridge-port"
#define MASTER PORT "/bridge"

static uint8_t read_router(const char *text)
{
	if (str_equal(text, "off"))
		return 0;
	return str_equal(text, "permanent") ? 2 : 1;
}

static int check(const struct unit *unit, struct err *err)
{
	if (str_equal(node_text(unit->node, MASTER, NULL), interface_name(unit->node)))
		return err_set(err, -EINVAL, MASTER, "an interface cannot be a port of itself");
	return 0;
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
	link->port.multicast_router =
		read_router(node_text(node, PORT "/multicast/router", "auto"));
	return 0;
}

/* --- show -------------------------------------------------------------------------------------- */

static const char *state_of(uint8_t state)
{
	static const char *const names[] = { "disabled", "listening", "learning", "forwarding",
		"blocking" };

	return state < ARRAY_SIZE(names) ? names[state] : "disabled";
}

/* The master may be a bond, or something that others made. */
static bool is_bridge_port(const struct link *link, const struct have *have)
{
	const struct link *master =
		link && *link->master ? have_get(have, &object_kind_link, link->master) : NULL;

	return master && master->kind == &link_kind_bridge;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct link *link = interface_seen(unit, have, node);
	struct lyd_node *port = NULL, *stp = NULL, *cist = NULL;
	int r;

	if (!is_bridge_port(link, have))
		return 0;
	r = build_container(node, PORT, &port, err);
	if (r == 0)
		r = build_leaf(port, "bridge", link->master, err);
	if (r == 0)
		r = build_container(port, "stp", &stp, err);
	if (r == 0)
		r = build_container(stp, "cist", &cist, err);
	return r < 0 ? r : build_leaf(cist, "state", state_of(link->port.state), err);
}

const struct feature feature_bridge_port = {
	.name = "bridge-port",
	.roots =
		(const char *const[]){
			INTERFACE_PATH "/infix-interfaces:bridge-port",
			NULL,
		},
	.except =
		(const char *const[]){
			INTERFACE_PATH "/infix-interfaces:bridge-port/stp/edge",
			INTERFACE_PATH "/infix-interfaces:bridge-port/stp/cist/internal-path-cost",
			INTERFACE_PATH "/infix-interfaces:bridge-port/stp/cist/priority",
			INTERFACE_PATH "/infix-interfaces:bridge-port/stp/cist/external-path-cost",
			NULL,
		},
	.check = check,
	.want = want,
	.show = show,
};
