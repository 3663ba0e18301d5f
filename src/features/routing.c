/*
 * Static routes (RFC 8349), one unit each, and the routing tables as they are.
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

#include "ashlar/clock.h"
#include "ashlar/str.h"

#include "interface.h"
#include "next-hop.h"

#define PROTOCOL_PATH	"/ietf-routing:routing/control-plane-protocols/control-plane-protocol"
#define V4_PATH		PROTOCOL_PATH "/static-routes/ietf-ipv4-unicast-routing:ipv4/route"
#define V6_PATH		PROTOCOL_PATH "/static-routes/ietf-ipv6-unicast-routing:ipv6/route"
#define TABLE		RT_TABLE_MAIN
#define PREFERENCE	"infix-routing:route-preference"
#define INTERFACE	"next-hop/outgoing-interface"
#define GATEWAY		"next-hop/next-hop-address"
#define SPECIAL		"next-hop/special-next-hop"
#define NEVER		255 /* a preference that is not installed */
#define PREFIX_TEXT_MAX (INET6_ADDRSTRLEN + 4)

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

static int check_route(const struct lyd_node *route, struct err *err)
{
	const char *special = node_text(route, SPECIAL, NULL),
		   *gateway = node_text(route, GATEWAY, NULL);
	struct in6_addr addr;

	if (str_equal(special, "receive"))
		return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, SPECIAL,
			"special next hop receive is not supported: blackhole, unreachable or prohibit");
	if (!special && !gateway && !node_exists(route, INTERFACE))
		return err_set(err, -EINVAL, "next-hop",
			"the route to %s has no next hop: an address, an interface or a special one",
			node_text(route, "destination-prefix", ""));
	if (gateway && inet_pton(family_of(route), gateway, &addr) != 1)
		return err_set(
			err, -EINVAL, GATEWAY, "\"%s\" is not an address without a zone", gateway);
	if (gateway && family_of(route) == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&addr) &&
		!node_exists(route, INTERFACE))
		return err_set(err, -EINVAL, INTERFACE,
			"next hop %s is link-local: it needs an outgoing interface", gateway);
	return 0;
}

static int check(const struct unit *unit, struct err *err)
{
	return is_route(unit->schema) ? check_route(unit->node, err) : check_protocol(unit, err);
}

/* --- want -------------------------------------------------------------------------------------- */

static int read_prefix(
	int family, const char *text, union next_hop_addr *ret_addr, uint8_t *ret_length)
{
	const char *slash = strchr(text, '/');
	char addr[PREFIX_TEXT_MAX];
	uint64_t length;

	if (!slash || (size_t)(slash - text) >= sizeof(addr) ||
		str_u64(slash + 1, 0, family == AF_INET6 ? 128 : 32, &length) < 0)
		return -EINVAL;
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	if (inet_pton(family, addr, ret_addr) != 1)
		return -EINVAL;
	next_hop_mask(family, ret_addr, (unsigned)length);
	*ret_length = (uint8_t)length;
	return 0;
}

static enum route_type read_type(const char *special)
{
	if (str_equal(special, "blackhole"))
		return ROUTE_BLACKHOLE;
	if (str_equal(special, "unreachable"))
		return ROUTE_UNREACHABLE;
	return str_equal(special, "prohibit") ? ROUTE_PROHIBIT : ROUTE_UNICAST;
}

/* Metric 0 is 1024 for the kernel's IPv6. */
static uint32_t read_metric(const struct lyd_node *node, int family)
{
	uint32_t preference = (uint32_t)node_u64(node, PREFERENCE, 1);

	return family == AF_INET6 && !preference ? 1 : preference;
}

static int want_next_hop(const struct lyd_node *node, struct route *route, struct err *err)
{
	const char *gateway = node_text(node, GATEWAY, NULL),
		   *link = node_text(node, INTERFACE, NULL);
	int r;

	if (gateway) {
		union next_hop_addr addr = { 0 };

		if (inet_pton(route->family, gateway, &addr) != 1)
			return err_set(err, -EINVAL, GATEWAY, "\"%s\" is not an address", gateway);
		route->has_gateway = true;
		route->gateway_family = route->family;
		memcpy(&route->gateway, &addr, sizeof(route->gateway));
		if (!link)
			link = next_hop_interface(node, route->family, &addr);
	}
	if (!link)
		return 0;
	r = interface_copy_name(route->link, link, INTERFACE, err);
	if (r == 0)
		want_needs(route, &object_kind_link_up, route->link);
	return r;
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
	if (read_prefix(family, node_text(node, "destination-prefix", ""), &dst, &length) < 0)
		return err_set(err, -EINVAL, "destination-prefix", "not a prefix");
	route_key(key, (uint8_t)family, TABLE, &dst, length, metric, 0);
	route = want_object(want, &object_kind_route, key, "next-hop");
	route->family = (uint8_t)family;
	route->prefix_length = length;
	route->table = TABLE;
	route->metric = metric;
	memcpy(&route->dst, &dst, sizeof(route->dst));
	route->type = read_type(node_text(node, SPECIAL, NULL));
	return route->type == ROUTE_UNICAST ? want_next_hop(node, route, err) : 0;
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

/* --- show -------------------------------------------------------------------------------------- */

static void units(const struct have *have, const struct lysc_node *unit_schema,
	void (*add)(void *arg, const char *key), void *arg)
{
	if (str_equal(unit_schema->name, "rib")) {
		add(arg, "ipv4");
		add(arg, "ipv6");
	} else if (str_equal(unit_schema->name, "interfaces")) {
		add(arg, NULL);
	}
}

static const char *protocol_of(const struct route *route)
{
	switch (route->protocol) {
	case RTPROT_KERNEL:
		return "ietf-routing:direct";
	case KERNEL_PROTOCOL:
		return "infix-routing:static";
	case RTPROT_STATIC:
		return "ietf-routing:static";
	default:
		return "infix-routing:kernel";
	}
}

static int show_next_hop(const struct route *route, struct lyd_node *node, struct err *err)
{
	static const char *const special[] = {
		[ROUTE_BLACKHOLE] = "blackhole",
		[ROUTE_UNREACHABLE] = "unreachable",
		[ROUTE_PROHIBIT] = "prohibit",
	};
	struct lyd_node *to = NULL;
	char text[INET6_ADDRSTRLEN];
	int r = build_container(node, "next-hop", &to, err);

	if (r < 0)
		return r;
	if (route->type != ROUTE_UNICAST)
		return build_leaf(to, "special-next-hop", special[route->type], err);
	if (*route->link)
		r = build_leaf(to, "outgoing-interface", route->link, err);
	if (r < 0 || !route->has_gateway || route->gateway_family != route->family)
		return r;
	inet_ntop(route->family, &route->gateway, text, sizeof(text));
	return build_leaf(to,
		route->family == AF_INET6 ? "ietf-ipv6-unicast-routing:next-hop-address"
					  : "ietf-ipv4-unicast-routing:next-hop-address",
		text, err);
}

static int show_route(const struct route *route, struct lyd_node *routes, struct err *err)
{
	char text[INET6_ADDRSTRLEN], when[CLOCK_TEXT_MAX];
	struct lyd_node *node = NULL;
	int r = build_entry(routes, "route", NULL, &node, err);

	if (r < 0)
		return r;
	inet_ntop(route->family, &route->dst, text, sizeof(text));
	r = build_leaff(node, err,
		route->family == AF_INET6 ? "ietf-ipv6-unicast-routing:destination-prefix"
					  : "ietf-ipv4-unicast-routing:destination-prefix",
		"%s/%u", text, route->prefix_length);
	if (r == 0)
		r = build_u64(node, "route-preference",
			route->protocol == RTPROT_KERNEL ? 0 : route->metric, err);
	if (r == 0)
		r = show_next_hop(route, node, err);
	if (r == 0)
		r = build_leaf(node, "source-protocol", protocol_of(route), err);
	if (r == 0 && !(route->flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)))
		r = build_leaf(node, "active", "", err);
	if (r == 0 && route->seen_ms) {
		clock_text_of_ms(when, route->seen_ms);
		r = build_leaf(node, "last-updated", when, err);
	}
	return r;
}

static int compare_routes(const void *a, const void *b)
{
	const struct route *p = *(const struct route *const *)a,
			   *q = *(const struct route *const *)b;
	int order = memcmp(&p->dst, &q->dst, p->family == AF_INET6 ? 16 : 4);

	if (!order)
		order = (int)p->prefix_length - (int)q->prefix_length;
	if (!order)
		order = p->metric < q->metric ? -1 : p->metric > q->metric;
	return order ? order : strcmp(p->object.key, q->object.key);
}

static int show_rib(const struct have *have, struct lyd_node *rib, int family, struct err *err)
{
	_cleanup_free_ const struct route **found = NULL;
	size_t count = 0, room = 0, at = 0;
	const struct route *route;
	struct lyd_node *routes = NULL;
	int r;

	while ((route = have_next(have, &object_kind_route, &at))) {
		if (route->family != family || route->table != TABLE || route->type == ROUTE_OTHER)
			continue;
		ARRAY_GROW(found, count, room);
		found[count++] = route;
	}
	if (count)
		qsort(found, count, sizeof(*found), compare_routes);
	r = build_leaf(rib, "address-family",
		family == AF_INET6 ? "ietf-ipv6-unicast-routing:ipv6-unicast"
				   : "ietf-ipv4-unicast-routing:ipv4-unicast",
		err);
	if (r == 0)
		r = build_container(rib, "routes", &routes, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = show_route(found[i], routes, err);
	return r;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The interfaces that pass packets on. */
static int show_interfaces(const struct have *have, struct lyd_node *node, struct err *err)
{
	_cleanup_free_ const char **names = NULL;
	size_t count = 0, room = 0, at = 0;
	const struct link *link;
	int r = 0;

	while ((link = have_next(have, &object_kind_link, &at))) {
		if ((!link->ipv4_forwarding && !link->ipv6_forwarding) ||
			(link->flags & IFF_LOOPBACK))
			continue;
		ARRAY_GROW(names, count, room);
		names[count++] = link->object.key;
	}
	if (count)
		qsort(names, count, sizeof(*names), compare_names);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = build_item(node, "interface", names[i], err);
	return r;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	if (str_equal(unit->schema->name, "interfaces"))
		return show_interfaces(have, node, err);
	if (!str_equal(unit->schema->name, "rib"))
		return 0;
	if (str_equal(node_text(node, "name", ""), "ipv4"))
		return show_rib(have, node, AF_INET, err);
	return str_equal(node_text(node, "name", ""), "ipv6") ? show_rib(have, node, AF_INET6, err)
							      : 0;
}

static void shown_by(
	const struct object *object, void (*add)(void *arg, const char *key), void *arg)
{
	add(arg, ((const struct route *)object)->family == AF_INET ? "ipv4" : "ipv6");
}

const struct feature feature_routing = {
	.name = "routing",
	.modules =
		(const struct feature_module[]){
			{ "ietf-routing", NULL },
			{ "ietf-ipv4-unicast-routing", NULL },
			{ "ietf-ipv6-unicast-routing", NULL },
			{ "infix-routing", NULL },
			{ NULL, NULL },
		},
	.roots =
		(const char *const[]){
			PROTOCOL_PATH "/description",
			V4_PATH,
			V6_PATH,
			NULL,
		},
	.state_roots =
		(const char *const[]){
			"/ietf-routing:routing/interfaces",
			"/ietf-routing:routing/ribs/rib",
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
	.units = units,
	.show = show,
	.shows =
		(const struct feature_shows[]){
			{ &object_kind_route, "/ietf-routing:routing/ribs/rib", shown_by },
			{ &object_kind_link, "/ietf-routing:routing/interfaces", NULL },
			{ NULL, NULL, NULL },
		},
	.silent =
		(const char *const[]){
			"/ietf-routing:routing/ribs/rib/routes/route/last-updated",
			NULL,
		},
};
