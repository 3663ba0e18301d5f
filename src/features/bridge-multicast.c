/*
 * Multicast snooping, queriers and groups given by hand, of a bridge as a whole or of each of its VLANs.
 *
 * A bridge that keeps VLANs apart snoops on each by itself as soon as one of them is to; those that are not
 * flood. What the kernel cannot tell apart by VLAN is whether queries bear the bridge's own address (auto) or
 * none (proxy): with a proxy among the queriers none does, because a query with an address may silence the
 * querier that a proxy stands in for.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "ashlar/str.h"

#include "bridge-multicast.h"
#include "interface.h"

#define BRIDGE	  "infix-interfaces:bridge"
#define PORT	  "infix-interfaces:bridge-port"
#define VLANS	  BRIDGE "/vlans"
#define MULTICAST "infix-interfaces:multicast"
#define FILTERS	  "infix-interfaces:multicast-filters"

/* What one "multicast" says; NULL: there is none. */
struct settings {
	bool snooping, querier, has_address;
	uint16_t query_interval_s;
};

static struct settings read_settings(const struct lyd_node *multicast)
{
	const char *querier = multicast ? node_text(multicast, "querier", "auto") : "off";

	return (struct settings){
		.snooping = multicast && node_bool(multicast, "snooping", true),
		.querier = !str_equal(querier, "off"),
		.has_address = str_equal(querier, "auto"),
		.query_interval_s =
			(uint16_t)node_u64(multicast, "query-interval", MULTICAST_QUERY_S),
	};
}

static void fill_by_vlan(const struct lyd_node *vlans, struct link_bridge *bridge)
{
	const struct lyd_node *vlan;
	bool has_proxy = false;

	bridge->multicast = multicast_intervals(MULTICAST_QUERY_S);
	NODE_FOREACH (vlan, vlans, "vlan") {
		struct settings settings = read_settings(node_child(vlan, MULTICAST));

		if (!settings.snooping)
			continue;
		bridge->multicast_snooping = bridge->multicast_by_vlan = true;
		bridge->multicast_query_ifaddr |= settings.querier && settings.has_address;
		has_proxy |= settings.querier && !settings.has_address;
	}
	bridge->multicast_query_ifaddr &= !has_proxy;
}

void bridge_multicast_fill(const struct lyd_node *node, struct link_bridge *bridge)
{
	const struct lyd_node *vlans = node_at(node, VLANS);
	struct settings settings;

	if (vlans) {
		fill_by_vlan(vlans, bridge);
		return;
	}
	settings = read_settings(node_at(node, BRIDGE "/multicast"));
	bridge->multicast_snooping = settings.snooping;
	bridge->multicast_querier = settings.querier;
	bridge->multicast_query_ifaddr = settings.has_address;
	bridge->multicast = multicast_intervals(settings.query_interval_s);
}

uint8_t bridge_multicast_router(const struct lyd_node *port)
{
	const char *text = node_text(port, PORT "/multicast/router", "auto");

	if (str_equal(text, "off"))
		return 0;
	return str_equal(text, "permanent") ? 2 : 1;
}

/* --- want: groups given by hand ----------------------------------------------------------------- */

static int read_group(const char *text, struct bridge_mdb *mdb)
{
	if (inet_pton(AF_INET, text, mdb->group) == 1)
		mdb->family = AF_INET;
	else if (inet_pton(AF_INET6, text, mdb->group) == 1)
		mdb->family = AF_INET6;
	else if (str_parse_mac(text, mdb->group) == 0)
		mdb->family = AF_PACKET;
	else
		return -EINVAL;
	return 0;
}

static int want_port(const struct lyd_node *entry, const struct bridge_mdb *of, const char *path,
	struct want *want, struct err *err)
{
	const char *port = node_text(entry, "port", "");
	const char *group = node_text(lyd_parent(entry), "group", "");
	_cleanup_free_ char *at =
		xasprintf("%s/multicast-filter[group='%s']/ports[port='%s']", path, group, port);
	char key[BRIDGE_MDB_KEY_MAX], vlan_key[BRIDGE_VLAN_KEY_MAX], name[KERNEL_NAME_MAX];
	struct bridge_mdb *mdb;
	int r = interface_copy_name(name, port, at, err);

	if (r < 0)
		return r;
	bridge_mdb_key(key, of->bridge, of->vid, name, of->family, of->group);
	if (want_find(want, &object_kind_bridge_mdb, key))
		return err_set(err, -EINVAL, at,
			"%s is there already, in another spelling: one group is one entry", group);
	mdb = want_object(want, &object_kind_bridge_mdb, key, want_path(want, at));
	memcpy(mdb->bridge, of->bridge, sizeof(mdb->bridge));
	memcpy(mdb->port, name, sizeof(mdb->port));
	memcpy(mdb->group, of->group, sizeof(mdb->group));
	mdb->vid = of->vid;
	mdb->family = of->family;
	mdb->is_permanent = !str_equal(node_text(entry, "state", "permanent"), "temporary");
	want_needs(mdb, &object_kind_link_up, of->bridge);
	want_needs(mdb, mdb->is_permanent ? &object_kind_link : &object_kind_link_up, name);
	bridge_vlan_key(vlan_key, name, of->vid);
	if (of->vid)
		want_needs(mdb, &object_kind_bridge_vlan, vlan_key);
	return 0;
}

static int want_filters(const struct lyd_node *filters, const char *bridge, uint16_t vid,
	const char *path, struct want *want, struct err *err)
{
	const struct lyd_node *filter, *port;
	int r = 0;

	NODE_FOREACH (filter, filters, "multicast-filter") {
		struct bridge_mdb of = { .vid = vid };
		const char *group = node_text(filter, "group", "");

		r = interface_copy_name(of.bridge, bridge, path, err);
		if (r == 0 && read_group(group, &of) < 0)
			r = err_set(err, -EINVAL, path, "\"%s\" is not a multicast group", group);
		NODE_FOREACH (port, filter, "ports") {
			if (r == 0)
				r = want_port(port, &of, path, want, err);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- want: settings of each VLAN ------------------------------------------------------------------ */

/*
 * The VLAN has settings as long as it has any member. Waited for is one that will be there: the bridge itself,
 * one that there is, or else the first.
 */
static const char *member_to_come(const struct lyd_node *vlan, const char *bridge)
{
	static const char *const lists[] = { "tagged", "untagged" };
	const struct lyd_node *item;
	const char *best = NULL;
	bool is_there = false;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		NODE_FOREACH (item, vlan, lists[i]) {
			const char *name = node_value(item);
			bool exists = have_get(have_all(), &object_kind_link, name) != NULL;

			if (str_equal(name, bridge))
				return name;
			if (!best || (exists && !is_there)) {
				best = name;
				is_there = exists;
			}
		}
	}
	return best;
}

static int want_vlan(
	const struct lyd_node *vlan, const char *bridge, struct want *want, struct err *err)
{
	static const char path[] = VLANS "/vlan/multicast";
	struct settings settings = read_settings(node_child(vlan, MULTICAST));
	uint16_t vid = (uint16_t)node_u64(vlan, "vid", 0);
	const char *member = member_to_come(vlan, bridge);
	char key[BRIDGE_VLAN_KEY_MAX], name[KERNEL_NAME_MAX];
	struct bridge_multicast *of;
	int r = member ? interface_copy_name(name, bridge, path, err) : 0;

	if (r < 0 || !member)
		return r;
	bridge_vlan_key(key, name, vid);
	of = want_object(want, &object_kind_bridge_multicast, key, path);
	memcpy(of->bridge, name, sizeof(of->bridge));
	of->vid = vid;
	of->snooping = settings.snooping;
	of->querier = settings.snooping && settings.querier;
	of->intervals = multicast_intervals(settings.query_interval_s);
	want_needs(of, &object_kind_link, name);
	r = interface_copy_name(name, member, path, err);
	bridge_vlan_key(key, name, vid);
	if (r == 0)
		want_needs(of, &object_kind_bridge_vlan, key);
	return r;
}

static int want_bridge(const struct lyd_node *node, struct want *want, struct err *err)
{
	const struct lyd_node *vlans = node_at(node, VLANS), *vlan;
	struct link_bridge bridge = { .vlan_filtering = vlans != NULL };
	int r = 0;

	if (!interface_is(node, "bridge"))
		return 0;
	if (!vlans)
		return want_filters(node_at(node, BRIDGE "/multicast-filters"),
			interface_name(node), 0, BRIDGE "/multicast-filters", want, err);
	fill_by_vlan(vlans, &bridge);
	NODE_FOREACH (vlan, vlans, "vlan") {
		if (r == 0 && bridge.multicast_by_vlan)
			r = want_vlan(vlan, interface_name(node), want, err);
	}
	return r;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	if (str_equal(unit->schema->name, "interface"))
		return want_bridge(unit->node, want, err);
	return want_filters(node_child(unit->node, FILTERS),
		interface_name(node_ancestor(unit->node, "interface")),
		(uint16_t)node_u64(unit->node, "vid", 0), "multicast-filters", want, err);
}

/* --- what of the VLANs concerns the bridge -------------------------------------------------------- */

static void multicast_affects(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	unit_set_add(set, node_ancestor(node, "interface"));
}

/* Who is in a VLAN, and which there are. */
static void members_affect(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	const struct lyd_node *bridge = node_ancestor(node, "interface");
	const struct link *link =
		(const struct link *)state_wanted(&object_kind_link, interface_name(bridge));

	if (link && link->kind == &link_kind_bridge && link->bridge.multicast_by_vlan)
		unit_set_add(set, bridge);
}

/* --- show --------------------------------------------------------------------------------------- */

/* A configured MAC address may be written in capitals. */
static const struct lyd_node *find_filter(const struct lyd_node *filters, const char *group)
{
	const struct lyd_node *filter;

	NODE_FOREACH (filter, filters, "multicast-filter") {
		if (!strcasecmp(node_text(filter, "group", ""), group))
			return filter;
	}
	return NULL;
}

static int show_group(const struct bridge_mdb *mdb, struct lyd_node *filters, struct err *err)
{
	char text[INET6_ADDRSTRLEN] = "";
	struct lyd_node *filter = NULL, *ports = NULL;
	bool is_new, is_new_port;
	int r;

	bridge_mdb_group_text(text, mdb->family, mdb->group);
	filter = (struct lyd_node *)(mdb->family == AF_PACKET
			? find_filter(filters, text)
			: node_entry(filters, "multicast-filter", text));
	is_new = !filter;
	r = filter ? 0 : build_entry(filters, "multicast-filter", text, &filter, err);
	if (r < 0)
		return r;
	is_new_port = !node_entry(filter, "ports", mdb->port);
	r = build_entry(filter, "ports", mdb->port, &ports, err);
	if (r == 0)
		r = build_leaf(ports, "state", mdb->is_permanent ? "permanent" : "temporary", err);
	if (r == 0 && is_new_port && !mdb->is_permanent)
		r = build_learned(ports, err);
	return r == 0 && is_new && !mdb->is_permanent ? build_learned(filter, err) : r;
}

static int show_routers(
	const char *bridge, uint16_t vid, struct lyd_node *node, const char *path, struct err *err)
{
	struct lyd_node *multicast = NULL;
	const char *port;
	size_t at = 0;
	int r = build_container(node, path, &multicast, err);

	while (r == 0 && (port = bridge_mdb_router(bridge, vid, &at)))
		r = build_item(multicast, "router-ports", port, err);
	return r;
}

static int show_multicast(const char *bridge, uint16_t vid, struct lyd_node *node, struct err *err)
{
	const struct bridge_mdb *items;
	size_t count = bridge_mdb_learned(bridge, vid, &items);
	struct lyd_node *filters = NULL;
	int r = show_routers(bridge, vid, node, "multicast", err);

	if (r == 0 && count)
		r = build_container(node, "multicast-filters", &filters, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = show_group(&items[i], filters, err);
	return r;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	bool is_vlan = !str_equal(unit->schema->name, "interface");
	const struct lyd_node *entry =
		is_vlan ? node_ancestor(unit->node ? unit->node : node, "interface") : node;
	const struct link *link =
		entry ? have_get(have, &object_kind_link, interface_name(entry)) : NULL;
	struct lyd_node *bridge = NULL;
	int r = 0;

	if (!link || link->kind != &link_kind_bridge || !link->bridge.multicast_snooping ||
		link->bridge.vlan_filtering != is_vlan || !interface_is_shown_as(entry, "bridge"))
		return 0;
	if (is_vlan)
		return show_multicast(
			link->object.key, (uint16_t)node_u64(node, "vid", 0), node, err);
	r = build_container(node, BRIDGE, &bridge, err);
	return r < 0 ? r : show_multicast(link->object.key, 0, bridge, err);
}

#define BRIDGE_PATH INTERFACE_PATH "/infix-interfaces:bridge"

const struct feature feature_bridge_multicast = {
	.name = "bridge-multicast",
	.roots =
		(const char *const[]){
			BRIDGE_PATH "/multicast",
			BRIDGE_PATH "/multicast-filters",
			INTERFACE_VLANS_PATH "/multicast",
			INTERFACE_VLANS_PATH "/multicast-filters",
			NULL,
		},
	.reads =
		(const struct feature_reads[]){
			{ INTERFACE_VLANS_PATH "/multicast", multicast_affects },
			{ INTERFACE_VLANS_PATH "/tagged", members_affect },
			{ INTERFACE_VLANS_PATH "/untagged", members_affect },
			{ NULL, NULL },
		},
	.want = want,
	.show = show,
	.refreshes = (const struct object_kind *const[]){ &object_kind_bridge_mdb, NULL },
	/* What hosts and routers say is not told. */
	.silent =
		(const char *const[]){
			BRIDGE_PATH "/multicast/router-ports",
			BRIDGE_PATH "/multicast-filters",
			INTERFACE_VLANS_PATH "/multicast/router-ports",
			INTERFACE_VLANS_PATH "/multicast-filters",
			NULL,
		},
};
