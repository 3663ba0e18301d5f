/*
 * Static routes (RFC 8349), one unit each; of several next hops, as ashlar-routing has them, those are in use
 * whose links are up.
 *
 * A route's preference is its metric in the kernel, so that of several ways to one destination the lowest
 * preference wins there too; 255 means never. A gateway without an interface is looked for among the
 * configured prefixes: the route then names that interface and waits for it to be up. A gateway that no
 * configured prefix holds is left to the kernel to judge.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "ashlar/str.h"

#include "interface.h"
#include "next-hop.h"

#define PROTOCOL_PATH "/ietf-routing:routing/control-plane-protocols/control-plane-protocol"
#define V4_PATH	      PROTOCOL_PATH "/static-routes/ietf-ipv4-unicast-routing:ipv4/route"
#define V6_PATH	      PROTOCOL_PATH "/static-routes/ietf-ipv6-unicast-routing:ipv6/route"
#define TABLE	      RT_TABLE_MAIN
#define PREFERENCE    "infix-routing:route-preference"
#define INTERFACE     "next-hop/outgoing-interface"
#define GATEWAY	      "next-hop/next-hop-address"
#define SPECIAL	      "next-hop/special-next-hop"
#define LIST	      "next-hop/ashlar-routing:next-hop-list"
#define RECEIVER      "lo" /* takes in what is received */
#define NEVER	      255  /* a preference that is not installed */

/* --- check ------------------------------------------------------------------------------------- */

static bool is_route(const struct lysc_node *schema)
{
	return str_equal(schema->name, "route");
}

static int family_of(const struct lyd_node *route)
{
	return str_equal(route->schema->module->name, "ietf-ipv6-unicast-routing") ? AF_INET6
										   : AF_INET;
}

static int check_protocol(const struct unit *unit, struct err *err)
{
	const char *type = node_identity(unit->node, "type");

	if (str_equal(type, "static"))
		return 0;
	return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, "type",
		"routing protocol %s is not supported by this device, only static",
		type ? type : "");
}

/* @node, which stands at @path of the route, holds next-hop-address and outgoing-interface. */
static int check_hop(const struct lyd_node *route, const struct lyd_node *node, const char *path,
	struct err *err)
{
	const char *gateway = node_text(node, "next-hop-address", NULL);
	_cleanup_free_ char *at_gateway = xasprintf("%s/next-hop-address", path),
			    *at_link = xasprintf("%s/outgoing-interface", path);
	struct in6_addr addr;

	if (gateway && inet_pton(family_of(route), gateway, &addr) != 1)
		return err_set(err, -EINVAL, at_gateway, "\"%s\" is not an address without a zone",
			gateway);
	if (gateway && family_of(route) == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&addr) &&
		!node_exists(node, "outgoing-interface"))
		return err_set(err, -EINVAL, at_link,
			"next hop %s is link-local: it needs an outgoing interface", gateway);
	return 0;
}

static bool same_hop(const struct lyd_node *a, const struct lyd_node *b)
{
	return str_equal(node_text(a, "next-hop-address", NULL),
		       node_text(b, "next-hop-address", NULL)) &&
		str_equal(node_text(a, "outgoing-interface", NULL),
			node_text(b, "outgoing-interface", NULL));
}

/* The kernel has no IPv6 route with several next hops of which one is only an interface, and none twice. */
static int check_list(const struct lyd_node *route, const struct lyd_node *list, struct err *err)
{
	const struct lyd_node *hop, *other;
	bool is_several = false;

	NODE_FOREACH (hop, list, "next-hop") {
		_cleanup_free_ char *path =
			xasprintf(LIST "/next-hop[index='%s']", node_text(hop, "index", ""));
		int r = check_hop(route, hop, path, err);

		if (r < 0)
			return r;
		NODE_FOREACH (other, list, "next-hop") {
			is_several |= other != hop;
			if (other != hop && same_hop(hop, other))
				return err_set(err, -EINVAL, path,
					"next hops \"%s\" and \"%s\" are the same",
					node_text(hop, "index", ""), node_text(other, "index", ""));
		}
		if (is_several && family_of(route) == AF_INET6 &&
			!node_exists(hop, "next-hop-address"))
			return err_set(err, -EINVAL, path,
				"next hop \"%s\" of several of an IPv6 route needs an address",
				node_text(hop, "index", ""));
	}
	return 0;
}

static int check_route(const struct lyd_node *route, struct err *err)
{
	const struct lyd_node *next_hop = node_child(route, "next-hop"),
			      *list = node_at(route, LIST);

	if (list)
		return check_list(route, list, err);
	if (node_exists(route, SPECIAL))
		return 0;
	if (!node_exists(route, GATEWAY) && !node_exists(route, INTERFACE))
		return err_set(err, -EINVAL, "next-hop",
			"the route to %s has no next hop: an address, an interface or a special one",
			node_text(route, "destination-prefix", ""));
	return check_hop(route, next_hop, "next-hop", err);
}

static int check(const struct unit *unit, struct err *err)
{
	return is_route(unit->schema) ? check_route(unit->node, err) : check_protocol(unit, err);
}

/* --- want -------------------------------------------------------------------------------------- */

static enum route_type read_type(const char *special)
{
	if (str_equal(special, "blackhole"))
		return ROUTE_BLACKHOLE;
	if (str_equal(special, "unreachable"))
		return ROUTE_UNREACHABLE;
	if (str_equal(special, "receive"))
		return ROUTE_RECEIVE;
	return str_equal(special, "prohibit") ? ROUTE_PROHIBIT : ROUTE_UNICAST;
}

/* Metric 0 is 1024 for the kernel's IPv6. */
static uint32_t read_metric(const struct lyd_node *node, int family)
{
	uint32_t preference = (uint32_t)node_u64(node, PREFERENCE, 1);

	return family == AF_INET6 && !preference ? 1 : preference;
}

/* @node holds next-hop-address and outgoing-interface. */
static int want_hop(
	const struct lyd_node *node, struct route *route, struct route_hop *hop, struct err *err)
{
	const char *gateway = node_text(node, "next-hop-address", NULL),
		   *link = node_text(node, "outgoing-interface", NULL);
	int r;

	hop->weight = (uint16_t)node_u64(node, "weight", 1);
	if (gateway) {
		union next_hop_addr addr = { 0 };

		if (inet_pton(route->family, gateway, &addr) != 1)
			return err_set(err, -EINVAL, GATEWAY, "\"%s\" is not an address", gateway);
		hop->gateway_family = route->family;
		memcpy(&hop->gateway, &addr, sizeof(hop->gateway));
		if (!link)
			link = next_hop_interface(node, route->family, &addr);
	}
	if (!link)
		return 0;
	r = interface_copy_name(hop->link, link, INTERFACE, err);
	if (r == 0)
		want_needs(route, &object_kind_link_up, hop->link);
	return r;
}

static int want_list(const struct lyd_node *list, struct route *route, struct err *err)
{
	const struct lyd_node *node;
	bool is_first = true;

	want_needs_any(route);
	NODE_FOREACH (node, list, "next-hop") {
		int r = want_hop(node, route, is_first ? &route->hop : route_add_hop(route), err);

		if (r < 0)
			return r;
		is_first = false;
	}
	return 0;
}

static int want_next_hops(const struct lyd_node *node, struct route *route, struct err *err)
{
	const struct lyd_node *list = node_at(node, LIST);

	route->type = read_type(node_text(node, SPECIAL, NULL));
	if (list)
		return want_list(list, route, err);
	if (route->type == ROUTE_UNICAST)
		return want_hop(node_child(node, "next-hop"), route, &route->hop, err);
	if (route->type != ROUTE_RECEIVE)
		return 0;
	want_needs(route, &object_kind_link_up, RECEIVER);
	return interface_copy_name(route->hop.link, RECEIVER, SPECIAL, err);
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const struct lyd_node *node = unit->node;
	union next_hop_addr dst = { 0 };
	char key[ROUTE_KEY_MAX];
	struct route *route;
	uint32_t metric;
	uint8_t length;
	int family;

	if (!is_route(unit->schema))
		return 0;
	family = family_of(node);
	metric = read_metric(node, family);
	if (metric == NEVER)
		return 0;
	if (next_hop_prefix(family, node_text(node, "destination-prefix", ""), &dst, &length) < 0)
		return err_set(err, -EINVAL, "destination-prefix", "not a prefix");
	route_key(key, (uint8_t)family, TABLE, &dst, length, metric, 0);
	route = want_object(want, &object_kind_route, key, "next-hop");
	route->family = (uint8_t)family;
	route->prefix_length = length;
	route->table = TABLE;
	route->metric = metric;
	memcpy(&route->dst, &dst, sizeof(route->dst));
	return want_next_hops(node, route, err);
}

/* --- what changes a route from outside ----------------------------------------------------------- */

static void route_affects(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	next_hop_routes_changed();
}

static void add_routes_of(
	const struct lyd_node *address, const char *length_text, struct unit_set *set)
{
	int family = str_equal(lyd_parent(address)->schema->name, "ipv6") ? AF_INET6 : AF_INET;
	union next_hop_addr prefix = { 0 };
	uint64_t length;

	if (inet_pton(family, node_text(address, "ip", ""), &prefix) != 1 ||
		str_u64(length_text, 0, 128, &length) < 0)
		return;
	next_hop_mask(family, &prefix, (unsigned)length);
	next_hop_add_routes(address, family, &prefix, (unsigned)length, set);
}

static void address_affects(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	next_hop_addresses_changed();
	if (!str_equal(node->schema->name, "prefix-length"))
		return;
	add_routes_of(lyd_parent(node), node_value(node), set);
	if (old && !str_equal(old, node_value(node)))
		add_routes_of(lyd_parent(node), old, set);
}

/* ipv4/enabled or ipv6/enabled: all addresses come or go. */
static void enabled_affects(const struct lyd_node *node, const char *old, struct unit_set *set)
{
	const struct lyd_node *address;

	next_hop_addresses_changed();
	if (!old || str_equal(old, node_value(node)))
		return; /* comes and goes with its addresses */
	NODE_FOREACH (address, lyd_parent(node), "address")
		add_routes_of(address, node_text(address, "prefix-length", ""), set);
}

const struct feature feature_routing = {
	.name = "routing",
	.modules =
		(const struct feature_module[]){
			{ "ietf-routing", NULL },
			{ "ietf-ipv4-unicast-routing", NULL },
			{ "ietf-ipv6-unicast-routing", NULL },
			{ "infix-routing", NULL },
			{ "ashlar-routing", NULL },
			{ NULL, NULL },
		},
	.roots =
		(const char *const[]){
			PROTOCOL_PATH "/description",
			V4_PATH,
			V6_PATH,
			NULL,
		},
	.reads =
		(const struct feature_reads[]){
			{ V4_PATH, route_affects },
			{ V6_PATH, route_affects },
			{ INTERFACE_PATH "/ietf-ip:ipv4/address", address_affects },
			{ INTERFACE_PATH "/ietf-ip:ipv6/address", address_affects },
			{ INTERFACE_PATH "/ietf-ip:ipv4/enabled", enabled_affects },
			{ INTERFACE_PATH "/ietf-ip:ipv6/enabled", enabled_affects },
			{ NULL, NULL },
		},
	.check = check,
	.want = want,
};
