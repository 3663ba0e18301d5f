/*
 * What is found out of the spanning tree. The kernel keeps no record of when it has changed; which part a port
 * plays follows from who is designated.
 */
#include <linux/if_bridge.h>
#include <string.h>

#include "ashlar/str.h"

#include "bridge-stp.h"

#define PRIORITY_SHIFT 12 /* of an identifier of 16 bits; what follows is a number */
#define NUMBER_MASK    0x0fffU

static int show_number(uint16_t id, const char *name, struct lyd_node *node, struct err *err)
{
	int r = build_u64(node, "priority", id >> PRIORITY_SHIFT, err);

	return r < 0 ? r : build_u64(node, name, id & NUMBER_MASK, err);
}

static int show_bridge_id(
	const struct link_stp_id *id, const char *name, struct lyd_node *parent, struct err *err)
{
	struct lyd_node *node = NULL;
	char mac[18];
	int r = build_container(parent, name, &node, err);

	if (r == 0)
		r = show_number(
			(uint16_t)(id->bytes[0] << 8 | id->bytes[1]), "system-id", node, err);
	if (r < 0)
		return r;
	str_mac(mac, id->bytes + 2);
	return build_leaf(node, "address", mac, err);
}

static int show_port_id(uint16_t id, struct lyd_node *parent, struct err *err)
{
	struct lyd_node *node = NULL;
	int r = build_container(parent, "port-id", &node, err);

	return r < 0 ? r : show_number(id, "port-id", node, err);
}

/* --- a bridge ---------------------------------------------------------------------------------- */

static const struct link *root_port(const struct link *bridge, const struct have *have)
{
	void *const *links;
	size_t count = have_group(have, &object_kind_link, bridge->object.key, &links);

	for (size_t i = 0; bridge->bridge.root_port && i < count; i++) {
		const struct link *link = links[i];

		if (str_equal(link->master, bridge->object.key) &&
			link->port.number == bridge->bridge.root_port)
			return link;
	}
	return NULL;
}

int bridge_stp_show(
	const struct link *link, const struct have *have, struct lyd_node *bridge, struct err *err)
{
	const struct link *port = root_port(link, have);
	struct lyd_node *stp = NULL, *cist = NULL, *change = NULL;
	int r = build_container(bridge, "stp", &stp, err);

	/* The highest version that is spoken, whatever may be. */
	if (r == 0)
		r = build_leaf(stp, "force-protocol", "stp", err);
	if (r == 0)
		r = build_container(stp, "cist", &cist, err);
	if (r == 0)
		r = show_bridge_id(&link->bridge.id, "bridge-id", cist, err);
	if (r == 0)
		r = show_bridge_id(&link->bridge.root_id, "root-id", cist, err);
	if (r == 0 && port)
		r = build_leaf(cist, "root-port", port->object.key, err);
	if (r == 0)
		r = build_container(cist, "topology-change", &change, err);
	return r < 0 ? r : build_bool(change, "in-progress", link->bridge.topology_changes, err);
}

/* --- a port ------------------------------------------------------------------------------------ */

static const char *state_of(uint8_t state)
{
	static const char *const names[] = {
		[BR_STATE_DISABLED] = "disabled",
		[BR_STATE_LISTENING] = "listening",
		[BR_STATE_LEARNING] = "learning",
		[BR_STATE_FORWARDING] = "forwarding",
		[BR_STATE_BLOCKING] = "blocking",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "disabled";
}

static const char *role_of(const struct link_port *port, const struct link_bridge *bridge)
{
	bool is_own = !memcmp(&port->designated_bridge, &bridge->id, sizeof(bridge->id));

	if (port->state == BR_STATE_DISABLED)
		return "disabled";
	if (bridge->root_port && bridge->root_port == port->number)
		return "root";
	if (!is_own)
		return "alternate";
	return port->designated_port == port->id ? "designated" : "backup";
}

static int show_statistics(
	const struct link_stp_stats *stats, struct lyd_node *stp, struct err *err)
{
	const struct {
		const char *name;
		uint64_t value;
	} counters[] = {
		{ "in-bpdus", stats->rx_bpdu },
		{ "in-tcns", stats->rx_tcn },
		{ "out-bpdus", stats->tx_bpdu },
		{ "out-tcns", stats->tx_tcn },
		{ "to-blocking", stats->to_blocking },
		{ "to-forwarding", stats->to_forwarding },
	};
	struct lyd_node *node = NULL;
	int r = build_container(stp, "statistics", &node, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(counters); i++)
		r = build_u64(node, counters[i].name, counters[i].value, err);
	return r;
}

int bridge_stp_show_port(
	const struct link *link, const struct link *bridge, struct lyd_node *port, struct err *err)
{
	struct lyd_node *stp = NULL, *cist = NULL, *designated = NULL;
	int r = build_container(port, "stp", &stp, err);

	if (r == 0)
		r = build_container(stp, "cist", &cist, err);
	if (r == 0)
		r = build_leaf(cist, "state", state_of(link->port.state), err);
	if (r < 0 || !bridge->bridge.stp)
		return r;
	r = build_u64(cist, "priority", link->port.id >> PRIORITY_SHIFT, err);
	if (r == 0)
		r = build_u64(cist, "external-path-cost", link->port.cost, err);
	if (r == 0)
		r = show_port_id(link->port.id, cist, err);
	if (r == 0)
		r = build_leaf(cist, "role", role_of(&link->port, &bridge->bridge), err);
	if (r == 0)
		r = build_container(cist, "designated", &designated, err);
	if (r == 0)
		r = show_bridge_id(&link->port.designated_bridge, "bridge-id", designated, err);
	if (r == 0)
		r = show_port_id(link->port.designated_port, designated, err);
	return r == 0 && link->stp_stats ? show_statistics(link->stp_stats, stp, err) : r;
}
