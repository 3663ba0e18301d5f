/*
 * The routing tables as they are (RFC 8349), and the interfaces that pass packets on.
 *
 * The tables are the kernel's: their routes are asked for when a read has come to them, and made one by one,
 * for there can be a million. Those who follow changes get the routes that are ours, of which the kernel
 * tells. When a route was made is known of these, too.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/clock.h"
#include "ashlar/str.h"

#include "interface.h"
#include "next-hop.h"

#define RIB_PATH "/ietf-routing:routing/ribs/rib"

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

/* 0: it is none of the kernel's tables. */
static int family_of_rib(const struct lyd_node *rib)
{
	const char *name = node_text(rib, "name", "");

	return str_equal(name, "ipv4") ? AF_INET : str_equal(name, "ipv6") ? AF_INET6 : 0;
}

/* --- one route --------------------------------------------------------------------------------- */

#define RTPROT_FRR_STATIC 196 /* what FRR gives the routes of its static daemon */

static const char *protocol_of(const struct route *route)
{
	bool is_ipv4 = route->family == AF_INET;

	switch (route->protocol) {
	case RTPROT_KERNEL:
		return "ietf-routing:direct";
	case KERNEL_PROTOCOL:
	case RTPROT_FRR_STATIC:
		return "infix-routing:static";
	case RTPROT_STATIC:
		return "ietf-routing:static";
	case RTPROT_OSPF:
		return is_ipv4 ? "infix-routing:ospfv2" : "ietf-ospf:ospfv3";
	case RTPROT_RIP:
		return is_ipv4 ? "infix-routing:ripv2" : "ietf-rip:ripng";
	default:
		return "infix-routing:kernel";
	}
}

static uint32_t preference_of(const struct route *route)
{
	return route->protocol == RTPROT_KERNEL ? 0 : route->metric;
}

static int show_gateway(const struct route *route, const struct route_hop *hop, const char *leaf,
	struct lyd_node *node, struct err *err)
{
	char text[INET6_ADDRSTRLEN], name[64];

	/* An IPv4 route's next hop that has an IPv6 address has no place in the model. */
	if (!hop->gateway_family || hop->gateway_family != route->family)
		return 0;
	inet_ntop(route->family, &hop->gateway, text, sizeof(text));
	snprintf(name, sizeof(name), "ietf-%s-unicast-routing:%s",
		route->family == AF_INET6 ? "ipv6" : "ipv4", leaf);
	return build_leaf(node, name, text, err);
}

static int show_several(const struct route *route, struct lyd_node *next_hop, struct err *err)
{
	const struct route_hop *hop;
	struct lyd_node *list, *node;
	int r = build_container(next_hop, "next-hop-list", &list, err);

	for (size_t i = 0; r == 0 && (hop = route_hop(route, i)); i++) {
		r = build_entry(list, "next-hop", NULL, &node, err);
		if (r == 0 && *hop->link)
			r = build_leaf(node, "outgoing-interface", hop->link, err);
		if (r == 0)
			r = show_gateway(route, hop, "address", node, err);
		if (r == 0 && !(hop->flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)))
			r = build_leaf(node, "infix-routing:installed", "", err);
		if (r == 0)
			r = build_u64(node, "ashlar-routing:weight", hop->weight, err);
	}
	return r;
}

static int show_next_hop(const struct route *route, struct lyd_node *node, struct err *err)
{
	static const char *const special[] = {
		[ROUTE_BLACKHOLE] = "blackhole",
		[ROUTE_UNREACHABLE] = "unreachable",
		[ROUTE_PROHIBIT] = "prohibit",
		[ROUTE_RECEIVE] = "receive",
	};
	struct lyd_node *to = NULL;
	int r = build_container(node, "next-hop", &to, err);

	if (r < 0)
		return r;
	if (route->type != ROUTE_UNICAST)
		return build_leaf(to, "special-next-hop", special[route->type], err);
	if (route->other_count)
		return show_several(route, to, err);
	if (*route->hop.link)
		r = build_leaf(to, "outgoing-interface", route->hop.link, err);
	return r < 0 ? r : show_gateway(route, &route->hop, "next-hop-address", to, err);
}

/* Of our own: when it was first seen; what is read from the kernel bears no time. */
static uint64_t seen_ms(const struct route *route)
{
	char key[ROUTE_KEY_MAX];
	const struct route *ours = route;

	if (!route->seen_ms && route->protocol == KERNEL_PROTOCOL) {
		route_key(key, route->family, route->table, &route->dst, route->prefix_length,
			route->metric, route->tos);
		ours = have_get(have_all(), &object_kind_route, key);
	}
	return ours ? ours->seen_ms : 0;
}

static int show_route(
	const struct route *route, bool is_active, struct lyd_node *node, struct err *err)
{
	char text[INET6_ADDRSTRLEN], when[CLOCK_TEXT_MAX];
	uint64_t seen = seen_ms(route);
	int r;

	inet_ntop(route->family, &route->dst, text, sizeof(text));
	r = build_leaff(node, err,
		route->family == AF_INET6 ? "ietf-ipv6-unicast-routing:destination-prefix"
					  : "ietf-ipv4-unicast-routing:destination-prefix",
		"%s/%u", text, route->prefix_length);
	if (r == 0)
		r = build_u64(node, "route-preference", preference_of(route), err);
	if (r == 0)
		r = show_next_hop(route, node, err);
	if (r == 0)
		r = build_leaf(node, "source-protocol", protocol_of(route), err);
	if (r == 0 && is_active)
		r = build_leaf(node, "active", "", err);
	if (r == 0 && seen) {
		clock_text_of_ms(when, seen);
		r = build_leaf(node, "last-updated", when, err);
	}
	return r;
}

/* --- all of them ------------------------------------------------------------------------------- */

/* What is read, and what of it is wanted: of a million routes most are not, and need not be made. */
struct supply {
	struct route_reader *reader;
	char *protocol, *link, *gateway; /* NULL: any */
	bool has_preference;
	uint64_t preference;
};

static void close_routes(void *arg)
{
	struct supply *supply = arg;

	if (!supply)
		return;
	route_reader_free(supply->reader);
	free(supply->protocol);
	free(supply->link);
	free(supply->gateway);
	free(supply);
}

DEFINE_CLEANUP(void *, close_routes)

static int read_select(int family, const struct feature_asked *asked, struct route_select *ret)
{
	const char *dst = asked->value(asked, "destination-prefix");
	union next_hop_addr addr = { 0 };

	*ret = (struct route_select){ .is_ours_only = asked->is_for_changes };
	if (!dst)
		return 0;
	ret->has_dst = true;
	if (next_hop_prefix(family, dst, &addr, &ret->prefix_length) < 0)
		return -EINVAL;
	memcpy(&ret->dst, &addr, sizeof(addr));
	return 0;
}

static int open_routes(const struct lyd_node *parent, const struct feature_asked *asked,
	void **ret_supply, struct err *err)
{
	const char *preference = asked->value(asked, "route-preference");
	int family = family_of_rib(lyd_parent(parent));
	_cleanup_(close_routesp) void *opened = NULL;
	struct route_select select;
	struct supply *supply;
	int r;

	if (!family || read_select(family, asked, &select) < 0)
		return 0; /* there can be none */
	opened = supply = XNEW(struct supply);
	supply->protocol = xstrdup(asked->value(asked, "source-protocol"));
	supply->link = xstrdup(asked->value(asked, "next-hop/outgoing-interface"));
	supply->gateway = xstrdup(asked->value(asked, "next-hop/next-hop-address"));
	supply->has_preference =
		preference && str_u64(preference, 0, UINT32_MAX, &supply->preference) == 0;
	r = route_reader_new((uint8_t)family, &select, &supply->reader, err);
	if (r == 0)
		*ret_supply = TAKE(opened);
	return r;
}

static bool has_gateway(const struct route *route, const char *address)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(route->family, &route->hop.gateway, text, sizeof(text));
	return route->hop.gateway_family == route->family && str_equal(text, address);
}

static bool is_wanted(const struct supply *supply, const struct route *route)
{
	bool has_hop = route->type == ROUTE_UNICAST && !route->other_count;

	return (!supply->protocol || str_equal(protocol_of(route), supply->protocol)) &&
		(!supply->has_preference || preference_of(route) == supply->preference) &&
		(!supply->link || (has_hop && str_equal(route->hop.link, supply->link))) &&
		(!supply->gateway || (has_hop && has_gateway(route, supply->gateway)));
}

static int skip_routes(void *arg, uint64_t count, uint64_t *ret_skipped, struct err *err)
{
	struct supply *supply = arg;
	const struct route *route;
	bool is_active;
	uint64_t skipped = 0;
	int r = 0;

	while (supply && skipped < count) {
		r = route_reader_next(supply->reader, &route, &is_active, err);
		if (r <= 0 || !route)
			break;
		skipped += is_wanted(supply, route);
	}
	*ret_skipped = skipped;
	return r;
}

static int next_route(
	void *arg, struct lyd_node *parent, struct lyd_node **ret_entry, struct err *err)
{
	struct supply *supply = arg;
	const struct route *route = NULL;
	bool is_active;
	int r = 0;

	/* However few are wanted: what the kernel has put together at a time ends it. */
	if (supply)
		do
			r = route_reader_next(supply->reader, &route, &is_active, err);
		while (r > 0 && route && !is_wanted(supply, route));
	if (r <= 0 || !route)
		return r;
	r = build_entry(parent, "route", NULL, ret_entry, err);
	if (r == 0)
		r = show_route(route, is_active, *ret_entry, err);
	return r < 0 ? r : 1;
}

/* --- show -------------------------------------------------------------------------------------- */

static int show_rib(struct lyd_node *rib, struct err *err)
{
	struct lyd_node *routes;
	int family = family_of_rib(rib), r;

	if (!family)
		return 0;
	r = build_leaf(rib, "address-family",
		family == AF_INET6 ? "ietf-ipv6-unicast-routing:ipv6-unicast"
				   : "ietf-ipv4-unicast-routing:ipv4-unicast",
		err);
	return r < 0 ? r : build_container(rib, "routes", &routes, err);
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
	return str_equal(unit->schema->name, "rib") ? show_rib(node, err) : 0;
}

static void shown_by(
	const struct object *object, void (*add)(void *arg, const char *key), void *arg)
{
	add(arg, ((const struct route *)object)->family == AF_INET ? "ipv4" : "ipv6");
}

const struct feature feature_rib = {
	.name = "rib",
	.state_roots =
		(const char *const[]){
			"/ietf-routing:routing/interfaces",
			RIB_PATH,
			NULL,
		},
	.units = units,
	.show = show,
	.supplies =
		(const struct feature_supply[]){
			{ RIB_PATH "/routes/route", open_routes, next_route, skip_routes,
				close_routes },
			{ NULL },
		},
	.shows =
		(const struct feature_shows[]){
			{ &object_kind_route, RIB_PATH, shown_by },
			{ &object_kind_link, "/ietf-routing:routing/interfaces", NULL },
			{ NULL, NULL, NULL },
		},
	.silent =
		(const char *const[]){
			RIB_PATH "/routes/route/last-updated",
			NULL,
		},
};
