/*
 * Neighbours of an interface (RFC 8344): MAC addresses of IP addresses that are configured, and those that ARP
 * and neighbour discovery have found out. The latter are read when somebody asks; nobody is told when they
 * change.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/str.h"

#include "interface.h"

static const struct {
	int family;
	const char *container, *path;
} families[] = {
	{ AF_INET, "ietf-ip:ipv4", "ietf-ip:ipv4/neighbor" },
	{ AF_INET6, "ietf-ip:ipv6", "ietf-ip:ipv6/neighbor" },
};

/* --- check and want ---------------------------------------------------------------------------- */

/* Of one host, in a network that is at hand. */
static bool is_host(int family, const struct in6_addr *addr)
{
	in_addr_t v4;

	if (family == AF_INET6)
		return !IN6_IS_ADDR_UNSPECIFIED(addr) && !IN6_IS_ADDR_MULTICAST(addr) &&
			!IN6_IS_ADDR_LOOPBACK(addr);
	memcpy(&v4, addr, sizeof(v4));
	v4 = ntohl(v4);
	return v4 >> 24 != 0 && v4 >> 24 != IN_LOOPBACKNET && !IN_MULTICAST(v4) &&
		!IN_EXPERIMENTAL(v4);
}

static int check_neighbour(const struct lyd_node *node, int family, struct err *err)
{
	const char *ip = node_text(node, "ip", "");
	_cleanup_free_ char *path = NULL;
	struct in6_addr addr;

	if (inet_pton(family, ip, &addr) == 1 && is_host(family, &addr))
		return 0;
	path = path_of(node);
	return err_set(err, -EINVAL, path, "%s is not the address of a neighbour", ip);
}

static int check(const struct unit *unit, struct err *err)
{
	bool has_frames = !interface_is(unit->node, "loopback") &&
		!interface_is(unit->node, "gre") && !interface_is(unit->node, "wireguard");
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
		const struct lyd_node *ip = node_child(unit->node, families[i].container), *node;

		NODE_FOREACH (node, ip, "neighbor") {
			if (!has_frames)
				return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED,
					families[i].path,
					"an interface of this type carries no frames: its "
					"neighbours have no MAC addresses");
			r = check_neighbour(node, families[i].family, err);
			if (r < 0)
				break;
		}
	}
	return r;
}

static int want_neighbour(const struct lyd_node *node, int family, const char *path,
	const struct link *link, struct want *want, struct err *err)
{
	const char *ip = node_text(node, "ip", ""),
		   *mac = node_text(node, "link-layer-address", "");
	char key[NEIGHBOUR_KEY_MAX];
	struct neighbour *neighbour;
	struct in6_addr addr = { 0 };

	if (inet_pton(family, ip, &addr) != 1)
		return err_set(err, -EINVAL, path, "\"%s\" is not an address", ip);
	neighbour_key(key, link->object.key, (uint8_t)family, &addr);
	neighbour = want_object(want, &object_kind_neighbour, key, path);
	snprintf(neighbour->link, sizeof(neighbour->link), "%s", link->object.key);
	neighbour->family = (uint8_t)family;
	neighbour->in6 = addr;
	if (str_parse_mac(mac, neighbour->mac) < 0)
		return err_set(err, -EINVAL, path, "\"%s\" is not a MAC address", mac);
	want_needs(neighbour, &object_kind_link_up, link->object.key);
	return 0;
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const struct link *link = interface_link(unit, want);
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
		const struct lyd_node *ip = node_child(unit->node, families[i].container), *node;

		if (!node_bool(ip, "enabled", true))
			continue;
		NODE_FOREACH (node, ip, "neighbor") {
			r = want_neighbour(
				node, families[i].family, families[i].path, link, want, err);
			if (r < 0)
				break;
		}
	}
	return r;
}

/* --- show -------------------------------------------------------------------------------------- */

static const char *state_of(uint16_t nud)
{
	switch (nud) {
	case NUD_INCOMPLETE:
		return "incomplete";
	case NUD_REACHABLE:
		return "reachable";
	case NUD_STALE:
		return "stale";
	case NUD_DELAY:
		return "delay";
	case NUD_PROBE:
		return "probe";
	default:
		return NULL; /* one that is configured is not probed */
	}
}

static int show_v6(const struct neighbour *neighbour, struct lyd_node *node, struct err *err)
{
	const char *state = state_of(neighbour->state);
	int r = 0;

	if (neighbour->is_router)
		r = build_leaf(node, "is-router", "", err);
	return r == 0 && state ? build_leaf(node, "state", state, err) : r;
}

static int show_neighbour(const struct neighbour *neighbour, struct lyd_node *ip, struct err *err)
{
	bool is_learned = state_of(neighbour->state) != NULL, is_configured;
	char text[INET6_ADDRSTRLEN], mac[sizeof("00:00:00:00:00:00")];
	struct lyd_node *node = NULL;
	int r;

	inet_ntop(neighbour->family, &neighbour->in6, text, sizeof(text));
	r = build_entry(ip, "neighbor", text, &node, err);
	if (r < 0)
		return r;
	is_configured = node_exists(node, "link-layer-address");
	if (!is_configured && neighbour->has_mac) {
		str_mac(mac, neighbour->mac);
		r = build_leaf(node, "link-layer-address", mac, err);
	}
	if (r == 0 && !is_configured && is_learned)
		r = build_learned(node, err);
	if (r == 0)
		r = build_leaf(node, "origin", is_learned ? "dynamic" : "static", err);
	return r == 0 && neighbour->family == AF_INET6 ? show_v6(neighbour, node, err) : r;
}

static int compare_neighbours(const void *a, const void *b)
{
	const struct neighbour *p = *(const struct neighbour *const *)a;
	const struct neighbour *q = *(const struct neighbour *const *)b;

	return memcmp(&p->in6, &q->in6, p->family == AF_INET6 ? 16 : 4);
}

/* Those of a family, in the order of their addresses, each once. */
static size_t find(
	const struct have *have, const char *link, int family, const struct neighbour ***ret_found)
{
	const struct neighbour *learned;
	void *const *all;
	size_t all_count = have_group(have, &object_kind_neighbour, link, &all),
	       learned_count = neighbour_learned(link, &learned), count = 0, kept = 0;
	const struct neighbour **found = xcalloc(all_count + learned_count + 1, sizeof(*found));

	for (size_t i = 0; i < all_count; i++) {
		if (((const struct neighbour *)all[i])->family == family)
			found[count++] = all[i];
	}
	for (size_t i = 0; i < learned_count; i++) {
		/* IPv4's model has no word for one that does not answer. */
		if (learned[i].family == family && (family == AF_INET6 || learned[i].has_mac))
			found[count++] = &learned[i];
	}
	qsort(found, count, sizeof(*found), compare_neighbours);
	for (size_t i = 0; i < count; i++) {
		if (!kept || compare_neighbours(&found[kept - 1], &found[i]))
			found[kept++] = found[i];
	}
	*ret_found = found;
	return kept;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
		_cleanup_free_ const struct neighbour **found = NULL;
		size_t count = find(have, interface_name(node), families[i].family, &found);
		struct lyd_node *ip = NULL;

		if (!count)
			continue;
		r = build_container(node, families[i].container, &ip, err);
		for (size_t k = 0; r == 0 && k < count; k++)
			r = show_neighbour(found[k], ip, err);
	}
	return r;
}

const struct feature feature_neighbour = {
	.name = "neighbour",
	.roots =
		(const char *const[]){
			INTERFACE_PATH "/ietf-ip:ipv4",
			INTERFACE_PATH "/ietf-ip:ipv6",
			NULL,
		},
	/* What is left are the neighbours, and whether there is IP at all. */
	.except =
		(const char *const[]){
			INTERFACE_PATH "/ietf-ip:ipv4/forwarding",
			INTERFACE_PATH "/ietf-ip:ipv4/mtu",
			INTERFACE_PATH "/ietf-ip:ipv4/address",
			INTERFACE_PATH "/ietf-ip:ipv4/infix-ip:autoconf",
			INTERFACE_PATH "/ietf-ip:ipv6/forwarding",
			INTERFACE_PATH "/ietf-ip:ipv6/mtu",
			INTERFACE_PATH "/ietf-ip:ipv6/address",
			INTERFACE_PATH "/ietf-ip:ipv6/dup-addr-detect-transmits",
			INTERFACE_PATH "/ietf-ip:ipv6/autoconf",
			INTERFACE_PATH
			"/ietf-ip:ipv6/ietf-ipv6-unicast-routing:ipv6-router-advertisements",
			NULL,
		},
	.check = check,
	.want = want,
	.show = show,
	.refreshes = (const struct object_kind *const[]){ &object_kind_neighbour, NULL },
	.silent =
		(const char *const[]){
			INTERFACE_PATH "/ietf-ip:ipv4/neighbor",
			INTERFACE_PATH "/ietf-ip:ipv6/neighbor",
			NULL,
		},
};
