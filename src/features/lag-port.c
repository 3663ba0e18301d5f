/*
 * An interface as a port of a link aggregate. While it is one its MAC address is that of the aggregate,
 * whatever is configured.
 */
#include <errno.h>
#include <linux/if_bonding.h>

#include "ashlar/str.h"

#include "interface.h"

#define PORT   "infix-interfaces:lag-port"
#define MASTER PORT "/lag"

static int check(const struct unit *unit, struct err *err)
{
	const char *master = node_text(unit->node, MASTER, NULL);

	if (!master || !interface_is_above(unit->node, master))
		return 0;
	return err_set(err, -EINVAL, MASTER,
		"%s is on top of %s and cannot be one of its ports as well: that is a loop",
		interface_name(unit->node), master);
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const char *master = node_text(unit->node, MASTER, NULL);
	struct link *link;
	int r;

	if (!master)
		return 0;
	link = interface_link(unit, want);
	r = link_set(link, LINK_MASTER, MASTER, err);
	if (r == 0)
		r = interface_copy_name(link->master, master, MASTER, err);
	if (r < 0)
		return r;
	want_needs(link, &object_kind_link, link->master);
	return 0;
}

/* IEEE 802.1AX, section 6.4.2.3: the bits from the lowest on. */
static int show_states(struct lyd_node *lacp, const char *name, uint8_t state, struct err *err)
{
	static const char *const names[] = { "active", "short_timeout", "aggregating", "in_sync",
		"collecting", "distributing", "defaulted", "expired" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++) {
		if (state & (1U << i))
			r = build_item(lacp, name, names[i], err);
	}
	return r;
}

static int show_lacp(const struct link_bond_port *seen, struct lyd_node *port, struct err *err)
{
	struct lyd_node *lacp = NULL;
	int r = build_container(port, "lacp", &lacp, err);

	if (r == 0)
		r = build_u64(lacp, "aggregator-id", seen->aggregator, err);
	if (r == 0)
		r = show_states(lacp, "actor-state", seen->actor_state, err);
	return r < 0 ? r : show_states(lacp, "partner-state", seen->partner_state, err);
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct link *link = interface_seen(unit, have, node);
	const struct link *master =
		link && *link->master ? have_get(have, &object_kind_link, link->master) : NULL;
	struct lyd_node *port = NULL;
	int r;

	if (!master || master->kind != &link_kind_bond)
		return 0;
	r = build_container(node, PORT, &port, err);
	if (r == 0)
		r = build_leaf(port, "lag", link->master, err);
	if (r == 0)
		r = build_leaf(port, "state", link->bond_port.is_active ? "active" : "backup", err);
	if (r == 0)
		r = build_u64(port, "link-failures", link->bond_port.failures, err);
	if (r == 0 && master->bond.mode == BOND_MODE_8023AD)
		r = show_lacp(&link->bond_port, port, err);
	return r;
}

const struct feature feature_lag_port = {
	.name = "lag-port",
	.roots = (const char *const[]){ INTERFACE_PATH "/infix-interfaces:lag-port", NULL },
	.check = check,
	.want = want,
	.show = show,
	.silent =
		(const char *const[]){
			INTERFACE_PATH "/infix-interfaces:lag-port/lacp",
			INTERFACE_PATH "/infix-interfaces:lag-port/link-failures",
			NULL,
		},
};
