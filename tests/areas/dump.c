/* Wanted objects as text. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/containers.h"
#include "ashlar/hardware.h"
#include "ashlar/kernel.h"
#include "ashlar/str.h"
#include "ashlar/system.h"

#include "areas.h"

static void put(struct buf *out, const char *format, ...) PRINTF(2, 3);

static void put(struct buf *out, const char *format, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (buf_append_str(out, text) < 0)
		abort();
}

static void dump_bridge(struct buf *out, const struct link_bridge *bridge)
{
	put(out, " vlan_filtering=%d vlan_protocol=%04x group_fwd_mask=%04x",
		bridge->vlan_filtering, bridge->vlan_protocol, bridge->group_fwd_mask);
	put(out, " stp=%d stp_priority=%u hello=%u forward_delay=%u max_age=%u", bridge->stp,
		bridge->stp_priority, bridge->stp_hello_s, bridge->stp_forward_delay_s,
		bridge->stp_max_age_s);
	put(out, " snooping=%d querier=%d query_ifaddr=%d%s query_interval=%u",
		bridge->multicast_snooping, bridge->multicast_querier,
		bridge->multicast_query_ifaddr, bridge->multicast_by_vlan ? " by_vlan" : "",
		bridge->multicast.query);
}

static void dump_bond(struct buf *out, const struct link_bond *bond)
{
	put(out, " mode=%u hash=%u look=%u up_delay=%u down_delay=%u lacp=%s/%s priority=%u",
		bond->mode, bond->hash, bond->look_ms, bond->up_delay_ms, bond->down_delay_ms,
		bond->lacp_active ? "active" : "passive", bond->lacp_fast ? "fast" : "slow",
		bond->system_priority);
}

static void dump_tunnel(struct buf *out, const struct link_tunnel *tunnel)
{
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];

	inet_ntop(tunnel->family, &tunnel->local, local, sizeof(local));
	inet_ntop(tunnel->family, &tunnel->remote, remote, sizeof(remote));
	put(out, " local=%s remote=%s ttl=%u%s tos=%u%s pmtu=%d vni=%u port=%u", local, remote,
		tunnel->ttl, tunnel->inherits_ttl ? "/inherit" : "", tunnel->tos,
		tunnel->inherits_tos ? "/inherit" : "", tunnel->discovers_mtu, tunnel->vni,
		tunnel->port);
}

static void dump_vlan(struct buf *out, const struct link_vlan *vlan)
{
	put(out, " id=%u protocol=%04x lower=%s ingress=", vlan->id, vlan->protocol, vlan->lower);
	for (size_t i = 0; i < LINK_PRIORITIES; i++)
		put(out, "%u", vlan->ingress[i]);
	put(out, " egress=");
	for (size_t i = 0; i < LINK_PRIORITIES; i++)
		put(out, "%u", vlan->egress[i]);
}

static bool is_tunnel(const struct link_kind *kind)
{
	return kind == &link_kind_vxlan || kind == &link_kind_gre || kind == &link_kind_gretap ||
		kind == &link_kind_ip6gre || kind == &link_kind_ip6gretap;
}

static void dump_kind(struct buf *out, const struct link *link)
{
	put(out, " kind=%s", link->kind ? link_kind_name(link->kind) : "none");
	if (link->kind == &link_kind_bridge)
		dump_bridge(out, &link->bridge);
	else if (link->kind == &link_kind_bond)
		dump_bond(out, &link->bond);
	else if (link->kind == &link_kind_vlan)
		dump_vlan(out, &link->vlan);
	else if (link->kind == &link_kind_veth)
		put(out, " peer=%s", link->veth.peer);
	else if (is_tunnel(link->kind))
		dump_tunnel(out, &link->tunnel);
}

static void dump_port(struct buf *out, const struct link_port *port)
{
	put(out, " flood=%d/%d/%d fast_leave=%d router=%u", port->flood_broadcast,
		port->flood_unicast, port->flood_multicast, port->fast_leave,
		port->multicast_router);
	put(out, "%s%s%s", port->learning ? "" : " unlearning", port->isolated ? " isolated" : "",
		port->locked ? " locked" : "");
	put(out, " port_priority=%u port_cost=%u", port->priority, port->cost);
}

static void dump_link(struct buf *out, const struct link *link)
{
	char mac[18];

	if (link->set & (1U << LINK_KIND))
		dump_kind(out, link);
	if (link->set & (1U << LINK_ALIAS))
		put(out, " alias=\"%s\"", link_alias(link));
	if (link->set & (1U << LINK_MTU))
		put(out, " mtu=%u", link->mtu);
	if (link->set & (1U << LINK_MAC)) {
		str_mac(mac, link->mac);
		put(out, " mac=%s", mac);
	}
	if (link->set & (1U << LINK_MASTER))
		put(out, " master=%s", link->master);
	if (link->set & (1U << LINK_PORT))
		dump_port(out, &link->port);
	if (link->set & (1U << LINK_DOWN))
		put(out, " down");
	if (link->set & (1U << LINK_NETNS))
		put(out, " netns=%s as %s", link_netns(link), link_netns_name(link));
	for (size_t i = 0; i < LINK_ATTRS; i++) {
		if (link->set & (1U << i))
			put(out, "\n\t\tattribute of %s", link->paths[i]);
	}
}

static void dump_route(struct buf *out, const struct route *route)
{
	static const char *const types[] = { "unicast", "blackhole", "unreachable", "prohibit",
		"receive" };
	char text[INET6_ADDRSTRLEN];
	const struct route_hop *hop;

	inet_ntop(route->family, &route->dst, text, sizeof(text));
	put(out, " %s %s/%u table=%u metric=%u", types[route->type], text, route->prefix_length,
		route->table, route->metric);
	for (size_t i = 0; (hop = route_hop(route, i)); i++) {
		if (hop->gateway_family) {
			inet_ntop(hop->gateway_family, &hop->gateway, text, sizeof(text));
			put(out, " via=%s", text);
		}
		if (*hop->link)
			put(out, " link=%s", hop->link);
		if (route->other_count)
			put(out, " weight=%u;", hop->weight);
	}
	if (route->object.needs_any)
		put(out, "\n\t\tone of:");
}

static void dump_membership(struct buf *out, const struct bridge_vlan *vlan)
{
	put(out, "%s%s", vlan->is_untagged ? " untagged" : " tagged", vlan->is_pvid ? " pvid" : "");
	if (vlan->multicast_router != 1)
		put(out, " router=%u", vlan->multicast_router);
}

static void dump_multicast(struct buf *out, const struct bridge_multicast *of)
{
	put(out, " snooping=%d querier=%d query_interval=%u", of->snooping, of->querier,
		of->intervals.query);
}

static void dump_neighbour(struct buf *out, const struct neighbour *neighbour)
{
	char mac[sizeof("00:00:00:00:00:00")];

	str_mac(mac, neighbour->mac);
	put(out, " %s", mac);
}

static void dump_link_local(struct buf *out, const struct link_local *link_local)
{
	char text[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &link_local->requested, text, sizeof(text));
	put(out, " requested=%s", text);
}

static void dump_lists(struct buf *out, const struct container *container)
{
	for (size_t i = 0; i < container->env_count; i++)
		put(out, "\n\t\tenv %s=%s", container->env[i].key, container->env[i].value);
	for (size_t i = 0; i < container->volume_count; i++)
		put(out, "\n\t\tvolume %s at %s", container->volumes[i].name,
			container->volumes[i].target);
	for (size_t i = 0; i < container->mount_count; i++) {
		const struct container_mount *mount = &container->mounts[i];

		put(out, "\n\t\tmount %s kind=%d %s at %s mode=%o%s", mount->name, (int)mount->kind,
			mount->source ? mount->source : "", mount->target, mount->mode,
			mount->is_read_only ? " ro" : "");
		if (mount->content)
			put(out, " \"%.*s\"", (int)mount->content_size,
				(const char *)mount->content);
	}
	for (size_t i = 0; i < container->dns_count; i++)
		put(out, "\n\t\tdns %s", container->dns[i]);
	for (size_t i = 0; i < container->search_count; i++)
		put(out, "\n\t\tsearch %s", container->search[i]);
	for (size_t i = 0; i < container->interface_count; i++)
		put(out, "\n\t\tinterface %s", container->interfaces[i]);
}

static void dump_container(struct buf *out, const struct container *container)
{
	put(out, " %s%s%s restart=%d", container->is_enabled ? "enabled" : "disabled",
		container->is_manual ? " manual" : "",
		container->is_privileged ? " privileged" : "", (int)container->restart);
	put(out, container->netns ? " own-network" : " host-network");
	if (container->hostname)
		put(out, " hostname=%s", container->hostname);
	if (container->command)
		put(out, " command=\"%s\"", container->command);
	put(out, " capabilities=+%llx-%llx memory=%llu cpu=%u",
		(unsigned long long)container->cap_add, (unsigned long long)container->cap_drop,
		(unsigned long long)container->memory_bytes, container->cpu_millicores);
	dump_lists(out, container);
}

static void dump_key(struct buf *out, const char *name, const uint8_t *key)
{
	put(out, " %s=%02x%02x..%02x", name, key[0], key[1], key[WIREGUARD_KEY - 1]);
}

static void dump_peer(struct buf *out, const struct wireguard_peer *peer)
{
	char text[INET6_ADDRSTRLEN];

	put(out, "\n\t\tpeer");
	dump_key(out, "key", peer->public_key);
	dump_key(out, "psk", peer->preshared_key);
	if (peer->endpoint_family) {
		inet_ntop(peer->endpoint_family, &peer->endpoint, text, sizeof(text));
		put(out, " endpoint=%s/%u", text, peer->endpoint_port);
	}
	put(out, " keepalive=%u", peer->keepalive_s);
	for (size_t i = 0; i < peer->ip_count; i++) {
		inet_ntop(peer->ips[i].family, &peer->ips[i].addr, text, sizeof(text));
		put(out, " %s/%u", text, peer->ips[i].prefix_length);
	}
}

static void dump_wireguard(struct buf *out, const struct wireguard *wireguard)
{
	dump_key(out, "key", wireguard->private_key);
	put(out, " port=%u", wireguard->port);
	for (size_t i = 0; i < wireguard->peer_count; i++)
		dump_peer(out, &wireguard->peers[i]);
}

static void dump_ethernet(struct buf *out, const struct ethernet *port)
{
	if (port->set & (1U << ETHERNET_MODE)) {
		put(out, " autoneg=%u speed=%u duplex=%u offered=%s", port->autoneg,
			port->speed_mbps, port->duplex, port->names_media ? "named" : "");
		for (size_t i = ARRAY_SIZE(port->offered.words); i > 0; i--)
			put(out, "%s%x", i == ARRAY_SIZE(port->offered.words) ? "" : ".",
				port->offered.words[i - 1]);
	}
	if (port->set & (1U << ETHERNET_MDIX))
		put(out, " mdix=%u", port->mdix);
	if (port->set & (1U << ETHERNET_PAUSE))
		put(out, " pause=%d/%d", port->pause_rx, port->pause_tx);
	for (size_t i = 0; i < ETHERNET_ATTRS; i++) {
		if (port->set & (1U << i))
			put(out, "\n\t\tgroup of %s", port->paths[i]);
	}
}

/* Line by line. */
static void dump_text(struct buf *out, const char *text)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n")))
		if (*line)
			put(out, "\n\t\t| %s", line);
}

static void dump_values(struct buf *out, const struct object *object)
{
	const struct image *image = (const void *)object;

	if (object->kind == &object_kind_link)
		dump_link(out, (const void *)object);
	else if (object->kind == &object_kind_route)
		dump_route(out, (const void *)object);
	else if (object->kind == &object_kind_bridge_vlan)
		dump_membership(out, (const void *)object);
	else if (object->kind == &object_kind_wireguard)
		dump_wireguard(out, (const void *)object);
	else if (object->kind == &object_kind_ethernet)
		dump_ethernet(out, (const void *)object);
	else if (object->kind == &object_kind_bridge_multicast)
		dump_multicast(out, (const void *)object);
	else if (object->kind == &object_kind_bridge_mdb)
		put(out, " %s",
			((const struct bridge_mdb *)object)->is_permanent ? "permanent"
									  : "temporary");
	else if (object->kind == &object_kind_neighbour)
		dump_neighbour(out, (const void *)object);
	else if (object->kind == &object_kind_link_local)
		dump_link_local(out, (const void *)object);
	else if (object->kind == &object_kind_sysctl)
		put(out, " value=%u", ((const struct sysctl *)(const void *)object)->value);
	else if (object->kind == &object_kind_container)
		dump_container(out, (const void *)object);
	else if (object->kind == &object_kind_image)
		put(out, " %s checksum=%d %s", image->reference, (int)image->checksum_kind,
			image->checksum ? image->checksum : "");
	else if (object->kind == &object_kind_usb_bus)
		put(out, " locked=%d", ((const struct usb_bus *)(const void *)object)->is_locked);
	else if (object->kind == &object_kind_hostname)
		put(out, " name=%s", ((const struct hostname *)(const void *)object)->name);
	else if (object->kind == &object_kind_genfile)
		dump_text(out, ((const struct genfile *)(const void *)object)->text);
	else if (object->kind == &object_kind_service)
		dump_text(out, ((const struct service *)(const void *)object)->stanza);
}

static char *dump_object(const struct object *object)
{
	struct buf out = { 0 };

	put(&out, "\t%s %s", object->kind->name, object->key);
	dump_values(&out, object);
	for (size_t k = 0; k < object->needs_count; k++)
		put(&out, "\n\t\tneeds %s %s", object->needs[k].kind->name, object->needs[k].key);
	if (*object->path)
		put(&out, "\n\t\tfrom %s", object->path);
	put(&out, "\n");
	return buf_take(&out);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *dump_want(const struct want *want)
{
	_cleanup_free_ char **texts = xcalloc(want_count(want) + 1, sizeof(*texts));
	struct buf out = { 0 };

	for (size_t i = 0; i < want_count(want); i++)
		texts[i] = dump_object(want_at(want, i));
	qsort(texts, want_count(want), sizeof(*texts), compare_texts);
	put(&out, "%s\n", want_unit_path(want));
	for (size_t i = 0; i < want_count(want); i++) {
		put(&out, "%s", texts[i]);
		free(texts[i]);
	}
	return buf_take(&out);
}
