/*
 * Two sorted arrays a family: configured prefixes by (length, network), and routes with a gateway but no
 * interface by gateway. A look-up is a binary search (one for each prefix length in use); making them
 * walks all addresses or all static routes once.
 *
 * They are told of changes by the features that read those nodes, before the change of a removed one; that
 * edits were undone is told by ds_undone(). Until then the nodes they hold live.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ashlar/datastore.h"
#include "ashlar/str.h"

#include "next-hop.h"

#define PREFIX_TEXT_MAX (INET6_ADDRSTRLEN + 4)

struct prefix {
	union next_hop_addr network;
	unsigned length;
	const char *interface;
};

struct gateway {
	union next_hop_addr addr;
	const struct lyd_node *route;
};

struct index {
	const struct lyd_node *top; /* of the tree it was made from; NULL: not made */
	void *items;
	size_t count, room;
	uint64_t undone;   /* ds_undone() when it was made */
	bool lengths[129]; /* prefixes: in use */
};

enum { V4, V6, FAMILIES };

static struct index prefixes[FAMILIES], gateways[FAMILIES];

static int slot_of(int family)
{
	return family == AF_INET6 ? V6 : V4;
}

static size_t size_of(int slot)
{
	return slot == V6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
}

static void forget(struct index *index)
{
	for (int slot = 0; slot < FAMILIES; slot++) {
		free(index[slot].items);
		memset(&index[slot], 0, sizeof(index[slot]));
	}
}

static void begin(struct index *index, const struct lyd_node *top)
{
	forget(index);
	for (int slot = 0; slot < FAMILIES; slot++) {
		index[slot].top = top;
		index[slot].undone = ds_undone();
	}
}

static bool is_fresh(const struct index *index, const struct lyd_node *top)
{
	return index->top == top && index->undone == ds_undone();
}

void next_hop_addresses_changed(void)
{
	forget(prefixes);
}

void next_hop_routes_changed(void)
{
	forget(gateways);
}

void next_hop_mask(int family, union next_hop_addr *addr, unsigned length)
{
	uint8_t *bytes = (uint8_t *)addr;
	size_t size = size_of(slot_of(family));

	for (size_t i = 0; i < size; i++) {
		unsigned keep = length > i * 8 ? length - (unsigned)i * 8 : 0;

		if (keep < 8)
			bytes[i] &= (uint8_t)(0xff00 >> keep);
	}
}

int next_hop_prefix(
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

const struct lyd_node *next_hop_top(
	const struct lyd_node *node, const char *module, const char *name)
{
	while (lyd_parent(node))
		node = lyd_parent(node);
	for (node = lyd_first_sibling(node); node; node = node->next) {
		if (node->schema && str_equal(node->schema->name, name) &&
			str_equal(node->schema->module->name, module))
			return node;
	}
	return NULL;
}

/* --- prefixes ---------------------------------------------------------------------------------- */

static int compare_prefixes(const void *a, const void *b)
{
	const struct prefix *p = a, *q = b;

	if (p->length != q->length)
		return p->length < q->length ? -1 : 1;
	return memcmp(&p->network, &q->network, sizeof(p->network));
}

static void add_prefixes(struct index *index, int family, const struct lyd_node *interface)
{
	const struct lyd_node *ip = node_child(interface,
				      family == AF_INET6 ? "ietf-ip:ipv6" : "ietf-ip:ipv4"),
			      *address;
	struct prefix prefix = { .interface = node_text(interface, "name", "") };

	if (!ip || !node_bool(ip, "enabled", true))
		return;
	NODE_FOREACH (address, ip, "address") {
		struct prefix *items = index->items;

		if (inet_pton(family, node_text(address, "ip", ""), &prefix.network) != 1)
			continue;
		prefix.length = (unsigned)node_u64(address, "prefix-length", 0);
		next_hop_mask(family, &prefix.network, prefix.length);
		ARRAY_GROW(items, index->count, index->room);
		items[index->count++] = prefix;
		index->items = items;
		index->lengths[prefix.length] = true;
	}
}

static void make_prefixes(const struct lyd_node *interfaces)
{
	const struct lyd_node *interface;

	begin(prefixes, interfaces);
	NODE_FOREACH (interface, interfaces, "interface") {
		add_prefixes(&prefixes[V4], AF_INET, interface);
		add_prefixes(&prefixes[V6], AF_INET6, interface);
	}
	for (int slot = 0; slot < FAMILIES; slot++) {
		if (prefixes[slot].count)
			qsort(prefixes[slot].items, prefixes[slot].count, sizeof(struct prefix),
				compare_prefixes);
	}
}

/* The longest prefix that holds the gateway. */
static const struct prefix *find_prefix(
	const struct index *index, int family, const union next_hop_addr *gateway)
{
	for (unsigned length = family == AF_INET6 ? 128 : 32; index->count && length > 0;
		length--) {
		struct prefix key = { .length = length }, *found;

		if (!index->lengths[length])
			continue;
		memcpy(&key.network, gateway, size_of(slot_of(family)));
		next_hop_mask(family, &key.network, length);
		found = bsearch(&key, index->items, index->count, sizeof(key), compare_prefixes);
		if (!found)
			continue;
		while (found > (struct prefix *)index->items && !compare_prefixes(found - 1, &key))
			found--;
		return found;
	}
	return NULL;
}

const char *next_hop_interface(
	const struct lyd_node *node, int family, const union next_hop_addr *gateway)
{
	const struct lyd_node *interfaces = next_hop_top(node, "ietf-interfaces", "interfaces");
	const struct index *index = &prefixes[slot_of(family)];
	const struct prefix *prefix;

	if (!interfaces)
		return NULL;
	if (!is_fresh(index, interfaces))
		make_prefixes(interfaces);
	prefix = find_prefix(index, family, gateway);
	return prefix ? prefix->interface : NULL;
}

/* --- gateways ---------------------------------------------------------------------------------- */

static int compare_gateways(const void *a, const void *b)
{
	return memcmp(&((const struct gateway *)a)->addr, &((const struct gateway *)b)->addr,
		sizeof(union next_hop_addr));
}

/* @next_hop holds next-hop-address and outgoing-interface; NULL: there is none. */
static void add_gateway(struct index *index, int family, const struct lyd_node *route,
	const struct lyd_node *next_hop)
{
	struct gateway gateway = { .route = route }, *items = index->items;

	if (node_exists(next_hop, "outgoing-interface") ||
		inet_pton(family, node_text(next_hop, "next-hop-address", ""), &gateway.addr) != 1)
		return;
	ARRAY_GROW(items, index->count, index->room);
	items[index->count++] = gateway;
	index->items = items;
}

static void add_gateways(struct index *index, int family, const struct lyd_node *routes)
{
	const struct lyd_node *route;

	NODE_FOREACH (route, routes, "route") {
		const struct lyd_node *next_hop = node_child(route, "next-hop"), *one;

		add_gateway(index, family, route, next_hop);
		NODE_FOREACH (one, node_child(next_hop, "ashlar-routing:next-hop-list"), "next-hop")
			add_gateway(index, family, route, one);
	}
}

static void make_gateways(const struct lyd_node *routing)
{
	const struct lyd_node *protocols = node_child(routing, "control-plane-protocols"),
			      *protocol;

	begin(gateways, routing);
	NODE_FOREACH (protocol, protocols, "control-plane-protocol") {
		add_gateways(&gateways[V4], AF_INET,
			node_at(protocol, "static-routes/ietf-ipv4-unicast-routing:ipv4"));
		add_gateways(&gateways[V6], AF_INET6,
			node_at(protocol, "static-routes/ietf-ipv6-unicast-routing:ipv6"));
	}
	for (int slot = 0; slot < FAMILIES; slot++) {
		if (gateways[slot].count)
			qsort(gateways[slot].items, gateways[slot].count, sizeof(struct gateway),
				compare_gateways);
	}
}

static bool holds(int family, const union next_hop_addr *prefix, unsigned length,
	const union next_hop_addr *addr)
{
	union next_hop_addr masked = *addr;

	next_hop_mask(family, &masked, length);
	return !memcmp(&masked, prefix, size_of(slot_of(family)));
}

void next_hop_add_routes(const struct lyd_node *node, int family, const union next_hop_addr *prefix,
	unsigned length, struct unit_set *set)
{
	const struct lyd_node *routing = next_hop_top(node, "ietf-routing", "routing");
	const struct index *index = &gateways[slot_of(family)];
	const struct gateway *items;
	size_t low = 0, high;

	if (!routing)
		return;
	if (!is_fresh(index, routing))
		make_gateways(routing);
	items = index->items;
	high = index->count;
	while (low < high) { /* the first that is not below the network's first address */
		size_t middle = (low + high) / 2;

		if (memcmp(&items[middle].addr, prefix, size_of(slot_of(family))) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < index->count && holds(family, prefix, length, &items[low].addr); low++)
		unit_set_add(set, items[low].route);
}
